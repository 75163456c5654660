"""A notebook with every widget and table of the course, each given text that is hostile, odd or far too long."""

import nbformat
import numpy as np

IMAGE, SCRIPT = "<img src=x onerror=window.ran=1>", "</script><script>window.ran=1</script>"
LONG = "a b " * 500
TYPED = " مرحبا 😀 \u202etxt.exe the red"
TOKENS = ["␣the", IMAGE, "مرحبا بالعالم", "😀👩\u200d👩\u200d👧", "x" * 2000, SCRIPT, "\u202etxt.exe", "␣red"]
STEPS, LAYERS, HEADS = (0, 512, 143_000), 3, 4
SETUP = f"""
import numpy as np
from pythia_course import checks, load, widgets
tokens, steps, IMAGE, LONG, TYPED = {TOKENS!r}, {STEPS}, {IMAGE!r}, {LONG!r}, {TYPED!r}
weights, lm, dice = np.load("weights.npy"), load(), np.random.default_rng(0)
"""
CELLS = (
    "viewer = widgets.AttentionViewer(weights[0], tokens)\nviewer",
    "widgets.AttentionExplorer(weights[0], tokens, title=IMAGE + LONG, scores={IMAGE: weights[0, :, :, 1, 0]})",
    "widgets.AttentionExplorer.compare({name: (weights[0], tokens) for name in (IMAGE, LONG)})",
    "lens = np.array(tokens)[dice.integers(8, size=(3, 4, 8))], dice.random((3, 4, 8))\n"
    "next_tokens = [[(token, 0.3 - 0.03 * place) for place, token in enumerate(tokens)]] * 3\n"
    "scores = {IMAGE: [7, 2, 1], LONG: [1, 2, 3]}\n"
    "widgets.TrainingScrubber(steps, tokens, weights, next_tokens, lens, scores, title=LONG)",
    "widgets.RopeLab(np.arange(1.0, 33), np.arange(33.0, 1, -1))",
    "widgets.BlockDiagram()",
    "picker = widgets.ModelPicker(lm)\npicker",
    "widgets.AttentionExplorer.of(lm, IMAGE + TYPED)",
    "widgets.TrainingScrubber.of('tiny-pythia-91k', IMAGE + TYPED, (0, 600, 6200), keep=False)",
    "widgets.RopeLab.of(lm, IMAGE + TYPED)",
    "checks.compare(IMAGE + LONG, 11_200)",
    "lm",
)
WIDGETS = len(CELLS) - 2


def weights():
    """(step, layer, head, query, key), random, as a model that reads from left to right has it."""
    number = len(TOKENS)
    scores = 3 * np.random.default_rng(0).normal(size=(len(STEPS), LAYERS, HEADS, number, number))
    shares = np.exp(np.where(np.tril(np.ones((number, number))), scores, -np.inf))
    return shares / shares.sum(-1, keepdims=True)


def write(folder):
    """widgets.ipynb in this folder, not run, and what it reads."""
    np.save(folder / "weights.npy", weights())
    cells = [nbformat.v4.new_code_cell(code.strip()) for code in (SETUP, *CELLS)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "widgets.ipynb")
