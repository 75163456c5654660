"""What the claims of lessons 07 to 09 share: checkpoints of `tiny-pythia`, and losses by torch's own cross-entropy."""

from functools import cache

import numpy as np
import torch

from pythia_course import load
from pythia_course.tiny import corpus


@cache
def loaded(step):
    return load("tiny-pythia", step)


def model(step):
    return loaded(step).model


def losses(step, tokens):
    """Loss of each next token in nats: (row, position)."""
    ids = torch.as_tensor(np.asarray(tokens), dtype=torch.long)
    with torch.no_grad():
        logits = model(step)(ids[:, :-1]).logits.transpose(1, 2)
    return torch.nn.functional.cross_entropy(logits, ids[:, 1:], reduction="none").numpy()


@cache
def token_losses(step, sentence):
    """Loss of each token of a sentence that stands alone, its end of text among them: (token)."""
    return losses(step, [[corpus.END_OF_TEXT, *corpus.encode(sentence)]])[0]


def mean_loss(step, sentences):
    return np.mean([token_losses(step, sentence).mean() for sentence in sentences])


def continued(step, rows, given, length):
    """Which rows the likeliest tokens follow word for word, after so many given tokens, for `length` tokens: (row).

    Word for word, a model that always takes its likeliest token writes just the text, if after each of its beginnings
    the likeliest token is the right one; so one pass over the text is enough.
    """
    ids = torch.as_tensor(np.asarray(rows), dtype=torch.long)[:, : given + length]
    with torch.no_grad():
        likeliest = model(step)(ids[:, :-1]).logits.argmax(-1)
    return (likeliest[:, given - 1 :] == ids[:, given:]).all(1).numpy()
