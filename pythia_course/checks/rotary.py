"""Checks of lesson 02, rotary position embeddings."""

import math
from copy import deepcopy

import numpy as np

from pythia_course import suite
from pythia_course.checks.answers import as_array, is_missing, shown
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered


def turning_dims(answer, name="pythia-1.4b"):
    """How many dimensions of one head turn."""
    spec = suite.SUITE[name]
    mistakes = [
        (spec.head_dim, f"You rotated all {spec.head_dim} dimensions of the head. Only a quarter of them turn."),
        (spec.head_dim - spec.rotary_dims, "That many pass through unturned; the question is about the others."),
        (spec.rotary_dims / 2, "That is the number of pairs. Each pair is two dimensions."),
        (spec.width / 4, "You took a quarter of the residual stream. Each head turns a quarter of its own dimensions."),
        (spec.heads, "That is the number of heads; in each of them some dimensions turn."),
    ]
    return judge(answer, spec.rotary_dims, "Right: a quarter of the head; the rest passes through.", mistakes, 1e-9)


def slowest_wavelength(answer, name="pythia-1b"):
    """Positions in which the slowest pair turns once."""
    spec = suite.SUITE[name]
    dims, base = spec.rotary_dims, spec.rope_base

    def turns_once(pair, dims, circle=2 * math.pi):
        return circle * base ** (2 * pair / dims)

    last = dims // 2 - 1
    mistakes = [
        (1 / turns_once(last, dims, 1), "That is the angle from one position to the next. How many make a circle?"),
        (1 / turns_once(last, dims), "Upside down: that is the share of a circle per position."),
        (turns_once(last, dims, 1), "A circle is 2π radians: you left that out."),
        (turns_once(last, dims, 360), "Degrees instead of radians: a circle is 2π, not 360."),
        (turns_once(0, dims), "That is the fastest pair, pair 0."),
        (2 * math.pi * base, "One pair too far: pairs count from 0, so the last exponent is just below 1."),
        (turns_once(last, spec.head_dim), "The exponent is divided by what turns, not by all of the head."),
        (turns_once(spec.head_dim // 2 - 1, spec.head_dim), "You let all dimensions of the head turn; a quarter do."),
        (turns_once(last / 2, dims), "The exponent is 2 · pair / dimensions: the 2 is missing."),
    ]
    praise = f"Right: far more than the {spec.context:,} positions of its context."
    return judge(answer, turns_once(last, dims), praise, mistakes)


def unrotate(function):
    """A learner's unrotate(x, dims, base) of queries (head, position, head_dim): back to what they were."""
    import torch

    before = torch.randn(3, 7, 20, generator=torch.Generator().manual_seed(0)).double().numpy()
    dims, base = 8, 100.0
    x = _turned(before, dims, base)
    result, trouble = run(function, torch.tensor(x, dtype=torch.float32), dims, base)
    if trouble is not None:
        return trouble

    def back(**mistake):
        return _turned(x, **{"dims": dims, "base": base, "sign": -1} | mistake)

    by_head = _turned(x.swapaxes(0, 1), dims, base, sign=-1).swapaxes(0, 1)
    mistakes = [
        (back(sign=1), "You turned the wrong way: that turns each pair once more; turn it back."),
        (back(dims=20), "You rotated all 20 dimensions, not 8: only the first `dims` had turned."),
        (back(halves=False), "Interleaved pairs instead of halves: pair j is j and j + dims / 2."),
        (back(unit=180 / math.pi), "Degrees instead of radians: torch.cos takes radians."),
        (back(unit=math.pi / 180), "The angles are in radians already; do not convert them."),
        (back(start=1), "You counted positions from 1: the first token is at 0 and had not turned."),
        (back(spread=20), "The exponent is divided by dims, the dimensions that turn, not by all of the head."),
        (back(spread=2 * dims), "The exponent is 2 · pair / dims: the 2 is missing."),
        (back(reverse=True), "The speeds are in the wrong order: pair 0 is the fastest."),
        (by_head, "You turned each head by its own number. Which axis of x is the position?"),
        (_turned(x[..., ::-1], dims, base, sign=-1)[..., ::-1], "Pythia turns the first dimensions, not the last."),
        (back()[..., :dims], "The turned part is right. Put the dimensions that pass back behind it."),
        (x, "Nothing turned yet: x came back as it was."),
    ]
    return judge(result, before, "Right: as if no position had ever touched them.", mistakes, 1e-4)


def _turned(x, dims, base, *, sign=1, unit=1.0, start=0, halves=True, spread=None, reverse=False):
    """x (head, position, head_dim) turned as complex numbers, rightly or with one of the known mistakes."""
    speed = base ** (-np.arange(0, dims, 2) / (spread or dims))
    steps = start + np.arange(x.shape[1])
    phase = np.exp(sign * 1j * unit * np.outer(steps, speed[::-1] if reverse else speed))
    places = np.arange(dims).reshape(2, -1) if halves else np.arange(dims).reshape(-1, 2).T
    numbers = (x[..., places[0]] + 1j * x[..., places[1]]) * phase
    out = x.copy()
    out[..., places[0]], out[..., places[1]] = numbers.real, numbers.imag
    return out


def order_of_halves(answer, dims=16):
    """Where each dimension of an interleaved head goes, so that the split-half rotation fits it."""
    places = np.arange(dims).reshape(-1, 2)
    right = places.T.ravel()
    mistakes = [
        (np.argsort(right), "That is the way back, from halves to interleaved."),
        (np.arange(dims), "Nothing moved: dimensions 0 and 1 are still neighbours."),
        (places[:, ::-1].T.ravel(), "First and second of each pair are exchanged: that would turn the wrong way."),
        (places[:, 0], "Those are the first numbers of all pairs. The second ones follow them."),
        (right + 1, "You counted from 1; dimensions count from 0."),
        (right[::-1], "Back to front: pair 0 comes first."),
    ]
    return judge(answer, right, "Right: the first of each pair, then the second of each.", mistakes, 1e-9)


def favourite_distance(answer, query, key, spec, positions=128):
    """The distance from 0 to positions - 1 at which a query and a key, given unturned, score highest."""
    query, key = as_array(query), as_array(key)
    curve = _score_by_distance(query, key, spec, np.arange(positions))
    best = int(curve.argmax())
    backwards = int(_score_by_distance(query, key, spec, -np.arange(positions)).argmax())
    given = as_array(answer)
    if given is not None and given.shape == () and given == -best and best:
        return Verdict(0, "The sign: a distance is the query's position less the key's, and the key comes before.")
    if given is not None and given.shape == () and given != best and np.isclose(given, curve.max(), rtol=1e-3):
        return Verdict(0, "That is the highest score itself; the question is at which distance.")
    mistakes = [
        (backwards, "You turned the wrong way round: turn the query by the distance, or the key by minus that."),
        (int(curve.argmin()), "That is the distance with the lowest score."),
        (best + 1, "You counted from 1: distance 0 is the token itself."),
    ]
    return judge(answer, best, "Right: there the two point the same way as nearly as they can.", mistakes, 1e-9)


def _score_by_distance(query, key, spec, distances):
    """(distance,): the query turned by each distance, times the key as it is."""
    repeated = np.repeat(query[None, None], 2, axis=1)
    turned = [_turned(repeated, spec.rotary_dims, spec.rope_base, start=distance)[0, 0] for distance in distances]
    return np.array(turned) @ key


def stretched_base(answer, name="pythia-160m", factor=4):
    """The base with which the slowest pair turns `factor` times slower and the fastest as before."""
    spec = suite.SUITE[name]
    dims, base = spec.rotary_dims, spec.rope_base

    def grown(dims, by=factor):
        return base * by ** (dims / (dims - 2))

    mistakes = [
        (base * factor, "Nearly: the slowest pair's exponent is not quite 1, so the base must grow a little more."),
        (grown(spec.head_dim), "You counted all dimensions of a head; the exponents are made of those that turn."),
        (grown(dims // 2), "You took the number of pairs for the number of dimensions."),
        (base * factor ** ((dims - 2) / dims), "The exponent of the growth is upside down."),
        (grown(dims, 1 / factor), "The wrong way: with a smaller base the pairs turn faster."),
        (base, "With the old base nothing changes."),
    ]
    praise = "Right: the last pair turns that much slower, the first as before, the others in between."
    return judge(answer, grown(dims), praise, mistakes)


def longer(answer, lm, measure, trained=128):
    """Speeds of the pairs with which a model reads further, better than with NTK scaling. The check measures itself.

    answer: (pair,), radians per position, pair 0 first.  measure(model): losses by position, (position - 1,).
    """
    if is_missing(answer):
        return unanswered()
    usual, speeds = lm.model.gpt_neox.rotary_emb.inv_freq, as_array(answer)
    if speeds is None or np.squeeze(speeds).shape != usual.shape:
        return Verdict(0, f"Give a speed for each pair, {len(usual)} in a list, pair 0 first; {shown(answer)} came.")
    if not np.isfinite(speeds).all():
        return Verdict(0, "There is a speed that is infinite or not a number: an angle must be finite.")
    if np.allclose(np.squeeze(speeds), usual, rtol=1e-4):
        return Verdict(0, "These are the speeds it was trained with: change the slow ones.")
    dims, base = lm.spec.rotary_dims, lm.spec.rope_base
    plain = as_array(measure(lm.model))
    stretch = (len(plain) + 1) / trained
    ntk = (base * stretch ** (dims / (dims - 2))) ** (-np.arange(0, dims, 2) / dims)
    found = [plain, *(as_array(measure(_at_speeds(lm.model, each))) for each in (ntk, speeds))]
    near_and_far = (np.array([part.mean() for part in np.split(losses, [trained - 1])]) for losses in found)
    return _judge_reach(*near_and_far, trained)


def _at_speeds(model, speeds):
    """A copy of a model whose pairs turn at other speeds."""
    import torch

    model = deepcopy(model)
    model.gpt_neox.rotary_emb.inv_freq = torch.as_tensor(np.squeeze(np.asarray(speeds)), dtype=torch.float32)
    return model


def _judge_reach(plain, ntk, found, trained):
    """plain, ntk, found: (near, far), mean losses in nats."""
    near, far = found - plain
    if far > -0.5:
        change = "worse" if far > 0 else "better, and half a nat is wanted"
        return Verdict(0, f"Beyond the trained length it is {abs(far):.2f} nats {change}: slow the slow pairs down.")
    if near > 0.2:
        return Verdict(0, f"Far positions gain, but the first {trained} lose {near:.2f} nats: keep fast pairs fast.")
    if (found > ntk - 0.01).any():
        beside = "yours has {:.2f} and {:.2f}, NTK scaling {:.2f} and {:.2f}".format(*found, *ntk)
        return Verdict(0, f"Better than plain. But within and beyond {beside}: be better in both.")
    return Verdict(1, f"Right: {-far:.2f} nats gained beyond the trained length, {near:+.2f} within it.")
