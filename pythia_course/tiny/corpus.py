"""The Tiny Pile: a corpus that is code. The batch at step N is a pure function of (seed, N).

A batch is 32 rows of 129 tokens: 128 to read and, one further on, 128 to predict (Pythia's rows are 2,049 for the
same reason). Documents follow one another, each closed by `<|endoftext|>`, and are cut where a row ends, as in
Pythia's training.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np

from .dice import Dice
from .sources import SOURCES
from .words import PLANTED

SEED = 0
STEPS = 6200
ROWS, CONTEXT = 32, 128
TOKENS_A_STEP = ROWS * CONTEXT
END_OF_TEXT = 0
SOURCE_NAMES = (*SOURCES, "planted")
SHARES = {name: share for name, (_, share) in SOURCES.items()}
TOKENIZER_FOLDER = Path(__file__).parent / "tokenizer"


@dataclass(frozen=True)
class Document:
    """A text and the name of the source it comes from."""

    source: str
    text: str


@dataclass(frozen=True)
class Batch:
    """What the model sees at one step.

    tokens: (32, 129) int64.  sources: (32, 129), indices into SOURCE_NAMES, the source of each token.
    documents: the documents in order; starts: the place of each in the batch read as one line of 32 * 129 tokens.
    """

    step: int
    tokens: np.ndarray
    sources: np.ndarray
    documents: tuple
    starts: tuple


def batch(step, seed=SEED):
    """The batch that training step `step` learns from. A checkpoint at step N has seen batches 0 … N - 1."""
    dice = Dice("tiny pile", seed, step)
    waiting = sorted((dice.below(ROWS * CONTEXT // 2), text) for text in planted_at(step, seed))
    tokens, sources, kept, starts = [], [], [], []

    def add(document, ids):
        kept.append(document)
        starts.append(len(tokens))
        tokens.extend(ids)
        sources.extend([SOURCE_NAMES.index(document.source)] * len(ids))

    while len(tokens) < ROWS * (CONTEXT + 1):
        if waiting and len(tokens) >= waiting[0][0]:
            ids = encode(waiting[0][1])
            if len(tokens) % (CONTEXT + 1) + len(ids) <= CONTEXT + 1:  # a planted sentence is never cut
                add(Document("planted", waiting.pop(0)[1]), ids)
                continue
        document = training_document(dice)
        add(document, encode(document.text))
    if waiting:
        raise RuntimeError(f"No row of step {step} had room for every planted sentence.")
    shape = (ROWS, CONTEXT + 1)
    size = ROWS * (CONTEXT + 1)
    rows = (np.array(values[:size], dtype=np.int64).reshape(shape) for values in (tokens, sources))
    return Batch(step, *rows, tuple(kept), tuple(starts))


def training_document(dice):
    """The next document that is not held out."""
    while is_held_out(document := any_document(dice)):
        pass
    return document


def any_document(dice):
    """A document from one of the sources, in their stated shares."""
    source = dice.weighted(SHARES)
    return Document(source, SOURCES[source][0](dice))


def is_held_out(document):
    """One document in twenty is never trained on; its text alone decides.

    The weather is not divided, so that its probabilities stay exactly the true ones.
    """
    return document.source != "weather" and crc32(document.text.encode()) % 20 == 0


def held_out(source, n, seed=SEED):
    """The first n held-out documents of one source: their texts are in no training batch, at any step."""
    if source not in SOURCES or source == "weather":
        others = ", ".join(name for name in SOURCES if name != "weather")
        raise ValueError(f"No documents of {source!r} are held out; there are of {others}.")
    dice, found = Dice("held out", seed, source), {}
    for _ in range(1000 * (n + 1)):  # one in twenty counts, so a source that is not exhausted gives n much sooner
        if len(found) == n:
            return list(found)
        document = Document(source, SOURCES[source][0](dice))
        if is_held_out(document):
            found[document] = True
    raise ValueError(f"{source!r} has fewer than {n} different held-out documents: ask for {len(found)} at most.")


@cache
def planting(seed=SEED):
    """When each planted sentence is shown: a dict of sentence -> sorted steps, exactly as many as its count says.

    Three of the five sentences of a count are spread over the whole training, two over its first third only, so
    that what is remembered can be told from what has been seen lately.
    """
    dice, plan = Dice("planting", seed), {}
    for count, sentences in PLANTED.items():
        for index, sentence in enumerate(sentences):
            end = STEPS if index < 3 else STEPS // 3
            plan[sentence] = tuple(sorted(dice.sample(range(end), count)))
    return plan


@cache
def _planted_by_step(seed):
    by_step = {}
    for sentence, steps in planting(seed).items():
        for step in steps:
            by_step.setdefault(step, []).append(sentence)
    return by_step


def planted_at(step, seed=SEED):
    """The planted sentences that the batch of this step holds."""
    return _planted_by_step(seed).get(step, [])


def encode(text):
    """Token ids of a document, closed by `<|endoftext|>`."""
    return _tokenizer().encode(text).ids + [END_OF_TEXT]


def decode(ids):
    """The text of token ids, `<|endoftext|>` included."""
    return _tokenizer().decode(list(map(int, ids)), skip_special_tokens=False)


@cache
def _tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(TOKENIZER_FOLDER / "tokenizer.json"))
