"""The floor: the loss that no model of the Tiny Pile can get below, computed from the program that writes it.

`floor(seed)` is the program's own loss on the documents behind the training logs, by source: minus the logarithm of the
probability that it writes this source and then this text, per token.  It needs no model and no fit.

What is exact and what is not.  The probability of a document is exact (`likelihood`).  Its tokens follow from its text,
so that cutting into tokens adds nothing; `<|endoftext|>` costs what it costs that the text ends there.  Each document
is read from its beginning, and what stood before says nothing of it, so there is no context to infer from but its own.
A text that two sources could write is counted for its own source alone; that a planted sentence may come instead, one
document in 230, is left out: both make the floor lower by less than 0.0002.  It is the loss of those who know the
program; the logged losses are of 32 documents a source, chosen by their texts and none twice, so a model may fall below
by luck, or by expecting common documents too seldom: compare document by document, as `above_floor` does, mind its
standard error, and take a model a little below for no proof of anything.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from . import sources, words
from .corpus import END_OF_TEXT, SEED, decode
from .dice import zipf_probabilities
from .likelihood import log_probability
from .outcomes import every_outcome


class Floor(NamedTuple):
    """The program's loss on the documents of one source.  nats, tokens: of each document, arrays."""

    nats: np.ndarray
    tokens: np.ndarray

    @property
    def loss(self):
        """Nats a token, as the logs count."""
        return self.nats.sum() / self.tokens.sum()


class Above(NamedTuple):
    """How far a model's loss is above the floor, nats per token, and the standard error of that over documents."""

    loss: float
    stderr: float


@cache
def floor(seed=SEED):
    """The program's loss on the documents that the training logs are measured on: {source: Floor}."""
    from .evaluate import evaluation_documents

    found = {}
    for source, ids in evaluation_documents(seed).items():
        if source in sources.SOURCES:
            rows = [[i for i in row if i >= 0][1:] for row in ids.tolist()]
            nats = np.array([surprise(source, row) for row in rows])
            found[source] = Floor(nats, np.array([len(row) for row in rows]))
    return found


def surprise(source, ids):
    """Nats of one document's tokens, the program's own: of its source, then of its text.

    ids: as `corpus.encode` gives them; without `<|endoftext|>` at the end they are the beginning of a longer one.
    """
    whole = ids[-1] == END_OF_TEXT
    text = decode(ids[:-1] if whole else ids)
    return -log_probability(source, text, whole) - math.log(document_shares()[source])


@cache
def document_shares():
    """source -> its share of the training documents: of those drawn, one in twenty is held out, the weather aside."""
    kept = {name: share * (1 if name == "weather" else 0.95) for name, (_, share) in sources.SOURCES.items()}
    return {name: share / sum(kept.values()) for name, share in kept.items()}


def above_floor(model, seed=SEED):
    """How far a model is above the floor on the documents of the logs: {source: Above}."""
    import torch

    from .evaluate import evaluation_documents

    found = {}
    for source, (nats, tokens) in floor(seed).items():
        ids = evaluation_documents(seed)[source]
        with torch.no_grad():
            logits = model(input_ids=ids.clamp(min=0)[:, :-1], use_cache=False).logits.float()
        loss = torch.nn.functional.cross_entropy(logits.mT, ids[:, 1:], ignore_index=-1, reduction="none")
        more = loss.sum(1).double().numpy() - nats
        found[source] = Above(more.sum() / tokens.sum(), more.std(ddof=1) * len(more) ** 0.5 / tokens.sum())
    return found


def together(by_source, seed=SEED):
    """One loss for the whole corpus: the mean over sources, by each one's share of the training tokens.

    by_source: source -> loss, numbers or arrays.  The shares are of documents, times the tokens of those in `floor`.
    """
    tokens = {name: share * floor(seed)[name].tokens.mean() for name, share in document_shares().items()}
    return sum(by_source[name] * n for name, n in tokens.items()) / sum(tokens.values())


# ----------------------------------------------------------------------------------------- in closed form


def entropies():
    """Nats a document, given its source, where a formula or a full count gives them: {source: entropy}.

    The others' documents are too many to count: of these there are probabilities, one by one, and
    a mean of their logarithms over as many documents as one cares to draw.
    """
    return {
        "weather": _weather(), "arithmetic": _arithmetic(), "tables": _tables(), "lists": _lists(),
        "python": entropy(every_outcome(sources.python).values()),
    }  # fmt: skip


def entropy(probabilities):
    """−Σ p ln p, in nats."""
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def _of(group):
    return entropy(zipf_probabilities(len(group)))


def _weather():
    words_of = [entropy(sources.true_weather(month).values()) for month in words.MONTHS]
    return math.log(4) + 3.5 * (math.log(12) + _of(words.TOWNS) + sum(words_of) / 12)  # 2 to 5 sentences


def _arithmetic():
    number = zipf_probabilities(len(sources.NUMBERS))
    pairs = [a * b * (1 if i == j else 2) for i, a in enumerate(number) for j, b in enumerate(number) if i <= j]
    return math.log(5) + 6 * (entropy([0.7, 0.3]) + 0.7 * 2 * entropy(number) + 0.3 * entropy(pairs))  # 4 to 8 lines


def _tables():
    names = np.mean([_sample(16, n) for n in range(3, 7)])
    return math.log(4) + names + 4.5 * (math.log(8) + _of(words.TOWNS) + _of(words.FOODS))


def _lists():
    days, months = math.log(7) + math.log(4), math.log(12) + math.log(9)  # where it starts, how long it is
    count = _of(range(5)) + math.log(20) + math.log(7)
    things, foods = (np.mean([_sample(n, k) for k in ks]) for n, ks in ((24, range(3, 7)), (12, range(3, 8))))
    bring = _of(words.NAMES) + math.log(4) + things + 4.5 * _of(words.COLORS)
    buy = _of(words.NAMES) + math.log(5) + foods
    return math.log(5) + (days + months + count + bring + buy) / 5


def _sample(n, k):
    """Of k different ones of n, in any order."""
    return math.log(math.perm(n, k))
