"""Lesson 09's checks: right answers in every form pass, and each known mistake is named."""

import numpy as np
import pytest
import torch

from pythia_course.checks import counting
from pythia_course.checks.verdict import NOT_YET

WRITTEN = {(1, 2): 3, (3, 4): 17, (5, 5): 20, (6, 6): 2, (7, 1): 9, (2, 2): 5, (8, 8): 13, (9, 9): None}


def says(verdict, mark, words):
    assert float(verdict) == mark and words in verdict.message, verdict
    return True


CHECKS = {
    "zipf": lambda answer: counting.zipf(answer, 117_200, 20),
    "bigram": counting.bigram,
    "bigram, returned": lambda answer: counting.bigram(lambda rows, vocabulary: answer),
    "gap_within": counting.gap_within,
    "gap_within, returned": lambda answer: counting.gap_within(lambda share, frequent, kind: answer),
    "usual_error": lambda answer: counting.usual_error(answer, WRITTEN),
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


# -------------------------------------------------------------------------------------------------------- Zipf


@pytest.mark.parametrize("form", [int, float, np.int64, torch.tensor, lambda n: [n], lambda n: f"about {n:,}"])
def test_zipf_takes_any_form(form):
    assert says(counting.zipf(form(5860), 117_200, 20), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (117_200 / 21, "Ranks count from 1"),
        (117_200 / 19, "Ranks count from 1"),
        (117_200 / 400, "not by its square"),
        (117_200 / 2**19, "halves from rank to rank"),
        (117_200, "the most frequent one"),
        (5000, "should be larger"),
        (..., NOT_YET),
    ],
)
def test_zipf_names_the_mistake(answer, words):
    assert says(counting.zipf(answer, 117_200, 20), 0, words)


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
    assert says(counting.bigram(lambda rows, n: form(to_one(pairs(rows, n)))), 1, "each row adds up to 1")


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
    assert says(counting.bigram(wrong), 0, words)


# -------------------------------------------------------------------------------------------------- gap within


def gaps(share, frequent, kind):
    return np.array([share[(kind == k) & frequent].mean() - share[(kind == k) & ~frequent].mean() for k in (1, 2)])


@pytest.mark.parametrize("form", [float, np.float32, torch.tensor, lambda x: [x]])
def test_gap_within_takes_any_form(form):
    assert says(counting.gap_within(lambda s, f, k: form((gaps(s, f, k) * [0.6, 0.4]).sum())), 1, "like is compared")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda s, f, k: s[f].mean() - s[~f].mean(), "all with all"),
        (lambda s, f, k: -(gaps(s, f, k) * [0.6, 0.4]).sum(), "The sign"),
        (lambda s, f, k: gaps(s, f, k).mean(), "counts alike"),
        (lambda s, f, k: (gaps(s, f, k) * [0.75, 0.25]).sum(), "frequent numbers alone"),
        (gaps, "one for each kind"),
        (lambda s, f, k: gaps(s, f, k)[0], "first kind alone"),
        (lambda s, f, k: gaps(s, f, k)[1], "last kind alone"),
        (lambda s, f: 0, "stopped with TypeError"),
        (3.0, "wants the function itself"),
    ],
)
def test_gap_within_names_the_mistake(wrong, words):
    assert says(counting.gap_within(wrong), 0, words)


# ------------------------------------------------------------------------------------------------- usual error


@pytest.mark.parametrize("form", [int, float, np.int64, torch.tensor, lambda n: [n], str])
def test_usual_error_takes_any_form(form):
    assert says(counting.usual_error(form(10), WRITTEN), 1, "most often it is off by 10")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0, "leave them out"),
        (-10, "without the sign"),
        (1, "another size is more common"),
        (3, "another size is more common"),
        (50, "should be smaller"),
        (..., NOT_YET),
    ],
)
def test_usual_error_names_the_mistake(answer, words):
    assert says(counting.usual_error(answer, WRITTEN), 0, words)
