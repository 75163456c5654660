"""What the training scrubber shows at one step, as a picture: it stands in the widget's place where no kernel runs."""

import numpy as np

from pythia_course import plots
from pythia_course.plots import axes, sentences
from pythia_course.plots.described import describe
from pythia_course.widgets.common.still import png

# Inches: the whole width, the side of an attention picture, and the height of a score, a token's bar and a lens row.
WIDE, SIDE, SCORE, BAR, ROW = 10.0, 4.0, 0.5, 0.3, 0.3
BARS = 5  # next tokens
LONGEST_HEADING = 100  # characters


def picture(moments, title, at, layer, head):
    """The bytes of a PNG.  at: which of the steps.  layer, head: the head drawn large."""
    from matplotlib.figure import Figure

    parts = [part for part in _parts(moments, at, layer, head) if part[0]]
    tall = sum(height + gap for height, gap, _ in parts)
    # No pyplot, so no notebook cell shows or closes it; and no layout engine, which would take a second.
    figure = Figure((WIDE, tall), dpi=80)
    top = tall
    for height, gap, draw in parts:
        top -= height
        draw(lambda x, wide, y=top, high=height: figure.add_axes((x, y / tall, wide, high / tall)))
        top -= gap
    heading = f"step {moments.steps[at]:,}" + (f" · {title}" if title else "")
    figure.suptitle(axes.drawable(heading, space=" ", longest=LONGEST_HEADING), y=1 + 0.3 / tall, parse_math=False)
    return png(figure)


def _parts(moments, at, layer, head):
    """Each part: its height, that of the labels below it (inches), and what draws it where `place(x, wide)` says."""
    lens, said = moments.lens, moments.predictions
    bars = min(max(map(len, said), default=0), BARS)
    yield SCORE * len(moments.scores), 0.7, lambda place: _scores(place, moments, at, layer, head)
    yield SIDE * (moments.attention is not None), 1.3, lambda place: _heads(place, moments, at, layer, head)
    yield BAR * bars, 1.0, lambda place: _next(place(0.2, 0.4), said[at])
    yield ROW * (0 if lens is None else lens[0].shape[1]), 0.6, lambda place: _lens(place(0, 1), moments, at)


def _scores(place, moments, at, layer, head):
    """A line a score over the checkpoints, evenly spaced as on the slider."""
    ax = place(0.25, 0.75)
    names, places, lines = list(moments.scores), np.arange(len(moments.steps)), {}
    for row, (name, values) in enumerate(moments.scores.items()):
        lines[name] = line = values if values.ndim == 1 else values[:, layer, head]
        low, high = min(0, np.nanmin(values)), np.nanmax(values)
        ax.plot(places, len(names) - row - 0.9 + 0.8 * (line - low) / (high - low or 1), color=axes.COLORS[row % 7])
        names[row] = f"{name}: {line[at]:.2f}"
    ax.axvline(at, color=axes.COLORS[5], linestyle="--")
    ax.set_yticks(np.arange(len(names), 0, -1) - 0.5, [axes.drawable(name, space=" ", longest=32) for name in names])
    every = -(-len(places) // 12)
    ax.set_xticks(places[::every], [axes.human(step) for step in moments.steps[::every]])
    ax.set_ylim(0, len(names))
    axes.bare(ax)
    describe(ax, sentences.courses(moments.steps, lines, "a line each"))


def _heads(place, moments, at, layer, head):
    left, right = place(0.03, SIDE / WIDE), place(1 - SIDE / WIDE, SIDE / WIDE)
    weights = moments.attention[at].astype(np.float32)
    plots.attention_grid(weights, ax=left, highlight=(layer, head))
    plots.attention(weights[layer, head], moments.tokens, ax=right, title=f"layer {layer}, head {head}")


def _next(ax, said):
    tokens, probabilities = zip(*said)
    plots.next_token(probabilities, tokens, k=BARS, ax=ax, title="next token")


def _lens(ax, moments, at):
    """The word after each layer (row) and token read (column), coloured by its probability."""
    words, sure = (array[at] for array in moments.lens)
    image = ax.imshow(sure, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    width, height = axes.cell_size(ax, *words.shape)
    size = min(axes.LARGEST - 1, height / axes.LINE_HEIGHT)
    room = max(int(width / size / axes.CHARACTER_WIDTH), 3)
    for row, column in np.ndindex(words.shape):
        ink = axes.ink_on(image.to_rgba(sure[row, column]))
        word = axes.drawable(words[row, column], longest=room)
        ax.text(column, row, word, ha="center", va="center", fontsize=size, color=ink, parse_math=False)
    read = [axes.drawable(token, longest=10) for token in moments.tokens]
    ax.set_xticks(range(len(read)), read, rotation=90, fontsize=size, parse_math=False)
    ax.set_yticks(range(len(words)), ["embedding", *(f"after layer {n}" for n in range(len(words) - 1))], fontsize=size)
    ax.tick_params(length=0)
    axes.name_axes(ax, "logit lens: what it would say next after each layer")
    last = ", ".join(f"“{axes.drawable(word)}”" for word in words[:, -1])
    describe(ax, f"At the last token, from the embedding upwards: {last}.")
