"""What the RoPE lab shows at one setting, as a picture: it stands in the widget's place where no kernel runs."""

import numpy as np

from pythia_course import plots
from pythia_course.plots import axes
from pythia_course.widgets.common.still import png


def picture(lab):
    """The bytes of a PNG: the chosen pair as its positions turn it, and the score against the distance."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.6), dpi=80, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.7))
    _dial(left, lab)
    _curve(right, lab)
    plots.alt(figure, _seen(lab))
    return png(figure)


def _seen(lab):
    """The alt text of the picture."""
    now, best = lab.query_position - lab.key_position, int(scores(lab, np.arange(lab.positions)).argmax())
    arrows = f"Left: the arrows of pair {lab.pair}, the query at position {lab.query_position}, the key at position "
    return (
        (arrows + f"{lab.key_position}. " if lab.pairs else "Left: nothing, since no pair turns. ")
        + f"Right: the score at distances 0 to {lab.positions - 1}, highest at {best}; a dot marks distance {now}, "
        f"with a score of {scores(lab, [now])[0]:.2f}."
    )


def scores(lab, distances):
    """(distance,): the score as attention uses it, query and key so many positions apart."""
    query, key, half = np.array(lab._query), np.array(lab._key), lab.pairs
    turned, fixed = slice(0, 2 * half), slice(2 * half, None)
    q, k = (vector[turned][:half] + 1j * vector[turned][half:] for vector in (query, key))  # (pair)
    angles = np.outer(distances, frequencies(lab))  # (distance, pair)
    moving = (q * k.conj() * np.exp(1j * angles)).real.sum(-1)
    return (moving + query[fixed] @ key[fixed]) / np.sqrt(len(query))


def frequencies(lab):
    """(pair,): radians that each pair turns from one position to the next."""
    return lab.base ** (-np.arange(lab.pairs) / max(lab.pairs, 1))


def _dial(ax, lab):
    vectors = ((lab._query, lab.query_position, "query", "o"), (lab._key, lab.key_position, "key", "s"))
    for number, (vector, position, name, mark) in enumerate(vectors if lab.pairs else ()):
        start = complex(vector[lab.pair], vector[lab.pair + lab.pairs])
        turned = start * np.exp(1j * position * frequencies(lab)[lab.pair])
        color = axes.COLORS[5 * number]
        label = f"{name} at {position}"
        ax.plot([0, turned.real], [0, turned.imag], color=color, marker=mark, markevery=[1], label=label)
    ax.set_aspect("equal", adjustable="datalim")
    if lab.pairs:
        ax.legend(frameon=False)
    axes.name_axes(ax, f"pair {lab.pair}, turned" if lab.pairs else "nothing turns")


def _curve(ax, lab):
    distances = np.arange(lab.positions)
    now = lab.query_position - lab.key_position
    ax.plot(distances, scores(lab, distances), color="black")
    ax.plot([now], scores(lab, [now]), color=axes.COLORS[5], marker="o")
    axes.name_axes(ax, f"score {scores(lab, [now])[0]:.3f} at distance {now}", x="distance", y="score")
