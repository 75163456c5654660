"""Checks of lessons 00 and 01: right answers in any form, each known mistake by its name, and never an exception."""

import math
import re

import numpy as np
import pytest
import torch

from pythia_course import checks, suite
from pythia_course.checks import Verdict, architecture, compare, start
from pythia_course.checks.verdict import judge

WEIGHTS = torch.zeros(4, 4)
WEIGHTS[[0, 1, 2, 3], [0, 0, 1, 0]] = torch.tensor([1.0, 1.0, 0.9, 1.0])
SCORES = np.array([[0.1, 0.2, 0.0], [0.3, 0.4, 0.9]])


class SmallTrace:
    """As much of a trace as the checks read."""

    tokens = ["Mia", "␣has", "␣a", "␣um", "brella", "."]
    residual = torch.arange(60.0).reshape(3, 5, 4) ** 1.1
    attn_out = torch.arange(40.0).reshape(2, 5, 4) + 100
    mlp_out = torch.arange(40.0).reshape(2, 5, 4) - 300
    logits = torch.arange(30.0).reshape(5, 6) ** 1.3


spec70, spec160, spec410 = (suite.SUITE[f"pythia-{size}"] for size in ("70m", "160m", "410m"))
w = spec160.width
share = 2 * spec70.vocab * spec70.width / suite.total(spec70)

RIGHT = [
    (start.how_many_tokens, (SmallTrace,), 6),
    (start.surprise, (0.25,), math.log(4)),
    (start.strongest_link, (WEIGHTS,), (2, 1)),
    (start.best_head, (SCORES,), (1, 2)),
    (architecture.head_dim, (), 64),
    (architecture.attention_parameters, (), 4 * w * w + 4 * w),
    (architecture.embedding_share, (), share),
    (architecture.hooked_mlp, (SmallTrace, 1), SmallTrace.mlp_out[1]),
    (architecture.same_logits, (SmallTrace,), SmallTrace.logits),
]


@pytest.mark.parametrize("check, rest, right", RIGHT, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("form", ["plain", "list", "array", "tensor", "batch"])
def test_a_right_answer_is_right_in_any_form(check, rest, right, form):
    array = np.asarray(right)
    forms = {
        "plain": right,
        "list": array.tolist(),
        "array": array,
        "tensor": torch.tensor(array),
        "batch": array[None],
    }
    verdict = check(forms[form], *rest)
    assert verdict == 1 and isinstance(verdict, float) and str(verdict).startswith("✓ ")


WRONG = [
    (start.how_many_tokens, (SmallTrace,), 19, "number of characters"),
    (start.how_many_tokens, (SmallTrace,), 4, "number of words"),
    (start.how_many_tokens, (SmallTrace,), 5, "One short"),
    (start.surprise, (0.25,), 0.25, "the probability itself"),
    (start.surprise, (0.25,), -math.log(4), "sign is turned"),
    (start.surprise, (0.25,), 2, "in bits"),
    (start.surprise, (0.25,), math.log10(4), "base 10"),
    (start.surprise, (0.25,), 0.75, "all other tokens"),
    (start.strongest_link, (WEIGHTS,), (1, 2), "wrong way round"),
    (start.strongest_link, (WEIGHTS,), (0, 0), "first column"),
    (start.strongest_link, (WEIGHTS,), (3, 2), "counted from 1"),
    (start.best_head, (SCORES,), (2, 1), "wrong way round"),
    (start.best_head, (SCORES,), (2, 3), "counted from 1"),
    (start.best_head, (SCORES,), 5, "all heads in one row"),
    (start.best_head, (SCORES,), (0, 2), "lowest score"),
    (architecture.head_dim, (), 1024, "whole residual stream"),
    (architecture.head_dim, (), 1024 / 24, "number of layers"),
    (architecture.head_dim, (), 256, "MLP's width"),
    (architecture.head_dim, (), 16, "turn with the position"),
    (architecture.attention_parameters, (), 4 * w * w, "bias too"),
    (architecture.attention_parameters, (), 3 * w * w, "One more writes back"),
    (architecture.attention_parameters, (), 3 * (w * w + w), "written back"),
    (architecture.attention_parameters, (), 12 * 4 * (w * w + w), "heads share|all layers"),
    (architecture.embedding_share, (), 100 * share, "In percent"),
    (architecture.embedding_share, (), share / 2, "embedding alone"),
    (architecture.embedding_share, (), 1 - share, "everything else"),
    (architecture.embedding_share, (), share / (1 - share), "other parameters"),
    (architecture.hooked_mlp, (SmallTrace, 1), SmallTrace.attn_out[1], "what attention adds"),
    (architecture.hooked_mlp, (SmallTrace, 1), SmallTrace.mlp_out[0], "MLP of layer 0"),
    (architecture.hooked_mlp, (SmallTrace, 1), SmallTrace.residual[2], "whole stream"),
    (architecture.hooked_mlp, (SmallTrace, 1), SmallTrace.residual[1], "before the layer"),
    (architecture.same_logits, (SmallTrace,), SmallTrace.logits[-1], "last position only"),
    (architecture.same_logits, (SmallTrace,), SmallTrace.logits - SmallTrace.logits.mean(-1, keepdim=True), "shifted"),
]


@pytest.mark.parametrize("check, rest, answer, says", WRONG)
def test_a_known_mistake_is_named(check, rest, answer, says):
    verdict = check(answer, *rest)
    assert verdict == 0

    assert re.search(says, verdict.message), verdict.message


@pytest.mark.parametrize("check, rest", [(check, rest) for check, rest, _ in RIGHT])
@pytest.mark.parametrize(
    "answer",
    [..., None, "spam", "", {}, [], [[1], [2, 3]], object(), float("nan"), math.inf, -1, 1e300, torch.ones(3, 3)],
)
def test_no_check_raises_or_accepts_nonsense(check, rest, answer):
    verdict = check(answer, *rest)
    assert verdict == 0 and verdict.message and "Traceback" not in verdict.message


def norm(x, weight, bias):
    return torch.nn.functional.layer_norm(x, (x.shape[-1],), weight, bias)


def scaled(x, dim=-1, unbiased=False):
    return (x - x.mean(dim, keepdim=True)) / x.std(dim, keepdim=True, unbiased=unbiased)


LAYERNORMS = [
    (norm, 1, "Right"),
    (lambda x, weight, bias: scaled(x, unbiased=True) * weight + bias, 0, "n - 1"),
    (lambda x, weight, bias: scaled(x), 0, "multiply by weight"),
    (lambda x, weight, bias: scaled(x) * weight, 0, "bias is missing"),
    (lambda x, weight, bias: scaled(x, dim=0) * weight + bias, 0, "over the positions"),
    (lambda x, weight, bias: (x - x.mean(-1, keepdim=True)) * weight + bias, 0, "standard deviation"),
    (lambda x, weight, bias: x / x.std(-1, keepdim=True, unbiased=False) * weight + bias, 0, "Take the mean away"),
    (lambda x, weight, bias: x / x.pow(2).mean(-1, keepdim=True).sqrt() * weight + bias, 0, "RMSNorm"),
    (lambda x, weight, bias: (x - x.mean(-1, keepdim=True)) / x.var(-1, keepdim=True) * weight + bias, 0, "Not yet"),
    (lambda x, weight, bias: 1 / 0, 0, "ZeroDivisionError"),
    (lambda x: x, 0, "TypeError"),
    (lambda x, weight, bias: ..., 0, "returns nothing yet"),
    (lambda x, weight, bias: x[0], 0, "shape"),
    (7, 0, "the function itself"),
    (..., 0, "Not answered yet"),
]


@pytest.mark.parametrize("function, mark, says", LAYERNORMS)
def test_layernorm_says_what_is_wrong_with_it(function, mark, says):
    verdict = architecture.layernorm(function)
    assert verdict == mark and says in verdict.message


def test_layernorm_divided_by_the_variance():
    def by_variance(x, weight, bias):
        return (x - x.mean(-1, keepdim=True)) / x.var(-1, keepdim=True, unbiased=False) * weight + bias

    assert "variance" in architecture.layernorm(by_variance).message


class FixedModel:
    """Predicts one token with one probability, and refuses what is too long."""

    def __init__(self, probability):
        self.probability = probability

    def predict(self, prompt, k):
        if len(prompt) > 20:
            raise ValueError("The prompt is too long.")
        return [("␣ball", self.probability)]


@pytest.mark.parametrize(
    "prompt, probability, mark, says",
    [
        ("a b a", 0.95, 1, "0.95"),
        ("a b a", 0.5, 0, "repeats itself"),
        ("a b a", 0.1, 0, "no idea"),
        ("  ", 0.95, 0, "empty"),
        (3, 0.95, 0, "quotation marks"),
        ("x" * 21, 0.95, 0, "too long"),
        (..., 0.95, 0, "Not answered"),
    ],
)
def test_sure_prompt(prompt, probability, mark, says):
    verdict = start.sure_prompt(prompt, FixedModel(probability))
    assert verdict == mark and says in verdict.message


@pytest.mark.parametrize(
    "guess, answer, mark, says",
    [
        (..., 154, 0, "No guess yet: put yours"),
        (154, 154, 1, "and so it is"),
        (150, 154, 1, "very close"),
        (100, 154, 0, "it is 154: 54 too low."),
        (1e6, 154, 0, "999,846 too high, a factor of 6,500."),
        (" ball", "␣ball", 1, "and so it is"),
        ("hat", "␣ball", 0, "it is '␣ball'"),
        ("many", 154, 0, "it is 154"),
        (torch.tensor(154.0), 154, 1, "and so it is"),
        (np.arange(3), 154, 0, "it is 154"),
        (85056000, 85056000, 1, "85,056,000"),
        (0.5, float("nan"), 0, "it is nan"),
        (float("inf"), 154, 0, "You guessed inf; it is 154."),
    ],
)
def test_compare_puts_a_guess_beside_the_answer(guess, answer, mark, says):
    verdict = compare(guess, answer)
    assert verdict == mark and says in verdict.message


def test_a_verdict_is_a_number_and_escapes_what_it_shows():
    verdict = Verdict(0.5, "<script>alert(1)</script>")
    assert verdict + 1 == 1.5 and "<script>" not in verdict._repr_html_()


def test_judge_tells_the_direction():
    assert "larger" in judge(1, 10, "Right").message and "smaller" in judge(100, 10, "Right").message
    assert "not a number" in judge(float("nan"), 10, "Right").message


def test_the_environment_is_checked_line_by_line(capsys):
    checks.environment()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 8 and all(line.startswith("OK ") for line in lines)


def test_the_environment_says_what_to_do(capsys, monkeypatch):
    monkeypatch.setattr("pythia_course.checks.machine.NEEDED", ("no-such-package",))
    monkeypatch.setattr("pythia_course.machine.memory.available_memory", lambda: 3e8)
    checks.environment()
    printed = capsys.readouterr().out
    assert "TO DO no-such-package: not installed here" in printed and "0.3 GB is left" in printed
