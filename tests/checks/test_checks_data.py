"""Lesson 07's checks: right answers in every form pass, and each known mistake is named."""

from functools import cache

import numpy as np
import pytest
import torch

from pythia_course.checks import data
from pythia_course.checks.verdict import NOT_YET
from pythia_course.tiny import corpus

SHARD = 30_000_000_000
TEXT = "In March the town of Glen is"
batch = cache(corpus.batch)  # dozens of times the same hundred


def says(verdict, mark, words):
    assert float(verdict) == mark and words in verdict.message, verdict
    return True


CHECKS = {
    "tokens_seen": lambda answer: data.tokens_seen(answer, 600, 32, 128),
    "where": lambda answer: data.where(answer, 8000, SHARD),
    "divergence": data.divergence,
    "divergence, returned": lambda answer: data.divergence(lambda p, q: answer),
    "first_read": lambda answer: data.first_read(answer, TEXT, batch, 100),
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


# -------------------------------------------------------------------------------------------------- first read


@pytest.mark.parametrize("form", [int, float, np.int64, torch.tensor, lambda n: [n], str])
def test_first_read_takes_any_form(form):
    assert says(data.first_read(form(27), TEXT, batch, 100), 1, "batch 27 is the first")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (28, "One too many"),
        (32, "first checkpoint after it"),
        (16, "last checkpoint before it"),
        (54, "an earlier one had it before"),
        (53, "should be smaller"),
        (-1, "should be larger"),
        (..., NOT_YET),
    ],
)
def test_first_read_names_the_mistake(answer, words):
    assert says(data.first_read(answer, TEXT, batch, 100), 0, words)


def test_a_text_that_was_never_read_has_no_first_batch():
    assert says(data.first_read(1, "walrus", batch, 3), 0, "in no batch")
