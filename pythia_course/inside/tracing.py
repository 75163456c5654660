"""LanguageModel: trace, predict, ablate, patch.  Its `trace` is one forward pass -> a Trace of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from pythia_course.errors import shown
from pythia_course.inside.finite import refuse_no_numbers, refuse_rounded_frequencies
from pythia_course.inside.interventions import Intervention, ablation, is_whole, listed, patching
from pythia_course.inside.loading import Loaded
from pythia_course.inside.prompts import refuse_length, refuse_padding, refuse_unknown_ids, several, token_ids
from pythia_course.inside.recording import ONLY_EAGER, Recorder, hooks, run_quietly
from pythia_course.machine.memory import available_memory
from pythia_course.plots.labels import token_labels

if TYPE_CHECKING:
    import torch

# The axes of every array in a trace; "layer + 1" counts the stream before the first layer too.
AXES = {
    "attention": ("layer", "head", "query", "key"),
    "residual": ("layer + 1", "position", "width"),
    "attn_out": ("layer", "position", "width"),
    "mlp_out": ("layer", "position", "width"),
    "queries": ("layer", "head", "position", "head_dim"),
    "keys": ("layer", "head", "position", "head_dim"),
    "values": ("layer", "head", "position", "head_dim"),
    "logits": ("position", "vocab"),
    "queries_unrotated": ("layer", "head", "position", "head_dim"),
    "keys_unrotated": ("layer", "head", "position", "head_dim"),
    "z": ("layer", "head", "position", "head_dim"),
}
ALWAYS_FITS = 10_000_000  # bytes: for less, asking the system would take longer than it is worth
UNROTATED = ("queries_unrotated", "keys_unrotated")
ONLY_IF_ASKED = {*UNROTATED, "z"}


def _not_kept():
    return field(default_factory=lambda: None)


@dataclass(eq=False, repr=False)
class Trace:
    """What one forward pass computed: torch tensors, float32, on the CPU, without gradients.

    Asking for an array that was not kept raises an AttributeError that says how to get it.
    """

    tokens: list[str]  # printable: a space is "␣", see `labels.token_labels`
    ids: torch.Tensor  # (position), whole numbers
    attention: torch.Tensor = _not_kept()  # (layer, head, query, key); each row over the keys sums to 1
    # (layer + 1, position, width): [0] is the embedding, [l + 1] the stream after layer l, all before the
    # final LayerNorm
    residual: torch.Tensor = _not_kept()
    attn_out: torch.Tensor = _not_kept()  # (layer, position, width), what attention adds to the stream
    mlp_out: torch.Tensor = _not_kept()  # (layer, position, width), what the MLP adds to the stream
    queries: torch.Tensor = _not_kept()  # (layer, head, position, head_dim), as in the scores: after rotation
    keys: torch.Tensor = _not_kept()  # the same
    values: torch.Tensor = _not_kept()  # (layer, head, position, head_dim)
    logits: torch.Tensor = _not_kept()  # (position, vocab)
    queries_unrotated: torch.Tensor = _not_kept()  # before rotation; equal to `queries` where nothing rotates
    keys_unrotated: torch.Tensor = _not_kept()
    z: torch.Tensor = _not_kept()  # attention @ values: what each head hands to the output matrix; only if asked for

    def __post_init__(self):
        for name in AXES:
            if self.__dict__[name] is None:
                delattr(self, name)

    def __getattr__(self, name):
        """Called only for what is not there."""
        if name not in AXES:
            raise AttributeError(_no_such_field(name))
        how = "unrotated=True" if name in UNROTATED else f"keep=['{name}']"
        raise AttributeError(f"This trace did not keep '{name}'; ask for it: lm.trace(text, {how}).")

    def __repr__(self):
        more = " …" if len(self.tokens) > 12 else ""
        lines = [f"Trace of {len(self.tokens)} tokens: {' '.join(self.tokens[:12])}{more}"]
        for name, axes in AXES.items():
            if name in self.__dict__:
                lines.append(f"  {name:<17} {tuple(getattr(self, name).shape)}  ({', '.join(axes)})")
        return "\n".join(lines)


class LanguageModel(Loaded):
    """A model and its tokenizer, with a way to see inside."""

    def trace(self, text, *, keep=None, unrotated: bool = False) -> Trace:
        """Run the model once over `text` and keep what it computed on the way; one thread at a time does.

        text: a string, or one sequence of token ids (list, array or tensor), in which padding counts as text.
        keep: names of the arrays to keep, all but `z` when None; with fewer, long prompts fit into little memory.
        unrotated: keep `queries_unrotated` and `keys_unrotated` too.
        Raises ValueError or TypeError for a prompt that cannot be read, MemoryError for a trace that could
        not fit, each before the model runs; FloatingPointError where it computes nan or inf, and RuntimeError where
        a hook runs the model again meanwhile.
        """
        fields = _fields_to_keep(keep, unrotated)
        if "attention" in fields and self.model.config._attn_implementation != "eager":
            raise ValueError(ONLY_EAGER)
        ids = self._readable(text, fields)
        size = sum(bytes_kept(self.spec, len(ids), fields).values())
        recorder = Recorder(self.spec, self.model, fields, size)
        with hooks(recorder.places()):
            logits = self._forward(ids, every_position="logits" in fields)
        arrays = recorder.arrays()
        last = [arrays["residual"][-1]] if "residual" in arrays else [array[-1] for array in arrays.values()]
        refuse_no_numbers(self, ids, [logits, *last])
        arrays["logits"] = logits
        return Trace(token_labels(self.tokenizer, ids), ids, **{name: arrays[name] for name in fields})

    def predict(self, text, k: int = 10) -> list[tuple[str, float]]:
        """The k likeliest next tokens, likeliest first: (printable token, probability).

        Raises what `trace` raises for the prompt and for nan and inf.
        """
        if not is_whole(k) or k < 1:
            raise ValueError(f"predict lists the k likeliest tokens: k is a whole number above 0, not {shown(k)}.")
        ids = self._readable(text)
        logits = self._forward(ids, every_position=False)
        refuse_no_numbers(self, ids, [logits])
        top = logits[-1].softmax(-1).topk(min(int(k), logits.shape[-1]))
        return list(zip(token_labels(self.tokenizer, top.indices), top.values.tolist(), strict=True))

    def ablate(self, *, heads=None, attention=None, mlps=None, layers=None, by="zero", over=None) -> Intervention:
        """Silence parts of the model while a `with` block runs: `with lm.ablate(heads=[(1, 3)]): lm.trace(text)`.

        heads: pairs (layer, head); their `z` is replaced, so what the layer adds keeps its output bias.
        attention, mlps: layers whose `attn_out` or `mlp_out` is replaced, bias and all; layers: those of both.
        by: "zero", or "mean": of what the part computes at all positions of a reference, the same at each position.
        over: that reference, as `means` takes it, or what `means` gave, or arrays of one's own in its form.
        A block changes the passes of the thread that runs it only.
        Raises ValueError where there is no such part.  How blocks inside blocks add up: see `interventions`.
        """
        if by not in ("zero", "mean") or (by == "mean") == (over is None):
            came = f"by={shown(by)} came {'without' if over is None else 'with'} over"
            raise ValueError(f"Silence parts by='zero', or by='mean' with a reference, over='some text'; {came}.")
        means = over if over is None or isinstance(over, Mapping) else self.means(over)
        parts = [("z", heads), ("attn_out", attention), ("mlp_out", mlps), ("attn_out mlp_out", layers)]
        return ablation(self.spec, self.model, parts, means)

    def patch(self, clean, *, heads=None, attn_out=None, mlp_out=None, residual=None) -> Intervention:
        """Put values of another run into this one while a `with` block runs.

            clean = lm.trace("Then Mia lost the", keep=["residual", "z"])
            with lm.patch(clean, residual=(2, 1)):
                lm.trace("Then Tom lost the")

        clean: a trace that kept what is put in, or its prompt; as many tokens long as the prompt read in the block.
        heads: (layer, head, position), of `z`.  attn_out, mlp_out: (layer, position).
        residual: (layer, position), where layer counts as in `Trace.residual`: 0 is the embedding.
        One place is a tuple, several are a list; without its position a place is patched at every position.
        Raises ValueError where there is no such place, and as the model runs for a prompt of another length: of a
        `generate` in the block, the first token is written and a second is refused, with a cache and without.
        """
        parts = {"z": heads, "attn_out": attn_out, "mlp_out": mlp_out, "residual": residual}
        parts = {field: places for field, places in parts.items() if places is not None}
        trace = clean if isinstance(clean, Trace) else self.trace(clean, keep=[*parts])
        return patching(self.spec, self.model, {field: getattr(trace, field) for field in ("ids", *parts)}, parts)

    def means(self, over) -> dict[str, torch.Tensor]:
        """What each part of the model computes on average, over every position of a reference.

        over: a text or ids, or several of them: a list, or a batch (row, position) of ids; ValueError for padding.
        Back: {"z": (layer, head, head_dim), "attn_out": (layer, width), "mlp_out": (layer, width)}.
        """
        sums, positions = dict.fromkeys(("z", "attn_out", "mlp_out"), 0), 0
        refuse_padding(self.tokenizer, prompts := several(over))
        for prompt in prompts:
            trace = self.trace(prompt, keep=[*sums])
            sums = {field: total + getattr(trace, field).double().sum(-2) for field, total in sums.items()}
            positions += len(trace.ids)
        return {field: (total / positions).float() for field, total in sums.items()}

    def tokens(self, text) -> list[str]:
        """The tokens of `text`, of any length, as printable strings; see `labels.token_labels`."""
        ids = token_ids(self.tokenizer, text)
        refuse_unknown_ids(ids, self.spec.vocab)
        return token_labels(self.tokenizer, ids)

    def _readable(self, text, fields=()) -> torch.Tensor:
        """Token ids (position), refused where the model cannot read them or memory cannot hold `fields`."""
        ids = token_ids(self.tokenizer, text)
        refuse_length(ids, self.spec.context, self.name)
        refuse_unknown_ids(ids, self.spec.vocab)
        refuse_rounded_frequencies(self)
        _refuse_what_cannot_fit(self.spec, len(ids), fields)
        return ids

    def _forward(self, ids, *, every_position: bool) -> torch.Tensor:
        """Logits (position, vocab), of the last position only where that is enough."""
        ids = ids[None].to(self.input_device)  # (batch, position)
        run = partial(self.model, ids, use_cache=False, return_dict=True, logits_to_keep=0 if every_position else 1)
        return run_quietly(self.model, run).logits[0].cpu().float()


def _fields_to_keep(keep, unrotated: bool) -> list[str]:
    """Names of the arrays to keep, in the order of AXES."""
    usual = [name for name in AXES if name not in ONLY_IF_ASKED]
    names = usual if keep is None else [keep] if isinstance(keep, str) else listed(keep)
    for name in names:
        if not isinstance(name, str) or name not in {*AXES, "tokens", "ids"}:
            raise ValueError(_no_such_field(name))
    if not isinstance(unrotated, bool):
        raise TypeError(f"unrotated is True or False, but {shown(unrotated)} came.")
    return [name for name in AXES if name in names or (unrotated and name in UNROTATED)]


def _no_such_field(name) -> str:
    name = name if isinstance(name, str) else shown(name)
    near = get_close_matches(name, AXES, n=1, cutoff=0.5)
    guess = f" Did you mean '{near[0]}'?" if near else ""
    return f"A trace has no {shown(name)}.{guess} It can keep: {', '.join(AXES)}."


def _refuse_what_cannot_fit(spec, positions: int, fields) -> None:
    """MemoryError where keeping `fields` needs more than this process may use."""
    kept = bytes_kept(spec, positions, fields)
    # While a layer runs it holds its scores three times over, and the MLP's inside twice, in float32.
    working = 4 * (3 * spec.heads * positions**2 + 2 * positions * spec.mlp_width)
    needed = sum(kept.values()) + working
    if needed < ALWAYS_FITS or needed <= (left := available_memory()):
        return
    part, advice = "", ""
    if len(kept) > 1:
        largest = max(kept, key=kept.get)
        part = f" ({largest} alone {_readable_size(kept[largest])})"
        advice = " or keep less, for example lm.trace(text, keep=['residual'])"
    raise MemoryError(
        f"Running this prompt of {positions} tokens needs {_readable_size(needed)}{part} and "
        f"{_readable_size(left)} is left: shorten the prompt{advice}."
    )


def bytes_kept(spec, positions: int, fields) -> dict[str, int]:
    """Bytes of each array that a trace of so many positions keeps."""
    sizes = dict.fromkeys(("position", "query", "key"), positions)
    sizes |= {"layer": spec.layers, "layer + 1": spec.layers + 1, "head": spec.heads}
    sizes |= {"width": spec.width, "head_dim": spec.head_dim, "vocab": spec.vocab}
    return {name: 4 * prod(sizes[axis] for axis in AXES[name]) for name in fields}


def _readable_size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
