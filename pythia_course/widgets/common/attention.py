"""Attention of all heads, found to be what a browser can draw, packed for it, and scored."""

import numpy as np

from pythia_course import measures
from pythia_course.errors import shown

MOST_BYTES = 32_000_000  # sent to a browser at once
SHORTEST_PERIOD = 3  # a repetition shorter than that is more often chance than a prompt made for induction


def packed(attention):
    """The weights that a query may have, as bytes: w is sent as round(255 w), off by at most 0.5 / 255.

    attention: (layer, head, query, key), 0 to 1. Head follows head; query q of a head has its keys 0 to q.
    """
    queries, keys = np.tril_indices(attention.shape[-1])
    return np.rint(255 * attention[..., queries, keys].clip(0, 1)).astype(np.uint8).tobytes()


def unpacked(weights, shape):
    """The attention that `packed` made these bytes of, float32 of this shape (layer, head, query, key).

    A widget keeps the bytes alone: ipywidgets never forgets a widget, and a cell may be run ten times.
    """
    attention = np.zeros(shape, np.float32)
    queries, keys = np.tril_indices(shape[-1])
    attention[..., queries, keys] = np.frombuffer(weights, np.uint8).reshape(*shape[:2], -1) / np.float32(255)
    return attention


def packed_size(attention):
    """How many bytes `packed` makes of it."""
    number = attention.shape[-1]
    return attention[..., 0, 0].size * number * (number + 1) // 2


def color_table():
    """viridis, the map of the static plots, as red, green and blue of its 256 levels."""
    import matplotlib

    return matplotlib.colormaps["viridis"](np.arange(256), bytes=True)[:, :3].tobytes()


def head_scores(attention, tokens, period=None):
    """{name: (layer, head)}: what each head does on this prompt, as far as it can be told there."""
    if len(tokens) < 2:
        return {}
    scores = {
        "previous token": measures.previous_token_scores(attention),
        "first token": measures.first_token_scores(attention),
    }
    if period is not None and not isinstance(period, (int, np.integer)):
        raise TypeError(f"A period is how many tokens one copy has, a whole number, got {shown(period)}.")
    start, period = (0, period) if period else repetition(tokens)
    if period:
        scores["induction"] = measures.induction_scores(attention[..., start:, start:], period)
    return scores


def repetition(tokens):
    """(start, period) of a prompt that is one text again and again, perhaps after one special token; else (0, 0)."""
    for start in (0, 1):
        text = list(tokens[start:])
        for period in range(SHORTEST_PERIOD, len(text) // 2 + 1):
            if text[period:] == text[:-period] and len(set(text[:period])) > 1:
                return start, period
    return 0, 0


def all_heads(attention, tokens, who, most_tokens):
    """The attention as an array (layer, head, query, key), or one sentence, of the widget `who`, why not."""
    attention, number = np.asarray(attention), len(tokens)
    if not 0 < number <= most_tokens:
        raise ValueError(
            f"{who} draws prompts of 1 to {most_tokens} tokens, got {number}. "
            "Pass trace.attention and trace.tokens of a prompt of that length."
        )
    if attention.ndim != 4 or attention.shape[2:] != (number, number) or not attention.size:
        raise ValueError(
            f"{who} shows all heads: it needs shape (layer, head, {number}, {number}), one label a "
            f"position, got {attention.shape}. Pass trace.attention and trace.tokens."
        )
    check_weights(attention, who, 1e-4)
    return attention


def check_weights(attention, who, tolerance):
    """Refuse what is no attention of a model that reads from left to right.  attention: (..., query, key)."""
    if not (attention.min() >= -tolerance and attention.max() <= 1 + tolerance):  # NaN is neither
        raise ValueError(
            f"{who} draws attention from 0 to 1, got {attention.min():.3g} to {attention.max():.3g}. "
            "Take the softmax of the scores first."
        )
    if np.abs(attention[..., *np.triu_indices(attention.shape[-1], 1)]).max(initial=0) > tolerance:
        raise ValueError(
            f"{who} shows models in which a token looks at itself and those before it, but here some weight is on "
            "later tokens. The last two axes are query, key: were they swapped?"
        )
