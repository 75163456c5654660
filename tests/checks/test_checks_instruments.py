"""Lesson 12's checks accept any right form, name each mistake, and never raise."""

from functools import cache

import numpy as np
import pytest
import torch

from pythia_course import load
from pythia_course.checks import instruments

TEXTS = "Kofi black rice spoon clock basket\nKofi black", "Kofi spoon rice black clock basket\nKofi black"
CONTROLS = [0.90, 0.88, 0.94, 0.91, 0.87]


def says(verdict, words):
    """Whether the check turned it down in these words."""
    assert verdict == 0, verdict
    assert words in verdict.message, verdict
    return True


@cache
def tiny():
    return load("tiny-pythia")


def lead(logits):
    right, wrong = (tiny().tokenizer(word)["input_ids"][0] for word in (" rice", " clock"))
    return logits[-1, right] - logits[-1, wrong]


def misjudged(answer):
    return instruments.most_misjudged(answer, tiny(), TEXTS, lead)


ANSWERS = (..., None, "no idea", object(), [], {}, np.nan, [[1, 2], [3]], [(1, 2, 3)], {(0, 1): 2}, 10**30)
CHECKS = {
    "selectivity": lambda answer: instruments.selectivity(answer, 0.93, CONTROLS),
    "by_position": instruments.by_position,
    "divergence": instruments.divergence,
    "most_misjudged": misjudged,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_no_check_raises_or_accepts_nonsense(check, answer):
    verdict = check(answer)
    assert verdict == 0 and verdict.message


@pytest.mark.parametrize("check", [instruments.by_position, instruments.divergence])
def test_a_function_that_fails_or_returns_nothing_useful_is_turned_down_in_words(check):
    assert says(check(lambda *parts: 1 / 0), "ZeroDivisionError")
    assert says(check(lambda: 1), "TypeError")
    assert "returns nothing yet" in check(lambda *parts: ...).message


@pytest.mark.parametrize("answer", [0.03, "0.03", 0.93 - np.mean(CONTROLS), torch.tensor(0.03)])
def test_selectivity_is_accepted_in_any_form(answer):
    assert CHECKS["selectivity"](answer) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [(-0.03, "other way round"), (-0.01, "best control"), (0.06, "worst control"), (0.9, "How much better"),
     (3, "percent"), (0.93 / 0.9, "ratio"), (0.2, "smaller"), (0.001, "larger")],
)  # fmt: skip
def test_a_selectivity_gone_wrong_is_told_how(answer, words):
    assert says(CHECKS["selectivity"](answer), words)


def test_the_estimate_by_position():
    assert instruments.by_position(lambda a, b, g: ((a - b) * g).sum(-1)) == 1
    assert instruments.by_position(lambda a, b, g: torch.einsum("lhpd,lhpd->lhp", a - b, g).numpy()) == 1
    wrong = {
        "sign is wrong": lambda a, b, g: ((b - a) * g).sum(-1),
        "have to be added up": lambda a, b, g: (a - b) * g,
        "Keep them apart": lambda a, b, g: ((a - b) * g).sum((-1, -2)),
        "That is a mean": lambda a, b, g: ((a - b) * g).mean(-1),
        "the difference between the two runs": lambda a, b, g: (a * g).sum(-1),
        "no absolute values": lambda a, b, g: ((a - b) * g).abs().sum(-1),
        "number by number": lambda a, b, g: (a - b).norm(dim=-1) * g.norm(dim=-1),
        "The shape is right": lambda a, b, g: g.sum(-1),
    }
    assert all(says(instruments.by_position(function), words) for words, function in wrong.items())


def test_the_divergence():
    def right(final, lens):
        final, lens = final.log_softmax(-1), lens.log_softmax(-1)
        return torch.nn.functional.kl_div(lens, final, reduction="none", log_target=True)

    assert instruments.divergence(lambda final, lens: right(final, lens).sum(-1)) == 1
    wrong = {
        "The other way round": lambda f, q: right(q, f).sum(-1),
        "never negative": lambda f, q: -right(f, q).sum(-1),
        "in bits": lambda f, q: right(f, q).sum(-1) / np.log(2),
        "mean over positions": lambda f, q: right(f, q).sum(-1).mean(),
        "sum over positions": lambda f, q: right(f, q).sum(),
        "Over the vocabulary it is a sum": lambda f, q: right(f, q).mean(-1),
        "only up to a constant": lambda f, q: (f.softmax(-1) * (f - q)).sum(-1),
        "cross-entropy": lambda f, q: -(f.softmax(-1) * q.log_softmax(-1)).sum(-1),
        "Add up over the vocabulary": right,
    }
    assert all(says(instruments.divergence(function), words) for words, function in wrong.items())


def test_the_most_misjudged_head_and_its_near_misses():
    assert misjudged((1, 3)) == 1 and misjudged([1, 3]) == 1 and misjudged(torch.tensor([1, 3])) == 1
    assert says(misjudged((3, 1)), "Layer first")
    assert says(misjudged((2, 4)), "count from 0")
    assert says(misjudged((2, 2)), "That is the second")
    assert "28.7 logits, by the gradient 9.9" in misjudged((1, 3)).message
