"""What every plot needs of an Axes: get one, name it, and write text on it that is literal and fits."""

import re
import weakref

import numpy as np

from pythia_course.plots.colors import COLORS
from pythia_course.plots.labels import VISIBLE

LONGEST_LABEL = 18  # characters
LARGEST, SMALLEST = 10, 5  # points
# A line of text is about 1.2 times its font size high; the rest is air.
LINE_HEIGHT, CHARACTER_WIDTH = 1.35, 0.64


def axes_or_new(ax, size):
    """`ax` itself, or that of a new figure of `size` (width, height) inches.

    The new figure is pyplot's, so that a notebook shows it when the cell ends.
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="compressed")[1]


def name_axes(ax, title="", x="", y=""):
    """Write the title and the names of both axes."""
    for write, text in ((ax.set_title, title), (ax.set_xlabel, x), (ax.set_ylabel, y)):
        if text:
            write(drawable(text, space=" ", longest=None), parse_math=False)


def drawable(text, *, space="␣", longest=LONGEST_LABEL):
    """The text as it can be drawn: spaces are seen, and what does not print or is not in the font is escaped.

    Five spaces and more become "␣×5", and what is longer than `longest` characters loses its middle.
    """
    text = str(text).translate(VISIBLE | {ord(" "): space})
    text = "".join(map(_drawable_char, text))
    text = re.sub("␣{5,}", lambda run: f"␣×{len(run[0])}", text)
    if longest is None or len(text) <= longest:
        return text
    return text[: longest * 2 // 3 - 1] + "…" + text[-(longest // 3) :]


def _drawable_char(char):
    if char.isprintable() and (char.isascii() or _current_font().get_char_index(ord(char))):
        return char
    return char.encode("unicode_escape").decode("ascii")


def _current_font():
    """The font that text is drawn in; matplotlib keeps it, so asking again is cheap."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties()))


def cell_size(ax, rows, columns):
    """Points (width, height) of one cell when the Axes is divided into equal ones."""
    _lay_out(ax)
    return _measured_cell(ax, rows, columns)


def _lay_out(ax):
    """Let titles, labels and colour bars take their room, in a figure that shares it out; says whether it does."""
    figure = ax.figure.figure  # of a subfigure: the whole one
    engine = figure.get_layout_engine()
    if engine:
        engine.execute(figure)
    return bool(engine)


def _measured_cell(ax, rows, columns):
    box = ax.get_window_extent()
    points = 72 / ax.figure.dpi
    return box.width * points / max(columns, 1), box.height * points / max(rows, 1)


def token_ticks(ax, tokens):
    """Name the rows and columns of a square picture after its tokens, as large as fits without touching.

    Where even the smallest print would not fit, only every second (third, …) token is named.
    """
    labels = [drawable(token) for token in tokens]
    if not any(labels):  # small pictures, many on a figure: to lay it out after each would take seconds
        ax.set(xticks=[], yticks=[])
        return
    _LABELS[ax] = labels
    _write_ticks(ax, labels, SMALLEST)
    if not _lay_out(ax):
        return _fit_ticks([ax])
    # Larger labels leave smaller pictures, here and where this figure had some before, so look again.
    neighbours = [other for other in ax.figure.axes if other in _LABELS]
    _fit_ticks(neighbours)
    _lay_out(ax)
    _fit_ticks(neighbours)


_LABELS = weakref.WeakKeyDictionary()  # Axes -> the labels of its tokens, for as long as the Axes lives


def _fit_ticks(pictures):
    for ax in pictures:
        pitch = min(_measured_cell(ax, len(_LABELS[ax]), len(_LABELS[ax])))
        every = -int(-SMALLEST * LINE_HEIGHT // max(pitch, 0.1))
        longest = max(map(len, _LABELS[ax][::every]), default=0)
        size = min(LARGEST, every * pitch / LINE_HEIGHT)
        lies_flat = longest * size * CHARACTER_WIDTH < 0.9 * every * pitch
        _write_ticks(ax, _LABELS[ax], size, every, 0 if lies_flat else 90)


def _write_ticks(ax, labels, size, every=1, rotation=90):
    shown = range(0, len(labels), every)
    ax.set_xticks(shown, labels[::every], rotation=rotation, fontsize=size, parse_math=False)
    ax.set_yticks(shown, labels[::every], fontsize=size, parse_math=False)


def row_labels(ax, labels):
    """Name the rows of a bar chart, the first on top; gives back the font size that fits them."""
    ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    size = min(LARGEST, cell_size(ax, len(labels), 1)[1] / LINE_HEIGHT)
    ax.tick_params(axis="y", labelsize=size, length=0)
    return size


def column_labels(ax, labels):
    """Name the columns of a heat map, upright where they would touch."""
    labels = [drawable(label) for label in labels]
    width = cell_size(ax, 1, len(labels))[0]
    lies_flat = max(map(len, labels), default=0) * LARGEST * CHARACTER_WIDTH < 0.9 * width
    size = LARGEST if lies_flat else min(LARGEST, width / LINE_HEIGHT)
    ax.set_xticks(range(len(labels)), labels, rotation=0 if lies_flat else 90, fontsize=size, parse_math=False)


def index_ticks(ax, rows, columns):
    """Number the rows and columns of a picture, or every second (fifth, …) where all would not fit."""
    width, height = cell_size(ax, rows, columns)
    ax.set_xticks(range(0, columns, _stride(2.2 * LARGEST, width)))
    ax.set_yticks(range(0, rows, _stride(LINE_HEIGHT * LARGEST, height)))
    ax.tick_params(labelsize=LARGEST, length=0)


def _stride(needed, pitch):
    return next((step for step in (1, 2, 5, 10, 20, 50) if step * pitch >= needed), 100)


def legend_beside(ax, handles, labels):
    """A legend to the right of the Axes, where it covers nothing."""
    labels = [drawable(label, space=" ", longest=32) for label in labels]
    legend = ax.legend(handles, labels, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def bare(ax):
    """Leave out the lines that bound nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def frame(ax, layer, head):
    """Put a frame around one head of a picture with a row a layer and a column a head."""
    from matplotlib.patches import Rectangle

    style = {"fill": False, "edgecolor": COLORS[5], "linewidth": 2.5, "clip_on": False}
    ax.add_patch(Rectangle((head - 0.5, layer - 0.5), 1, 1, **style))


def write_shares(bars, shares, size):
    """Write each component's percentage into its bar where there is room.

    bars: one container a component.  shares: (model, component), percentages.
    """
    for bar, column in zip(bars, shares.T, strict=True):
        texts = [f"{share:.0f}%" if share >= 7 else "" for share in column]
        ink = ink_on(bar[0].get_facecolor())
        bar[0].axes.bar_label(bar, texts, label_type="center", fontsize=0.9 * size, color=ink)


def write_values(ax, image, values, texts=None):
    """Write each value, or a text of one's own, into its cell of a heat map, as large as fits.

    values, texts: (row, column).
    """
    texts = texts or [[_two_digits(value) for value in row] for row in values]
    width, height = cell_size(ax, *values.shape)
    longest = max((len(text) for row in texts for text in row), default=1)
    size = min(LARGEST, width / (longest + 1) / CHARACTER_WIDTH, height / LINE_HEIGHT)
    for row, column in np.ndindex(values.shape):
        ink = ink_on(image.to_rgba(values[row, column]))
        style = {"ha": "center", "va": "center", "fontsize": size, "color": ink, "parse_math": False}
        ax.text(column, row, texts[row][column], **style)


def _two_digits(value):
    """0.123 -> "0.12"; what rounds to nothing has no sign."""
    return f"{np.round(value, 2) + 0.0:.2f}" if abs(value) < 10 else f"{value:.0f}"


def log_steps(ax, steps):
    """A logarithmic axis of training steps on which step 0 has a place."""
    powers = 10 ** np.arange(np.floor(np.log10(steps.max(initial=1))) + 1)
    ax.set_xscale("symlog", linthresh=1, linscale=0.5)
    ax.set_xticks([0, *powers], ["0", *map(human, powers)])
    ax.set_xlim(left=0 if steps.min(initial=0) == 0 else None)


def human(number):
    """162322944 -> "162M": three digits and k, M or B, as parameters and steps are counted."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * size:
            return f"{number / size:.3g}{unit}"
    return f"{number:g}"


def percent(probability):
    """0.123 -> "12.3%"."""
    return f"{probability:.1%}" if probability >= 0.0005 else "<0.1%"


def ink_on(color):
    """Black or white, whichever reads better on a colour."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(color)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
