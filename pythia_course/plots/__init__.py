"""Arrays in, matplotlib Axes out: each function draws one picture and returns the Axes it drew on.

Without `ax` a new figure is made, large enough for its labels, and a notebook shows it when the cell ends.
With `ax` only that Axes is touched. All text is drawn literally: `$` starts no formula, and a character that
does not print or that the font lacks is written as its escape, such as "\\U0001f600".
"""

import itertools

import numpy as np

from pythia_course.plots import axes, sentences
from pythia_course.plots.axes import axes_or_new, drawable, name_axes
from pythia_course.plots.colors import COLORS, ROLES, lines_of
from pythia_course.plots.colors import color_of as color_of
from pythia_course.plots.colors import line_of as line_of
from pythia_course.plots.described import alt as alt
from pythia_course.plots.described import describe, in_notebooks
from pythia_course.plots.thumbnails import NOT_ALLOWED, mosaic, without_future

in_notebooks()


def attention(weights, tokens, *, ax=None, title="", colorbar=True):
    """Draw one head's attention: rows look at columns, grey where looking is not allowed.

    weights: (query, key), each row sums to 1; colours run from 0 to 1.  tokens: one label a row.
    """
    weights = np.asarray(weights)
    expected = (len(tokens), len(tokens))
    if weights.shape != expected:
        raise ValueError(
            f"plots.attention draws one head: it needs shape {expected}, got {weights.shape}. "
            "Pick one, for example trace.attention[layer, head]."
        )
    _between_0_and_1(weights, "attention", "Take the softmax of the scores first.")
    ax = axes_or_new(ax, attention_size(tokens))
    ax.set_facecolor(NOT_ALLOWED)
    image = ax.imshow(without_future(weights), vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="attention weight", fraction=0.046, pad=0.03)
    name_axes(ax, title, x="looked at (key)", y="looking (query)")
    axes.token_ticks(ax, tokens)
    describe(ax, sentences.attention(weights, [drawable(token) for token in tokens]))
    return ax


def attention_size(tokens):
    """Inches (width, height) of a figure in which `attention` can write the tokens, up to a hundred."""
    side = max(min(max(0.2 * len(tokens), 2.6), 4.8), min(0.12 * len(tokens), 10))
    longest = max((len(drawable(token)) for token in tokens), default=0)
    margin = 0.5 + 0.085 * longest
    return side + margin + 0.8, side + margin + 0.2


def attention_grid(weights, *, highlight=None, ax=None, title=""):
    """Draw every head of every layer as a thumbnail: one row per layer, one column per head.

    weights: (layer, head, query, key).  highlight: (layer, head), or a list of them, to be framed.
    A long prompt is shrunk by keeping the largest weight of each block of positions, so that thin lines stay.
    """
    weights = _shaped(weights, "attention_grid", "layer, head, query, key", "Pass all of trace.attention.")
    _between_0_and_1(weights, "attention_grid", "Take the softmax of the scores first.")
    layers, heads = weights.shape[:2]
    side = min(1.1, 10 / heads)
    ax = axes_or_new(ax, (0.7 + heads * side, 0.9 + layers * side))
    extent = (-0.5, heads - 0.5, layers - 0.5, -0.5)  # so that whole numbers on the axes are heads and layers
    ax.imshow(mosaic(weights), vmin=0, vmax=1, cmap="viridis", interpolation="nearest", extent=extent)
    ax.spines[:].set_visible(False)
    framed = np.reshape([] if highlight is None else highlight, (-1, 2)).astype(int)
    for layer, head in framed:
        axes.frame(ax, layer, head)
    name_axes(ax, title, x="head", y="layer")
    axes.index_ticks(ax, layers, heads)
    describe(ax, sentences.attention_grid(weights, framed))
    return ax


def parameter_budget(budgets, *, share=False, ax=None, title=""):
    """Draw each model's parameters by component, as stacked bars with the total at their ends.

    budgets: {model name: {component: number of parameters}}.  share: draw percentages of each model's total.
    """
    components, counts = _counts(budgets)
    totals = counts.sum(axis=1, keepdims=True)
    lengths = 100 * counts / totals if share else counts  # (model, component)
    ax = axes_or_new(ax, (8.5, 1.1 + 0.36 * max(len(budgets), 3)))
    bars = _stacked(ax, lengths, components)
    axes.legend_beside(ax, bars, components)
    name_axes(ax, title, x="% of the model's parameters" if share else "parameters")
    size = axes.row_labels(ax, [drawable(name, space=" ") for name in budgets])
    ax.bar_label(bars[-1], [axes.human(total) for total in totals[:, 0]], padding=4, fontsize=size)
    ax.set_xlim(0, lengths.sum(axis=1).max() * 1.12)
    ax.xaxis.set_major_formatter("{x:g}" if share else lambda x, _: axes.human(x))
    if share:
        axes.write_shares(bars, lengths, size)
    axes.bare(ax)
    describe(ax, sentences.parameter_budget(list(budgets), components, counts, axes.human))
    return ax


def next_token(probabilities, tokens, *, k=10, ax=None, title=""):
    """Draw the k most probable next tokens, the most probable on top, each with its probability.

    probabilities: (vocab,), between 0 and 1, or those of some tokens only.  tokens: one label a probability.
    """
    fix = "Pick one position, for example probabilities[-1]."
    probabilities = _shaped(probabilities, "next_token", "vocab", fix)
    if len(probabilities) != len(tokens):
        raise ValueError(
            f"plots.next_token needs one label a probability: got {len(probabilities)} probabilities and "
            f"{len(tokens)} tokens. A model's vocabulary can have more rows than its tokenizer has tokens."
        )
    _between_0_and_1(probabilities, "next_token", "Take the softmax of the logits first.")
    best = np.argsort(-probabilities, kind="stable")[:k]
    ax = axes_or_new(ax, (6, 0.8 + 0.28 * max(len(best), 3)))
    bars = ax.barh(range(len(best)), probabilities[best], color=COLORS[0])
    name_axes(ax, title, x="probability")
    size = axes.row_labels(ax, [drawable(tokens[i]) for i in best])
    ax.bar_label(bars, [axes.percent(p) for p in probabilities[best]], padding=4, fontsize=size)
    ax.set_xlim(0, max(probabilities[best].max(initial=0), 1e-9) * 1.18)
    axes.bare(ax)
    describe(ax, sentences.next_token(probabilities[best], [drawable(tokens[i]) for i in best], axes.percent))
    return ax


def scores_over_steps(steps, scores, *, log=True, ax=None, title=""):
    """Draw how scores change over training, one line each, named beside it in the order of the lines' ends.

    A label that names a model, a size or a role ("tiny-gpt2", "12b", "induction head") gives its line that colour.

    steps: (step,), training steps.  scores: {label: (step,) values}.
    log: a logarithmic axis from step 1 on, straight between 0 and 1 so that step 0 shows.
    """
    steps = _shaped(steps, "scores_over_steps", "step", "Pass the steps as one list.")
    order = np.argsort(steps, kind="stable")
    ax = axes_or_new(ax, (7.5, 3.6))
    lines = {label: _one_per_step(values, steps, label)[order] for label, values in scores.items()}
    ends = []
    for (label, values), style in zip(lines.items(), lines_of(lines)):
        (line,) = ax.plot(steps[order], values, **style, markersize=3)
        ends.append((np.nan_to_num(values[-1:]).sum(), line, label))
    ends.sort(key=lambda end: -end[0])
    axes.legend_beside(ax, [line for _, line, _ in ends], [label for *_, label in ends])
    name_axes(ax, title, x="training step", y="score")
    if log:
        axes.log_steps(ax, steps)
    axes.bare(ax)
    describe(ax, lambda: sentences.courses(steps[order], lines, ax.get_ylabel()))
    return ax


def stream(values, tokens, *, words=None, ax=None, title=""):
    """Draw one number for each place of the residual stream, its value written in: one column a token.

    values: (layers read, position); row 0 is the embedding. Numbers from 0 to 1 are drawn on that scale; where some
    are negative, white is 0.  words: (layers read, position), texts to write in place of the numbers.
    """
    values = _shaped(values, "stream", "layers read, position", "Give one number for each layer and token.")
    rows, columns = values.shape
    if columns != len(tokens):
        raise ValueError(f"plots.stream needs one token a column: {columns} columns and {len(tokens)} tokens came.")
    texts = None if words is None else [[drawable(word, longest=10) for word in row] for row in words]
    ax = axes_or_new(ax, (min(1.6 + 0.72 * max(columns, 3), 13), 1.3 + 0.36 * max(rows, 3)))
    image = _heat_map(ax, values)
    name_axes(ax, title, y="layers read")
    axes.index_ticks(ax, rows, columns)
    axes.column_labels(ax, tokens)
    axes.write_values(ax, image, values, texts)
    columns = [sentences.column(place, drawable(token)) for place, token in enumerate(tokens)]
    describe(ax, lambda: sentences.heat_map(values, ax.get_ylabel(), columns))
    return ax


def head_scores(scores, *, top=1.0, ax=None, title=""):
    """Draw one score per head with its value written in: one row per layer, one column per head.

    scores: (layer, head). Scores from 0 to 1 are drawn on that scale; where some are negative, white is 0.
    top: what has the brightest colour, for scores that are all far below 1; larger ones stretch the scale.
    """
    scores = _shaped(scores, "head_scores", "layer, head", "Give one number per head.")
    layers, heads = scores.shape
    ax = axes_or_new(ax, (1.6 + 0.5 * max(heads, 3), 0.9 + 0.36 * max(layers, 3)))
    image = _heat_map(ax, scores, top)
    name_axes(ax, title, x="head", y="layer")
    axes.index_ticks(ax, layers, heads)
    axes.write_values(ax, image, scores)
    describe(ax, sentences.heat_map(scores, "layer", [f"head {head}" for head in range(heads)]))
    return ax


def _heat_map(ax, values, top=1.0):
    """An image of (row, column) from 0 to `top`, or further where needed; around a white 0 where some are negative."""
    top = max(top, float(np.nanmax(np.abs(values), initial=0)))
    cmap, bottom = ("PuOr", -top) if np.nanmin(values, initial=0) < 0 else ("viridis", 0)
    return ax.imshow(values, vmin=bottom, vmax=top, cmap=cmap, aspect="auto", interpolation="nearest")


def _shaped(values, function, shape, fix):
    """The values as an array, or one sentence that says which axes it should have and how to get there."""
    values = np.asarray(values)
    if values.ndim != len(shape.split(", ")):
        raise ValueError(f"plots.{function} needs shape ({shape}), got {values.shape}. {fix}")
    return values


def _between_0_and_1(values, function, fix):
    low, high = values.min(initial=0), values.max(initial=0)
    if not (low >= -1e-4 and high <= 1 + 1e-4):  # NaN is neither
        raise ValueError(f"plots.{function} draws numbers from 0 to 1, got {low:.3g} to {high:.3g}. {fix}")


def _one_per_step(values, steps, label):
    values = np.asarray(values, dtype=float)
    if values.shape != steps.shape:
        raise ValueError(
            f"plots.scores_over_steps needs one value a step: there are {len(steps)} steps, "
            f"but {label!r} has shape {values.shape}."
        )
    return values


def _counts(budgets):
    """The components in order of first appearance, and how many parameters (model, component) has."""
    components = list(dict.fromkeys(part for parts in budgets.values() for part in parts))
    counts = np.array([[parts.get(part, 0) for part in components] for parts in budgets.values()])
    if not counts.size or counts.sum(axis=1).min() <= 0:
        raise ValueError(f"plots.parameter_budget needs one or more models with parameters, got {budgets}.")
    return components, counts


def _stacked(ax, lengths, components):
    """Bars laid end to end, one container a component.  lengths: (model, component)."""
    starts = lengths.cumsum(axis=1) - lengths
    style = {"edgecolor": "white", "linewidth": 0.6}  # so that neighbours are told apart in grey
    return [
        ax.barh(range(len(lengths)), lengths[:, i], left=starts[:, i], color=color, **style)
        for i, color in enumerate(_fills(components))
    ]


def _fills(components):
    """A component's own colour where it has one, else the palette's in order."""
    free = itertools.cycle(color for color in COLORS if color not in ROLES.values())
    return [ROLES.get(name) or next(free) for name in components]
