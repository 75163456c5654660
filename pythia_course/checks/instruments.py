"""Checks of lesson 12, more instruments."""

from itertools import product

import numpy as np

from pythia_course.checks.answers import is_missing
from pythia_course.checks.running import run
from pythia_course.checks.verdict import judge, unanswered
from pythia_course.inside.attribution import gradients


def selectivity(answer, task, controls):
    """A probe's accuracy on the task less its mean accuracy on the control tasks."""
    mean = float(np.mean(controls))
    mistakes = [
        (mean - task, "The other way round: the task comes first."),
        (task - max(controls), "That is against the best control task: take their mean."),
        (task - min(controls), "That is against the worst control task: take their mean."),
        (task - float(np.median(controls)), "That is against the middle one of them: take their mean."),
        (task / mean, "A difference is asked for, and that is a ratio."),
        (mean, "That is what the control tasks reach. How much better is the task?"),
        (100 * (task - mean), "That is in percent: 1 is always right here."),
    ]
    praise = "Right: so small a difference says that the probe could have learned by heart."
    return judge(answer, task - mean, praise, mistakes)


def by_position(function):
    """A learner's by_position(clean, corrupted, gradient): the estimate of each patch, (layer, head, position)."""
    import torch

    draw = torch.Generator().manual_seed(4)
    clean, corrupted, gradient = (torch.randn(2, 3, 5, 4, generator=draw) for _ in range(3))
    result, trouble = run(function, clean.clone(), corrupted.clone(), gradient.clone())
    if trouble is not None:
        return trouble
    terms = (clean - corrupted) * gradient
    mistakes = [
        (-terms.sum(-1), "The sign is wrong: the patch goes from the corrupted run to the clean one."),
        (terms, "Each head's numbers at a position still have to be added up."),
        (terms.sum((-1, -2)), "That is summed over positions too. Keep them apart."),
        (terms.mean(-1), "That is a mean, and what a small change does is a sum over the head's numbers."),
        ((clean * gradient).sum(-1), "What changes is the difference between the two runs."),
        (terms.abs().sum(-1), "Numbers that push the other way count against it: no absolute values."),
        ((clean - corrupted).norm(dim=-1) * gradient.norm(dim=-1), "Both have a direction: multiply number by number."),
    ]
    return judge(result, terms.sum(-1), "Right: summed over positions, these are the heads' estimates.", mistakes)


def divergence(function):
    """A learner's divergence(final_logits, lens_logits): KL from the final prediction, nats, (position)."""
    import torch

    draw = torch.Generator().manual_seed(5)
    final, lens = (3 * torch.randn(6, 11, generator=draw) for _ in range(2))
    result, trouble = run(function, final.clone(), lens.clone())
    if trouble is not None:
        return trouble
    p, q = final.log_softmax(-1), lens.log_softmax(-1)
    right = (p.exp() * (p - q)).sum(-1)
    mistakes = [
        ((q.exp() * (q - p)).sum(-1), "The other way round: the mean is taken over the final prediction."),
        (-right, "The sign is wrong: a divergence is never negative."),
        (right / np.log(2), "That is in bits; nats use the natural logarithm."),
        (right.mean(), "That is the mean over positions. Give one number for each."),
        (right.sum(), "That is the sum over positions. Give one number for each."),
        ((p.exp() * (p - q)).mean(-1), "Over the vocabulary it is a sum: the probabilities already are the weights."),
        ((p.exp() * (final - lens)).sum(-1), "Logits are known only up to a constant: take log_softmax of both first."),
        (-(p.exp() * q).sum(-1), "That is the cross-entropy; take away what the final prediction costs itself."),
        ((p.exp() * (p - q)), "Add up over the vocabulary."),
    ]
    return judge(result, right, "Right: 0 where the lens says what the model says, and else above.", mistakes)


def most_misjudged(answer, lm, texts, measure):
    """The (layer, head) whose patch the gradient's estimate gets most wrong.

    texts: the clean and the corrupted prompt.  measure: a function of logits (position, vocab) -> one number.
    """
    if is_missing(answer):
        return unanswered()
    clean, corrupted = (lm.trace(text, keep=["z", "logits"]) for text in texts)
    change = (clean.z - corrupted.z) * gradients(lm, corrupted.ids, measure)["z"]
    guessed, exact = change.sum((-1, -2)).numpy(), _effects(lm, clean, corrupted, measure)
    error = np.abs(guessed - exact)
    first = _place(error)
    mistakes = [
        (first[::-1], "Layer first, then head."),
        (np.add(first, 1), "Layers and heads count from 0."),
        (_place(np.where(error == error.max(), -1, error)), "That is the second: with another it is further off."),
        (_place(np.abs(guessed)), "That is the head to which the gradient gives most. Where is it furthest off?"),
        (_place(error / (np.abs(exact) + 1e-9)), "That is furthest off in proportion, and does next to nothing."),
        (_place(-error), "That is the one it gets most nearly right."),
    ]
    praise = f"Right: exactly {exact[first]:.1f} logits, by the gradient {guessed[first]:.1f}."
    return judge(answer, first, praise, mistakes, 1e-9)


def _effects(lm, clean, corrupted, measure):
    """What patching each head adds to the measure, one run for each: (layer, head)."""
    start, found = float(measure(corrupted.logits)), np.zeros((lm.spec.layers, lm.spec.heads))
    for head in product(range(lm.spec.layers), range(lm.spec.heads)):
        with lm.patch(clean, heads=[head]):
            found[head] = float(measure(lm.trace(corrupted.ids, keep=["logits"]).logits)) - start
    return found


def _place(values):
    return tuple(map(int, np.unravel_index(values.argmax(), values.shape)))
