"""Lesson 11's checks accept any right form, name each mistake, and never raise."""

from contextlib import contextmanager
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pythia_course.checks import circuits


def says(verdict, words):
    """Whether the check turned it down in these words."""
    assert verdict == 0, verdict
    assert words in verdict.message, verdict
    return True


class MadeUp:
    """Stands in for a model of 3 layers × 4 heads; which heads are silenced decides its loss."""

    name = "made-up"
    spec = SimpleNamespace(layers=3, heads=4)
    silenced = ()

    @contextmanager
    def ablate(self, heads, by, over):
        assert by == "mean" and over == "means" and heads
        self.silenced, before = tuple(heads), self.silenced
        try:
            yield
        finally:
            self.silenced = before


COSTS = {(0, 2): 3.0, (1, 1): 1.0, (2, 0): 0.5, (2, 3): 0.25, (0, 0): -0.125}


def loss(lm):
    return 0.125 + sum(COSTS.get(head, 0) for head in lm.silenced)


def costliest(answer):
    return circuits.costliest_head(answer, MadeUp(), loss, "means")


def sufficient(answer, at_most=3):
    return circuits.sufficient(answer, MadeUp(), loss, "means", at_most=at_most, below=0.5)


ANSWERS = (..., None, "no idea", object(), [], {}, np.nan, [[1, 2], [3]], [(1, 0.5)], [(1, 2, 3)], {(0, 1): 2}, 10**30)
CHECKS = {
    "recovered": lambda answer: circuits.recovered(answer, 8.0, -2.0, 6.0),
    "head_write": circuits.head_write,
    "composition": circuits.composition,
    "costliest_head": costliest,
    "sufficient": sufficient,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_no_check_raises_or_accepts_nonsense(check, answer):
    verdict = check(answer)
    assert verdict == 0 and verdict.message


@pytest.mark.parametrize("check", [circuits.head_write, circuits.composition])
def test_a_function_that_fails_or_returns_nothing_useful_is_turned_down_in_words(check):
    assert says(check(lambda *parts: 1 / 0), "ZeroDivisionError")
    assert says(check(lambda: 1), "TypeError")
    assert says(check(lambda *parts: ...), "returns nothing yet")
    for nonsense in ("text", torch.zeros(3), (1, 2, 3), (torch.zeros(2), torch.zeros(2))):
        assert check(lambda *parts, result=nonsense: result) == 0


# ------------------------------------------------------------------------------------------------- the metric


@pytest.mark.parametrize("form", [float, str, np.array, torch.tensor, lambda n: [n]])
def test_the_share_is_accepted_in_any_form(form):
    assert circuits.recovered(form(0.8), 8.0, -2.0, 6.0) == 1


@pytest.mark.parametrize(
    "answer, words",
    [
        (0.75, "left the corrupted run out"),
        (0.2, "still missing"),
        (8.0, "change in logits"),
        (1.0, "the whole way"),
        (1.25, "Upside down"),
        (80, "percent"),
        (0.5, "larger"),
    ],
)
def test_wrong_shares_are_named(answer, words):
    assert says(circuits.recovered(answer, 8.0, -2.0, 6.0), words)


# ----------------------------------------------------------------------------------------- what one head writes


def head_write(z, weight, head):
    size = z.shape[-1]
    return z[head] @ weight[:, head * size : (head + 1) * size].T


def test_the_right_write_passes_in_other_words_too():
    assert circuits.head_write(head_write) == 1
    assert circuits.head_write(lambda *parts: head_write(*parts).tolist()) == 1

    def silent_others(z, weight, head):
        only = torch.zeros_like(z)
        only[head] = z[head]
        return torch.nn.functional.linear(only.transpose(0, 1).flatten(1), weight).numpy()

    assert circuits.head_write(silent_others) == 1


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda z, w, h: z[h] @ w[4 * h : 4 * h + 4], "Those are rows"),
        (lambda z, w, h: z[h] @ w[:, h::3].T, "not every third"),
        (lambda z, w, h: z.transpose(0, 1).flatten(1) @ w.T, "all heads"),
        (lambda z, w, h: z[0] @ w[:, :4].T, "head 0"),
        (lambda z, w, h: z[h] @ w[:, 4 * h - 4 : 4 * h].T, "the head before"),
        (lambda z, w, h: z[h] @ w[:, 4 * h : 4 * h + 4], "RuntimeError"),
        (lambda z, w, h: z[h], "shape (5, 4)"),
    ],
)
def test_wrong_writes_are_named(function, words):
    assert says(circuits.head_write(function), words)


# ------------------------------------------------------------------------------------------------- composition


def frobenius(matrix):
    return matrix.square().sum().sqrt()


def test_the_right_score_passes_however_it_is_written():
    assert circuits.composition(lambda qk, ov: frobenius(qk.T @ ov) / frobenius(qk) / frobenius(ov)) == 1
    assert circuits.composition(lambda qk, ov: (ov.T @ qk).norm().item() / (qk.norm() * ov.norm()).item()) == 1
    assert circuits.composition(lambda qk, ov: ((qk / qk.norm()).mT @ (ov / ov.norm())).norm().numpy()) == 1


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda qk, ov: (qk @ ov).norm() / qk.norm() / ov.norm(), "composition with the keys"),
        (lambda qk, ov: (ov @ qk).norm() / qk.norm() / ov.norm(), "stands on the right"),
        (lambda qk, ov: (ov @ qk.T).norm() / qk.norm() / ov.norm(), "stands on the right"),
        (lambda qk, ov: (qk.T @ ov).norm(), "Divide by both norms"),
        (lambda qk, ov: (qk.T @ ov).norm() / qk.norm(), "the other matrix too"),
        (lambda qk, ov: (qk.T @ ov).square().sum() / qk.square().sum() / ov.square().sum(), "squared"),
        (
            lambda qk, ov: (
                torch.linalg.matrix_norm(qk.T @ ov, 2)
                / torch.linalg.matrix_norm(qk, 2)
                / torch.linalg.matrix_norm(ov, 2)
            ),
            "largest stretch",
        ),
        (lambda qk, ov: qk.T @ ov, "one number"),
    ],
)
def test_wrong_scores_are_named(function, words):
    assert says(circuits.composition(function), words)


# --------------------------------------------------------------------------------------------- heads of a model


@pytest.mark.parametrize("form", [tuple, list, np.array, torch.tensor])
def test_the_costliest_head_passes_in_any_form(form):
    assert costliest(form([0, 2])) == 1


@pytest.mark.parametrize(
    "answer, words",
    [
        ((2, 0), "Layer first"),
        ((1, 3), "count from 0"),
        ((1, 1), "the second"),
        ((0, 0), "costs least"),
        (3.125, "loss without it"),
        ((2, 2), "not"),
    ],
)
def test_wrong_heads_are_named(answer, words):
    assert says(costliest(answer), words)


@pytest.mark.parametrize("form", [list, set, tuple, np.array, torch.tensor, lambda heads: [list(h) for h in heads]])
def test_heads_that_suffice_pass_in_any_form_and_twice_named_counts_once(form):
    assert sufficient(form([(0, 2), (1, 1), (2, 0)])) == 1
    assert sufficient([(0, 2), (1, 1), (2, 0), (0, 2)]) == 1


@pytest.mark.parametrize(
    "answer, words",
    [
        ([(0, 2), (1, 1), (2, 0), (2, 1)], "they are 4, and 3 are enough"),
        ([place for place in product(range(3), range(4)) if place not in [(0, 2), (1, 1), (2, 0)]], "that must stay"),
        ([(1, 0)], "hardly better than no head"),
        ([(0, 2), (1, 1)], "With the right one more it would be 0.25"),
        ([(0, 2), (3, 0)], "no head (3, 0)"),
        ([(-1, 2)], "no head (-1, 2)"),
        (list(product(range(3), range(4))), "all of them"),
        ([(0, 1, 2)], "a list of pairs"),
        ([1, 2, 3], "a list of pairs"),
    ],
)
def test_wrong_sets_of_heads_are_named(answer, words):
    assert says(sufficient(answer), words)


def test_one_head_may_be_named_without_a_list_and_nothing_stays_silenced():
    lm = MadeUp()
    circuits.sufficient((0, 2), lm, loss, "means", at_most=3, below=0.5)
    assert lm.silenced == ()
