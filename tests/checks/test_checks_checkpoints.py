"""Lesson 06's checks: right answers in every form pass, and each known mistake is named."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pythia_course import load
from pythia_course.checks import checkpoints
from pythia_course.checks.verdict import NOT_YET
from pythia_course.suite.zero_shot import MODELS, zero_shot
from pythia_course.tiny.train import training_log

BATCH = 1024 * 2048
PROMPT = "Mia had a red ball. Then"
LOGS = {
    ("late", 0): {"step": [0, 100, 200, 300], "previous_token": [0, 0.1, 0.6, 0.9], "induction": [0, 0, 0.1, 0.6]},
    ("early", 1): {"step": [0, 100, 200, 300], "previous_token": [0, 0.1, 0.3, 0.9], "induction": [0, 0.4, 0.5, 0.6]},
    ("even", 2): {"step": [0, 100, 200, 300], "previous_token": [0, 0.1, 0.6, 0.9], "induction": [0, 0, 0.4, 0.6]},
}


def says(verdict, mark, words):
    assert float(verdict) == mark and words in verdict.message, verdict
    return True


@cache
def tiny(step=6200):
    return load("tiny-pythia", step=step)


@pytest.fixture
def lm():
    return tiny(1400)


def model(token, p, step=600, other=0.3):
    """A stand-in for an opened model that always says the same."""
    said = [(token, p), ("␣other", other)]
    return SimpleNamespace(step=step, spec=SimpleNamespace(vocab=2), predict=lambda prompt, k=10: said[:k])


CHECKS = {
    "tokens_seen": lambda answer: checkpoints.tokens_seen(answer, 1000),
    "birth": checkpoints.birth,
    "birth, returned": lambda answer: checkpoints.birth(lambda steps, values: answer),
    "entropy": lambda answer: checkpoints.entropy(answer, tiny(0), PROMPT),
    "entropy, returned": lambda answer: checkpoints.entropy(lambda lm: answer, tiny(), PROMPT),
    "standard_errors": checkpoints.standard_errors,
    "twins": checkpoints.twins,
    "other_order": lambda answer: checkpoints.other_order(answer, LOGS),
    "forgotten": lambda answer: checkpoints.forgotten(answer, 0, tiny(0), tiny()),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    "answer",
    [..., None, "no idea", object(), [], {}, np.nan, [[1, 2], [3]], [1, 2, 3], ("pythia-1b", 7), np.zeros(3)],
    ids=lambda answer: type(answer).__name__,
)
def test_no_check_raises_or_accepts_nonsense(check, answer):
    verdict = check(answer)
    assert verdict == 0 and verdict.message


# -------------------------------------------------------------------------------------------- tokens_seen


@pytest.mark.parametrize("form", [int, float, np.int64, torch.tensor, lambda n: [n], lambda n: f"{n:,}"])
def test_tokens_seen_takes_any_form(form):
    assert says(checkpoints.tokens_seen(form(1000 * BATCH), 1000), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (1001 * BATCH, "One batch too many"),
        (999 * BATCH, "One batch too few"),
        (BATCH, "one batch; how many"),
        (1000 * 1024, "Those are sequences"),
        (1000 * 2048, "one sequence a step"),
        (1000 * 1024 * 2049, "only ever predicted"),
        (143_000 * BATCH, "the whole training"),
        (5, "It should be larger"),
    ],
)
def test_tokens_seen_names_the_mistake(answer, words):
    assert says(checkpoints.tokens_seen(answer, 1000), 0, words)


# --------------------------------------------------------------------------------------------------- birth


def born(steps, values, level=None, form=tuple):
    """By a loop, independent of the check's own way."""
    level = values[-1] / 2 if level is None else level
    before = steps[0]
    for step, value in zip(steps, values):
        if value >= level:
            return form((before, step))
        before = step


def index_pair(steps, values):
    return tuple(list(steps).index(step) for step in born(steps, values))


def came_to_stay(steps, values):
    below = max(i for i, value in enumerate(values) if value < values[-1] / 2)
    return steps[below], steps[below + 1]


def steepest(steps, values):
    at = max(range(1, len(steps)), key=lambda i: values[i] - values[i - 1])
    return steps[at - 1], steps[at]


@pytest.mark.parametrize("form", [tuple, list, np.array, torch.tensor])
def test_birth_takes_any_form(form):
    assert says(checkpoints.birth(lambda steps, values: born(steps, values, form=form)), 1, "between these two")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda s, v: born(s, v)[::-1], "in the other order"),
        (index_pair, "places in the list"),
        (lambda s, v: born(s, v, max(v) / 2), "half of the highest"),
        (lambda s, v: born(s, v, 0.5), "You asked for 0.5"),
        (came_to_stay, "came to stay"),
        (steepest, "rises fastest"),
        (lambda s, v: (born(s, v)[1],) * 2, "The same step twice"),
        (lambda s, v: born(s, v)[1], "give two"),
        (lambda s, v: 1 / 0, "stopped with ZeroDivisionError"),
        (lambda s, v: None, "returns nothing yet"),
        (lambda s, v: ("a", "b"), "Two steps are wanted"),
        (lambda s, v: (1, 2), "numbers are not"),
    ],
)
def test_birth_names_the_mistake(function, words):
    assert says(checkpoints.birth(function), 0, words)


def test_birth_wants_a_function():
    assert says(checkpoints.birth(...), 0, NOT_YET) and says(checkpoints.birth((512, 600)), 0, "the function itself")


# ------------------------------------------------------------------------------------------------- entropy


def shares(lm):
    """Probabilities (position, vocab), by the model's own softmax."""
    return lm.trace(PROMPT, keep=["logits"]).logits.softmax(-1)


def undecided(lm):
    return torch.distributions.Categorical(shares(lm)[-1]).entropy()


@pytest.mark.parametrize("form", [float, np.float32, torch.tensor, lambda value: [value]])
def test_entropy_takes_any_form(form, lm):
    assert says(checkpoints.entropy(lambda lm: form(float(undecided(lm))), lm, PROMPT), 1, "Right")


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (lambda lm: -undecided(lm), "sign is the other way"),
        (lambda lm: undecided(lm) / np.log(2), "in bits"),
        (lambda lm: torch.distributions.Categorical(shares(lm)).entropy().mean(), "mean over all positions"),
        (lambda lm: torch.distributions.Categorical(shares(lm)).entropy()[0], "after the first token"),
        (lambda lm: torch.distributions.Categorical(shares(lm)).entropy(), "one number a position"),
        (lambda lm: undecided(lm).exp(), "perplexity"),
        (lambda lm: -shares(lm)[-1].max().log(), "likeliest token alone"),
        (lambda lm: -shares(lm)[-1].log().mean(), "plain mean"),
        (lambda lm: -shares(lm)[-1].log().sum(), "weighed by its p"),
        (lambda lm: lm.nothing, "stopped with AttributeError"),
        (lambda lm: undecided(lm) + 1, "should be smaller"),
    ],
)
def test_entropy_names_the_mistake(measure, words, lm):
    assert says(checkpoints.entropy(measure, lm, PROMPT), 0, words)


# ----------------------------------------------------------------------------------------- standard_errors

CURVE = zero_shot("pythia-160m")
BEST, LAST = CURVE.accuracy.max(), CURVE.accuracy[-1]
ERRORS = [(p * (1 - p) / 5152) ** 0.5 for p in (BEST, LAST)]
WIDE = sum(error**2 for error in ERRORS) ** 0.5


@pytest.mark.parametrize("form", [float, torch.tensor, lambda n: [n], lambda n: round(n, 1)])
def test_standard_errors_takes_any_form(form):
    assert says(checkpoints.standard_errors(form((BEST - LAST) / WIDE)), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((LAST - BEST) / WIDE, "sign"),
        (BEST - LAST, "the fall itself"),
        ((BEST - LAST) / ERRORS[0], "you counted one"),
        ((BEST - LAST) / ERRORS[1], "you counted one"),
        ((BEST - LAST) / sum(ERRORS), "do not add up"),
        ((BEST - LAST) / WIDE**2, "square root is missing"),
        (WIDE, "standard error of the difference"),
        (LAST / ERRORS[1], "first to the last"),
        (1, "should be larger"),
    ],
)
def test_standard_errors_names_the_mistake(answer, words):
    assert says(checkpoints.standard_errors(answer), 0, words)


# --------------------------------------------------------------------------------------------------- twins


@cache
def the_twins():
    """Found by comparing the rows of the table as text."""
    from pythia_course.suite.zero_shot import FILE

    rows = [line.split(",") for line in FILE.read_text().splitlines() if line.startswith("pythia")]
    late = {}
    for name, _, *accuracies in rows:
        for step, accuracy in enumerate(accuracies[2:]):
            late.setdefault((name, step), []).append(accuracy)
    same = [(a, b) for a, _ in late for b, _ in late if a < b and any(late[a, s] == late[b, s] for s in range(25))]
    [pair] = set(same)
    return pair


@pytest.mark.parametrize("form", [tuple, list, set, lambda pair: pair[::-1]])
def test_twins_takes_any_form(form):
    assert says(checkpoints.twins(form(the_twins())), 1, "at 12 steps, up to 1,000")
    assert says(checkpoints.twins(["EleutherAI/" + name for name in the_twins()]), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (("pythia-70m", "pythia-70m-deduped"), "agree at 0 and 1 only"),
        (("pythia-70m", "pythia-12b"), "At no step"),
        (("pythia-70m", "EleutherAI/pythia-70m"), "of course one agrees with itself"),
        (("pythia-14m", "pythia-70m"), "has no 'pythia-14m'"),
        ("pythia-70m", "Two names are wanted"),
        (MODELS[:3], "Two names are wanted"),
        (..., NOT_YET),
    ],
)
def test_twins_names_the_mistake(answer, words):
    assert says(checkpoints.twins(answer), 0, words)


# --------------------------------------------------------------------------------------------- other_order


def test_other_order_takes_a_run_in_which_the_induction_head_came_first():
    verdict = checkpoints.other_order(("early", 1), LOGS)
    assert says(verdict, 1, "previous-token head by step 300, induction head by step 100")
    assert says(checkpoints.other_order(["early", 1], LOGS), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (("late", 0), "the usual order: previous-token head by step 200, induction head by step 300"),
        (("even", 2), "the same row of the log"),
        (("early", 2), "A name and a seed are wanted"),
        ("early", "as in ('early', 1)"),
        (..., NOT_YET),
    ],
)
def test_other_order_names_the_mistake(answer, words):
    assert says(checkpoints.other_order(answer, LOGS), 0, words)


def test_there_is_such_a_run_among_those_that_ship():
    names = ("tiny-pythia", "tiny-pythia-sequential", "tiny-gpt2", "tiny-gpt2-parallel")
    logs = {}
    for name in names:
        for seed in (0, 1, 2):
            log = training_log(name, seed)
            logs[name, seed] = {key: values[log["step"] <= 2400] for key, values in log.items()}
    right = [key for key in logs if checkpoints.other_order(key, logs) == 1]
    assert 1 <= len(right) <= 3


# ----------------------------------------------------------------------------------------------- forgotten


def test_forgotten_takes_what_was_sure_once_and_is_not_said_now():
    verdict = checkpoints.forgotten("Tom", 600, model("␣a", 0.9), model("␣b", 0.8, step=6200))
    assert says(verdict, 1, "step 600 says '␣a' (0.90), the end says '␣b' and gives '␣a' 0.00")


@pytest.mark.parametrize(
    ("young", "old", "words"),
    [
        (model("␣a", 0.9), model("␣a", 0.8, step=6200), "Nothing forgotten"),
        (model("␣a", 0.4), model("␣b", 0.8, step=6200), "never sure"),
        (model("␣a", 0.9), model("␣b", 0.8), "Take an earlier step"),
    ],
)
def test_forgotten_names_the_mistake(young, old, words):
    assert says(checkpoints.forgotten("Tom", 600, young, old), 0, words)


def test_forgotten_passes_on_what_the_model_says_of_a_prompt():
    young, old = tiny(600), tiny()
    assert says(checkpoints.forgotten("", 600, young, old), 0, "The prompt is empty")
    assert says(checkpoints.forgotten(["Tom", "Mia"], 600, young, old), 0, "take them one at a time")
    assert says(checkpoints.forgotten(..., 600, young, old), 0, NOT_YET)
