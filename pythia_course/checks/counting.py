"""Checks of lesson 09, frequency and arithmetic."""

from collections import Counter

import numpy as np

from pythia_course.checks.running import run
from pythia_course.checks.verdict import judge


def zipf(answer, most, rank):
    """How often the number of a rank is read, by Zipf's law.  most: how often that of rank 1 is."""
    mistakes = [
        (most / (rank + 1), f"Ranks count from 1: the number of rank {rank} is the {rank}th."),
        (most / (rank - 1), f"Ranks count from 1: the number of rank {rank} is the {rank}th."),
        (most / rank**2, "Once by the rank, not by its square."),
        (most / 2 ** (rank - 1), "That halves from rank to rank; 1/r falls more slowly."),
        (most, "That is the most frequent one."),
    ]
    return judge(answer, most / rank, "Right: a few are met often, and many seldom.", mistakes, 1e-2)


def bigram(function, vocabulary=5):
    """A learner's bigram(rows, vocabulary): (token, next token), how often in 100 the second follows the first."""
    rows = np.array([[0, 1, 2, 1], [3, 1, 2, 0], [1, 1, 3, 2], [2, 0, 4, 1]])
    result, trouble = run(function, rows.copy(), vocabulary)
    if trouble is not None:
        return trouble
    counts, line = (_pairs(some, vocabulary) for some in (rows, rows.reshape(1, -1)))
    right = _each_row_to_one(counts)
    mistakes = [
        (counts, "Those are counts: divide each row by its sum."),
        (right.T, "Rows and columns are the wrong way round: the first token chooses the row."),
        (counts / counts.sum(), "You divided by the sum of all; each row, one first token, adds up to 1."),
        (counts / counts.sum(0, keepdims=True), "You made the columns add up to 1; the rows should."),
        (_each_row_to_one(line), "You counted a pair across the end of a row, where the text was cut."),
        (_each_row_to_one(np.minimum(counts, 1)), "Each pair counted once: `counts[a, b] += 1` adds 1 to a place that "
         "comes twice in a and b only once. `np.add.at` adds each time."),
    ]  # fmt: skip
    return judge(result, right, "Right: a language model of one line, and each row adds up to 1.", mistakes, 1e-6)


def _pairs(rows, vocabulary):
    counts = np.zeros((vocabulary, vocabulary))
    np.add.at(counts, (rows[:, :-1], rows[:, 1:]), 1)
    return counts


def _each_row_to_one(counts):
    return counts / counts.sum(1, keepdims=True)


def gap_within(function):
    """A learner's gap_within(share, frequent, kind), each with one entry for each number."""
    share = np.array([0.9, 0.8, 0.5, 0.3, 0.4, 0.8, 0.7, 0.6, 0.5, 0.9])
    frequent = np.array([1, 1, 0, 0, 0, 1, 0, 0, 0, 1], bool)
    kind = np.array([1, 1, 1, 1, 1, 2, 2, 2, 2, 1])
    result, trouble = run(function, share.copy(), frequent.copy(), kind.copy())
    if trouble is not None:
        return trouble
    gaps = np.array([share[(kind == k) & frequent].mean() - share[(kind == k) & ~frequent].mean() for k in (1, 2)])
    right = np.average(gaps, weights=[6, 4])
    mistakes = [
        (share[frequent].mean() - share[~frequent].mean(), "That compares all with all: kinds are still mixed."),
        (-right, "The sign: frequent minus rare."),
        (gaps.mean(), "Each kind counts alike there; weigh it by how many numbers it has."),
        (np.average(gaps, weights=[3, 1]), "You weighed by the frequent numbers alone; take all numbers of a kind."),
        (np.average(gaps, weights=[3, 3]), "You weighed by the rare numbers alone; take all numbers of a kind."),
        (gaps, "Those are the differences, one for each kind; their weighted mean is wanted."),
        (gaps[0], "That is the first kind alone."),
        (gaps[1], "That is the last kind alone."),
    ]
    return judge(result, right, "Right: like is compared with like.", mistakes, 1e-6)


def usual_error(answer, written):
    """By how much wrong sums are off most often, without the sign.  written: (a, b) -> a number, or None."""
    off = [number - a - b for (a, b), number in written.items() if number is not None]
    sizes = [size for size, _ in Counter(abs(error) for error in off if error).most_common()]
    mistakes = [
        (0, "That is the right ones: leave them out."),
        (-sizes[0], "Its size is wanted, without the sign."),
        *((size, "Sums are off by that much, too, but another size is more common.") for size in sizes[1:]),
    ]
    return judge(answer, sizes[0], f"Right: most often it is off by {sizes[0]}.", mistakes, 0)
