"""Prompts and arguments drawn at random: right arrays or a sentence of the course's own, and the model as it was."""

import random

import pytest
import torch
from support import odd_arguments, odd_prompts
from support.by_hand import changed, flat, library_logits, means_of, small_model
from support.random_models import hooks_on
from support.refusals import attempt, written

from pythia_course import load
from pythia_course.inside.compare import Comparison, compare
from pythia_course.inside.tracing import AXES, LanguageModel

SEEDS = (1, 2)
PROMPTS = 2500  # a seed, each of which is cut into tokens
EVERY = 20  # one in so many is read by a model too, which takes a hundred times as long
CASES = 250  # a seed, of arguments


@pytest.fixture(params=["gpt_neox", "gpt2"])
def lm(request):
    return small_model(request.param)


def state(lm):
    """What no call may change."""
    weights = torch.cat([array.flatten().double() for array in lm.model.state_dict().values()])
    training = any(part.training for part in lm.model.modules())
    return weights, (hooks_on(lm.model), torch.is_grad_enabled(), training, torch.is_autocast_enabled("cpu"))


def is_as(lm, before):
    return torch.equal(state(lm)[0], before[0]) and state(lm)[1] == before[1]


def same(ours, theirs):
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_prompts(seed, lm):
    faults, before = [], state(lm)
    for number, (prompt, ids) in enumerate(odd_prompts.prompts(lm, seed, PROMPTS // 2)):
        what = f"{number}: {written(prompt)}"
        labels = attempt(faults, f"tokens {what}", lm.tokens, prompt)
        if ids is not None and (isinstance(labels, Exception) or len(labels) != len(ids)):
            faults.append(f"tokens {what}: {written(labels)}, where {len(ids)} were expected")
        if number % EVERY == 0:
            faults += passes(lm, faults, what, prompt, ids)
            faults += [] if is_as(lm, before) else [f"{what} changed the model"]
    assert faults == []


def passes(lm, faults, what, prompt, ids):
    """What is wrong with a trace and with a prediction of a prompt."""
    trace = attempt(faults, f"trace {what}", lm.trace, prompt, keep=["logits", "attention"])
    best = attempt(faults, f"predict {what}", lm.predict, prompt, 1)
    if ids is None:
        return [f"{what} was read"] * (not isinstance(trace, Exception) or not isinstance(best, Exception))
    if isinstance(trace, Exception) or isinstance(best, Exception):
        return [f"{what} was refused: {written(trace)}"]
    logits = library_logits(lm, ids)
    right = [
        trace.ids.tolist() == list(ids),
        same(trace.logits, logits),
        same(trace.attention.sum(-1), torch.ones(trace.attention.shape[:-1])),
        abs(best[0][1] - logits[-1].softmax(-1).max().item()) < 1e-5,
        all(token.isprintable() and token for token in trace.tokens),
    ]
    return [] if all(right) else [f"{what}: {right}"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["ablate", "patch", "means"])
def test_places_and_references(seed, kind, lm):
    """A right request gives what modules give whose outputs are replaced by hand, a wrong one a sentence."""
    faults, before = [], state(lm)
    for number, (arguments, edits) in enumerate(odd_arguments.REQUESTS[kind](lm, random.Random(seed), CASES // 10)):
        what = f"{kind} {number}: {written(arguments)}"
        found = attempt(faults, what, CHECKS[kind], lm, arguments, edits)
        if isinstance(found, Exception) != (edits is None):
            faults.append(f"{what}: {'taken' if edits is None else 'refused'}, {written(found)}")
        elif edits is not None and not found:
            faults.append(f"{what}: wrong arrays")
        faults += [] if is_as(lm, before) else [f"{what} changed the model"]
    assert faults == []


def ablated(lm, arguments, edits):
    """Whether a pass and one over two rows, the shorter filled up at its end, are those changed by hand."""
    ids, shorter = odd_arguments.ids(lm, 3, 12), odd_arguments.ids(lm, 4, 7)
    rows = torch.tensor([ids, shorter + ids[:5]])
    with lm.ablate(**arguments):
        alone, both = lm.trace(ids, keep=["logits"]).logits, lm.model(rows).logits
        apart = lm.trace(shorter, keep=["logits"]).logits
    if edits is None:
        return True
    with changed(lm, edits):
        by_hand, by_hand_apart = library_logits(lm, ids), library_logits(lm, shorter)
    return same(alone, by_hand) and same(both[0], by_hand) and same(apart, by_hand_apart) and same(both[1][:7], apart)


def patched(lm, arguments, edits):
    ids = odd_arguments.ids(lm, 5, odd_arguments.LENGTH)
    with lm.patch(**arguments):
        ours = lm.trace(ids, keep=["logits"]).logits
    if edits is None:
        return True
    with changed(lm, edits):
        return same(ours, library_logits(lm, ids))


def averaged(lm, over, rows):
    ours = lm.means(over)
    return rows is None or all(same(flat(ours[name]), flat(mean)) for name, mean in means_of(lm, rows).items())


CHECKS = {"ablate": ablated, "patch": patched, "means": averaged}


@pytest.mark.parametrize("seed", SEEDS)
def test_arguments_of_the_wrong_kind(seed, lm):
    """Anything at all for any argument: an answer of the right kind or a sentence."""
    dice, faults, before = random.Random(seed), [], state(lm)
    for number in range(CASES // 4):
        name, options = odd_arguments.anything(dice)
        found = attempt(faults, f"{name} {number}: {written(options)}", getattr(lm, name), **options)
        if isinstance(found, Exception):
            pass
        elif name == "trace":
            kept = [vars(found)[field] for field in AXES if field in vars(found)]
            faults += [f"{written(options)}: nan"] * (not all(array.isfinite().all() for array in kept))
        elif name in ("ablate", "patch"):
            ids = odd_arguments.ids(lm, 5, odd_arguments.LENGTH)
            attempt(faults, f"in {name} {number}: {written(options)}", run_inside, lm, found, ids)
        faults += [] if is_as(lm, before) else [f"{name} {written(options)} changed the model"]
    assert faults == []


def run_inside(lm, block, ids):
    with block:
        return lm.trace(ids)


@pytest.mark.parametrize("seed", SEEDS)
def test_load_and_compare(seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dice, faults, lm = random.Random(seed), [], small_model("gpt2")
    before = state(lm)
    for _ in range(CASES // 10):
        options = odd_arguments.to_load(dice)
        found = attempt(faults, f"load {written(options)}", load, **options)
        if not isinstance(found, Exception):
            ids = odd_arguments.ids(found, 3, 12)
            right = isinstance(found, LanguageModel) and same(found.trace(ids).logits, library_logits(found, ids))
            faults += [] if right else [f"load {written(options)}: {found!r}"]
        pair, text = odd_arguments.to_compare(dice, lm)
        found = attempt(faults, f"compare {written((pair, text))}", compare, *pair, text)
        faults += [] if isinstance(found, Comparison | Exception) else [f"compare gave {written(found)}"]
        if isinstance(found, Comparison):
            losses = -library_logits(lm, found.a.trace.ids)[:-1].log_softmax(-1)
            theirs = losses.gather(1, found.a.trace.ids[1:, None])[:, 0]
            right = pair[0] is not lm or same(torch.from_numpy(found.a.losses), theirs)
            faults += [] if right and repr(found) and found._repr_html_() else [f"compare {written(text)}: losses"]
    assert faults == [] == list(tmp_path.iterdir()) and is_as(lm, before)
