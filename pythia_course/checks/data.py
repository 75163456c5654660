"""Checks of lesson 07, open training data."""

import numpy as np

from pythia_course.checks.answers import as_array, candidates, is_missing
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered
from pythia_course.suite import steps


def tokens_seen(answer, step, rows, context):
    """How many predictions the checkpoint at a step has learned from.  rows, context: of one batch."""
    right = step * rows * context
    mistakes = [
        ((step + 1) * rows * context, "You counted batch N as well: the checkpoint at step N has seen 0 … N - 1."),
        (step * rows * (context + 1), "A row has one token more than it has predictions: its first is only read."),
        (step * rows, "That is the number of rows; each holds many predictions."),
        (rows * context, "That is one batch."),
    ]
    return judge(answer, right, "Right: so many tokens were predicted until then, each of them once.", mistakes, 1e-9)


def where(answer, step, shard_size, rows=1024, row=2049):
    """(shard, byte in it) at which a step's batch of the real Pile begins.  shard_size: bytes."""
    start = step * rows * row * 2
    mistakes = [
        (divmod(step * rows * (row - 1) * 2, shard_size), "Rows are one token longer than the context: 2,049."),
        (divmod(start // 2, shard_size), "That counts tokens; each of them takes two bytes."),
        (divmod((step + 1) * rows * row * 2, shard_size), "That is where the batch ends: steps count from 0."),
        (divmod(step * row * 2, shard_size), "That is one row a step; a step has 1,024 of them."),
        (divmod(start, shard_size)[::-1], "The right two numbers the other way round: the shard first, then the byte."),
        ((start // shard_size + 1, start % shard_size), "The byte is right; shards count from 0."),
        ((start // shard_size, start), "The shard is right; count the byte from the shard's own beginning."),
    ]
    praise = "Right: one range request from there, and no download of 600 GB."
    return judge(answer, divmod(start, shard_size), praise, mistakes, 0)


def divergence(function):
    """A learner's divergence(p, q): KL(p‖q) in nats, of probabilities some of which are 0 in p."""
    p, q = np.array([0.5, 0.25, 0.25, 0.0]), np.array([0.2, 0.4, 0.1, 0.3])
    result, trouble = run(function, p.copy(), q.copy())
    if trouble is not None:
        return trouble
    some = p > 0
    right = (p[some] * np.log(p[some] / q[some])).sum()
    values = as_array(result)
    if values is not None and np.isnan(values).any():
        return Verdict(0, "It is not a number: where p is 0, 0 · log 0 counts as 0. Leave those places out.")
    mistakes = [
        (right / np.log(2), "That is in bits; np.log, and not np.log2, gives nats."),
        ((q[some] * np.log(q[some] / p[some])).sum(), "The other way round: weigh by p, what is true."),
        (-right, "The sign: a divergence is never negative."),
        (-(p[some] * np.log(q[some])).sum(), "That is the cross-entropy; take the entropy of p off it."),
        (-(p[some] * np.log(p[some])).sum(), "That is the entropy of p; q does not come in yet."),
        (right / 4, "That is a mean; add the terms up."),
        (right / 3, "That is a mean; add the terms up."),
        (np.abs(p - q).sum() / 2, "That is the total variation distance, another way to compare the two."),
    ]
    return judge(result, right, "Right: 0 only where the two agree.", mistakes, 1e-6)


def first_read(answer, text, batch_of, count):
    """The step of the first of `count` batches in which a text stands whole.  batch_of: step -> batch."""
    if is_missing(answer):
        return unanswered()
    right = next((step for step in range(count) if _stands_in(text, batch_of(step))), None)
    if right is None:
        return Verdict(0, f"“{text}” was in no batch: ask for a text that was.")
    praise = f"Right: batch {right:,} is the first that has it."
    mistakes = [
        (right + 1, "One too many: batches count from 0, and the step of a batch is its number."),
        (next(step for step in steps("tiny-pythia") if step > right), "That is the first checkpoint after it."),
        (max(step for step in steps("tiny-pythia") if step <= right), "That is the last checkpoint before it."),
    ]
    verdict = judge(answer, right, praise, mistakes, 0)
    given = [int(values.flat[0]) for values in candidates(answer) if values.size == 1 and np.isfinite(values).all()]
    if verdict != 1 and any(right + 1 < step < count and _stands_in(text, batch_of(step)) for step in given):
        return Verdict(0, f"Batch {given[0]:,} has it, but an earlier one had it before.")
    return verdict


def _stands_in(text, batch):
    return any(text in document.text for document in batch.documents)
