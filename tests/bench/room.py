"""What the course needs of a machine: the smallest limits under which its work completes, and learners side by side."""

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import nbformat
from bench.turns import ROOT
from jupyter_client.manager import start_new_kernel
from support import limits
from support.lab import jupyterlab

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


def memory(quick, rounds):
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


def learners(quick, rounds):
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
    with tempfile.TemporaryDirectory() as folder, jupyterlab(Path(folder)) as address:
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
