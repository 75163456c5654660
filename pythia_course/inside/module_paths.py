"""The same part of a model under its name in each architecture: `translate("transformer.h.3.attn", "gpt_neox")`.

Module names as in transformers 5.23 (`modeling_gpt_neox.py`, `modeling_gpt2.py`, `modeling_gpt_neo.py`). The output
matrix is `lm_head` in all of them since 5.14; before, Pythia's was `embed_out`.
"""

import re

# {N} is the number of the layer. None: the architecture has no such module.
PARTS = {
    "embedding": {"gpt_neox": "gpt_neox.embed_in", "gpt2": "transformer.wte", "gpt_neo": "transformer.wte"},
    "position table": {"gpt_neox": None, "gpt2": "transformer.wpe", "gpt_neo": "transformer.wpe"},
    "rotation": {"gpt_neox": "gpt_neox.rotary_emb", "gpt2": None, "gpt_neo": None},
    "layer": {"gpt_neox": "gpt_neox.layers.{N}", "gpt2": "transformer.h.{N}", "gpt_neo": "transformer.h.{N}"},
    "first LayerNorm": {
        "gpt_neox": "gpt_neox.layers.{N}.input_layernorm",
        "gpt2": "transformer.h.{N}.ln_1",
        "gpt_neo": "transformer.h.{N}.ln_1",
    },
    "attention": {
        "gpt_neox": "gpt_neox.layers.{N}.attention",
        "gpt2": "transformer.h.{N}.attn",
        "gpt_neo": "transformer.h.{N}.attn",
    },
    "queries, keys, values": {
        "gpt_neox": "gpt_neox.layers.{N}.attention.query_key_value",
        "gpt2": "transformer.h.{N}.attn.c_attn",
        "gpt_neo": None,
    },
    "attention's output": {
        "gpt_neox": "gpt_neox.layers.{N}.attention.dense",
        "gpt2": "transformer.h.{N}.attn.c_proj",
        "gpt_neo": "transformer.h.{N}.attn.attention.out_proj",
    },
    "second LayerNorm": {
        "gpt_neox": "gpt_neox.layers.{N}.post_attention_layernorm",
        "gpt2": "transformer.h.{N}.ln_2",
        "gpt_neo": "transformer.h.{N}.ln_2",
    },
    "MLP": {
        "gpt_neox": "gpt_neox.layers.{N}.mlp",
        "gpt2": "transformer.h.{N}.mlp",
        "gpt_neo": "transformer.h.{N}.mlp",
    },
    "MLP, widening": {
        "gpt_neox": "gpt_neox.layers.{N}.mlp.dense_h_to_4h",
        "gpt2": "transformer.h.{N}.mlp.c_fc",
        "gpt_neo": "transformer.h.{N}.mlp.c_fc",
    },
    "MLP, narrowing": {
        "gpt_neox": "gpt_neox.layers.{N}.mlp.dense_4h_to_h",
        "gpt2": "transformer.h.{N}.mlp.c_proj",
        "gpt_neo": "transformer.h.{N}.mlp.c_proj",
    },
    "final LayerNorm": {
        "gpt_neox": "gpt_neox.final_layer_norm",
        "gpt2": "transformer.ln_f",
        "gpt_neo": "transformer.ln_f",
    },
    "output matrix": {"gpt_neox": "lm_head", "gpt2": "lm_head", "gpt_neo": "lm_head"},
}


def translate(path, family):
    """The path of the same part in another architecture; a parameter's `.weight` or `.bias` stays at its end.

    path: of a module or a parameter.  family: "gpt_neox", "gpt2" or "gpt_neo", as in `lm.spec.family`.
    Raises ValueError where the path names no part of the table, or the family has no such part.
    """
    module, end = re.fullmatch(r"(.*?)(\.weight|\.bias)?", path).groups(default="")
    part, layer = part_of(module)
    there = PARTS[part].get(family)
    if there is None:
        families = ", ".join(name for name, known in PARTS[part].items() if known)
        raise ValueError(f"{path} is the {part}, which {family} does not have; these do: {families}.")
    return there.replace("{N}", layer) + end


def part_of(module):
    """(part, number of its layer as text, "" outside the layers) of a module's path."""
    for part, places in PARTS.items():
        for place in filter(None, places.values()):
            if found := re.fullmatch(re.escape(place).replace(re.escape("{N}"), r"(\d+)"), module):
                return part, "".join(found.groups())
    raise ValueError(
        f"{module!r} is no path of the table of parts; it looks like 'gpt_neox.layers.3.attention' or "
        "'transformer.h.3.attn', without the model's own name in front."
    )
