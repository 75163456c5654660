"""A recorder that copies what passes by, and runs of a model that leave it as it was."""

from __future__ import annotations

from functools import partial
from itertools import chain, repeat
from operator import setitem
from threading import Lock, RLock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pythia_course.inside.anatomy import FAMILIES
from pythia_course.inside.with_blocks import Block
from pythia_course.machine.devices import room

if TYPE_CHECKING:
    import torch

ONLY_EAGER = "Only eager attention shows its weights: run lm.model.set_attn_implementation('eager') first."
_LOCKS, _MAKING_LOCKS = WeakKeyDictionary(), Lock()


def hooks(places) -> Block:
    """Hooks that act while a `with` block runs, in its own thread, however it ends; see `with_blocks`.

    places: pairs (a module's `register_…_hook`, the function to call).  A hook placed later sees what earlier
    ones on the same module changed.
    """
    return Block(places)


def run_quietly(model, run):
    """What `run()` gives, with no gradients, no dropout and no autocast; one at a time for each model.

    Each part's own mode and torch's come back by single calls into C, which a Stop comes before or after.
    """
    import torch

    with _MAKING_LOCKS:
        lock = _LOCKS.setdefault(model, RLock())  # re-entrant, for a hook that runs the model itself
    with lock:
        gradients = torch.is_grad_enabled()
        rounding = [device for device in ("cpu", "cuda", "mps") if torch.is_autocast_enabled(device)]
        awake = [part.__dict__ for part in model.modules() if part.training]
        quiet, wake = (_switches(awake, rounding, to) for to in (False, True))
        try:
            any(quiet)
            try:
                torch._C._set_grad_enabled(False)
                return run()
            finally:
                torch._C._set_grad_enabled(gradients)
        finally:
            any(wake)


def _switches(parts, devices, to):
    """An iterator in C that, once run through, has set the training mode of all parts and autocast on all devices."""
    import torch

    modes = map(setitem, parts, repeat("training"), repeat(to))
    return chain(modes, map(torch.set_autocast_enabled, devices, repeat(to)))


class Recorder:
    """Hooks that copy what passes by into arrays with a leading layer axis.

    Each copy from a graphics card to memory waits until the card has done all that it was asked to.  So where the card
    has room to spare, the arrays are put together there, and each is copied once, after the pass.
    """

    def __init__(self, spec, model, fields, size):
        """size: bytes of all the arrays in float32."""
        self.fields, self.spec, self.model, self.size = set(fields), spec, model, size
        self.device = None  # where the arrays are put together; the first value decides
        self.anatomy = FAMILIES[spec.family]
        self.rotation = None  # (cos, sin)
        self.kept, self.seen = {}, set()
        self.projected = {name.removesuffix("_unrotated") for name in fields} & {"queries", "keys", "values"}
        if self.anatomy.rotary and self.projected & {"queries", "keys"}:
            self.projected |= {"queries", "keys"}  # the library rotates them together

    def places(self):
        """Pairs for `hooks`, only what the wanted fields need."""
        layers = self.model.get_submodule(self.anatomy.layers)
        if self.anatomy.rotary and self.projected & {"queries", "keys"}:
            yield self.model.get_submodule(self.anatomy.rotary).register_forward_hook, self.see_rotation
        if "residual" in self.fields:
            yield layers[0].register_forward_pre_hook, self.see_embedding
        for number, layer in enumerate(layers):
            yield from self.places_in(number, layer)

    def places_in(self, number, layer):
        if "residual" in self.fields:
            yield layer.register_forward_hook, partial(self.see_layer, number)
        if self.fields & {"attention", "attn_out"}:
            attention = layer.get_submodule(self.anatomy.attention)
            yield attention.register_forward_hook, partial(self.see_attention, number)
        if "z" in self.fields:
            output = layer.get_submodule(self.anatomy.output)
            yield output.register_forward_pre_hook, partial(self.see_heads, number)
        if "mlp_out" in self.fields:
            yield layer.get_submodule(self.anatomy.mlp).register_forward_hook, partial(self.see_mlp, number)
        for part in self.anatomy.projections:
            if self.projected.intersection(part.parts):
                module = layer.get_submodule(part.path)
                yield module.register_forward_hook, partial(self.see_projection, number, part)

    def see_embedding(self, module, args):
        self.keep("residual", 0, args[0][0], count=self.spec.layers + 1)

    def see_layer(self, number, module, args, out):
        stream = out[0] if isinstance(out, tuple) else out  # a tuple from GPT-Neo's layers, else a tensor
        self.keep("residual", number + 1, stream[0])

    def see_attention(self, number, module, args, out):
        added, weights = out
        if weights is None and "attention" in self.fields:
            raise ValueError(ONLY_EAGER)
        if "attn_out" in self.fields:
            self.keep("attn_out", number, added[0])
        if "attention" in self.fields:
            self.keep("attention", number, weights[0])

    def see_heads(self, number, module, args):
        by_head = args[0][0].unflatten(-1, (self.spec.heads, -1))  # (position, head, head_dim)
        self.keep("z", number, by_head.transpose(0, 1))

    def see_mlp(self, number, module, args, out):
        self.keep("mlp_out", number, out[0])

    def see_projection(self, number, part, module, args, out):
        for name, piece in part.split(out[0], self.spec.heads).items():
            if name in self.projected:
                # in the model's own dtype, so that the rotation rounds as the model's does
                self.keep(name, number, piece, dtype=piece.dtype)

    def see_rotation(self, module, args, out):
        self.rotation = out

    def keep(self, name, index, value, *, count=None, dtype=None):
        """Copy one layer's value into its place, so that never more than one layer is held twice."""
        import torch

        if (name, index) in self.seen:
            raise RuntimeError(
                "While this trace was taken, a hook ran the model again, and one trace holds one pass: run the model "
                "before, and have the hook use what came out."
            )
        self.seen.add((name, index))
        self.device = self.device or self.place_for_all(value.device)
        if name not in self.kept:
            shape = (count or self.spec.layers, *value.shape)
            self.kept[name] = torch.empty(shape, dtype=dtype or torch.float32, device=self.device)
        self.kept[name][index] = value

    def place_for_all(self, device):
        """The card that the model is on, while it has room to spare; else the CPU."""
        import torch

        return device if device.type != "cpu" and self.size < room(device) / 4 else torch.device("cpu")

    def arrays(self) -> dict[str, torch.Tensor]:
        """The wanted fields, float32 on the CPU: queries and keys as used in the scores, and unrotated as projected."""
        found = dict(self.kept)
        for name in self.projected & {"queries", "keys"}:
            found[f"{name}_unrotated"] = found[name]
        if self.rotation:
            from transformers.models.gpt_neox.modeling_gpt_neox import apply_rotary_pos_emb

            turned = (part.to(self.device) for part in self.rotation)
            found["queries"], found["keys"] = apply_rotary_pos_emb(found["queries"], found["keys"], *turned)
        return {name: found[name].cpu().float() for name in self.fields & found.keys()}
