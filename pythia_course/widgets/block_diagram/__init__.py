"""The data flow through one layer, sequential and parallel side by side: one description, drawn twice.

`block_picture()` draws it with matplotlib, whole or at one step; `BlockDiagram()` lets one walk through it.
"""

from pathlib import Path

import anywidget
import traitlets

from pythia_course import plots
from pythia_course.plots import COLORS
from pythia_course.widgets.common import code
from pythia_course.widgets.common.still import WithStill, png

SIZE = (320, 430)  # of one panel, in the units of the description; x to the right, y down
FILL = {"attention": COLORS[0], "mlp": COLORS[1], "norm": "#999999"}
STEPS = 7
SIZE_IN_INCHES = (8.4, 5.6)
SEEN = (
    "One layer in two variants. Sequential: x through attention, then the sum, resid_mid, through the MLP. Parallel: x "
    "through attention and through the MLP, and one sum."
)


class BlockDiagram(WithStill, anywidget.AnyWidget):
    """Walk through one layer with the buttons or the arrow keys; `step` (0 to 6) can be set from code too."""

    _esm = code.script(Path(__file__).with_name("block_diagram.js"))
    _css = code.style(Path(__file__).with_name("block_diagram.css"))
    step = traitlets.Int(0, min=0, max=STEPS - 1).tag(sync=True)
    panels = traitlets.List().tag(sync=True)
    size = traitlets.List(list(SIZE)).tag(sync=True)
    fill = traitlets.Dict(FILL).tag(sync=True)

    def __init__(self, step=0):
        super().__init__(step=step, panels=[sequential_panel(), parallel_panel()])

    def __repr__(self):
        return "BlockDiagram of one layer, step by step (run the notebook to use it)"

    def still(self):
        """Both panels whole, or up to the step that was chosen, as the bytes of a PNG."""
        from matplotlib.figure import Figure

        figure = Figure(SIZE_IN_INCHES, dpi=80)
        block_picture(self.step or None, axes=figure.subplots(1, 2))
        plots.alt(figure, SEEN + (f" Drawn up to step {self.step}; what comes later is faint." if self.step else ""))
        return png(figure)


def block_picture(step=None, *, axes=None):
    """Draw both panels, whole or up to one step (0 to 6), and return their two Axes.

    What comes later than `step` is faint; small numbers say at which step each part works.
    """
    if step is not None and step not in range(STEPS):
        raise ValueError(f"block_picture draws step 0 to {STEPS - 1}, or the whole layer without a step; got {step!r}.")
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 2, figsize=SIZE_IN_INCHES, layout="compressed")
    for ax, panel in zip(axes, (sequential_panel(), parallel_panel())):
        _draw_panel(ax, panel, STEPS - 1 if step is None else step)
    return axes


def sequential_panel():
    """The description of a block in which the MLP waits for attention."""
    parts = [
        *_arrival(),
        _line(1, (160, 70), (60, 70), (60, 88)), *_box(1, "LayerNorm₁", "norm", 60, 88, 26),
        _line(2, (60, 114), (60, 130)), *_box(2, "attention", "attention", 60, 130, 36),
        _line(3, (60, 166), (60, 200), (148, 200)), _line(3, (160, 70), (160, 188)), *_plus(3, 200),
        _text(3, "resid_mid", 168, 228),
        _line(4, (160, 212), (160, 245), (260, 245), (260, 263)), *_box(4, "LayerNorm₂", "norm", 260, 263, 26),
        _line(5, (260, 289), (260, 305)), *_box(5, "MLP", "mlp", 260, 305, 36),
        _line(6, (260, 341), (260, 370), (172, 370)), _line(6, (160, 245), (160, 358)), *_plus(6, 370),
        *_departure(6, 382),
    ]  # fmt: skip
    return {
        "title": "Sequential (GPT-2)",
        "parts": parts,
        "sentences": [
            "The stream x arrives.",
            "Attention reads x through its LayerNorm.",
            "Attention computes. The MLP waits.",
            "What attention found is added. The stream between the two halves is called resid_mid.",
            "The MLP reads resid_mid through its LayerNorm, so it sees what attention found.",
            "The MLP computes.",
            "What the MLP found is added. The layer is done.",
        ],
    }


def parallel_panel():
    """The description of a block in which both halves read the same stream."""
    parts = [
        *_arrival(),
        _line(1, (160, 70), (60, 70), (60, 88)), *_box(1, "LayerNorm₁", "norm", 60, 88, 26),
        _line(1, (160, 70), (260, 70), (260, 88)), *_box(1, "LayerNorm₂", "norm", 260, 88, 26),
        _line(2, (60, 114), (60, 130)), *_box(2, "attention", "attention", 60, 130, 36),
        _line(2, (260, 114), (260, 130)), *_box(2, "MLP", "mlp", 260, 130, 36),
        _line(3, (60, 166), (60, 200), (148, 200)), _line(3, (260, 166), (260, 200), (172, 200)),
        _line(3, (160, 70), (160, 188)), *_plus(3, 200), *_departure(3, 212),
    ]  # fmt: skip
    return {
        "title": "Parallel (Pythia)",
        "parts": parts,
        "sentences": [
            "The stream x arrives.",
            "Attention and MLP both read x, each through its own LayerNorm.",
            "Both compute, and neither knows what the other finds.",
            "Both are added in one sum. The layer is done, and there was no resid_mid.",
            *["Done already: the next layer may begin."] * 3,
        ],
    }


def _arrival():
    return [_text(0, "x", 168, 26), _line(0, (160, 14), (160, 70), arrow=False)]


def _departure(step, y):
    return [_line(step, (160, y), (160, y + 38)), _text(step, "to the next layer", 168, y + 30)]


def _line(step, *points, arrow=True):
    return {"kind": "line", "step": step, "points": [list(point) for point in points], "arrow": arrow}


def _text(step, text, x, y):
    return {"kind": "text", "step": step, "text": text, "x": x, "y": y}


def _box(step, text, fill, x, y, height):
    box = {"kind": "box", "step": step, "text": text, "fill": fill, "x": x - 50, "y": y, "width": 100, "height": height}
    return box, {"kind": "number", "step": step, "x": x + 50, "y": y}


def _plus(step, y):
    return {"kind": "plus", "step": step, "x": 160, "y": y}, {"kind": "number", "step": step, "x": 176, "y": y - 16}


def _draw_panel(ax, panel, step):
    for part in panel["parts"]:
        _DRAW[part["kind"]](ax, part, 1 if part["step"] <= step else 0.15)
    ax.set(xlim=(0, SIZE[0]), ylim=(SIZE[1], 0), aspect="equal", title=panel["title"])
    ax.axis("off")


def _draw_line(ax, part, alpha):
    before_the_arrow = part["points"][: -1 if part["arrow"] else None]
    ax.plot(*zip(*before_the_arrow), color="black", alpha=alpha, linewidth=1.2)
    if part["arrow"]:
        style = {"arrowstyle": "-|>", "color": "black", "alpha": alpha, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", part["points"][-1], part["points"][-2], arrowprops=style)


def _draw_box(ax, part, alpha):
    from matplotlib.patches import FancyBboxPatch

    corner, width, height = (part["x"], part["y"]), part["width"], part["height"]
    style = {"boxstyle": "round,pad=0,rounding_size=6", "facecolor": FILL[part["fill"]], "edgecolor": "black"}
    ax.add_patch(FancyBboxPatch(corner, width, height, alpha=0.45 * alpha, **style))
    middle = (part["x"] + width / 2, part["y"] + height / 2)
    ax.text(*middle, part["text"], ha="center", va="center", alpha=alpha, fontsize=10)


def _draw_plus(ax, part, alpha):
    from matplotlib.patches import Circle

    ax.add_patch(Circle((part["x"], part["y"]), 12, facecolor="white", edgecolor="black", alpha=alpha))
    ax.text(part["x"], part["y"], "+", ha="center", va="center", alpha=alpha, fontsize=13)


def _draw_text(ax, part, alpha):
    ax.text(part["x"], part["y"], part["text"], va="center", alpha=alpha, fontsize=9, style="italic")


def _draw_number(ax, part, alpha):
    style = {"boxstyle": "circle,pad=0.2", "facecolor": "black", "edgecolor": "none", "alpha": alpha}
    ax.text(part["x"], part["y"], str(part["step"]), ha="center", va="center", color="white", fontsize=7, bbox=style)


_DRAW = {"line": _draw_line, "box": _draw_box, "plus": _draw_plus, "text": _draw_text, "number": _draw_number}
