"""Scores against loops that spell out their definitions."""

import numpy as np
import pytest
import torch

from pythia_course import measures


@pytest.fixture
def attention():
    """(batch, layer, head, query, key), causal, rows that sum to 1."""
    scores = torch.randn(2, 3, 4, 20, 20, generator=torch.Generator().manual_seed(0))
    return scores.masked_fill(torch.ones(20, 20).triu(1).bool(), -torch.inf).softmax(-1)


def test_previous_token_scores_are_the_mean_just_below_the_diagonal(attention):
    by_loop = sum(attention[..., i, i - 1] for i in range(1, 20)) / 19
    np.testing.assert_allclose(measures.previous_token_scores(attention), by_loop, rtol=1e-6)


@pytest.mark.parametrize("period", [2, 7, 10])
def test_induction_scores_look_after_the_first_occurrence(attention, period):
    second_copy = range(period, 2 * period)
    by_loop = sum(attention[..., i, i - period + 1] for i in second_copy) / period
    np.testing.assert_allclose(measures.induction_scores(attention, period), by_loop, rtol=1e-5)


def test_first_token_scores(attention):
    by_loop = sum(attention[..., i, 0] for i in range(1, 20)) / 19
    np.testing.assert_allclose(measures.first_token_scores(attention), by_loop, rtol=1e-6)


def test_perfect_heads_score_one():
    period, maps = 5, np.zeros((1, 2, 10, 10))
    maps[0, 0, range(1, 10), range(9)] = 1
    maps[0, 1, range(5, 10), range(1, 6)] = 1
    assert measures.previous_token_scores(maps).tolist() == [[1, 0]]
    assert measures.induction_scores(maps, period).tolist() == [[0, 1]]
    assert measures.best_head(measures.induction_scores(maps, period)) == (0, 1, 1.0)


@pytest.mark.parametrize("period", [0, 1, 11])
def test_a_period_that_does_not_fit_is_refused(attention, period):
    with pytest.raises(ValueError, match="cannot hold two copies"):
        measures.induction_scores(attention, period)


def test_repeated_random_tokens_repeat_and_leave_special_tokens_out():
    ids = measures.repeated_random_tokens(100, period=8, copies=3, rows=4)
    assert ids.shape == (4, 24) and ids.min() >= 2 and ids.max() < 100
    assert (ids[:, :8] == ids[:, 8:16]).all() and (ids[:, :8] == ids[:, 16:]).all()
    assert (measures.repeated_random_tokens(100, seed=1) != measures.repeated_random_tokens(100, seed=2)).any()


def test_token_losses_are_the_library_cross_entropy():
    logits = 5 * torch.randn(9, 30, generator=torch.Generator().manual_seed(0))
    ids = torch.arange(9)
    expected = torch.nn.functional.cross_entropy(logits[:-1].double(), ids[1:], reduction="none")
    np.testing.assert_allclose(measures.token_losses(logits, ids), expected, rtol=1e-9)


def test_a_divergence_is_zero_for_the_same_and_what_a_hand_computes_for_others():
    p, q = np.log([[0.5, 0.5], [0.9, 0.1]]), np.log([[0.5, 0.5], [0.5, 0.5]])
    by_hand = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    np.testing.assert_allclose(measures.divergences(p, q), [0, by_hand], atol=1e-12)
    assert measures.divergences(q, p)[1] != pytest.approx(by_hand)
    with pytest.raises(ValueError, match="Both need one shape"):
        measures.divergences(p, q[0])


def halves(count):
    learned = np.arange(count) % 2 == 0
    return learned, ~learned


def test_a_probe_reads_what_is_there_and_nothing_else():
    draw = np.random.RandomState(0)
    signs = draw.rand(400, 2) < 0.5  # two tasks: the features hold the first and nothing of the second
    features = draw.randn(400, 5)
    features[:, 2] += 6 * signs[:, 0]
    found = measures.probe_accuracies(features, signs, *halves(400))
    assert found.shape == (2,) and found[0] > 0.95 and 0.35 < found[1] < 0.65


def test_a_probe_with_as_many_dimensions_as_kinds_learns_any_labels_by_heart():
    kinds = np.tile(np.arange(10), 8)
    labels = np.random.RandomState(1).rand(10, 6)[kinds] < 0.5
    learned, judged = np.arange(80) < 40, np.arange(80) >= 40
    assert (measures.probe_accuracies(np.eye(10)[kinds], labels, learned, judged, ridge=1e-3) == 1).all()


def test_a_probe_is_not_judged_on_what_it_learned_from():
    features, labels = np.zeros((4, 2)), np.zeros((4, 1), bool)
    for learned, judged in (([1, 1, 0, 0], [0, 1, 1, 1]), ([0] * 4, [1] * 4), ([1] * 4, [0] * 4)):
        with pytest.raises(ValueError, match="none may be in both"):
            measures.probe_accuracies(features, labels, learned, judged)
