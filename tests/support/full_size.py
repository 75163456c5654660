"""Lessons run whole on models as large as the real ones, fetched from a hub on this machine, in 2 GB of memory.

Random weights: nothing may depend on what the tiny models learned in order to *run*.  The model is chosen as a learner
would choose it, by PYTHIA_COURSE_MODEL; where a lesson opens tiny-gpt2 beside it, a copy of the lesson opens gpt2.
"""

import os
from pathlib import Path

import nbformat
import pytest
from support import hub_folders, limits
from support.hub_server import Hub

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
# Those that open the learner's model: the others name theirs, since checkpoints, data or sizes of it are the subject.
LESSONS = [path for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")) if "load()" in path.read_text(encoding="utf-8")]
FIRST, SECOND = LESSONS[::2], LESSONS[1::2]  # in two test files, so that two workers share them
(VERSUS,) = NOTEBOOKS.glob("*_vs_gpt2.ipynb")
BINDER = 2000  # MB that a Binder gives
GPT2_124M = {"n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}
# Lesson 02 has its second model read thousands of tokens, a minute's work in full size: there the same files, fields,
# vocabulary and positions, but three narrow layers.
NARROW = GPT2_124M | {"n_embd": 64, "n_head": 4, "n_layer": 3}
# Runs a notebook and stores it; a process of its own, so that it can be held to a limit, kernel and all.
RUN = """
import os, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
where = {"metadata": {"path": sys.argv[2]}}
NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()  # raises where a cell does
nbformat.write(notebook, sys.argv[1])
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub with pythia-160m, gpt2 and a narrow GPT-2, in the hub's own layout, and a cache that starts empty."""
    here = tmp_path_factory.mktemp("hub")
    hub_folders.write_pythia(here / "pythia-160m", **hub_folders.PYTHIA_160M)
    hub_folders.write_gpt2(here / "gpt2", **GPT2_124M)
    hub_folders.write_gpt2(here / "narrow", **NARROW)
    with Hub() as server:
        server.repositories["EleutherAI/pythia-160m"] = {"main": here / "pythia-160m"}
        server.repositories["openai-community/gpt2"] = {"main": here / "gpt2"}
        server.repositories["someone/gpt2-narrow"] = {"main": here / "narrow"}
        server.cache = here / "cache"
        yield server


def run_lesson(path, hub, tmp_path, megabytes=BINDER):
    """Run a copy of a lesson on the hub's models in so much memory; gives the text of all its outputs."""
    gpt2 = "someone/gpt2-narrow" if path.stem.startswith("02") else "gpt2"
    notebook = nbformat.read(path, as_version=4)
    naming = [cell for cell in notebook.cells if cell.cell_type == "code" and 'load("tiny-gpt2")' in cell.source]
    for cell in naming[:1]:  # where the lesson opens it; an exercise that names the tiny one wants the tiny one
        cell.source = cell.source.replace('load("tiny-gpt2")', f"load({gpt2!r})")
    copy = tmp_path / path.name
    nbformat.write(notebook, copy)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # the kernel has its own
    environment |= {"PYTHIA_COURSE_MODEL": "pythia-160m", "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(hub.cache)}
    command = ["-c", RUN, str(copy), str(NOTEBOOKS)]
    if limits.memory_cgroups():
        with limits.memory_limit(megabytes) as folder:
            done = limits.run(command, folder, env=environment)
    else:
        done = limits.run(command, env=environment)  # only root may hold it to a limit
    assert done.returncode == 0, done.stderr[-4000:]
    return "".join(str(cell.get("outputs", "")) for cell in nbformat.read(copy, as_version=4).cells)


def assert_shows_full_size(path, shown):
    """The run was of the large model, and drew."""
    assert "pythia-160m" in shown and "image/png" in shown
    # what only a real GPT-2 has, so that a lesson in which the name is spelt otherwise does not pass unmoved
    assert "tied to the embedding" in shown or path != VERSUS
