"""The same model changed without the course: its modules' `forward` is replaced, so that no hook of ours takes part."""

from contextlib import contextmanager
from functools import cache

import torch
from support.random_models import layers, wrapped
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

MADE = {
    "gpt_neox": lambda: GPTNeoXForCausalLM(
        GPTNeoXConfig(
            num_hidden_layers=2, hidden_size=24, num_attention_heads=3, intermediate_size=32,
            max_position_embeddings=64,
            vocab_size=1024,
        )
    ),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=24, n_head=3, n_positions=64, vocab_size=1024)),
}  # fmt: skip


@cache
def small_model(family):
    """Random weights, the course's tokenizer, and so small that thousands of passes take seconds."""
    torch.manual_seed(11)
    model = MADE[family]().eval()
    model.set_attn_implementation("eager")
    for parameter in model.parameters():
        parameter.requires_grad_(False).add_(0.3 * torch.randn_like(parameter))
    return wrapped(model, family)


def library_logits(lm, ids):
    """(position, vocab), of plain transformers."""
    return lm.model(torch.as_tensor([list(ids)])).logits[0].float()


def _modules(lm):
    """(field, layer) -> (module, whether the array goes in rather than comes out)."""
    output, attention = {
        "gpt_neox": ("attention.dense", "attention"),
        "gpt2": ("attn.c_proj", "attn"),
    }[lm.spec.family]
    places = {("residual", 0): (layers(lm)[0], True)}
    for number, layer in enumerate(layers(lm)):
        places["z", number] = layer.get_submodule(output), True
        places["attn_out", number] = layer.get_submodule(attention), False
        places["mlp_out", number] = layer.mlp, False
        places["residual", number + 1] = layer, False
    return places


@contextmanager
def _replaced(lm, meet):
    """Each array of `_modules` is what meet(field, layer, array (batch, position, …)) gives for it."""
    wraps = {}
    for place, (module, goes_in) in _modules(lm).items():
        wraps.setdefault(module, {})[goes_in] = place
    for module, places in wraps.items():
        module.forward = _wrapped(module.forward, places, meet)
    try:
        yield
    finally:
        for module in wraps:
            del module.forward


def _wrapped(forward, places, meet):
    def new(first, *args, **options):
        if True in places:
            first = meet(*places[True], first)
        out = forward(first, *args, **options)
        if False not in places:
            return out
        if isinstance(out, tuple):
            return meet(*places[False], out[0]), *out[1:]
        return meet(*places[False], out)

    return new


def changed(lm, edits):
    """While it runs: edits, {(field, layer, head or None, position or None): value}, are put in by hand."""

    def meet(field, layer, array):
        new, size = array.clone(), lm.spec.head_dim
        for (name, number, head, position), value in edits.items():
            if (name, number) == (field, layer):
                columns = slice(None) if head is None else slice(head * size, (head + 1) * size)
                rows = slice(None) if position is None else position
                new[:, rows, columns] = torch.as_tensor(value, dtype=array.dtype)
        return new

    return _replaced(lm, meet)


def arrays_of(lm, ids):
    """{field: (layer, position, width)} of one pass, z with its heads side by side."""
    seen = {}

    def meet(field, layer, array):
        seen.setdefault(field, {})[layer] = array[0].clone()
        return array

    with _replaced(lm, meet):
        library_logits(lm, ids)
    return {field: torch.stack([found[number] for number in sorted(found)]) for field, found in seen.items()}


def means_of(lm, rows):
    """{field: (layer, width)} over all positions of all rows, added up one position after the other."""
    sums, count = {}, 0
    for ids in rows:
        for field, array in arrays_of(lm, ids).items():
            for position in range(len(ids)):
                sums[field] = sums.get(field, 0) + array[:, position].double()
        count += len(ids)
    return {field: (sums[field] / count).float() for field in ("z", "attn_out", "mlp_out")}


def flat(array):
    """(layer, …) -> (layer, width)."""
    return array.flatten(1)
