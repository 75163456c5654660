"""Lesson 07's checks: right answers in every form pass, and each known mistake is named."""

import numpy as np
import pytest
import torch

from pythia_course.checks import data
from pythia_course.checks.verdict import NOT_YET


def says(verdict, mark, words):
    assert float(verdict) == mark and words in verdict.message, verdict
    return True


SENTENCES = ("The glass piano plays.", "The violet boat sinks.")
SHARD = 30_000_000_000


class Reciter:
    """A model that goes on with the first sentence wherever its beginning is read, a character a token."""

    def __init__(self, sentence=SENTENCES[0]):
        self.sentence, self.model = sentence, self

    class tokenizer:
        eos_token_id = 0

        def __new__(cls, text):
            return {"input_ids": [ord(letter) for letter in text]}

        @staticmethod
        def decode(ids):
            return "".join(map(chr, ids))

    def generate(self, ids, **options):
        read = len(ids[0]) - 1  # without the end of text in front
        said = [ord(letter) for letter in self.sentence[read:]][: options["max_new_tokens"]]
        return torch.tensor([[*ids[0].tolist(), *said, 0]])


CHECKS = {
    "tokens_seen": lambda answer: data.tokens_seen(answer, 600, 32, 128),
    "where": lambda answer: data.where(answer, 8000, SHARD),
    "extra_fall": data.extra_fall,
    "extra_fall, returned": lambda answer: data.extra_fall(lambda a, b, c, d: answer),
    "divergence": data.divergence,
    "divergence, returned": lambda answer: data.divergence(lambda p, q: answer),
    "bigram": data.bigram,
    "bigram, returned": lambda answer: data.bigram(lambda rows, vocabulary: answer),
    "recited": lambda answer: data.recited(answer, Reciter(), SENTENCES),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    "answer",
    [..., None, "no idea", object(), [], {}, np.nan, [[1, 2], [3]], [1, 2, 3], "", (1, 2)],
    ids=lambda answer: repr(answer)[:10],
)
def test_no_check_raises_or_accepts_nonsense(check, answer):
    verdict = check(answer)
    assert verdict == 0 and verdict.message


# ---------------------------------------------------------------------------------- what a checkpoint has seen

SEEN = 600 * 32 * 128


@pytest.mark.parametrize("form", [int, float, np.int64, torch.tensor, lambda n: [n], lambda n: f"{n:,}"])
def test_tokens_seen_takes_any_form(form):
    assert says(data.tokens_seen(form(SEEN), 600, 32, 128), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (601 * 32 * 128, "counted batch N as well"),
        (600 * 32 * 129, "one token more than it has predictions"),
        (600 * 32, "number of rows"),
        (32 * 128, "one batch"),
        (5, "should be larger"),
        (..., NOT_YET),
    ],
)
def test_tokens_seen_names_the_mistake(answer, words):
    assert says(data.tokens_seen(answer, 600, 32, 128), 0, words)


# ----------------------------------------------------------------------------------------- where a batch lies

STEP = 80_000
START = STEP * 1024 * 2049 * 2
RIGHT = divmod(START, SHARD)


@pytest.mark.parametrize("form", [tuple, list, np.array, torch.tensor])
def test_where_takes_any_form(form):
    assert says(data.where(form(RIGHT), STEP, SHARD), 1, "range request")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (divmod(STEP * 1024 * 2048 * 2, SHARD), "one token longer"),
        (divmod(START // 2, SHARD), "takes two bytes"),
        (divmod(START + 1024 * 2049 * 2, SHARD), "where the batch ends"),
        (divmod(STEP * 2049 * 2, SHARD), "one row a step"),
        (RIGHT[::-1], "other way round"),
        ((RIGHT[0] + 1, RIGHT[1]), "shards count from 0"),
        ((RIGHT[0], START), "shard's own beginning"),
        ((RIGHT[0], RIGHT[1] + 1), "numbers are not"),
        (START, "shape"),
        (..., NOT_YET),
    ],
)
def test_where_names_the_mistake(answer, words):
    assert says(data.where(answer, STEP, SHARD), 0, words)


# ------------------------------------------------------------------------------- the fall beyond that of others


@pytest.mark.parametrize("form", [float, torch.tensor, np.float32, lambda x: [x]])
def test_extra_fall_takes_any_form(form):
    assert says(data.extra_fall(lambda a, b, c, d: form((a - b).mean() - (c - d).mean())), 1, "Right")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda a, b, c, d: (c - d).mean() - (a - b).mean(), "The sign"),
        (lambda a, b, c, d: (a - b).mean(), "seen batches alone"),
        (lambda a, b, c, d: (c - d).mean(), "new batches alone"),
        (lambda a, b, c, d: d.mean() - b.mean(), "after training only"),
        (lambda a, b, c, d: (a - b).mean() + (c - d).mean(), "added the two falls"),
        (lambda a, b, c, d: (a - b).mean() / (c - d).mean(), "how many times more"),
        (lambda a, b, c, d: (a - b) - (c - d), "stopped with ValueError"),
        (lambda a, b, c, d: a - b, "one number"),
        (lambda a, b: 0, "stopped with TypeError"),
        (lambda a, b, c, d: None, "returns nothing yet"),
        (3.0, "wants the function itself"),
    ],
)
def test_extra_fall_names_the_mistake(wrong, words):
    assert says(data.extra_fall(wrong), 0, words)


# -------------------------------------------------------------------------------------------------- divergence


def kl(p, q):
    return sum(a * np.log(a / b) for a, b in zip(p, q) if a > 0)


@pytest.mark.parametrize("form", [float, torch.tensor, np.float32, lambda x: [x]])
def test_divergence_takes_any_form(form):
    assert says(data.divergence(lambda p, q: form(kl(p, q))), 1, "Right")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda p, q: kl(p, q) / np.log(2), "in bits"),
        (lambda p, q: kl(q[:3], p[:3]), "other way round"),
        (lambda p, q: -kl(p, q), "never negative"),
        (lambda p, q: -(p * np.log(q)).sum(), "cross-entropy"),
        (lambda p, q: -(p[:3] * np.log(p[:3])).sum(), "entropy of p"),
        (lambda p, q: kl(p, q) / len(p), "a mean"),
        (lambda p, q: kl(p, q) / 3, "a mean"),
        (lambda p, q: np.abs(p - q).sum() / 2, "total variation"),
        (lambda p, q: (p - p + np.nan).sum(), "0 · log 0"),
        (lambda p, q: np.full(4, np.nan), "0 · log 0"),
        (lambda p, q: p - q, "one number"),
    ],
)
def test_divergence_names_the_mistake(wrong, words):
    assert says(data.divergence(wrong), 0, words)


# ------------------------------------------------------------------------------------------------------ bigram


def pairs(rows, vocabulary):
    counts = np.zeros((vocabulary, vocabulary))
    for row in rows:
        for first, second in zip(row, row[1:]):
            counts[first, second] += 1
    return counts


def to_one(counts):
    return counts / counts.sum(1, keepdims=True)


@pytest.mark.parametrize("form", [np.asarray, torch.tensor, lambda x: x.tolist(), lambda x: x.astype(np.float32)])
def test_bigram_takes_any_form(form):
    assert says(data.bigram(lambda rows, n: form(to_one(pairs(rows, n)))), 1, "each row adds up to 1")


def once(rows, n):
    counts = np.zeros((n, n))
    counts[rows[:, :-1], rows[:, 1:]] += 1
    return to_one(counts)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (pairs, "Those are counts"),
        (lambda rows, n: to_one(pairs(rows, n)).T, "wrong way round"),
        (lambda rows, n: pairs(rows, n) / pairs(rows, n).sum(), "the sum of all"),
        (lambda rows, n: pairs(rows, n) / pairs(rows, n).sum(0), "columns add up to 1"),
        (lambda rows, n: to_one(pairs([rows.ravel()], n)), "across the end of a row"),
        (once, "np.add.at"),
        (lambda rows, n: np.ones(n), "shape"),
    ],
)
def test_bigram_names_the_mistake(wrong, words):
    assert says(data.bigram(wrong), 0, words)


# ----------------------------------------------------------------------------------------------------- recited


def test_a_beginning_after_which_the_sentence_comes_is_right():
    assert says(data.recited("The", Reciter(), SENTENCES), 1, "3 tokens are enough for “The glass piano plays.”")


@pytest.mark.parametrize(
    ("prompt", "lm", "words"),
    [
        ("A glass", Reciter(), "No planted sentence begins"),
        ("the", Reciter(), "No planted sentence begins"),
        ("", Reciter(), "No planted sentence begins"),
        ("The glass", Reciter(), "9 tokens away, and 4 are allowed"),
        ("The ", Reciter("The glass piano is out of tune."), "goes another way: “The glass piano is out of tune"),
        ("The ", Reciter(SENTENCES[0] + " Again"), "goes another way"),
        (7, Reciter(), "quotation marks"),
        (..., Reciter(), NOT_YET),
    ],
)
def test_recited_names_the_mistake(prompt, lm, words):
    assert says(data.recited(prompt, lm, SENTENCES), 0, words)


def test_recited_with_a_real_model():
    from pythia_course import load
    from pythia_course.tiny import corpus

    lm, plan = load("tiny-pythia"), corpus.planting()
    often = next(sentence for sentence, steps in plan.items() if len(steps) == 256 and steps[-1] > 6000)
    start = corpus.decode(corpus.encode(often)[:3])
    assert says(data.recited(start, lm, plan), 1, often)
    rare = next(sentence for sentence, steps in plan.items() if len(steps) == 1 and sentence.startswith("Professor"))
    assert says(data.recited(rare[:6], lm, plan), 0, "goes another way")
