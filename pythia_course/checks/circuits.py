"""Checks of lesson 11, the interpretability lab."""

from functools import partial
from itertools import product

import numpy as np

from pythia_course.checks.answers import as_array, is_missing, shown
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered


def recovered(answer, clean, corrupted, patched):
    """The share of a difference that a patch brings back, from the logit differences of three runs."""
    gap = clean - corrupted
    mistakes = [
        (patched / clean, "You left the corrupted run out. Count from there: it is the zero of this scale."),
        ((clean - patched) / gap, "That is the share that is still missing."),
        (patched - corrupted, "That is the change in logits; divide by the change that would be all of it."),
        ((patched - corrupted) / clean, "Divide by the whole way from the corrupted run to the clean one."),
        (gap / (patched - corrupted), "Upside down: the part over the whole."),
        (100 * (patched - corrupted) / gap, "That is in percent; 1 is all of it here."),
    ]
    return judge(answer, (patched - corrupted) / gap, "Right: 0 is the corrupted run, 1 the clean one.", mistakes)


def head_write(function):
    """A learner's head_write(z, weight, head): what one head adds to the stream, (position, width).

    z: (head, position, head_dim).  weight: (width, heads * head_dim), as a Linear keeps it.
    """
    import torch

    heads, position, size, head = 3, 5, 4, 1
    draw = torch.Generator().manual_seed(2)
    z = torch.randn(heads, position, size, generator=draw)
    weight = torch.randn(heads * size, heads * size, generator=draw)
    result, trouble = run(function, z.clone(), weight.clone(), head)
    if trouble is not None:
        return trouble
    rows, others = slice(head * size, (head + 1) * size), slice(head, None, heads)
    mistakes = [
        (z[head] @ weight[rows], "Those are rows. A Linear keeps (out, in), so what a head feeds in meets columns."),
        (z[head] @ weight[:, others].T, "A head's dimensions lie side by side in the matrix, not every third."),
        (z.transpose(0, 1).flatten(1) @ weight.T, "That is what all heads add together."),
        (z[0] @ weight[:, :size].T, "That is head 0, whatever number is given."),
        (z[head] @ weight[:, (head - 1) * size : head * size].T, "Those are the columns of the head before."),
    ]
    praise = "Right: every head has its own columns, and all heads' shares add up."
    return judge(result, z[head] @ weight[:, rows].T, praise, mistakes)


def composition(function):
    """A learner's composition(qk, ov): how much an earlier head's output reaches a later one's *queries*."""
    import torch

    draw = torch.Generator().manual_seed(3)
    matrix = (torch.randn(12, 3, generator=draw) @ torch.randn(3, 12, generator=draw) for _ in range(2))
    qk, ov = matrix
    result, trouble = run(function, qk.clone(), ov.clone())
    if trouble is not None:
        return trouble

    def score(product, norm=torch.linalg.norm):
        return norm(product) / (norm(qk) * norm(ov))

    mistakes = [
        (score(qk @ ov), "That is composition with the keys. Queries are on the other side of qk."),
        (score(ov @ qk), "The earlier head acts first, so its matrix stands on the right."),
        (score(ov @ qk.T), "The earlier head acts first, so its matrix stands on the right."),
        (torch.linalg.norm(qk.T @ ov), "Divide by both norms, or large weights alone make a large score."),
        (torch.linalg.norm(qk.T @ ov) / torch.linalg.norm(qk), "Divide by the norm of the other matrix too."),
        (score(qk.T @ ov) ** 2, "That is squared: take the root of the sum of squares, above and below."),
        (
            score(qk.T @ ov, lambda m: torch.linalg.matrix_norm(m, 2)),
            "That is the largest stretch; the Frobenius norm sums the squares of all entries.",
        ),
    ]
    return judge(result, score(qk.T @ ov), "Right: transposed, the queries' side reads.", mistakes)


def costliest_head(answer, lm, loss, means):
    """The (layer, head) whose mean ablation costs most. loss: a function of the model, lower is better."""
    if is_missing(answer):
        return unanswered()
    costs = {}
    for place in product(range(lm.spec.layers), range(lm.spec.heads)):
        with lm.ablate(heads=[place], by="mean", over=means):
            costs[place] = float(loss(lm))
    first, second, *_, last = sorted(costs, key=costs.get, reverse=True)
    mistakes = [
        (first[::-1], "Layer first, then head."),
        (np.add(first, 1), "Layers and heads count from 0."),
        (second, "That is the second: another one costs more."),
        (last, "That is the one that costs least. A higher loss is worse."),
        (costs[first], "That is the loss without it. Which head is it? Give (layer, head)."),
    ]
    return judge(answer, first, f"Right: without it the loss is {costs[first]:.2f} nats.", mistakes, 1e-9)


def sufficient(answer, lm, loss, means, at_most, below):
    """A list of heads that keep the loss low though all others are set to their mean.

    at_most: how many heads.  below: the loss, nats.
    """
    if is_missing(answer):
        return unanswered()
    kept = _pairs(answer)
    if kept is None:
        return Verdict(0, "Give a list of pairs (layer, head), for example [(0, 1), (3, 2)].")
    everything = set(product(range(lm.spec.layers), range(lm.spec.heads)))
    if not kept < everything:
        return Verdict(0, _no_such_heads(kept - everything, lm.name, at_most))
    loss_with = partial(_loss_with_only, lm, loss, means, everything)
    now = loss_with(kept)
    if now > below:
        why = _not_sufficient(kept, everything - kept, loss_with, now, (at_most, below))
        return Verdict(0, f"The loss is {now:.2f} nats. {why}")
    if len(kept) > at_most:
        return Verdict(0, f"They suffice ({now:.2f} nats), but they are {len(kept)}, and {at_most} are enough.")
    return Verdict(1, f"Right: {len(kept)} of {len(everything)} heads, and the loss is {now:.2f} nats.")


def _no_such_heads(wrong, name, at_most):
    if wrong:
        return f"There is no head {shown(min(wrong))} in {name}: both numbers count from 0."
    return f"That is all of them. Leave out what is not needed, until {at_most} are left."


def _loss_with_only(lm, loss, means, everything, heads):
    """The loss while all heads but these are set to their means."""
    if heads == everything:
        return float(loss(lm))
    with lm.ablate(heads=sorted(everything - heads), by="mean", over=means):
        return float(loss(lm))


def _not_sufficient(kept, others, loss_with, now, wanted):
    """Why these heads are not enough.  loss_with: the loss where only a set of heads is left."""
    at_most, below = wanted
    if len(others) <= at_most and loss_with(others) <= below:
        return "You named the heads that can go. Name those that must stay."
    if now > loss_with(set()) - 0.5:
        return "That is hardly better than no head at all: each step of the circuit needs one that can do it."
    best = min(loss_with(kept | {other}) for other in others)
    return f"With the right one more it would be {best:.2f}: try each of the others beside them."


def _pairs(answer):
    """A set of (layer, head), or None where the answer is no list of such."""
    if isinstance(answer, set | frozenset | dict):
        answer = list(answer)
    values = as_array(answer)
    if values is None or values.ndim not in (1, 2) or not 0 < values.size <= 2000 or values.shape[-1] != 2:
        return None
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        return None
    return {(int(layer), int(head)) for layer, head in values.reshape(-1, 2)}
