"""Models with random weights, of every family and in odd sizes, and what tests need to look inside them by hand."""

import copy
from functools import cache

import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
)

import pythia_course
from pythia_course import suite
from pythia_course.inside.tracing import LanguageModel
from pythia_course.tiny.models import ParallelGPT2LMHeadModel, configuration, model_class

ODD = {"num_hidden_layers": 3, "hidden_size": 48, "max_position_embeddings": 40, "vocab_size": 97}
GPT2_ODD = {"n_layer": 3, "n_embd": 48, "n_head": 3, "n_positions": 40, "vocab_size": 97}
NEOX_ODD = {"num_attention_heads": 3, "intermediate_size": 100, "rotary_pct": 0.25}
NEO_ODD = {"num_heads": 3, "num_layers": 3, "intermediate_size": 100}
MADE = {
    "neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**ODD | NEOX_ODD)),
    "neox, sequential": lambda: GPTNeoXForCausalLM(
        GPTNeoXConfig(**ODD | NEOX_ODD, use_parallel_residual=False)
    ),
    "neox, all turns": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**ODD | NEOX_ODD | {"rotary_pct": 1.0})),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**GPT2_ODD)),
    "gpt2, parallel": lambda: ParallelGPT2LMHeadModel(GPT2Config(**GPT2_ODD, parallel_block=True)),
    "neo": lambda: GPTNeoForCausalLM(
        GPTNeoConfig(**ODD | NEO_ODD, window_size=8, attention_types=[[["global", "local", "global"], 1]])
    ),
    "neo, full": lambda: GPTNeoForCausalLM(
        GPTNeoConfig(
            hidden_size=128, num_layers=4, num_heads=4, max_position_embeddings=512, vocab_size=1024,
            attention_types=[[["global", "local"], 2]],
        )
    ),
}  # fmt: skip
ONE_LAYER = GPT2Config(n_layer=1, n_embd=8, n_head=2, n_positions=8, vocab_size=16)
FULL = tuple(f"{name}, random" for name in suite.TINY)
MODELS = (*MADE, *FULL, *suite.TINY)


@cache
def opened(name):
    """A shipped model, or one of the same or an odd layout with random weights far from their start."""
    if name in suite.TINY:
        return pythia_course.load(name)
    torch.manual_seed(7)
    if name in FULL:
        config = configuration(name.removesuffix(", random"))
        model = model_class(config)(config)
    else:
        model = MADE[name]() if name in MADE else GPT2LMHeadModel(ONE_LAYER)
    model.set_attn_implementation("eager")
    for parameter in model.parameters():
        # biases and LayerNorm gains too: as they start, zeros and ones, a mistake in them would not show
        parameter.requires_grad_(False).add_(0.07 * torch.randn_like(parameter))
    return wrapped(model.eval(), name)


def wrapped(model, name="made"):
    tokenizer = AutoTokenizer.from_pretrained(suite.TINY_TOKENIZER)
    spec = suite.spec_from_config(model.config, name)
    return LanguageModel(name=name, step=None, model=model, tokenizer=tokenizer, spec=spec)


def rounded(model, dtype):
    """A copy with its weights in another dtype and its rotary frequencies as they were, as `load(dtype=…)` opens it."""
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model


def prompt(lm, length=300):
    """Random ids; 300 of them, more than GPT-Neo's window of 256, where the context is that long."""
    draw = np.random.RandomState(3)
    return draw.randint(0, lm.spec.vocab, size=min(length, lm.spec.context)).tolist()


def close(ours, theirs, scale=1.0):
    torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-5 * scale)


def layers(lm):
    return lm.model.gpt_neox.layers if lm.spec.family == "gpt_neox" else lm.model.transformer.h


def output_matrix(lm, layer):
    """(width in, width out)."""
    if lm.spec.family == "gpt_neox":
        return layer.attention.dense.weight.T
    return layer.attn.c_proj.weight if lm.spec.family == "gpt2" else layer.attn.attention.out_proj.weight.T


def output_bias(lm, layer):
    if lm.spec.family == "gpt_neox":
        return layer.attention.dense.bias
    return layer.attn.c_proj.bias if lm.spec.family == "gpt2" else layer.attn.attention.out_proj.bias


def hooks_on(model):
    """How many hooks a model has, without those that transformers leaves where outputs were once asked for."""
    hooks = [hook for m in model.modules() for hook in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
    return sum(getattr(hook, "__module__", "") != "transformers.utils.output_capturing" for hook in hooks)
