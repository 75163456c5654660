"""What a learner waits for: all heads on the screen, a kernel's first picture, the end of a lesson."""

import os
import statistics
from pathlib import Path

import nbformat
from bench.turns import OURS, PEERS, ROOT, contender, in_turns, judged, spread, table, why
from jupyter_client.manager import start_new_kernel

NOTEBOOKS = ROOT / "notebooks"
FLOOR = "import torch\nfrom transformers import GPTNeoXForCausalLM\nimport matplotlib.pyplot"


def heads(quick, rounds):
    """All heads of Pythia-160M: bertviz's view of a model and the explorer."""
    lengths = (50,) if quick else (20, 50, 200)
    who = {"bertviz": PEERS, "ours": OURS, "pictured": OURS}
    yield "Attention of 12 × 12 heads, from arrays to what a browser draws from: bertviz's `model_view` as HTML, and"
    yield "the explorer with its code and weights, without and with the still picture that a notebook keeps for whoever"
    yield f"has no kernel (bertviz keeps its HTML). Medians of {rounds} processes each, in turns (least–most)."
    yield ""
    rows = []
    for length in lengths:
        asked = {name: contender("heads.py", name, length, 1, python=python) for name, python in who.items()}
        figures = in_turns(asked, rounds)
        size = {name: found["bytes"][0] for name, found in figures.items()}
        took = {name: statistics.median(found["seconds"]) for name, found in figures.items()}
        cells = [f"{size[name] / 1e6:,.2f} MB, {spread(figures[name]['seconds'])}" for name in who]
        rows.append([f"{length} tokens", *cells, f"{part(size, 30)}; {part(took, 5)}"])
    yield from table(["", "bertviz", "ours", "with a still picture", "ours: bytes; time to build"], rows)
    yield from why(rows, "at 20 tokens most of what is sent is code and labels, which do not grow with the prompt.")


def part(values, goal):
    """ "1/41 (goal: 1/30, met)" """
    times = values["bertviz"] / values["ours"]
    return f"1/{times:.0f} (at most 1/{goal}: {'met' if times >= goal else 'missed'})"


def kernels(quick, rounds):
    """From the start of a kernel to a picture, and to the end of each lesson."""
    first = [cell.source for cell in code_cells(NOTEBOOKS / "00_start_here.ipynb")[:2]]
    took = {"floor": [], "ours": []}
    for turn in range(rounds + 1):
        for who, cells in (("floor", [FLOOR]), ("ours", first)):
            seconds = kernel_runs(cells)
            if turn:
                took[who].append(seconds)
    ratio = statistics.median(took["ours"]) / statistics.median(took["floor"])
    yield "From the start of a kernel. The floor is a kernel that imports torch, transformers' class and matplotlib."
    yield f"Medians of {rounds} kernels each, in turns (least–most)."
    yield ""
    row = ["first picture of lesson 00", *(spread(took[who]) for who in took), judged(ratio, "floor", 1.3)]
    yield from table(["", "floor", "ours", "ratio"], [row])
    yield from why([row], "the model is read and run, and its picture drawn, for the first time in that process.")
    if quick:
        return
    yield ""
    yield "From the start of a kernel to the end of each lesson, each run once:"
    yield ""
    lessons = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    rows = [[path.stem[:2], f"{kernel_runs([c.source for c in code_cells(path)]):.0f} s"] for path in lessons]
    yield from table(["lesson", "seconds"], rows)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def kernel_runs(cells):
    """Processor seconds of a kernel from its start to the end of these cells."""
    manager, client = start_new_kernel(cwd=str(NOTEBOOKS))
    try:
        for cell in cells:
            reply = client.execute_interactive(cell, timeout=600, output_hook=lambda message: None, allow_stdin=False)
            if reply["content"]["status"] != "ok":
                raise RuntimeError(reply["content"])
        ticks = Path(f"/proc/{manager.provisioner.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")  # user and system
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
