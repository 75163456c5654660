"""Lesson 02's checks: right answers in any form pass, each known mistake is named, nothing raises, solutions hold."""

import math
import re
import types

import numpy as np
import pytest
import torch

from pythia_course import load, suite
from pythia_course.checks import rotary
from pythia_course.tiny import corpus

SPEC = suite.SUITE["pythia-160m"]


def says(verdict, words):
    return verdict == 0 and words in verdict.message


# ------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("answer", [32, 32.0, "32", np.array([32]), torch.tensor(32), [32]])
def test_the_number_of_turning_dimensions_in_any_form(answer):
    assert rotary.turning_dims(answer) == 1


@pytest.mark.parametrize(
    "answer, words",
    [
        (128, "all 128 dimensions"),
        (96, "pass through"),
        (16, "number of pairs"),
        (512, "residual stream"),
        (31, "larger"),
        ("many", "no number"),
        (..., "Not answered"),
    ],
)
def test_a_wrong_number_of_turning_dimensions(answer, words):
    assert says(rotary.turning_dims(answer), words)


def wavelength(pair, dims, circle=2 * math.pi, base=10_000):
    return circle / base ** (-2 * pair / dims)


def test_the_wavelength_of_the_slowest_pair():
    assert rotary.slowest_wavelength(wavelength(31, 64)) == 1


@pytest.mark.parametrize(
    "answer, words",
    [
        (10_000 ** (-62 / 64), "angle from one position"),
        (1 / wavelength(31, 64), "Upside down"),
        (wavelength(31, 64, 1), "left that out"),
        (wavelength(31, 64, 360), "Degrees instead of radians"),
        (2 * math.pi, "fastest"),
        (wavelength(32, 64), "pair too far"),
        (wavelength(31, 256), "by what turns, not by all"),
        (wavelength(127, 256), "all dimensions"),
        (wavelength(31, 128), "the 2 is missing"),
        (None, "Not answered"),
    ],
)
def test_a_wrong_wavelength(answer, words):
    assert says(rotary.slowest_wavelength(answer), words)


def test_the_base_that_stretches_the_slowest_pair():
    base = 10_000 * 4 ** (16 / 14)
    slowest = [b ** (-14 / 16) for b in (10_000, base)]
    assert slowest[0] / slowest[1] == pytest.approx(4)
    assert rotary.stretched_base(torch.tensor(base)) == 1


@pytest.mark.parametrize(
    "answer, words",
    [
        (40_000, "a little more"),
        (10_000 * 4 ** (64 / 62), "those that turn"),
        (10_000 * 4 ** (8 / 6), "number of pairs"),
        (10_000 * 4 ** (14 / 16), "upside down"),
        (10_000 * 4 ** (-16 / 14), "wrong way"),
        (10_000, "nothing changes"),
        ([1, 2], "one number"),
    ],
)
def test_a_wrong_base(answer, words):
    assert says(rotary.stretched_base(answer), words)


# ------------------------------------------------------------------------------------------------- rotation


def back(x, dims, base):
    """With the library's own function, by angles made here."""
    from transformers.models.gpt_neox.modeling_gpt_neox import apply_rotary_pos_emb

    angle = -torch.arange(x.shape[1])[:, None] * base ** (-torch.arange(0, dims, 2) / dims)
    angle = torch.cat([angle, angle], dim=-1)[None]
    return apply_rotary_pos_emb(x[None], x[None], angle.cos(), angle.sin())[0][0]


def loop(x, dims, base, *, unit=1.0, sign=-1, first_position=0, exponent_dims=None, pair=None, speed_of=lambda j: j):
    """Number by number, with one thing done otherwise."""
    out = x.clone()
    pair = pair or (lambda j: (j, j + dims // 2))
    for position in range(x.shape[1]):
        for j in range(dims // 2):
            a, b = pair(j)
            angle = (position + first_position) * base ** (-2 * speed_of(j) / (exponent_dims or dims)) * unit * sign
            out[:, position, a] = x[:, position, a] * math.cos(angle) - x[:, position, b] * math.sin(angle)
            out[:, position, b] = x[:, position, b] * math.cos(angle) + x[:, position, a] * math.sin(angle)
    return out


def interleaved(j):
    return 2 * j, 2 * j + 1


@pytest.mark.parametrize("form", [torch.Tensor.clone, torch.Tensor.numpy, torch.Tensor.tolist])
def test_the_library_and_a_loop_turn_back(form):
    assert rotary.unrotate(lambda *arguments: form(back(*arguments))) == 1
    assert rotary.unrotate(lambda *arguments: form(loop(*arguments))) == 1


def of_heads(x, dims, base):
    return back(x.transpose(0, 1), dims, base).transpose(0, 1)


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda x, dims, base: loop(x, dims, base, sign=1), "the wrong way"),
        (lambda x, dims, base: back(x, x.shape[-1], base), "all 20 dimensions, not 8"),
        (lambda x, dims, base: loop(x, dims, base, pair=interleaved), "Interleaved pairs"),
        (lambda x, dims, base: loop(x, dims, base, unit=180 / math.pi), "Degrees instead of radians"),
        (lambda x, dims, base: loop(x, dims, base, unit=math.pi / 180), "in radians already"),
        (lambda x, dims, base: loop(x, dims, base, first_position=1), "positions from 1"),
        (lambda x, dims, base: loop(x, dims, base, exponent_dims=16), "the 2 is missing"),
        (lambda x, dims, base: loop(x, dims, base, exponent_dims=x.shape[-1]), "not by all of the head"),
        (lambda x, dims, base: loop(x, dims, base, speed_of=lambda j: 3 - j), "wrong order"),
        (of_heads, "by its own number"),
        (lambda x, dims, base: back(x.flip(-1), dims, base).flip(-1), "not the last"),
        (lambda x, dims, base: back(x, dims, base)[..., :dims], "that pass back behind"),
        (lambda x, dims, base: x, "Nothing turned"),
        (lambda x, dims, base: x + 1, "numbers are not"),
        (lambda x, dims, base: "turned", "no number or array"),
        (lambda x, dims, base: ..., "returns nothing"),
        (lambda x, dims, base: 1 / 0, "ZeroDivisionError"),
        (lambda x: x, "TypeError"),
        ((1, 2), "function itself"),
        (..., "Not answered"),
    ],
)
def test_a_wrong_way_back(function, words):
    assert says(rotary.unrotate(function), words)


@pytest.mark.parametrize("form", [list, tuple, np.array, torch.tensor])
def test_the_order_that_makes_halves_of_interleaved_pairs(form):
    order = [*range(0, 16, 2), *range(1, 16, 2)]
    assert rotary.order_of_halves(form(order)) == 1
    x = torch.randn(3, 5, 16)
    torch.testing.assert_close(back(x[..., order], 16, 100.0), loop(x, 16, 100.0, pair=interleaved)[..., order])


@pytest.mark.parametrize(
    "answer, words",
    [
        (np.arange(16).reshape(2, 8).T.ravel(), "way back"),
        (range(16), "Nothing moved"),
        ([*range(1, 16, 2), *range(0, 16, 2)], "exchanged"),
        (list(range(0, 16, 2)), "second ones follow"),
        ([*range(1, 17, 2), *range(2, 17, 2)], "from 1"),
        ([*range(15, 0, -2), *range(14, -1, -2)], "Back to front"),
        (16, "shape"),
        ("0, 2, 4", "wants"),
    ],
)
def test_a_wrong_order(answer, words):
    assert says(rotary.order_of_halves(answer), words)


# ---------------------------------------------------------------------------------------- score by distance


@pytest.fixture
def vectors():
    """A query and a key whose score has its highest value at distance 5 and its lowest elsewhere."""
    key = np.random.RandomState(0).randn(64)
    query = torch.tensor(key[None, None].repeat(6, axis=1))
    return back(query, 16, 10_000.0)[0, 5], key


def curve(query, key, sign=1):
    """The score at each distance: the key turned back is the query turned on."""
    query, key = (query, torch.as_tensor(key)) if sign < 0 else (torch.as_tensor(key), query)
    return (back(query[None, None].repeat(1, 128, 1), 16, 10_000.0)[0] @ key).numpy()


def test_the_favourite_distance(vectors):
    assert int(curve(*vectors).argmax()) == 5
    assert rotary.favourite_distance(5, *vectors, SPEC) == 1
    assert rotary.favourite_distance(torch.tensor(5), *map(list, vectors), SPEC) == 1


def test_a_wrong_favourite_distance(vectors):
    def verdict(answer):
        return rotary.favourite_distance(answer, *vectors, SPEC)

    assert says(verdict(-5), "The sign")
    assert says(verdict(int(curve(*vectors, sign=-1).argmax())), "wrong way round")
    assert says(verdict(int(curve(*vectors).argmin())), "lowest")
    assert says(verdict(6), "from 1")
    assert says(verdict(curve(*vectors).max()), "score itself")
    assert says(verdict(...), "Not answered") and says(verdict({}), "no number")


# --------------------------------------------------------------------------------------------- longer texts



@pytest.fixture(scope="module")
def lm():
    return load("tiny-pythia")


@pytest.fixture(scope="module")
def by_position(lm):
    """Mean loss by position of this model at any speeds, on two rows of 512 held-out tokens of each source."""
    sources = ("stories", "dialogue", "python", "tables", "lists", "echoes")
    texts = [[document.text for document in corpus.held_out(source, 24)] for source in sources]
    ids = [i for mixed in zip(*texts) for text in mixed for i in [0, *lm.tokenizer(text).input_ids]]
    rows = torch.tensor(ids[: 12 * 512]).view(12, 512)

    found = {}  # speeds -> losses: most tests ask about the same ones

    def losses(model):
        speeds = tuple(model.gpt_neox.rotary_emb.inv_freq.tolist())
        if speeds not in found:
            with torch.no_grad():
                logits = model(rows, use_cache=False).logits[:, :-1].transpose(1, 2)
            found[speeds] = torch.nn.functional.cross_entropy(logits, rows[:, 1:], reduction="none").mean(0)
        return found[speeds]

    return losses


USUAL = 10_000.0 ** (-np.arange(4) / 4)
NTK = (10_000.0 * 4 ** (8 / 6)) ** (-np.arange(4) / 4)


def test_the_pair_to_blame_at_half_its_speed_passes_in_any_form(lm, by_position):
    speeds = USUAL / [1, 1, 2, 1]
    assert rotary.longer(speeds.tolist(), lm, by_position) == 1
    assert rotary.longer(torch.tensor(speeds), lm, by_position) == 1
    assert torch.allclose(lm.model.gpt_neox.rotary_emb.inv_freq.double(), torch.tensor(USUAL))


@pytest.mark.parametrize(
    "answer, words",
    [
        (USUAL, "trained with"),
        (NTK, "NTK scaling"),
        (USUAL / [1, 1, 4, 1], "keep fast pairs fast"),
        (USUAL / 4, "slow the slow pairs|keep fast pairs"),
        (USUAL * [1, 1, 2, 1], "worse|half a nat"),
        (USUAL * 0, "worse|keep fast"),
        ([1, 0.1, np.nan, 0.001], "not a number"),
        (np.zeros(511), "4 in a list, pair 0 first; an array of shape .511,. came"),
        (2.0, "4 in a list"),
        ("better", "4 in a list"),
        (..., "Not answered"),
    ],
)
def test_speeds_that_do_not_reach_further(answer, words, lm, by_position):
    verdict = rotary.longer(answer, lm, by_position)
    assert verdict == 0 and re.search(words, verdict.message), verdict


@pytest.mark.parametrize("answer", [object(), [[1, 2], [3]], float("inf"), "", True, {}, torch.zeros(0)])
def test_nothing_raises(answer, vectors, lm, by_position):
    checks = (rotary.turning_dims, rotary.slowest_wavelength, rotary.stretched_base, rotary.order_of_halves)
    verdicts = [check(answer) for check in checks]
    verdicts += [rotary.unrotate(lambda *_: answer), rotary.longer(answer, lm, by_position)]
    verdicts.append(rotary.favourite_distance(answer, *vectors, SPEC))
    assert set(verdicts) == {0}


def test_a_check_reads_only_the_two_facts_of_a_spec(vectors):
    spec = types.SimpleNamespace(rotary_dims=16, rope_base=10_000.0)
    assert rotary.favourite_distance(5, *vectors, spec) == 1
