"""Does a part's other name lead to the same part?  Tried on every module and parameter of real model classes."""

from functools import cache

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoConfig, GPTNeoForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_course.inside.module_paths import PARTS, part_of, translate

SIZES = {"hidden_size": 16, "max_position_embeddings": 8, "vocab_size": 11}
NEO = {"num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]]}
MADE = {
    "gpt_neox": lambda: GPTNeoXForCausalLM(
        GPTNeoXConfig(num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, **SIZES)
    ),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=8, vocab_size=11)),
    "gpt_neo": lambda: GPTNeoForCausalLM(GPTNeoConfig(**SIZES, **NEO)),
}
each_family = pytest.mark.parametrize("family", MADE)


@cache
def model(family):
    with torch.device("meta"):
        return MADE[family]()


@each_family
def test_every_path_of_the_table_leads_to_a_module(family):
    for part, places in PARTS.items():
        if places[family]:
            module = model(family).get_submodule(places[family].replace("{N}", "1"))
            assert part_of(places[family].replace("{N}", "1")) == (part, "1" if "{N}" in places[family] else "")
            assert part != "final LayerNorm" or isinstance(module, torch.nn.LayerNorm)


@each_family
def test_the_output_matrix_is_what_the_library_says_it_is(family):
    assert model(family).get_submodule(PARTS["output matrix"][family]) is model(family).get_output_embeddings()
    assert model(family).get_submodule(PARTS["embedding"][family]) is model(family).get_input_embeddings()


@pytest.mark.parametrize(("here", "there"), [("gpt_neox", "gpt2"), ("gpt2", "gpt_neox")])
def test_every_parameter_of_the_one_is_a_parameter_of_the_same_size_in_the_other(here, there):
    # with remove_duplicate=False a tied output matrix counts too
    names = [name for name, _ in model(here).named_parameters(remove_duplicate=False) if "wpe" not in name]
    translated = {translate(name, there): name for name in names}
    others = dict(model(there).named_parameters(remove_duplicate=False))
    assert set(translated) == {name for name in others if "wpe" not in name}
    for name, source in translated.items():
        shape = tuple(model(here).get_parameter(source).shape)
        assert tuple(others[name].shape) in (shape, shape[::-1])  # GPT-2 keeps its matrices (in, out)


@each_family
def test_there_and_back_again(family):
    for places in PARTS.values():
        for other in MADE:
            if places[family] and places[other]:
                path = places[family].replace("{N}", "17") + ".bias"
                assert translate(translate(path, other), family) == path


def test_a_path_in_its_own_architecture_stays():
    assert translate("transformer.h.3.attn", "gpt2") == "transformer.h.3.attn"


@pytest.mark.parametrize(
    ("path", "family", "words"),
    [
        ("transformer.wpe", "gpt_neox", "position table"),
        ("gpt_neox.rotary_emb", "gpt2", "gpt_neox"),
        ("transformer.h.0.attn.c_attn.weight", "gpt_neo", "queries, keys, values"),
        ("layers.3.attention", "gpt2", "'layers.3.attention' is no path"),
        ("gpt_neox.layers.{N}.mlp", "gpt2", "it looks like"),
        ("gpt_neox.layers.3.attention", "gpt-2", "these do: gpt_neox, gpt2, gpt_neo"),
    ],
)
def test_what_has_no_other_name_is_refused_in_a_sentence(path, family, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        translate(path, family)
