"""Change what a model computes while a `with` block runs: silence (ablate) heads or layers, patch in another run.

Hooks placed inside the block, those of a trace among them, see the changed values. Of two blocks that change the same
place the inner one wins; and what a pass computes later covers what was changed earlier: a head, then the output of its
layer's attention, then the stream after that layer.
"""

import operator
from collections.abc import Iterable
from functools import partial
from itertools import product

from pythia_course.errors import shown
from pythia_course.inside.anatomy import FAMILIES
from pythia_course.inside.with_blocks import Block

# What can be changed, called as in a Trace -> the numbers that name one place of it, besides a position.
PLACES = {"z": ("layer", "head"), "attn_out": ("layer",), "mlp_out": ("layer",), "residual": ("layer",)}


class Intervention(Block):
    """Changes to a model's passes, in effect while a `with` block runs and in the thread that runs it."""

    def __init__(self, name, changes, checks=()):
        """name: of the method that makes it.  changes, and checks before them: pairs for `recording.hooks`."""
        super().__init__([*checks, *changes])
        self.name, self.changes = name, changes

    def __repr__(self):
        count = f"{len(self.changes)} change{'s' * (len(self.changes) != 1)}"
        return f"<{self.name}: {count}, in effect only inside a block: with lm.{self.name}(…): …>"


def ablation(spec, model, parts, means=None) -> Intervention:
    """Parts of a model set to zero or, where `means` are given, to their mean.

    parts: pairs (fields, places): ("z", heads (layer, head)), ("attn_out", layers), ("attn_out mlp_out", layers), …
    means: {"z": (layer, head, head_dim), "attn_out": (layer, width), "mlp_out": (layer, width)}, those it needs.
    """
    changes = []
    for fields, given in parts:
        axes = PLACES[fields.split()[0]]
        for field, place in product(fields.split(), _listed(given, axes)):
            place = _checked(place, field, axes, spec)
            value = 0.0 if means is None else _fitting(means, field, spec)[place]
            changes.append(_change(spec, model, field, place, value))
    if not changes:
        raise ValueError("Nothing is named that could be silenced; lm.ablate(heads=[(1, 3)]) silences one head.")
    return Intervention("ablate", changes)


def patching(spec, model, source, parts) -> Intervention:
    """What another run computed, put into this one.

    source: {"z": (layer, head, position, head_dim), …} as in the Trace of that run, those it needs, and "ids".
    parts: {"z": heads, "attn_out": layers, …}: places as PLACES names them, with a position behind or, for all
    positions, without.
    """
    length, changes = len(source["ids"]), []
    for field, given in parts.items():
        axes = (*PLACES[field], "position")
        for place in _listed(given, axes):
            place = _checked(place, field, axes, spec, length)
            value = _fitting(source, field, spec, length)[place]
            changes.append(_change(spec, model, field, place, value))
    check = partial(model.base_model.register_forward_pre_hook, with_kwargs=True), partial(_refuse_length, length)
    return Intervention("patch", changes, [check] if changes else [])


def _change(spec, model, field, place, value):
    """(register, hook) that puts a value into one place, at every position where the place names none.

    The value is copied: what is done to the array it came from does not change the block.
    """
    import torch

    value = torch.as_tensor(value).clone()
    number, *rest = place
    heads, head = (spec.heads, rest.pop(0)) if field == "z" else (1, 0)
    position = rest[0] if rest else slice(None)
    put = partial(_put, value, position, head, heads)
    before, module = _where(spec, model, field, number)
    if before:
        return module.register_forward_pre_hook, partial(_into_input, put)
    return module.register_forward_hook, partial(_into_output, put)


def _where(spec, model, field, number):
    """(True where the array goes into the module and False where it comes out, the module)."""
    anatomy = FAMILIES[spec.family]
    layers = model.get_submodule(anatomy.layers)
    if field == "residual":  # residual[l] is what layer l - 1 hands on
        return (False, layers[number - 1]) if number else (True, layers[0])
    path = {"z": anatomy.output, "attn_out": anatomy.attention, "mlp_out": anatomy.mlp}[field]
    return field == "z", layers[number].get_submodule(path)


def _into_input(put, module, args):
    return (put(args[0]), *args[1:])


def _into_output(put, module, args, out):
    return (put(out[0]), *out[1:]) if isinstance(out, tuple) else put(out)


def _refuse_length(length, module, args, kwargs):
    """ValueError for a pass over another number of tokens, those in a cache from earlier passes counted too."""
    given = (*args[:1], kwargs.get("input_ids"), kwargs.get("inputs_embeds"))
    cache = kwargs.get("cache", kwargs.get("past_key_values"))  # its name from transformers 5.24 on, and before
    came = next(array for array in given if array is not None).shape[1] + (cache.get_seq_length() if cache else 0)
    if came != length:
        raise ValueError(
            f"The patch comes from a prompt of {length} tokens and this one has {came}: each value goes to the "
            "position it came from, so word both prompts to be equally long (lm.tokens(text) shows their tokens), and "
            "generate one token at most inside a patch."
        )


def _put(value, position, head, heads, array):
    """A copy of `array` (batch, position, heads * size) with `value` at a position, or a slice of them, of one head."""
    import torch

    new = array.clone(memory_format=torch.contiguous_format)
    new.view(*new.shape[:2], heads, -1)[:, position, head] = value.to(new)
    return new


def _listed(given, axes):
    """What a learner named, one place or several, as a list of tuples."""
    if given is None:
        return []
    if isinstance(given, tuple) and len(axes) > 1 and given and all(map(is_whole, given)):
        return [given]
    return [tuple(listed(place)) for place in listed(given)]


def listed(given) -> list:
    """The things in it, or itself where it holds none: a number, or an array without an axis."""
    if is_whole(given) or not isinstance(given, Iterable):
        return [given]
    try:
        return list(given)
    except (TypeError, ValueError, RuntimeError):
        return [given]


def _checked(place, field, axes, spec, length=None):
    """The place as whole numbers from 0 on; ValueError where the model or the prompt has no such place."""
    fewest = len(PLACES[field])
    if not fewest <= len(place) <= len(axes) or not all(map(is_whole, place)):
        forms = " or ".join(f"({', '.join(axes[:n])})" for n in range(fewest, len(axes) + 1))
        what = "A head" if field == "z" else "A layer"
        raise ValueError(f"{what} is named by whole numbers, {forms}, several by a list of such; {shown(place)} came.")
    # residual has one more: [0] is the embedding
    sizes = {"layer": spec.layers + (field == "residual"), "head": spec.heads, "position": length}
    return tuple(_within(operator.index(number), axis, sizes[axis]) for number, axis in zip(place, axes))


def _within(number, axis, size):
    if not -size <= number < size:
        raise ValueError(f"There is no {axis} {shown(number)} here: they go from 0 to {size - 1}.")
    return number % size


def is_whole(number):
    try:
        operator.index(number)
    except (TypeError, ValueError, RuntimeError):
        return False
    return True


def _fitting(arrays, field, spec, length=None):
    """The array of a field; ValueError where it is missing or this model's has another shape."""
    import torch

    axes = {"z": (spec.layers, spec.heads, length, spec.head_dim), "residual": (spec.layers + 1, length, spec.width)}
    wanted = tuple(n for n in axes.get(field, (spec.layers, length, spec.width)) if n is not None)
    if field not in arrays:
        raise ValueError(f"There is no '{field}' in what was given; lm.means(text) has all that an ablation may need.")
    try:
        array = torch.as_tensor(arrays[field])
        array = array.to("cpu", array.dtype if array.is_floating_point() else torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"'{field}' is an array of numbers, but {shown(arrays[field])} was given.") from None
    if tuple(array.shape) != wanted:
        raise ValueError(
            f"'{field}' of {spec.name} has shape {wanted}, and what was given {tuple(array.shape)}: was it made by "
            "another model?"
        )
    return array
