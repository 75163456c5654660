"""Attribution patching: its gradients are the slopes that small patches find, and an edge is a patch of one input."""

from copy import copy
from itertools import product

import pytest
import torch

from pythia_course import load
from pythia_course.inside.attribution import WAYS_IN, edge, edge_estimates, gradients, written

TEXTS = "Kofi black rice spoon clock basket\nKofi black", "Kofi spoon rice black clock basket\nKofi black"
MODELS = ("tiny-pythia", "tiny-pythia-sequential", "tiny-gpt2", "tiny-gpt2-parallel")
KEEP = ["z", "residual", "logits"]


def measure(logits):
    return logits[-1, 5] - logits[-1, 300]


def value(lm, ids):
    return float(measure(lm.trace(ids, keep=["logits"]).logits))


@pytest.fixture(scope="module", params=MODELS)
def lm(request):
    return load(request.param)


@pytest.fixture
def tiny():
    return load("tiny-pythia")


def two_runs(lm):
    return tuple(lm.trace(text, keep=KEEP) for text in TEXTS)


def test_a_gradient_is_the_slope_that_a_small_patch_finds(lm):
    clean, corrupted = two_runs(lm)
    slopes = gradients(lm, corrupted.ids, measure)["z"]
    assert slopes.shape == corrupted.z.shape
    for head in ((1, 0), (2, 3)):
        ends = []
        for step in (-0.02, 0.02):
            moved = copy(corrupted)
            moved.z = corrupted.z + step * (clean.z - corrupted.z)
            with lm.patch(moved, heads=[head]):
                ends.append(value(lm, corrupted.ids))
        expected = ((clean.z - corrupted.z) * slopes)[head].sum()
        torch.testing.assert_close(torch.tensor((ends[1] - ends[0]) / 0.04), expected, atol=0.02, rtol=0.02)


def test_gradients_have_the_shapes_that_they_say_and_leave_the_model_alone(tiny):
    ids = tiny.trace(TEXTS[0], keep=["ids"]).ids
    before, count = value(tiny, ids), len(ids)
    found = gradients(tiny, TEXTS[0], measure)
    assert found["attention"].shape == (4, 4, count, count)
    assert {found[name].shape for name in ("z", *WAYS_IN)} == {(4, 4, count, 32)}
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in tiny.model.parameters())
    assert value(tiny, ids) == before and not any(block._forward_hooks for block in tiny.model.modules())


def test_gradients_see_what_a_block_around_them_changes(tiny):
    clean, corrupted = two_runs(tiny)
    with tiny.patch(clean, residual=range(4)):
        inside = gradients(tiny, corrupted.ids, measure)["z"]
    torch.testing.assert_close(inside[3], gradients(tiny, clean.ids, measure)["z"][3], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("bad", [lambda logits: logits[-1], lambda logits: 3.0, lambda logits: logits.detach()[0, 0]])
def test_a_measure_that_gives_no_number_with_a_gradient_is_refused_in_words(tiny, bad):
    with pytest.raises(ValueError, match="one number computed from the logits by torch"):
        gradients(tiny, TEXTS[0], bad)


def test_an_edge_from_a_run_to_itself_changes_nothing(lm):
    _, corrupted = two_runs(lm)
    with edge(lm, corrupted, corrupted, (0, 1), (2, 3), "keys"):
        torch.testing.assert_close(value(lm, corrupted.ids), value(lm, corrupted.ids))
        now = lm.trace(corrupted.ids, keep=["logits"]).logits
    torch.testing.assert_close(now, corrupted.logits, atol=1e-3, rtol=1e-3)


def test_an_edge_changes_one_input_of_one_head_and_no_other(lm):
    clean, corrupted = two_runs(lm)
    before = lm.trace(corrupted.ids, keep=["queries", "keys", "values"])
    with edge(lm, clean, corrupted, (0, 1), (2, 3), "values"):
        after = lm.trace(corrupted.ids, keep=["queries", "keys", "values"])
    for name in ("queries", "keys", "values"):
        changed = (getattr(after, name)[2] - getattr(before, name)[2]).abs().amax((1, 2)) > 1e-4
        assert changed.tolist() == [False, False, False, name == "values"]
        torch.testing.assert_close(getattr(after, name)[:2], getattr(before, name)[:2])


def test_all_edges_into_a_head_are_what_the_head_reads_when_all_writers_are_patched(tiny):
    """What eight earlier heads write, each through its own edge, adds up to the difference of attention's outputs."""
    clean, corrupted = two_runs(tiny)
    for layer in range(2):
        total = sum(written(tiny, clean, corrupted, (layer, head)) for head in range(4))
        full = [tiny.trace(run.ids, keep=["attn_out"]).attn_out[layer] for run in (clean, corrupted)]
        torch.testing.assert_close(total, full[0] - full[1], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("way", WAYS_IN)
def test_an_estimate_is_the_slope_of_its_edge(lm, way):
    """The clean run lies a hundredth of the way off, where a patch and its estimate must agree."""
    far, corrupted = two_runs(lm)
    near = copy(corrupted)
    near.z = corrupted.z + 0.01 * (far.z - corrupted.z)
    slopes = gradients(lm, corrupted.ids, measure)
    found = edge_estimates(lm, near, corrupted, slopes, (2, 1), way)
    assert found.shape == (2, 4)
    start, exact = value(lm, corrupted.ids), torch.zeros(2, 4)
    for writer in product(range(2), range(4)):
        with edge(lm, near, corrupted, writer, (2, 1), way):
            exact[writer] = value(lm, corrupted.ids) - start
    torch.testing.assert_close(found, exact, atol=2e-4, rtol=0.1)


def test_prompts_of_two_lengths_and_edges_that_lead_nowhere_are_refused(tiny):
    clean, corrupted = two_runs(tiny)
    with pytest.raises(ValueError, match="word both to be equally long"):
        edge(tiny, tiny.trace("Mia", keep=KEEP), corrupted, (0, 0), (1, 0), "keys")
    for reader, way in (((0, 0), "keys"), ((4, 0), "keys"), ((1, 0), "scores")):
        with pytest.raises(ValueError, match="An edge ends in the queries, keys or values"):
            edge(tiny, clean, corrupted, (0, 0), reader, way)
