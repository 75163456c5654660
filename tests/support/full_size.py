"""Lessons run on models as large as the real ones, fetched from a hub on this machine, in 2 GB of memory.

Of each lesson what has to do with such a model; the rest is the same as in the run against its stored outputs.
Random weights: nothing may depend on what the tiny models learned in order to *run*.  The model is chosen as a learner
would choose it, by PYTHIA_COURSE_MODEL; where a lesson opens tiny-gpt2 beside it, a copy of the lesson opens gpt2.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from support import hub_folders, limits
from support.hub_server import Hub
from support.slices import part_with

TESTS = Path(__file__).resolve().parents[1]
NOTEBOOKS = TESTS.parent / "notebooks"
# Those that open the learner's model: the others name theirs, since checkpoints, data or sizes of it are the subject.
LESSONS = [path for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")) if "load()" in path.read_text(encoding="utf-8")]
FIRST, SECOND = LESSONS[::2], LESSONS[1::2]  # in two test files, so that two workers share them
(VERSUS,) = NOTEBOOKS.glob("*_vs_gpt2.ipynb")
BINDER = 2000  # MB that a Binder gives
GPT2_124M = {"n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}
# Lesson 02 has its second model read thousands of tokens, a minute's work in full size: there the same files, fields,
# vocabulary and positions, but three narrow layers.
NARROW = GPT2_124M | {"n_embd": 64, "n_head": 4, "n_layer": 3}
# Of what is read in many ways a few rows are as good as all, above all where tiny models read them:
# {lesson: {what it reads: what is read here}}.
FEWER = {
    "02": {"packed(lm.tokenizer, 128)[:8]": "packed(lm.tokenizer, 128)[:1]",
           "in ways.items()}": "in list(ways.items())[:3]}",
           "packed(tiny.tokenizer, 64)[:50]": "packed(tiny.tokenizer, 64)[:5]"},
    "03": {"packed(tiny.tokenizer, 512)": "packed(tiny.tokenizer, 512)[:4]"},
    "04": {"evaluate.evaluation_documents().items()": "list(evaluate.evaluation_documents().items())[:2]",
           "widths, times = (64, 128, 256, 512, 1024), []": "widths, times = (64, 128), []"},
    "08": {"real.tokens[:16]": "real.tokens[:2]"},
    "09": {"corpus.batch(corpus.STEPS + number).tokens[::4] for number in range(4)":
           "corpus.batch(corpus.STEPS + number).tokens[::4] for number in range(1)"},
}  # fmt: skip
# Runs the notebooks that it is told of and stores them; a process of its own, so that it can be held to a limit,
# kernels and all.  With "forked" they come from a process with the libraries, which counts towards the limit too.
RUN = """
import json, sys, traceback
import nbformat
from jupyter_client.provisioning import local_provisioner
from nbclient import NotebookClient

sys.path.insert(0, sys.argv[1])
if sys.argv[3] == "forked":
    import atexit
    from support.kernels import Nursery
    nursery = Nursery()
    atexit.register(nursery.close)
    local_provisioner.launch_kernel = nursery.start
where = {"metadata": {"path": sys.argv[2]}}
for line in sys.stdin:
    failure, path = None, json.loads(line)
    notebook = nbformat.read(path, as_version=4)
    try:
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    except Exception:
        failure = traceback.format_exc()
    nbformat.write(notebook, path)
    print(json.dumps(failure), flush=True)
"""


class Runner:
    """A process that runs notebooks one after another, each in a kernel of its own, in so much memory where one may."""

    def __init__(self, megabytes, environment):
        self._limit = limits.memory_limit(megabytes) if limits.memory_cgroups() else nullcontext()  # only root may
        forked = "forked" if megabytes == BINDER else "alone"  # less is for what a learner's own kernel takes
        command = [sys.executable, "-c", RUN, str(TESTS), str(NOTEBOOKS), forked]
        command = limits.entering(command, self._limit.__enter__())
        self._said = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._said, "text": True}
        self._process = subprocess.Popen(command, env=environment, **pipes)

    def run(self, path):
        """Run a notebook and store it with its outputs; an AssertionError where a cell raised or memory was short."""
        print(json.dumps(str(path)), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"ended with {self._process.wait()}: {self._error()}"
        assert json.loads(answer) is None, json.loads(answer)[-4000:]

    def _error(self):
        self._said.seek(0)
        return self._said.read()[-4000:]

    @property
    def runs(self):
        return self._process.poll() is None

    def close(self):
        self._process.communicate()
        self._said.close()
        self._limit.__exit__(None, None, None)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub with pythia-160m, gpt2 and a narrow GPT-2, in the hub's own layout, and a cache that starts empty.

    The files and the cache are the same for both workers of a session.
    """
    here = tmp_path_factory.getbasetemp()
    here = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / "full-size"
    with FileLock(f"{here}.lock"):
        if not here.exists():
            hub_folders.write_pythia(here / "pythia-160m", **hub_folders.PYTHIA_160M)
            hub_folders.write_gpt2(here / "gpt2", **GPT2_124M)
            hub_folders.write_gpt2(here / "narrow", **NARROW)
    with Hub() as server:
        server.repositories["EleutherAI/pythia-160m"] = {"main": here / "pythia-160m"}
        server.repositories["openai-community/gpt2"] = {"main": here / "gpt2"}
        server.repositories["someone/gpt2-narrow"] = {"main": here / "narrow"}
        server.cache, server.runners = here / "cache", {}
        yield server
        for runner in server.runners.values():
            runner.close()


def run_lesson(path, hub, tmp_path, megabytes=BINDER, until=None):
    """Run what has to do with large models in a lesson, in so much memory; gives the text of all its outputs.

    until: text of the last cell that is run; all of them without one.
    """
    second = "someone/gpt2-narrow" if path.stem.startswith("02") else "gpt2"
    notebook = nbformat.read(path, as_version=4)
    naming = [cell for cell in notebook.cells if cell.cell_type == "code" and 'load("tiny-gpt2")' in cell.source]
    for cell in naming[:1]:  # where the lesson opens it; an exercise that names the tiny one wants the tiny one
        cell.source = cell.source.replace('load("tiny-gpt2")', f"load({second!r})")
    openings = ("load()", f"load({second!r})")
    notebook.cells = part_with(notebook.cells, lambda said: any(opening in said for opening in openings))
    if until is not None:
        last = [until in cell.source for cell in notebook.cells].index(True)
        notebook.cells = notebook.cells[: last + 1]
    for many, few in FEWER.get(path.stem[:2], {}).items():
        (cell,) = (cell for cell in notebook.cells if many in cell.source)
        cell.source = cell.source.replace(many, few)
    copy = tmp_path / path.name
    nbformat.write(notebook, copy)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # the kernel has its own
    environment |= {"PYTHIA_COURSE_MODEL": "pythia-160m", "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(hub.cache)}
    runner = hub.runners.get(megabytes)
    if runner is None or not runner.runs:
        runner = hub.runners[megabytes] = Runner(megabytes, environment)
    runner.run(copy)
    return "".join(str(cell.get("outputs", "")) for cell in nbformat.read(copy, as_version=4).cells)


def assert_shows_full_size(path, shown):
    """The run was of the large model, and drew."""
    assert "pythia-160m" in shown and "image/png" in shown
    # what only a real GPT-2 has, so that a lesson in which the name is spelt otherwise does not pass unmoved
    assert "tied to the embedding" in shown or path != VERSUS
