"""The tuned lens: it begins as the logit lens, learns, and is judged on what it has not seen."""

import pytest
import torch

from pythia_course import load, measures
from pythia_course.inside import compare
from pythia_course.inside.lens import read_out, streams, tuned_lens
from pythia_course.tiny import corpus

MODELS = ("tiny-pythia", "tiny-pythia-sequential", "tiny-gpt2", "tiny-gpt2-parallel")


@pytest.fixture(scope="module", params=MODELS)
def lm(request):
    return load(request.param)


def rows(step, count=6):
    return corpus.batch(step).tokens[:count, :64]


def test_streams_are_those_of_a_trace_row_by_row(lm):
    found = streams(lm, rows(0, 3))
    assert found.shape == (5, 3, 64, 128)
    for number, row in enumerate(rows(0, 3)):
        torch.testing.assert_close(found[:, number], lm.trace(row, keep=["residual"]).residual, atol=1e-4, rtol=1e-3)


def test_what_fills_a_row_up_changes_nothing_before_it():
    lm, row = load("tiny-pythia"), rows(0, 1)
    other = row.copy()
    other[:, 40:] = 7
    torch.testing.assert_close(streams(lm, row)[:, :, :40], streams(lm, other)[:, :, :40], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("bad", [[1, 2, 3], [[1] * 9999], [[]]])
def test_rows_of_another_shape_are_refused_in_words(bad):
    with pytest.raises(ValueError, match=r"rows of token ids, \(row, position\)"):
        streams(load("tiny-pythia"), bad)


def test_reading_out_is_the_logit_lens_in_logarithms(lm):
    stream = streams(lm, rows(1, 1))
    assert torch.allclose(read_out(lm, stream).exp(), torch.from_numpy(compare.logit_lens(lm, stream)), atol=1e-5)


def test_no_steps_leave_the_logit_lens_and_the_last_layer_is_read_as_it_is(lm):
    stream = streams(lm, rows(1, 1))
    lens = tuned_lens(lm, rows(0), steps=0)
    for layers in range(5):
        torch.testing.assert_close(lens.log_probabilities(layers, stream[layers]), read_out(lm, stream[layers]))
    with pytest.raises(ValueError, match="after 0 to 4 layers, not after 5"):
        lens.log_probabilities(5, stream[4])


def test_a_few_steps_bring_it_nearer_on_rows_that_it_has_not_seen(lm):
    stream = streams(lm, rows(9))
    lens = tuned_lens(lm, rows(0, 16), steps=15, batch=128, rate=0.01)
    final = read_out(lm, stream[-1])
    for layers in range(3):
        plain = measures.divergences(final, read_out(lm, stream[layers])).mean()
        tuned = measures.divergences(final, lens.log_probabilities(layers, stream[layers])).mean()
        assert tuned < 0.9 * plain


def test_a_seed_gives_one_lens_and_the_model_and_torch_s_dice_are_left_alone():
    lm = load("tiny-pythia")
    weights, dice = [w.clone() for w in lm.model.parameters()], torch.get_rng_state()
    first, second, other = (tuned_lens(lm, rows(0), steps=3, batch=32, seed=seed).maps for seed in (0, 0, 1))
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, other) and not first.requires_grad
    assert torch.equal(torch.get_rng_state(), dice)
    assert all(torch.equal(before, now) for before, now in zip(weights, lm.model.parameters()))
