"""Checks of lesson 10, Pythia and GPT-Neo: windows, scaling, and what a 2×2 of models can say."""

import math

import numpy as np

from pythia_course.checks.answers import is_missing, kind, shown
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered

# Fields of a GPT-NeoX configuration: those that change what is computed or learned, and those that set its size.
SWITCHES = {
    "hidden_act", "layer_norm_eps", "num_attention_heads", "use_parallel_residual", "tie_word_embeddings",
    "attention_bias", "attention_dropout", "hidden_dropout", "initializer_range",
    "rope_parameters.rope_type", "rope_parameters.rope_theta", "rope_parameters.partial_rotary_factor",
}  # fmt: skip
SIZES = {"hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size"}


def layers_to_reach(answer, window, distance):
    """The least number of local layers in a row through which a token can know of one so far back."""
    right = math.ceil(distance / (window - 1))
    mistakes = [
        (math.ceil(distance / window), "That falls just short. The window holds the token itself: how far is left?"),
        (distance // (window - 1), "That falls just short: so many whole hops end in front of the token."),
        (2 * right, "You counted the global layers too. Here all layers are local."),
        (2 * right - 1, "You counted the global layers too. Here all layers are local."),
        (1, "A global layer would do it in one. Here all layers are local."),
        (window - 1, "That is how far one layer reaches. How many of them does it take?"),
        (window, "That is the window, the token itself included. How many layers does it take?"),
    ]  # fmt: skip
    return judge(answer, right, "Right: each local layer adds one less than its window.", mistakes, 1e-9)


def undo_scaling(function):
    """A learner's function(weight, heads): the queries' matrix of a GPT-Neo, for code that divides its scores."""
    heads, head_dim = 3, 5
    width = heads * head_dim
    weight = np.random.RandomState(0).standard_normal((width, width)).astype(np.float32)
    result, trouble = run(function, _tensor(weight), heads)
    if trouble is not None:
        return trouble
    mistakes = [
        (weight, "That is the matrix as it was: the code would divide scores that were never meant to be divided."),
        (weight / head_dim**0.5, "The wrong way: the code divides already, so the matrix must make up for it."),
        (weight * head_dim, "The scores are divided by a square root, so that is more than was lost."),
        (weight * width**0.5, "You took the width of the stream; scores are divided by the root of one head's width."),
        (weight * heads**0.5, "You took the number of heads; scores are divided by the root of one head's width."),
        (weight * head_dim**0.25, "That would be right if the keys got the same. Here the queries alone must do it."),
        (weight * 8, "8 is right for heads of 64 dimensions. Take the root of the head's own number of dimensions."),
    ]  # fmt: skip
    return judge(result, weight * head_dim**0.5, "Right: what the code divides by, the matrix holds.", mistakes)


def _tensor(array):
    import torch

    return torch.from_numpy(array.copy())


def effects(answer, table):
    """Main effect of rotary, main effect of parallel, and their interaction.

    table: (positions, block) with learned before rotary and sequential before parallel.
    """
    table = np.asarray(table, dtype=float)
    right = all_effects(table)
    (learned_s, learned_p), (rotary_s, rotary_p) = table
    order = "The block's effect is where that of the positions should be. Which axis of the table is which?"
    turned = "The signs are turned round: an effect is what comes out *with* the switch less what comes out without."
    simple = "Those are effects in one row and one column only: take the mean over both."
    half = "The main effects are right. The interaction is *half* the difference of the differences."
    sign = "The main effects are right. The interaction has the wrong sign: rotary's row comes first."
    both = "That is what both switches do together. The interaction is what is *more* than their sum."
    mistakes = [
        (right[[1, 0, 2]], order),
        (-right, turned),
        (right * [-1, -1, 1], "The signs of the two main effects are turned round: take rotary less learned."),
        (right * 2, "You added the two differences; an effect is their mean."),
        (right * [1, 1, 2], half),
        (right * [1, 1, -1], sign),
        ([rotary_s - learned_s, learned_p - learned_s, right[2]], simple),
        ([rotary_p - learned_p, rotary_p - rotary_s, right[2]], simple),
        ([*right[:2], rotary_p - learned_s], both),
    ]  # fmt: skip
    praise = "Right: two mean differences, and half the difference of the differences."
    return judge(answer, right, praise, mistakes, 1e-6)


def all_effects(table):
    """(..., positions, block) -> (..., 3): the effects of rotary and of parallel, and their interaction.

    The interaction is half the difference of the differences, so that all three have the same spread.
    Source: Box, Hunter and Hunter 2005, "Statistics for Experimenters", chapter 5.
    """
    table = np.asarray(table, dtype=float)
    positions = (table[..., 1, :] - table[..., 0, :]).mean(-1)
    block = (table[..., 1] - table[..., 0]).mean(-1)
    by_row = table[..., 1] - table[..., 0]  # parallel less sequential: (..., positions)
    return np.stack([positions, block, (by_row[..., 1] - by_row[..., 0]) / 2], axis=-1)


def seeds_needed(answer, level=0.05):
    """The least number of seeds whose effects, if all have one sign, chance would match in less than `level`."""
    right = next(n for n in range(1, 100) if 2 / 2**n < level)
    mistakes = [
        (right - 1, "That is for a direction that was named beforehand. Chance may agree in either of the two."),
        (3, "With three, chance agrees in a quarter of all experiments."),
        (1 / level, "One in so many is the level you aim at, not the number of seeds. Count throws of a coin."),
        (right + 1, "That is more than enough: one less will do."),
        (2 / 2**right, "That is the chance with the right number of seeds. How many are they?"),
    ]
    return judge(answer, right, "Right: so many coins all fall alike in less than that.", mistakes, 1e-9)


def strongest_step(answer, steps, table):
    """The step at which the effect of rotary positions, mean over seeds, is largest in size.

    steps: (step).  table: (seed, positions, block, step).
    """
    steps, found = np.asarray(steps), all_effects(np.moveaxis(np.asarray(table, dtype=float), -1, 0))
    size = np.abs(found.mean(1))  # (step, effect)
    where = size.argmax(0)
    first_seed = np.abs(found[:, 0, 0]).argmax()
    mistakes = [
        (where[0], "That is the place in the list. Which training step stands there?"),
        (steps[where[1]], "That is where the effect of the *block* is largest."),
        (steps[where[2]], "That is where the *interaction* is largest."),
        (steps[first_seed], "That is where it is largest for seed 0. Take the mean over the seeds first."),
        (size[where[0], 0], "That is how large it is. At which step?"),
        (steps[-1], "That is the last step of the logs."),
    ]
    praise = f"Right: there it is {found.mean(1)[where[0], 0]:+.1f} nats."
    return judge(answer, steps[where[0]], praise, mistakes, 1e-9)


def one_switch(answer, base):
    """A GPT-NeoX configuration that differs from `base` in one thing that matters, and in its size not at all.

    answer: a configuration, or a dict of its fields.
    """
    if is_missing(answer):
        return unanswered()
    before, after = _fields(base), _fields(answer)
    if after is None:
        return Verdict(0, f"A configuration is wanted, such as GPTNeoXConfig(...); {kind(answer)} came.")
    if after.get("model_type", before["model_type"]) != before["model_type"]:
        return Verdict(0, "That is another architecture, and with it much changes at once: stay with the same class.")
    changed = [key for key, value in after.items() if key not in before or not _same(before[key], value)]
    unknown = [key for key in changed if key not in before]
    if unknown:
        return Verdict(0, f"No field is called {shown(unknown[0])}: the library keeps it, and nothing reads it.")
    verdict = _judge_changes([key for key in changed if key in SWITCHES | SIZES], changed, before, after)
    return _tried(changed, base, after) or verdict if verdict == 1 else verdict


def _judge_changes(real, changed, before, after):
    if not changed:
        return Verdict(0, "The two configurations are the same: there is nothing to find out.")
    if not real:
        return Verdict(0, f"{changed[0]} changes nothing that this network computes or learns.")
    if len(real) > 1:
        return Verdict(0, f"Several things change at once: {', '.join(sorted(real))}. Which of them did it?")
    if real[0] in SIZES:
        return Verdict(0, f"With {real[0]} the number of parameters changes too, and larger is better for that alone.")
    return Verdict(1, f"Right: only {real[0]} changes, from {_said(before[real[0]])} to {_said(after[real[0]])}.")


def _tried(changed, base, after):
    """None where a network of one layer runs with the changed value, else a verdict that says why it does not."""
    import torch
    from transformers import GPTNeoXForCausalLM

    key = next(key for key in changed if key in SWITCHES)
    fields, (outer, _, inner) = base.to_dict() | {"num_hidden_layers": 1}, key.partition(".")
    fields[outer] = {**fields[outer], inner: after[key]} if inner else after[key]
    if inner == "rope_type" and after[key] != "default":
        fields[outer] = {"factor": 2.0} | fields[outer]
    if isinstance(_fields(base)[key], bool) != isinstance(after[key], bool):
        return Verdict(0, f"{key} is True or False; {kind(after[key])} came." if _fields(base)[key] in (True, False)
                       else f"{key} is no True or False.")  # fmt: skip
    try:
        logits = GPTNeoXForCausalLM(type(base)(**fields))(torch.arange(4)[None]).logits
    except Exception as error:  # whatever the library does with a value that makes no sense
        return Verdict(0, f"With {key} = {_said(after[key])} no network can run: {type(error).__name__}: {error}")
    finite = bool(torch.isfinite(logits).all())
    return None if finite else Verdict(0, f"With {key} = {_said(after[key])} its logits are no finite numbers.")


def _said(value):
    return value if isinstance(value, str) else shown(value)


def _fields(config):
    """{field: value}, those of a dict within as "outer.inner"; None where it is no configuration."""
    try:
        fields = config if isinstance(config, dict) else config.to_dict()
    except Exception:  # whatever an object does when it is asked for its fields, it is no configuration
        return None
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        return None
    flat = {}
    for key, value in fields.items():
        flat |= {f"{key}.{inner}": v for inner, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _same(a, b):
    try:
        return bool(a == b)
    except Exception:  # arrays, whose comparison is an array, and objects that will not be compared
        return False
