"""The checks of lesson 13 take every form of a right answer and name each mistake they know."""

import numpy as np
import pytest
import torch

from pythia_course.checks import scale
from pythia_course.checks.verdict import NOT_YET

SPRING = {"wet": 0.4, "green": 0.3, "windy": 0.2, "quiet": 0.1}
P = np.array([0.4, 0.3, 0.2, 0.1])
ENTROPY = 1.2798542258336676
FORMS = [float, np.float32, torch.tensor, lambda value: [value], str]


def says(verdict, mark, words):
    return verdict == mark and words in str(verdict)


# 6 layers of width 512: four square matrices and two of the MLP, with their biases, two LayerNorms a layer and one more
INNER = 6 * (12 * 512**2 + 9 * 512 + 4 * 512) + 2 * 512
TABLE = 50_304 * 512


@pytest.mark.parametrize("form", [int, *FORMS[:1], np.int64, torch.tensor, lambda n: [n]])
def test_without_embeddings_takes_any_form(form):
    assert says(scale.without_embeddings(form(INNER), "pythia-70m"), 1, "27% of its 70,426,624")


@pytest.mark.parametrize("answer, words", [
    (INNER + 2 * TABLE, "both tables included"), (INNER + TABLE, "One table is still in it"),
    (2 * TABLE, "Those are the embeddings"), (INNER / (INNER + 2 * TABLE), "That is the share"),
    (INNER - 13 * 2 * 512, "LayerNorms are no embeddings"), (1, "should be larger"), (..., NOT_YET),
])  # fmt: skip
def test_without_embeddings_names_the_mistake(answer, words):
    assert says(scale.without_embeddings(answer, "pythia-70m"), 0, words)


@pytest.mark.parametrize("form", [*FORMS, lambda value: round(value, 2)])
def test_last_word_takes_any_form(form):
    assert says(scale.last_word(form(ENTROPY), SPRING), 1, "Right")


@pytest.mark.parametrize("answer, words", [
    (-ENTROPY, "sign"), (ENTROPY / np.log(2), "in bits"), (-np.log(0.4), "likeliest word alone"),
    (-np.log(P).mean(), "plain mean"), (np.log(4), "if all were alike"), (np.exp(ENTROPY), "perplexity"),
    (0, "a loss of 0"), (1, "should be larger"), (..., NOT_YET),
])  # fmt: skip
def test_last_word_names_the_mistake(answer, words):
    assert says(scale.last_word(answer, SPRING), 0, words)


def alpha(sizes, losses, floor):
    return np.log((losses[0] - floor) / (losses[1] - floor)) / np.log(sizes[1] / sizes[0])


@pytest.mark.parametrize("form", FORMS[:4])
def test_exponent_takes_any_form(form):
    assert says(scale.exponent(lambda *pair: form(alpha(*pair))), 1, "straight line")


@pytest.mark.parametrize("function, words", [
    (lambda n, loss, e: -alpha(n, loss, e), "sign"), (lambda n, loss, e: alpha(n, loss, 0), "left the floor in"),
    (lambda n, loss, e: 1 / alpha(n, loss, e), "Upside down"),
    (lambda n, loss, e: (loss[0] - e) / (loss[1] - e), "has to be laid on logarithms"),
    (lambda n, loss, e: (loss[0] - e) * n[0] ** alpha(n, loss, e), "That is A"),
    (lambda n, loss, e: loss, "One number is wanted"), (lambda n, loss, e: None, "returns nothing yet"),
    (lambda n, loss, e: n / 0 + loss.x, "stopped with"), (lambda n, loss, e: 3.0, "numbers are not"),
])  # fmt: skip
def test_exponent_names_the_mistake(function, words):
    with np.errstate(divide="ignore"):
        assert says(scale.exponent(function), 0, words)


@pytest.mark.parametrize("form", [*FORMS, round])
def test_same_cost_takes_any_form(form):
    assert says(scale.same_cost(form(6200 * 281_152 / 5_263_360), 281_152, 5_263_360), 1, "same product")


@pytest.mark.parametrize("answer, words", [
    (6200 * 5_263_360 / 281_152, "other way round"), (6200, "At the same number of steps"),
    (6200 * (281_152 / 5_263_360) ** 0.5, "square root"), (281_152 / 5_263_360, "the share"), (10, "should be larger"),
    (..., NOT_YET),
])  # fmt: skip
def test_same_cost_names_the_mistake(answer, words):
    assert says(scale.same_cost(answer, 281_152, 5_263_360), 0, words)


PROGRAM = {"lists": np.array([10.0, 12.0, 9.0]), "echoes": np.array([60.0, 50.0, 55.0])}


def nats(lm, source):
    return {"lists": np.array([9.5, 13.0, 9.2]), "echoes": torch.tensor([61.0, 52.0, 54.0])}[source]


@pytest.mark.parametrize("answer", [("lists", 0), ["lists", 0], ("echoes", np.int64(2))])
def test_below_takes_a_document_on_which_the_model_wins(answer):
    assert says(scale.below(answer, nats, None, PROGRAM), 1, "on all 3 together it needs")


@pytest.mark.parametrize("answer, function, words", [
    (("lists", 1), nats, "above: 13.00 nats, the program 12.00"), (("weather", 1), nats, "sources are lists, echoes"),
    ("lists", nats, "A source and a number"), (("lists", 3), nats, "from 0 to 2"),
    (("lists", "one"), nats, "from 0 to 2"),
    (("lists", 0), lambda lm, source: nats(lm, source)[:2], "should give 3 numbers"),
    (("lists", 0), lambda lm, source: nats(lm, source) / 10, "which cannot be"),
    (("lists", 0), lambda lm, source: None, "returns nothing yet"), (..., nats, NOT_YET),
])  # fmt: skip
def test_below_names_the_mistake(answer, function, words):
    assert says(scale.below(answer, function, None, PROGRAM), 0, words)
