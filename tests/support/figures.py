"""Whether the words on a figure lie over one another: noted by a kernel for every figure that it draws.

`watch(folder)` makes kernels whose IPython's folder that is note what they find; `noted(folder)` reads it.
"""

import json
from pathlib import Path

import numpy as np

NOTES = "figures.jsonl"
AIR = 0.3  # of a line's height that is no ink
SLACK = 1  # pixels


def watch(folder):
    """Let each kernel run this file when it starts."""
    startup = folder / "profile_default/startup"
    startup.mkdir(parents=True, exist_ok=True)
    lines = f"import sys\nsys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
    lines += f"from support import figures\nfigures.note({str(folder / NOTES)!r})\nsys.path.pop(0)\ndel figures, sys\n"
    (startup / "figures.py").write_text(lines, encoding="utf-8")


def noted(folder):
    """[{"words": [text, …], "over": [sentence, …]}, …], a figure each."""
    notes = folder / NOTES
    return [json.loads(line) for line in notes.read_text("utf-8").splitlines()] if notes.exists() else []


def note(path):
    """From now on, write a line into this file for every figure that becomes a picture."""
    from matplotlib.backend_bases import FigureCanvasBase
    from matplotlib.text import Text

    drawn, draw, print_figure = {}, Text.draw, FigureCanvasBase.print_figure

    def draw_and_measure(text, renderer):
        draw(text, renderer)
        if text.get_visible() and text.get_text().strip():
            drawn[text] = corners(text.get_window_extent(renderer), text.get_rotation(), text.get_fontsize())

    def print_and_note(canvas, *args, **kwargs):
        drawn.clear()
        printed = print_figure(canvas, *args, **kwargs)
        words = [text.get_text() for text in drawn]
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"words": words, "over": over_one_another(words, [*drawn.values()])}) + "\n")
        return printed

    Text.draw, FigureCanvasBase.print_figure = draw_and_measure, print_and_note


def corners(extent, degrees, fontsize):
    """(4, 2): the corners of a text's ink in pixels.  extent: the upright box around it, as turned by these degrees."""
    cos, sin = abs(np.cos(np.radians(degrees))), abs(np.sin(np.radians(degrees)))
    upright = np.array([extent.width, extent.height])
    if abs(cos - sin) > 0.05:
        width, height = np.linalg.solve([[cos, sin], [sin, cos]], upright)
    else:  # at 45 degrees, both sides are as long
        width, height = upright[0] / cos - 1.5 * fontsize, 1.5 * fontsize
    half = np.array([width / 2, (1 - AIR) * height / 2])
    turn = np.array([[np.cos(np.radians(degrees)), -np.sin(np.radians(degrees))]])
    turn = np.vstack([turn, [[-turn[0, 1], turn[0, 0]]]])
    middle = np.array([extent.x0 + extent.x1, extent.y0 + extent.y1]) / 2
    return middle + (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half) @ turn.T


def over_one_another(words, boxes):
    """A sentence for each two texts whose ink shares a place."""
    pairs = [(a, b) for a in range(len(words)) for b in range(a) if shared(boxes[a], boxes[b]) > SLACK]
    return [f"{words[a]!r} lies over {words[b]!r}" for a, b in pairs]


def shared(one, other):
    """How far one rectangle reaches into another, in pixels; negative: how far apart they are."""
    sides = np.concatenate([np.diff(one[:3], axis=0), np.diff(other[:3], axis=0)])
    depths = []
    for x, y in sides / np.maximum(np.linalg.norm(sides, axis=1, keepdims=True), 1e-9):
        across = np.array([-y, x])
        a, b = one @ across, other @ across
        depths.append(min(a.max(), b.max()) - max(a.min(), b.min()))
    return min(depths)
