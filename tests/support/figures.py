"""Whether the words on a figure lie over one another: noted by a kernel for every figure that it shows.

`watch(folder)` makes kernels whose IPython's folder that is note what they find; `noted(folder)` reads it.
"""

import json
from pathlib import Path

NOTES = "figures.jsonl"
AIR = 0.15  # of a line's height that is no ink, above and below


def watch(folder):
    """Let each kernel run this file when it starts."""
    startup = folder / "profile_default/startup"
    startup.mkdir(parents=True, exist_ok=True)
    lines = f"import sys\nsys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
    lines += f"from support import figures\nfigures.note(figures.Path({str(folder / NOTES)!r}))\ndel figures\n"
    (startup / "figures.py").write_text(lines, encoding="utf-8")


def noted(folder):
    """[{"seen": how many words, "over": [sentence, …], "alt": what it shows}, …], a figure each."""
    notes = folder / NOTES
    return [json.loads(line) for line in notes.read_text("utf-8").splitlines()] if notes.exists() else []


def note(path):
    """From now on, write a line into this file for every figure that becomes a picture."""
    from matplotlib.backend_bases import FigureCanvasBase
    from matplotlib.text import Text

    drawn, draw, draws = [], Text.draw, FigureCanvasBase.print_figure

    def draw_text(text, renderer):
        drawn.append(text)
        return draw(text, renderer)

    def print_figure(canvas, *args, **kwargs):
        drawn.clear()
        result = draws(canvas, *args, **kwargs)
        words = list(dict.fromkeys(text for text in drawn if text.get_visible() and text.get_text().strip()))
        with open(path, "a", encoding="utf-8") as file:
            alt = words[0].get_text() if words else ""
            file.write(json.dumps({"seen": len(words), "over": over_one_another(words), "alt": alt}) + "\n")
        return result

    Text.draw, FigureCanvasBase.print_figure = draw_text, print_figure


def over_one_another(words):
    """A sentence for each two texts of a figure, drawn already, whose ink shares a place."""
    boxes = [_ink(text) for text in words]
    pairs = ((a, b) for a in range(len(words)) for b in range(a))
    return [
        f"{words[a].get_text()!r} lies over {words[b].get_text()!r}"
        for a, b in pairs
        if boxes[a].overlaps(boxes[b]) and min(_shared(boxes[a], boxes[b])) > 1  # pixels
    ]


def _ink(text):
    box = text.get_window_extent()
    air = AIR * min(box.width, box.height)
    return box.padded(-air)


def _shared(one, other):
    sides = ((one.x0, one.x1, other.x0, other.x1), (one.y0, one.y1, other.y0, other.y1))
    return [min(end, other_end) - max(start, other_start) for start, end, other_start, other_end in sides]
