"""Lesson 04's checks accept any right form, name each mistake, and never raise."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pythia_course.checks import parallel


def says(verdict, words):
    """Whether the check turned it down in these words."""
    assert verdict == 0, verdict
    assert words in verdict.message, verdict
    return True


ANSWERS = (..., None, "no idea", object(), [], {}, np.nan, [[1, 2], [3]])
CHECKS = {
    "paths": lambda answer: parallel.paths(answer, 12),
    "composing_pairs": lambda answer: parallel.composing_pairs(answer, 4),
    "parallel_block": parallel.parallel_block,
    "sequential_block": parallel.sequential_block,
    "fused_writes": parallel.fused_writes,
    "costliest_layer": lambda answer: parallel.costliest_layer(answer, FourLayers(), loss),
    "dial": lambda answer: parallel.dial(answer, 1.0, 5.0),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_no_check_raises_or_accepts_nonsense(check, answer):
    verdict = check(answer)
    assert verdict == 0 and verdict.message


@pytest.mark.parametrize("check", [parallel.parallel_block, parallel.sequential_block, parallel.fused_writes])
def test_a_function_that_fails_or_returns_nothing_useful_is_turned_down_in_words(check):
    assert says(check(lambda *parts: 1 / 0), "ZeroDivisionError")
    assert says(check(lambda: 1), "TypeError")
    assert says(check(lambda *parts: ...), "returns nothing yet")
    for nonsense in ("text", torch.zeros(3), (1, 2, 3), (torch.zeros(2), torch.zeros(2))):
        assert check(lambda *parts, result=nonsense: result) == 0


# ------------------------------------------------------------------------------------------------- counting


@pytest.mark.parametrize("form", [int, float, str, np.array, torch.tensor, lambda n: [n]])
def test_counts_are_accepted_in_any_form(form):
    assert parallel.paths(form(81), 4) == 1
    assert parallel.composing_pairs(form(6), 4) == 1


@pytest.mark.parametrize(
    "answer, words",
    [
        (4**12, "sequential"),
        (2**12, "it may also just pass"),
        (3 * 12, "You added the choices"),
        (12**3, "wrong way round"),
        (13, "stream is written down"),
        (7, "larger"),
    ],
)
def test_wrong_numbers_of_paths_are_named(answer, words):
    assert says(parallel.paths(answer, 12), words)


@pytest.mark.parametrize(
    "answer, words",
    [
        (78, "its own layer"),
        (132, "backwards"),
        (144, "every attention with every MLP"),
        (11, "the next layer only"),
        (12, "one pair per layer"),
    ],
)
def test_wrong_numbers_of_pairs_are_named(answer, words):
    assert says(parallel.composing_pairs(answer, 12), words)


def test_the_counts_are_those_of_a_walk_through_the_layers():
    """An oracle that walks instead of multiplying."""

    def walks(layers):
        return 1 if layers == 0 else sum(walks(layers - 1) for choice in ("pass", "attention", "mlp"))

    pairs = [(early, late) for early in range(5) for late in range(5) if early < late]
    assert parallel.paths(walks(5), 5) == 1
    assert parallel.composing_pairs(len(pairs), 5) == 1


# --------------------------------------------------------------------------------------------------- blocks


def side_by_side(x, attention, mlp, norm1, norm2):
    return x + attention(norm1(x)) + mlp(norm2(x))


def one_after_the_other(x, attention, mlp, norm1, norm2):
    middle = x + attention(norm1(x))
    return middle + mlp(norm2(middle))


def in_place(x, attention, mlp, norm1, norm2):
    added = mlp(norm2(x))
    x += attention(norm1(x))
    x += added
    return x.numpy()


def test_right_blocks_pass():
    assert parallel.parallel_block(side_by_side) == 1
    assert parallel.parallel_block(in_place) == 1
    assert parallel.parallel_block(lambda *parts: side_by_side(*parts).tolist()) == 1
    assert parallel.sequential_block(one_after_the_other) == 1


@pytest.mark.parametrize(
    "block, words",
    [
        (one_after_the_other, "that is the sequential block"),
        (lambda x, a, m, n1, n2: x + m(n2(x)) + a(n1(x + m(n2(x)))), "attention reads what the MLP wrote"),
        (lambda x, a, m, n1, n2: x + a(n1(x)) + m(n1(x)), "one LayerNorm for both"),
        (lambda x, a, m, n1, n2: x + a(n2(x)) + m(n2(x)), "one LayerNorm for both"),
        (lambda x, a, m, n1, n2: x + a(n2(x)) + m(n1(x)), "swapped"),
        (lambda x, a, m, n1, n2: x + a(x) + m(x), "through a LayerNorm"),
        (lambda x, a, m, n1, n2: x + a(n1(x)) + m(x), "MLP reads the stream without"),
        (lambda x, a, m, n1, n2: x + a(x) + m(n2(x)), "Attention reads the stream without"),
        (lambda x, a, m, n1, n2: a(n1(x)) + m(n2(x)), "forgot the residual"),
        (lambda x, a, m, n1, n2: x + m(n2(x)), "attention found is missing"),
        (lambda x, a, m, n1, n2: x + a(n1(x)), "MLP found is missing"),
        (lambda x, a, m, n1, n2: x + a(n1(x)) + x + m(n2(x)), "x twice"),
        (lambda x, a, m, n1, n2: x + m(n2(a(n1(x)))), "attention's output alone"),
        (lambda x, a, m, n1, n2: x, "the numbers are not"),
        (lambda x, a, m, n1, n2: x[0], "shape"),
    ],
)
def test_wrong_parallel_blocks_are_named(block, words):
    assert says(parallel.parallel_block(block), words)


@pytest.mark.parametrize(
    "block, words",
    [
        (side_by_side, "that is the parallel block"),
        (lambda x, a, m, n1, n2: x + m(n2(x)) + a(n1(x + m(n2(x)))), "Your MLP comes first"),
        (lambda x, a, m, n1, n2: x + m(n2(x + a(n1(x)))), "then lost"),
        (lambda x, a, m, n1, n2: x + a(n1(x)) + m(n2(a(n1(x)))), "attention's output alone"),
        (lambda x, a, m, n1, n2: m(n2(x + a(n1(x)))), "second residual"),
        (lambda x, a, m, n1, n2: a(n1(x)) + m(n2(a(n1(x)))), "first residual"),
        (lambda x, a, m, n1, n2: x + a(n1(x)), "MLP is missing"),
        (lambda x, a, m, n1, n2: one_after_the_other(x, a, m, n1, n1), "one LayerNorm for both"),
        (lambda x, a, m, n1, n2: one_after_the_other(x, a, m, n2, n1), "swapped"),
        (lambda x, a, m, n1, n2: one_after_the_other(x, a, m, n1, lambda x: x), "MLP reads the stream without"),
    ],
)
def test_wrong_sequential_blocks_are_named(block, words):
    assert says(parallel.sequential_block(block), words)


# -------------------------------------------------------------------------------------------------- fusing


def fuse(attention_weight, attention_bias, mlp_weight, mlp_bias):
    return torch.cat([attention_weight, mlp_weight], 1), attention_bias + mlp_bias


def test_the_right_fusion_passes_and_does_what_it_says():
    assert parallel.fused_writes(fuse) == 1
    assert parallel.fused_writes(lambda *parts: [part.tolist() for part in fuse(*parts)]) == 1
    dense, narrow = torch.nn.Linear(8, 8), torch.nn.Linear(32, 8)
    found, hidden = torch.randn(5, 8), torch.randn(5, 32)
    weight, bias = fuse(dense.weight, dense.bias, narrow.weight, narrow.bias)
    together = torch.cat([found, hidden], -1) @ weight.T + bias
    torch.testing.assert_close(together, dense(found) + narrow(hidden))


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda a, b, m, c: (torch.cat([a, m], 1), torch.cat([b, c])), "kept both biases"),
        (lambda a, b, m, c: (torch.cat([a, m], 1).T, b + c), "transposed"),
        (lambda a, b, m, c: (torch.cat([m, a], 1), b + c), "wrong order"),
        (lambda a, b, m, c: (torch.cat([a, m], 1), b), "One of the two biases"),
        (lambda a, b, m, c: (torch.cat([a, m], 1), c), "One of the two biases"),
        (lambda a, b, m, c: (torch.cat([a, m], 1), (b + c) / 2), "not averaged"),
        (lambda a, b, m, c: (torch.cat([a, m], 1), 0 * b), "biases are missing"),
        (lambda a, b, m, c: (m, b + c), "yours has (8, 32)"),
        (lambda a, b, m, c: (torch.cat([a, m], 1), (b + c)[:3]), "yours has (3,)"),
        (lambda a, b, m, c: torch.cat([a, m], 1), "Return two things"),
        (lambda a, b, m, c: (torch.cat([a, m]), b + c), "RuntimeError"),
    ],
)
def test_wrong_fusions_are_named(function, words):
    assert says(parallel.fused_writes(function), words)


# ------------------------------------------------------------------------------------- the switch, layer by layer


class FourLayers:
    """Stands in for a model: layers with a switch, and a loss that knows what each costs."""

    def __init__(self):
        self.model = self.gpt_neox = self
        self.layers = [SimpleNamespace(use_parallel_residual=True) for _ in range(4)]


def loss(lm):
    return 0.9 + sum(cost for layer, cost in zip(lm.layers, (0.1, 2.1, 1.1, 0.6)) if not layer.use_parallel_residual)


@pytest.mark.parametrize(
    "answer, words",
    [
        (2, "counted from 1"),
        (0, "matters least"),
        (2.1, "what it costs"),
        (3.0, "loss with this layer"),
        (7, "smaller"),
    ],
)
def test_wrong_layers_are_named(answer, words):
    assert says(parallel.costliest_layer(answer, FourLayers(), loss), words)


def test_the_right_layer_passes_in_any_form_and_every_switch_is_back():
    lm = FourLayers()
    for answer in (1, 1.0, "1", torch.tensor(1), np.int64(1)):
        assert parallel.costliest_layer(answer, lm, loss) == 1
    assert loss(lm) == 0.9


def test_a_dial_that_ends_where_the_switch_does_passes():
    for answer in ([1.0, 9.0, 2.0, 5.0, 5.0], torch.tensor([1.0, 1.5, 2.0, 2.1, 5.01]), np.linspace(1, 25, 9) ** 0.5):
        assert parallel.dial(answer, 1.0, 5.0) == 1


@pytest.mark.parametrize(
    "answer, words",
    [
        ([1.0] * 5, "reaches nothing"),
        ([5.0] * 5, "switch still on"),
        ([5.0, 3.0, 3.0, 3.0, 1.0], "wrong way"),
        ([2.0, 3.0, 3.0, 3.0, 5.0], "At alpha = 0"),
        ([1.0, 3.0, 3.0, 3.0, 4.0], "At alpha = 1"),
        ([1.0, np.nan, 2.0, 3.0, 5.0], "no number"),
        ([1.0, 5.0], "five or more"),
        ([1.0, 3.0, 5.0], "five or more"),
        (np.linspace(1, 5, 9), "straight line"),
        ([1.0, -2.0, 0.0, 1.0, 5.0], "never negative"),
        (1.0, "five or more"),
    ],
)
def test_wrong_dials_are_named(answer, words):
    assert says(parallel.dial(answer, 1.0, 5.0), words)
