"""The figures that are written down in docs/measurements.md: memory, time, and learners on one machine.

    make bench

Everything runs on full-size folders with random weights, fetched from a hub on this machine over HTTP.  Memory is the
smallest limit, of a memory cgroup as a container has it, under which the work completes; megabytes are 10**6 bytes.
"""

import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel
from support import hub_folders, limits
from support.hub_server import Hub
from support.lab import jupyterlab

from pythia_course.machine.processor import fast_bfloat16

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/measurements.md"
GPT2_124M = {"n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}

OPEN = """
from pythia_course import load
opened = [{}]
for lm in opened:
    lm.trace("The cat sat on the mat. " * 8)
"""
ONE, BOTH = "load('pythia-160m', dtype={0!r})", "load('pythia-160m', dtype={0!r}), load('gpt2', dtype={0!r})"
GOALS = [  # what, the program, the goal in MB
    ("Pythia-160M, float32: load and trace", OPEN.format(ONE.format("float32")), 1000),
    ("Pythia-160M and GPT-2 open at once, bfloat16", OPEN.format(BOTH.format("bfloat16")), 1000),
    ("Pythia-160M and GPT-2 open at once, float32", OPEN.format(BOTH.format("float32")), 1700),
]
LESSON = """
import os, sys, nbformat
from nbclient import NotebookClient
notebook, dtype = nbformat.read(sys.argv[1], as_version=4), sys.argv[2]
opening = 'load(), load("tiny-gpt2")'  # the cell that opens both; all others use what it opened
cell = next(cell for cell in notebook.cells if opening in cell.source)
cell.source = cell.source.replace(opening, f"load(dtype={dtype!r}), load('gpt2', dtype={dtype!r})")
where = {"metadata": {"path": os.path.dirname(sys.argv[1])}}
NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
"""
LESSON_05 = str(ROOT / "notebooks/05_pythia_vs_gpt2.ipynb")


def main():
    """Measure everything, print each figure as it comes, and write the page."""
    lines = []
    with tempfile.TemporaryDirectory() as folder, Hub() as hub:
        os.environ |= surroundings(hub, Path(folder))
        limits.run(["-c", OPEN.format(BOTH.format("float32"))], check=True)  # fetches both
        for title, measure in (("Memory", memory), ("Time", speed), ("Learners on one machine", learners)):
            lines += [f"## {title}", ""]
            for line in measure(Path(folder)):
                print(line, flush=True)
                lines.append(line)
            lines.append("")
    PAGE.write_text("\n".join([INTRODUCTION.format(machine=machine()), *lines]), encoding="utf-8")


INTRODUCTION = """# Measurements

Made by `make bench` on {machine}, with full-size models of random weights from a hub on the same machine. MB are 10⁶
bytes.
"""


def machine():
    import torch
    import transformers

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    versions = f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    versions += f", transformers {transformers.__version__}"
    bits = "with" if fast_bfloat16() else "without"
    cores = f"{os.cpu_count()} processor cores {bits} fast bfloat16"
    return f"{cores} and {memory:.0f} GB of memory ({platform.system()}, {versions})"


def surroundings(hub, folder):
    """The environment in which every process sees the hub on this machine, and its own empty cache."""
    hub_folders.write_pythia(folder / "pythia", **hub_folders.PYTHIA_160M)
    hub_folders.write_gpt2(folder / "gpt2", **GPT2_124M)
    hub.repositories["EleutherAI/pythia-160m"] = {"main": folder / "pythia"}
    hub.repositories["openai-community/gpt2"] = {"main": folder / "gpt2"}
    cache = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"), "HF_HUB_CACHE": str(folder / "cache")}
    return cache | {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def memory(folder):
    """The smallest limits, against the course's goals."""
    if limits.memory_cgroups() is None:
        yield "Not measured: this user may not make memory cgroups."
        return
    yield "The smallest limit under which the work completes, to within 25 MB; all processes and file pages are inside."
    yield ""
    yield "| work | smallest limit | goal |"
    yield "|---|---|---|"
    for what, program, goal in GOALS:
        yield f"| {what} | {limits.smallest_limit(['-c', program], 300, goal + 700)} MB | {goal:,} MB |"
    lesson = "lesson 05 run whole with both, kernel and all"
    environment = os.environ | {"PYTHIA_COURSE_MODEL": "pythia-160m"}
    least = limits.smallest_limit(["-c", LESSON, LESSON_05, "float32"], 1000, 3000, env=environment)
    yield f"| {lesson}, float32 | {least} MB | 2,000 MB |"
    least = limits.smallest_unbroken(["-c", LESSON, LESSON_05, "auto"], 1000, 2200, env=environment)
    yield f"| {lesson}, automatic dtype, from there up to 2,200 in steps of 100 | {least} MB | 1,300 MB |"


def speed(folder):
    """Loading and tracing against the plain library, in turns, medians."""
    import torch
    from transformers import AutoModelForCausalLM

    from pythia_course import load

    torch.set_num_threads(1)
    kinds = {"dtype": torch.float32, "attn_implementation": "eager"}
    ours, theirs = in_turns(
        lambda: load("pythia-160m", dtype="float32"),
        lambda: AutoModelForCausalLM.from_pretrained(folder / "pythia", **kinds),
        times=7,
    )
    yield "| work | the course | the plain library | ratio |"
    yield "|---|---|---|---|"
    yield f"| load Pythia-160M, float32 | {ours:.2f} s | {theirs:.2f} s (`from_pretrained`) | {ours / theirs:.2f} |"
    lm = load("pythia-160m", dtype="float32")
    for length in (32, 256):
        ours, theirs = trace_and_forward(lm, torch.arange(2, length + 2))
        row = f"{ours * 1e3:.0f} ms | {theirs * 1e3:.0f} ms (attentions and hidden states) | {ours / theirs:.2f}"
        yield f"| trace {length} tokens, everything kept | {row} |"


def trace_and_forward(lm, ids):
    """Seconds of a full trace, and of the plain forward pass that hands over attentions and hidden states."""
    import torch

    def forward():
        with torch.no_grad():
            lm.model(ids[None], output_attentions=True, output_hidden_states=True, use_cache=False)

    return in_turns(lambda: lm.trace(ids), forward, times=15)


def in_turns(first, second, times):
    """Median seconds of each of two calls made in turns, after one round that does not count."""
    spent = ([], [])
    for _ in range(times + 1):
        for call, seconds in zip((first, second), spent):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds[1:]) for seconds in spent]


def learners(folder):
    """Memory a learner, with several kernels that run lesson 01 at once."""
    yield "Kernels that have run lesson 01 (tiny-pythia) and stay open. PSS, the proportional set size, counts a page"
    yield "that several of them share once, in parts."
    yield ""
    yield "| kernels at once | PSS each | resident each | all of the lesson, slowest |"
    yield "|---|---|---|---|"
    for count in (1, 4, 8):
        sizes, seconds = lesson_in_kernels(ROOT / "notebooks/01_architecture_tour.ipynb", count)
        pss, rss = (statistics.mean(size[key] for size in sizes) / 1e6 for key in ("Pss", "Rss"))
        yield f"| {count} | {pss:.0f} MB | {rss:.0f} MB | {seconds:.0f} s |"
    yield ""
    with jupyterlab(folder) as address:
        yield f"A JupyterLab server beside it takes {server_pss(address) / 1e6:.0f} MB (PSS)."


def lesson_in_kernels(path, count):
    """Run a lesson in so many kernels at once; gives each kernel's sizes in bytes, and the seconds it took."""
    os.environ.pop("PYTHIA_COURSE_MODEL", None)
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    kernels = [start_new_kernel(cwd=str(path.parent)) for _ in range(count)]
    try:
        start = time.perf_counter()
        threads = [threading.Thread(target=run_cells, args=(client, cells)) for _, client in kernels]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [sizes_of(manager.provisioner.pid) for manager, _ in kernels], time.perf_counter() - start
    finally:
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def run_cells(client, cells):
    for cell in cells:
        reply = client.execute_interactive(cell, timeout=600, output_hook=lambda message: None, allow_stdin=False)
        assert reply["content"]["status"] == "ok", reply["content"]


def server_pss(address):
    """Proportional set size, in bytes, of the server at this address."""
    port = f"--port={address.rpartition(':')[2]}".encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if port in path.read_bytes().split(b"\0"):
            return sizes_of(path.parent.name)["Pss"]
    raise RuntimeError(f"No server at {address}.")


def sizes_of(pid):
    """{"Pss": bytes, "Rss": bytes, …} of a process."""
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}


if __name__ == "__main__":
    sys.exit(main())
