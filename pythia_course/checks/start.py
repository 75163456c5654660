"""Checks of lesson 00, Start here."""

import math

import numpy as np

from pythia_course.checks.answers import as_array, is_missing, kind
from pythia_course.checks.verdict import Verdict, judge, unanswered


def how_many_tokens(answer, trace):
    """The number of tokens of a traced prompt."""
    count, text = len(trace.tokens), "".join(trace.tokens)
    mistakes = [
        (len(text), "That is the number of characters. The model never sees characters, only tokens."),
        (
            text.count("␣") + 1,
            "That is the number of words. Punctuation and parts of rare words are tokens of their own.",
        ),
        (count - 1, "One short: the first token counts too, although it has nothing to look back at."),
    ]
    return judge(answer, count, "Right: every attention picture of it has that many rows and columns.", mistakes, 1e-9)


def surprise(answer, probability):
    """The loss, in nats, of a token that had this probability."""
    p = float(probability)
    mistakes = [
        (p, "That is the probability itself. The loss is minus its natural logarithm."),
        (math.log(p), "The sign is turned: a logarithm of a probability is negative, and the loss is minus that."),
        (-math.log2(p), "That is the surprise in bits. A nat uses the natural logarithm, math.log."),
        (-math.log10(p), "That is the logarithm to base 10. A nat uses the natural logarithm, math.log."),
        (1 - p, "That is the probability of all other tokens. The loss is minus the logarithm of this one's."),
    ]
    return judge(answer, -math.log(p), "Right: the less probable, the larger the surprise.", mistakes)


def strongest_link(answer, attention):
    """The (row, column) of the largest weight of one head, first column left out. attention: (query, key)."""
    weights = np.tril(np.asarray(attention))
    inner = weights.copy()
    inner[:, 0] = 0
    row, column = np.unravel_index(inner.argmax(), inner.shape)
    everywhere = np.unravel_index(weights.argmax(), weights.shape)
    mistakes = [
        ((column, row), "Row and column are the wrong way round: the row is the token that looks."),
        (
            everywhere,
            "That one is in the first column, where many heads rest when they have nothing to look for: leave it out.",
        ),
        ((row + 1, column + 1), "You counted from 1; positions count from 0."),
    ]
    return judge(answer, (row, column), "Right: that is the strongest look back in this picture.", mistakes, 1e-9)


def sure_prompt(prompt, lm, at_least=0.9):
    """A prompt after which the model gives one token at least this probability."""
    if is_missing(prompt):
        return unanswered()
    if not isinstance(prompt, str):
        return Verdict(0, f"A prompt is a text in quotation marks; {kind(prompt)} came.")
    if not prompt.strip():
        return Verdict(0, "The prompt is empty: the model needs something to read.")
    try:
        token, probability = lm.predict(prompt, k=1)[0]
    except (ValueError, MemoryError) as error:
        return Verdict(0, str(error))
    if probability >= at_least:
        return Verdict(1, f"Right: it gives {token!r} a probability of {probability:.2f}.")
    hint = "Its best guess" if probability > 0.3 else "It has no idea: its best guess"
    return Verdict(
        0, f"{hint} is {token!r} with {probability:.2f}. Take a prompt that repeats itself, or a sum it has seen often."
    )


def best_head(answer, scores):
    """The (layer, head) with the highest score. scores: (layer, head)."""
    scores = np.asarray(scores)
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    given = as_array(answer)
    if given is not None and given.shape == () and given == scores.argmax():
        return Verdict(
            0, "That counts all heads in one row. Give the pair (layer, head): divide by the number of heads."
        )
    mistakes = [
        ((head, layer), "Layer and head are the wrong way round: the first number is the layer."),
        ((layer + 1, head + 1), "You counted from 1; layers and heads count from 0."),
        (np.unravel_index(scores.argmin(), scores.shape), "That is the head with the lowest score."),
    ]
    return judge(answer, (layer, head), "Right: this is the head to look at.", mistakes, 1e-9)
