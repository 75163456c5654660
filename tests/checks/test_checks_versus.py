"""Lesson 05's checks: right answers in every form pass, and each known mistake is named."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pythia_course import measures, suite
from pythia_course.checks import versus
from pythia_course.checks.verdict import NOT_YET

GPT2 = suite.SUITE["gpt2"]
TABLE, POSITIONS = GPT2.vocab * GPT2.width, GPT2.context * GPT2.width
RIGHT = suite.total(GPT2) + TABLE


def says(verdict, mark, words):
    assert float(verdict) == mark and words in verdict.message, verdict
    return True


CHECKS = {
    "untied": versus.untied,
    "path": lambda answer: versus.path(answer, "transformer.wte", "gpt_neox"),
    "split_qkv": versus.split_qkv,
    "split_qkv, returned": lambda answer: versus.split_qkv(lambda fused, heads: answer),
    "sink": lambda answer: versus.sink(answer, np.full((1, 2, 3, 3), 1 / 3)),
    "bits_per_byte": lambda answer: versus.bits_per_byte(answer, [1.0], "ab", 1),
    "disagreement": lambda answer: versus.disagreement(answer, model("a", "x", 0.1), model("b", "y", 0.1)),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    "answer",
    [..., None, "no idea", object(), [], {}, np.nan, [[1, 2], [3]], [1, 2, 3]],
    ids=lambda answer: type(answer).__name__,
)
def test_no_check_raises_or_accepts_nonsense(check, answer):
    verdict = check(answer)
    assert verdict == 0 and verdict.message


# ------------------------------------------------------------------------------------------------ untied


@pytest.mark.parametrize("form", [int, float, np.int64, torch.tensor, lambda n: [n], lambda n: f"{n:,}"])
def test_untied_takes_any_form(form):
    assert says(versus.untied(form(RIGHT)), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (suite.total(GPT2), "one matrix for both ends"),
        (TABLE, "new matrix alone"),
        (RIGHT + TABLE, "two matrices"),
        (RIGHT - 2 * TABLE, "took a matrix away"),
        (RIGHT - POSITIONS, "position table"),
        (suite.total(GPT2) + 50_304 * 768, "Pythia's number of rows"),
        (RIGHT + 1, "should be smaller"),
        (..., NOT_YET),
        ("many", "wants one number"),
    ],
)
def test_untied_names_the_mistake(answer, words):
    assert says(versus.untied(answer), 0, words)


# -------------------------------------------------------------------------------------------------- path

OF = "gpt_neox.layers.3.mlp.dense_h_to_4h"


@pytest.mark.parametrize("before", ["", " ", "model."])
def test_path_is_found(before):
    assert says(versus.path(f"{before}transformer.h.3.mlp.c_fc ", OF, "gpt2"), 1, "Right")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OF, "started from"),
        ("gpt_neox.layers.3.mlp", "an architecture other than gpt2"),
        ("transformer.h.4.mlp.c_fc", "its layer is not"),
        ("transformer.h.3.mlp.c_proj", "MLP, narrowing"),
        ("transformer.h.3.attn.c_attn", "queries, keys, values"),
        ("transformer.h.{N}.mlp.c_fc", "has {N}"),
        ("transformer.h.N.mlp.c_fc", "has {N}"),
        ("transformer.h.mlp.c_fc", "number of the layer is missing"),
        ("h.3.mlp.c_fc", "beginning is missing"),
        ("transformer.h[3].mlp.c_fc", "Between brackets"),
        ("transformer.h.3.mlp.fc", "called that"),
        ("", "number of the layer is missing"),
        (3, "quotation marks"),
        (..., NOT_YET),
        (None, NOT_YET),
    ],
)
def test_path_names_the_mistake(answer, words):
    assert says(versus.path(answer, OF, "gpt2"), 0, words)


def test_path_works_in_the_other_direction():
    assert versus.path("gpt_neox.layers.0.attention.dense", "transformer.h.0.attn.c_proj", "gpt_neox") == 1


# ------------------------------------------------------------------------------------------- split_qkv


def by_part(fused, heads):
    return [piece.unflatten(-1, (heads, -1)).transpose(0, 1) for piece in fused.chunk(3, dim=-1)]


def test_split_takes_tensors_and_arrays():
    assert versus.split_qkv(by_part) == 1
    assert versus.split_qkv(lambda fused, heads: torch.stack(by_part(fused, heads))) == 1
    assert versus.split_qkv(lambda fused, heads: tuple(piece.numpy() for piece in by_part(fused, heads))) == 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda f, h: f.unflatten(-1, (h, -1)).transpose(0, 1).chunk(3, dim=-1), "Pythia's layout"),
        (lambda f, h: [p.transpose(0, 1) for p in by_part(f, h)], "the head comes before the position"),
        (lambda f, h: f.chunk(3, dim=-1), "cut each into its heads"),
        (lambda f, h: [by_part(f, h)[n] for n in (1, 2, 0)], "The order is different"),
        (lambda f, h: [by_part(f, h)[n] for n in (0, 2, 1)], "wrong way round"),
        (lambda f, h: [p.unflatten(-1, (-1, h)).permute(2, 0, 1) for p in f.chunk(3, -1)], "side by side"),
        (lambda f, h: by_part(f, h)[:2], "Three things"),
        (lambda f, h: 7, "Three things"),
        (lambda f, h: ..., "returns nothing yet"),
        (lambda f, h: f.nonsense, "AttributeError"),
        (lambda f, h: [1, [2, 3], 4], "same shape"),
        (lambda f, h: ["q", "k", "v"], "same shape"),
        (lambda f, h: [2 * p for p in by_part(f, h)], "the numbers are not"),
        (..., NOT_YET),
        (3, "function itself"),
    ],
)
def test_split_names_the_mistake(function, words):
    assert says(versus.split_qkv(function), 0, words)


# -------------------------------------------------------------------------------------------------- sink


@pytest.fixture
def attention():
    scores = np.tril(np.random.RandomState(0).rand(3, 4, 6, 6))
    return torch.from_numpy(scores / scores.sum(-1, keepdims=True))


def test_sink_takes_any_form(attention):
    right = measures.first_token_scores(attention)
    for form in (right, torch.from_numpy(right), right.tolist(), right[..., None]):
        assert versus.sink(form, attention) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda a: a[..., 0].mean(-1), "counted the first row"),
        (lambda a: a[..., 0, :].mean(-1), "Its column is wanted"),
        (lambda a: a[..., 1:, 0].max(-1).values, "the mean is wanted"),
        (lambda a: a[..., -1, 0], "last row only"),
        (lambda a: a[..., 1:, 0].sum(-1), "divide by the number of rows"),
        (lambda a: a[..., 1:, 1].mean(-1), "second token"),
        (lambda a: a[..., 1:, 0].mean(), "mean over all heads"),
        (lambda a: a[..., 1:, 0].mean(-1).max(), "strongest head alone"),
        (lambda a: a[0, ..., 1:, 0].mean(-1), "shape"),
        (lambda a: ..., NOT_YET),
        (lambda a: "much", "no number or array"),
    ],
)
def test_sink_names_the_mistake(attention, wrong, words):
    assert says(versus.sink(wrong(attention), attention), 0, words)


# ----------------------------------------------------------------------------------------- bits per byte

TEXT, START = "naïve cats", 3
LOSSES = np.array([3.0, 1.5, 0.7])
NATS, BYTES = LOSSES.sum(), len(TEXT[START:].encode())
RATE = NATS / np.log(2) / BYTES


@pytest.mark.parametrize("form", [float, torch.tensor, np.float32, lambda x: [x]])
def test_bits_per_byte_takes_any_form(form):
    assert versus.bits_per_byte(form(RATE), LOSSES, TEXT, START) == 1
    assert versus.bits_per_byte(form(RATE), torch.from_numpy(LOSSES), TEXT, START) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (NATS / BYTES, "in nats"),
        (NATS * np.log(2) / BYTES, "multiplied by log(2)"),
        (NATS / np.log(2) / 3, "bits per token"),
        (NATS / 3, "nats per token"),
        (RATE * BYTES / len(TEXT.encode()), "divided by all bytes"),
        (RATE * BYTES, "whole surprise"),
        (1 / RATE, "Upside down"),
        (100.0, "should be smaller"),
        (..., NOT_YET),
        ([1, 2], "shape"),
        (float("nan"), "not a number"),
    ],
)
def test_bits_per_byte_names_the_mistake(answer, words):
    assert says(versus.bits_per_byte(answer, LOSSES, TEXT, START), 0, words)


def test_bits_per_byte_knows_letters_of_two_bytes():
    text = "cats naïve"
    characters = NATS / np.log(2) / len(text[4:])
    assert says(versus.bits_per_byte(characters, LOSSES, text, 4), 0, "divided by characters")


# ------------------------------------------------------------------------------------------ disagreement


def model(name, token, probability):
    def predict(prompt, k):
        if not prompt:
            raise ValueError("The prompt is empty: the model needs at least one token to read.")
        return [(token, probability)]

    return SimpleNamespace(name=name, predict=predict)


def test_two_sure_and_different_answers_are_a_disagreement():
    assert says(versus.disagreement("a", model("one", "x", 0.9), model("two", "y", 0.6)), 1, "'x' (0.90), two says 'y'")


@pytest.mark.parametrize(
    ("prompt", "token", "probability", "words"),
    [
        ("a", "x", 0.9, "They agree"),
        ("a", "y", 0.2, "not surely"),
        ("", "y", 0.9, "The prompt is empty"),
        (5, "y", 0.9, "quotation marks"),
        (..., "y", 0.9, NOT_YET),
    ],
)
def test_disagreement_names_the_mistake(prompt, token, probability, words):
    assert says(versus.disagreement(prompt, model("one", "x", 0.9), model("two", token, probability)), 0, words)
