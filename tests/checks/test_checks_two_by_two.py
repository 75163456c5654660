"""Lesson 10's checks: right answers in every form pass, and each known mistake is named."""

import copy
import math

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPTNeoXConfig

from pythia_course.checks import two_by_two
from pythia_course.checks.verdict import NOT_YET

TABLE = np.array([[1.0, 0.7], [0.4, 0.35]])  # (learned, rotary) x (sequential, parallel)
STEPS = [100, 200, 300]


def says(verdict, mark, words):
    assert float(verdict) == mark and words in verdict.message, verdict
    return True


def base():
    return GPTNeoXConfig(hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512)


CHECKS = {
    "layers_to_reach": lambda answer: two_by_two.layers_to_reach(answer, 256, 2047),
    "undo_scaling": two_by_two.undo_scaling,
    "undo_scaling, returned": lambda answer: two_by_two.undo_scaling(lambda weight, heads: answer),
    "effects": lambda answer: two_by_two.effects(answer, TABLE),
    "seeds_needed": two_by_two.seeds_needed,
    "strongest_step": lambda answer: two_by_two.strongest_step(answer, STEPS, over_steps()),
    "one_switch": lambda answer: two_by_two.one_switch(answer, base()),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    "answer",
    [..., None, "no idea", object(), [], {}, np.nan, np.inf, [[1, 2], [3]], [1, 2, 3], -1, {"a": [np.ones(2)]}],
    ids=lambda answer: type(answer).__name__,
)
def test_no_check_raises_or_accepts_nonsense(check, answer):
    verdict = check(answer)
    assert verdict == 0 and verdict.message


# ------------------------------------------------------------------------------------------ layers to reach


def hops(window, distance):
    """Counted one layer at a time, by which tokens know of the first."""
    knows, layers = np.zeros(distance + 1, bool), 0
    knows[0] = True
    while not knows[distance]:
        knows = np.array([knows[max(0, i - window + 1) : i + 1].any() for i in range(distance + 1)])
        layers += 1
    return layers


@pytest.mark.parametrize(("window", "distance"), [(8, 7), (8, 8), (8, 20), (256, 1000), (256, 1020), (256, 2047)])
@pytest.mark.parametrize("form", [int, float, np.int64, torch.tensor, lambda n: [n]], ids=range(5))
def test_the_layers_are_those_that_hopping_takes(window, distance, form):
    assert says(two_by_two.layers_to_reach(form(hops(window, distance)), window, distance), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (math.ceil(2047 / 256), "holds the token itself"),
        (18, "global layers"),
        (1, "A global layer would"),
        (255, "one layer reaches"),
        (256, "That is the window"),
        (11, "should be smaller"),
        (..., NOT_YET),
    ],
)
def test_layers_to_reach_names_the_mistake(answer, words):
    assert says(two_by_two.layers_to_reach(answer, 256, 2047), 0, words)


def test_half_hops_do_not_count():
    assert says(two_by_two.layers_to_reach(2, 256, 600), 0, "short")


# --------------------------------------------------------------------------------------------- undo scaling


def undone(weight, heads):
    return weight * (len(weight) / heads) ** 0.5


def test_undoing_the_scaling_takes_tensors_arrays_and_lists():
    assert two_by_two.undo_scaling(undone) == 1
    assert two_by_two.undo_scaling(lambda weight, heads: undone(weight, heads).numpy()) == 1
    assert two_by_two.undo_scaling(lambda weight, heads: undone(weight, heads).tolist()) == 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda w, h: w, "as it was"),
        (lambda w, h: w / (len(w) / h) ** 0.5, "wrong way"),
        (lambda w, h: w * len(w) / h, "square root"),
        (lambda w, h: w * len(w) ** 0.5, "width of the stream"),
        (lambda w, h: w * h**0.5, "number of heads"),
        (lambda w, h: w * (len(w) / h) ** 0.25, "if the keys"),
        (lambda w, h: w * 8, "heads of 64"),
        (lambda w, h: w[0], "shape"),
        (lambda w, h: ..., "returns nothing"),
        (lambda w, h: w.nonsense, "AttributeError"),
        (..., NOT_YET),
        (8, "function itself"),
    ],
)
def test_undo_scaling_names_the_mistake(function, words):
    assert says(two_by_two.undo_scaling(function), 0, words)


# -------------------------------------------------------------------------------------------------- effects


def by_regression(table):
    """The same effects as twice the coefficients of a least-squares fit to switches of -1 and 1."""
    rows = [(1, p, b, p * b) for p in (-1, 1) for b in (-1, 1)]
    return 2 * np.linalg.lstsq(np.array(rows, float), table.ravel(), rcond=None)[0][1:]


@pytest.mark.parametrize("form", [np.array, list, torch.tensor, lambda x: np.float32(x)], ids=range(4))
def test_effects_are_the_coefficients_of_a_regression(form):
    assert says(two_by_two.effects(form(by_regression(TABLE).tolist()), TABLE), 1, "Right")


def test_effects_of_several_seeds_are_those_of_each():
    tables = np.random.RandomState(0).rand(3, 2, 2)
    assert two_by_two.all_effects(tables) == pytest.approx(np.array([by_regression(table) for table in tables]))


RIGHT = by_regression(TABLE)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (RIGHT[[1, 0, 2]], "Which axis"),
        (-RIGHT, "signs are turned round"),
        (RIGHT * [-1, -1, 1], "two main effects are turned"),
        (RIGHT * 2, "effect is their mean"),
        (RIGHT * [1, 1, 2], "half"),
        (RIGHT * [1, 1, -1], "wrong sign"),
        ([-0.6, -0.3, RIGHT[2]], "one row and one column"),
        ([-0.35, -0.05, RIGHT[2]], "one row and one column"),
        ([*RIGHT[:2], 0.35 - 1.0], "both switches"),
        (RIGHT[:2], "shape"),
        (RIGHT + 1, "numbers are not"),
        (..., NOT_YET),
    ],
)
def test_effects_names_the_mistake(answer, words):
    assert says(two_by_two.effects(answer, TABLE), 0, words)


# --------------------------------------------------------------------------------------------- seeds needed


def chance_agrees(seeds):
    """How often all of so many fair coins fall alike, by counting all ways in which they can fall."""
    falls = np.array(np.meshgrid(*[[0, 1]] * seeds)).reshape(seeds, -1)
    return np.mean(falls.all(0) | (1 - falls).all(0))


@pytest.mark.parametrize("level", [0.3, 0.05, 0.01])
def test_the_seeds_needed_are_those_that_counting_finds(level):
    right = next(n for n in range(1, 12) if chance_agrees(n) < level)
    assert says(two_by_two.seeds_needed(right, level), 1, "Right")
    assert two_by_two.seeds_needed(right - 1, level) == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (5, "named beforehand"),
        (3, "quarter"),
        (20, "One in so many"),
        (7, "more than enough"),
        (2 / 2**6, "chance with the right"),
        (100, "should be smaller"),
        (..., NOT_YET),
    ],
)
def test_seeds_needed_names_the_mistake(answer, words):
    assert says(two_by_two.seeds_needed(answer), 0, words)


# ------------------------------------------------------------------------------------------- strongest step


def made_of(positions, block, interaction):
    """(positions, block, step), with these effects at each step."""
    x, z = np.array([-1, 1])[:, None, None], np.array([-1, 1])[:, None]
    return (np.multiply(positions, x) + np.multiply(block, z) + np.multiply(interaction, x * z)) / 2


def over_steps():
    """(seed, positions, block, step): positions matter most at 200, the block at 300, the interaction at 100."""
    return np.array([made_of((0.5, -2.0, 0.5), (0.1, 0.2, 1.0), (-0.8, 0.1, 0.2))] * 3)


def test_strongest_step_takes_any_form():
    for form in (int, float, np.int64, torch.tensor):
        assert says(two_by_two.strongest_step(form(200), STEPS, over_steps()), 1, "-2.0 nats")
        assert two_by_two.strongest_step(form(200), torch.tensor(STEPS), torch.tensor(over_steps())) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (1, "place in the list"),
        (300, "block"),
        (100, "interaction"),
        (2.0, "how large"),
        (250, "should be smaller"),
        (..., NOT_YET),
    ],
)
def test_strongest_step_names_the_mistake(answer, words):
    assert says(two_by_two.strongest_step(answer, STEPS, over_steps()), 0, words)


def test_strongest_step_knows_the_step_of_one_seed_and_the_last_one():
    peaks = [(-3.0, -2.0, 0.5, 0.1), (0.5, -2.0, 0.5, 0.1), (0.5, -2.0, 0.5, 0.1)]
    table = np.array([made_of(positions, (0, 0, 1.0, 0), (0, 0, 1.0, 0)) for positions in peaks])
    for answer, words in ((10, "for seed 0"), (30, "block"), (40, "last step")):
        assert says(two_by_two.strongest_step(answer, [10, 20, 30, 40], table), 0, words)


# ----------------------------------------------------------------------------------------------- one switch


def changed(**fields):
    config = copy.deepcopy(base())
    for key, value in fields.items():
        setattr(config, key, value)
    return config


ROPE = base().rope_parameters


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (changed(hidden_act="relu"), "only hidden_act changes, from gelu to relu"),
        (changed(rope_parameters={**ROPE, "rope_theta": 500.0}), "only rope_parameters.rope_theta"),
        (changed(tie_word_embeddings=True, use_cache=False), "only tie_word_embeddings"),
        ({"hidden_act": "relu"}, "only hidden_act"),
        (GPTNeoXConfig(**{**base().to_dict(), "use_parallel_residual": False}), "only use_parallel_residual"),
    ],
    ids=range(5),
)
def test_one_switch_is_accepted(answer, words):
    assert says(two_by_two.one_switch(answer, base()), 1, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (base(), "the same"),
        (changed(hidden_act="relu", use_parallel_residual=False), "hidden_act, use_parallel_residual"),
        (changed(rope_parameters={**ROPE, "rope_theta": 500.0, "partial_rotary_factor": 1.0}), "Several things"),
        (changed(parallel_residual=False), "No field is called 'parallel_residual'"),
        (changed(use_cache=False), "use_cache changes nothing"),
        (changed(num_hidden_layers=6), "number of parameters"),
        (GPT2Config(), "another architecture"),
        ("relu", "a text came"),
        (..., NOT_YET),
        (None, NOT_YET),
    ],
    ids=range(10),
)
def test_one_switch_names_the_mistake(answer, words):
    assert says(two_by_two.one_switch(answer, base()), 0, words)
