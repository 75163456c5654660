"""Checks of lesson 06, training checkpoints."""

import numpy as np

from pythia_course import suite
from pythia_course.checks.answers import as_array, is_missing, shown
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered
from pythia_course.suite.zero_shot import MODELS, STEPS, TASKS, zero_shot


def tokens_seen(answer, step):
    """How many tokens the checkpoint of a real Pythia at this step was trained on."""
    batch = suite.TRAINING["tokens per step"]
    sequences, length = suite.TRAINING["sequences per step"], suite.TRAINING["tokens per sequence"]
    mistakes = [
        ((step + 1) * batch, "One batch too many: they count from 0, and the batch of its own number comes next."),
        ((step - 1) * batch, "One batch too few: batch 0 counts as well."),
        (batch, "That is one batch; how many had it seen?"),
        (step * sequences, "Those are sequences. How many tokens has each?"),
        (step * length, "That is one sequence a step. A batch has many."),
        (step * sequences * (length + 1), "Rows on disk have one token more, which is only ever predicted, not read."),
        (suite.TRAINING["tokens"], "That is the whole training."),
    ]
    return judge(answer, step * batch, "Right: as many batches as its number says, from batch 0 on.", mistakes, 1e-9)


# Made-up curves: (steps, values).  In each, other ways to date it give another answer.
_CURVES = (
    ((0, 10, 20, 30, 40, 50, 60, 70), (0.0, 0.1, 0.25, 0.35, 0.55, 0.9, 0.2, 0.6)),
    ((0, 1, 2, 4, 8, 600, 1400), (0.0, 0.1, 0.2, 0.55, 1.3, 0.3, 0.8)),
)


def birth(function):
    """A learner's birth(steps, values): the last step before, and the first at which, half of the end is reached."""
    given = [run(function, np.array(steps), np.array(values)) for steps, values in _CURVES]
    trouble = next((verdict for _, verdict in given if verdict is not None), None)
    if trouble is not None:
        return trouble
    found = [as_array(answer) for answer, _ in given]
    if any(answer is None for answer in found) or len({answer.size for answer in found}) != 1:
        return Verdict(0, "Two steps are wanted, (the last one before, the first one at or above).")
    answers = np.array([answer.ravel() for answer in found])
    if answers.shape == (2, 1):
        return Verdict(0, "One step is no birthday: give two, the last one before and the first one at or above.")
    right, mistakes = _between(lambda steps, values: _first(values >= values[-1] / 2)), _dated_otherwise()
    return judge(answers, right, "Right: it happened between these two, and more one cannot say.", mistakes, 1e-9)


def _first(reached):
    return int(np.argmax(reached))


def _between(place):
    """For each curve (step before, step at) the place that `place(steps, values)` finds."""
    curves = [(np.array(steps), np.array(values)) for steps, values in _CURVES]
    places = [place(steps, values) for steps, values in curves]
    return np.array([(steps[max(at - 1, 0)], steps[at]) for (steps, _), at in zip(curves, places)], dtype=float)


def _dated_otherwise():
    right = _between(lambda steps, values: _first(values >= values[-1] / 2))
    indices = np.array([[list(steps).index(step) for step in pair] for (steps, _), pair in zip(_CURVES, right)])
    last = _between(lambda steps, values: len(values) - _first(values[::-1] < values[-1] / 2))
    return [
        (right[:, ::-1], "The two steps are right, in the other order: first the one before."),
        (indices, "Those are places in the list, counted from 0. Look up their steps."),
        (
            _between(lambda steps, values: _first(values >= values.max() / 2)),
            "You took half of the highest value. Half of the last one is asked for, where the training ended.",
        ),
        (
            _between(lambda steps, values: _first(values >= 0.5)),
            "You asked for 0.5. Half of the value at the end is another number for each curve.",
        ),
        (last, "That is when it came to stay. The first time is asked for, even if it falls back afterwards."),
        (
            _between(lambda steps, values: int(np.argmax(np.diff(values))) + 1),
            "That is where it rises fastest, another way to date it. Half of the end is asked for.",
        ),
        (right[:, [1, 1]], "The same step twice. What is the last step before it?"),
    ]


def entropy(measure, lm, prompt):
    """A learner's measure(lm): how undecided the model is about the token after the prompt, in nats."""
    result, trouble = run(measure, lm)
    if trouble is not None:
        return trouble
    logits = lm.trace(prompt, keep=["logits"]).logits.double()
    p = logits.softmax(-1).numpy()  # (position, vocab)
    each = -(p * np.log(p)).sum(-1)
    right = each[-1]
    mistakes = [
        (-right, "The sign is the other way round: log p is negative, and an entropy never is."),
        (right / np.log(2), "That is in bits; np.log gives nats."),
        (each.mean(), "That is the mean over all positions. The last alone is about what comes after the prompt."),
        (each[0], "That is after the first token. What comes after the whole prompt is at the last position."),
        (each, "That is one number a position. The last one is asked for."),
        (np.exp(right), "That is e to the entropy, a perplexity. The entropy itself is asked for."),
        (-np.log(p[-1].max()), "That is the surprise at the likeliest token alone. Take the mean over all, by p."),
        (-np.log(p[-1]).mean(), "You took the plain mean of −log p. Weigh each by its p: likely tokens count more."),
        (-np.log(p[-1]).sum(), "Each −log p has to be weighed by its p before they are added up."),
    ]
    return judge(result, right, "Right, and `sweep` can take it to any checkpoint of any model.", mistakes)


def standard_errors(answer, model="pythia-160m", task="lambada_openai"):
    """How many standard errors lie between the best and the last accuracy of a published curve."""
    curve = zero_shot(model, task)
    best = int(curve.accuracy.argmax())
    fall = curve.accuracy[best] - curve.accuracy[-1]
    of_best, of_last = curve.stderr[best], curve.stderr[-1]
    right = fall / np.hypot(of_best, of_last)
    start = curve.accuracy[-1] - curve.accuracy[0]
    mistakes = [
        (-right, "The sign is the other way round: take the last from the best."),
        (fall, "That is the fall itself. How many of its own standard errors is that?"),
        (fall / of_best, "Both ends are uncertain, and you counted one: the error of a difference is √(a² + b²)."),
        (fall / of_last, "Both ends are uncertain, and you counted one: the error of a difference is √(a² + b²)."),
        (fall / (of_best + of_last), "Independent errors do not add up: the error of a difference is √(a² + b²)."),
        (fall / (of_best**2 + of_last**2), "The square root is missing: the error of a difference is √(a² + b²)."),
        (np.hypot(of_best, of_last), "That is the standard error of the difference. How many of these is the fall?"),
        (start / np.hypot(curve.stderr[0], of_last), "That is from the first to the last. Take the best and the last."),
    ]
    return judge(answer, right, "Right: noise does not do that.", mistakes, 0.02)


def twins(answer):
    """Two models of which the published table has the same six accuracies at some step past step 1."""
    if is_missing(answer):
        return unanswered()
    if not _is_pair_of(answer, str):
        return Verdict(0, 'Two names are wanted, as in ("pythia-70m", "pythia-1b").')
    pair = sorted(suite.short_name(name) for name in answer)
    unknown = [name for name in pair if name not in MODELS]
    if unknown:
        return Verdict(0, f"The table has no {shown(unknown[0])}; `zero_shot.MODELS` lists what it has.")
    if pair[0] == pair[1]:
        return Verdict(0, "Two different models are wanted: of course one agrees with itself.")
    steps = _alike(*pair)
    if not steps:
        return Verdict(0, "At no step do these two agree in all six tasks.")
    if max(steps) <= 1:
        return Verdict(
            0,
            f"These agree at {' and '.join(map(str, steps))} only, before data could make a difference: look later.",
        )
    many = f"at {len(steps)} steps, up to {steps[-1]:,}"
    return Verdict(1, f"Right: the same six accuracies {many}. By these figures one cannot tell them apart there.")


def _is_pair_of(answer, types):
    sized = isinstance(answer, tuple | list | set | frozenset) and len(answer) == 2
    return sized and all(isinstance(part, types) for part in answer)


def _is_seed(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _alike(a, b):
    """Steps at which two models have the same accuracy in every task."""
    same = np.all([zero_shot(a, task).accuracy == zero_shot(b, task).accuracy for task in TASKS], axis=0)
    return [step for step, equal in zip(STEPS, same) if equal]


def other_order(answer, logs):
    """(name, seed) of a run whose induction head was half grown before its previous-token head.

    logs: {(name, seed): columns of its training log}.
    """
    if is_missing(answer):
        return unanswered()
    key = (answer[0], int(answer[1])) if _is_pair_of(answer, str | int | np.integer) and _is_seed(answer[1]) else None
    if key not in logs:
        names = sorted({name for name, _ in logs})
        return Verdict(0, f"A name and a seed are wanted, as in ({names[0]!r}, 1); the runs are {', '.join(names)}.")
    previous, induction = (_half_grown(logs[key], column) for column in ("previous_token", "induction"))
    said = f"previous-token head by step {previous:,}, induction head by step {induction:,}"
    if induction < previous:
        return Verdict(1, f"Right: {said}. So much for a law; look at the curves before you say why.")
    if induction == previous:
        return Verdict(0, f"In that run both show in the same row of the log: {said}.")
    return Verdict(0, f"That run has the usual order: {said}.")


def _half_grown(log, column):
    values = np.asarray(log[column])
    return int(np.asarray(log["step"])[_first(values >= values[-1] / 2)])


def forgotten(prompt, step, young, old, at_least=0.5):
    """A prompt after which a checkpoint is sure of a token that the last one no longer says.

    young, old: the model opened at `step` and at its end.
    """
    if is_missing(prompt):
        return unanswered()
    if young.step == old.step:
        return Verdict(0, "Take an earlier step than the last: what one compares with itself is never forgotten.")
    try:
        (was, p), (now, _) = (lm.predict(prompt, k=1)[0] for lm in (young, old))
        left = dict(old.predict(prompt, k=old.spec.vocab)).get(was, 0.0)
    except (TypeError, ValueError, MemoryError) as error:
        return Verdict(0, str(error))
    said = f"step {young.step:,} says {was!r} ({p:.2f}), the end says {now!r} and gives {was!r} {left:.2f}"
    if was == now:
        return Verdict(0, f"Nothing forgotten: {said}.")
    if p < at_least:
        return Verdict(0, f"Changed, but it was never sure: {said}. It should give {at_least:.2f} or more.")
    return Verdict(1, f"Right: {said}. Was it the better answer? Ask the corpus.")
