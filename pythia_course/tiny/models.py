"""The tiny models. The 2×2: how position is known × how the two halves of a block are joined, and nothing else differs.
The ladder: Pythia's block in four sizes.
"""

from functools import cache

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM
from transformers.models.gpt2.modeling_gpt2 import GPT2Block

from .corpus import END_OF_TEXT, SEED
from .sizes import LADDER, MIDDLE, POSITIONS, Size, size_of
from .tokenizer import VOCABULARY

COMMON = {
    "vocab_size": VOCABULARY,
    "tie_word_embeddings": False,
    "initializer_range": 0.05625,  # only for the record: initial_weights() draws; the first of its scales at width 128
    "bos_token_id": END_OF_TEXT,
    "eos_token_id": END_OF_TEXT,
    "use_cache": True,
}


class ParallelGPT2Block(GPT2Block):
    """GPT-2's block with attention and MLP side by side: x + attention(ln_1(x)) + mlp(ln_2(x))."""

    def forward(self, hidden_states, cache=None, attention_mask=None, encoder_hidden_states=None,
                encoder_attention_mask=None, use_cache=False, **kwargs):
        """hidden_states: (batch, position, width), and so is what comes back. The library passes the rest."""
        # by position: the cache is `past_key_values` until transformers 5.23 and `cache` from 5.24 on
        attention, _ = self.attn(self.ln_1(hidden_states), cache, attention_mask, use_cache=use_cache, **kwargs)
        return hidden_states + attention + self.mlp(self.ln_2(hidden_states))


class ParallelGPT2LMHeadModel(GPT2LMHeadModel):
    """GPT-2 with parallel blocks: learned positions as in GPT-2, joined as in Pythia. `transformers` has none."""

    def __init__(self, config):
        super().__init__(config)
        self.transformer.h = torch.nn.ModuleList(
            ParallelGPT2Block(config, layer_idx=layer) for layer in range(config.n_layer)
        )
        self.post_init()


def model_class(config):
    """The class that a tiny model's configuration asks for."""
    if config.model_type == "gpt_neox":
        return GPTNeoXForCausalLM
    return ParallelGPT2LMHeadModel if getattr(config, "parallel_block", False) else GPT2LMHeadModel


def configuration(name):
    """The `transformers` configuration of one of NAMES."""
    layers, width, heads = size_of(name)
    if name.startswith("tiny-pythia"):
        return GPTNeoXConfig(
            hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=4 * width,
            max_position_embeddings=POSITIONS, hidden_act="gelu", use_parallel_residual=name in LADDER,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}, **COMMON,
        )
    return GPT2Config(
        n_embd=width, n_layer=layers, n_head=heads, n_positions=POSITIONS, activation_function="gelu",
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, parallel_block=name == "tiny-gpt2-parallel", **COMMON,
    )


def new_model(name, seed=SEED, **options):
    """A model before training: those of one size start from the very same numbers, wherever they have the same part."""
    config = configuration(name)
    model = model_class(config)._from_config(config, **options) if options else model_class(config)(config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(_start(model.config, key, parameter.shape, seed)))
    return model.float()


@cache
def initial_weights(seed=SEED, size=MIDDLE):
    """Named draws from a normal distribution, by a generator whose stream numpy has promised never to change.

    Matrices are (out, in); those of a layer are stacked (layer, out, in). The scales are Pythia's: "small init"
    sqrt(2 / (5 width)), and "Wang init" 2 / (layers sqrt(width)) for what writes to the residual stream
    (EleutherAI/pythia, models/*.yml: init_method, output_layer_init_method).
    """
    draw = np.random.RandomState(seed).normal
    layers, width, _ = size
    small, wang = (2 / (5 * width)) ** 0.5, 2 / (layers * width**0.5)
    square = (layers, width, width)
    shapes = {
        "embedding": (small, (VOCABULARY, width)), "unembedding": (small, (VOCABULARY, width)),
        "query": (small, square), "key": (small, square), "value": (small, square), "dense": (wang, square),
        "mlp_in": (small, (layers, 4 * width, width)), "mlp_out": (wang, (layers, width, 4 * width)),
        "positions": (small, (POSITIONS, width)),  # last, so that models without a table start like those with one
    }
    return {name: draw(0, scale, shape).astype(np.float32) for name, (scale, shape) in shapes.items()}


ROLES = {  # the last words of a parameter's name -> its part
    "embed_in": "embedding", "wte": "embedding", "wpe": "positions", "lm_head": "unembedding",
    "attention.dense": "dense", "attn.c_proj": "dense", "mlp.dense_h_to_4h": "mlp_in", "mlp.c_fc": "mlp_in",
    "mlp.dense_4h_to_h": "mlp_out", "mlp.c_proj": "mlp_out", "query_key_value": "qkv", "c_attn": "qkv",
}


def _start(config, key, shape, seed):
    module, kind = key.rsplit(".", 1)
    if kind == "bias":
        return np.zeros(shape, np.float32)
    role = next((role for ending, role in ROLES.items() if module.endswith(ending)), "layernorm")
    if role == "layernorm":
        return np.ones(shape, np.float32)
    size = Size(config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    weights = initial_weights(seed, size)
    layer = next((int(part) for part in key.split(".") if part.isdigit()), None)
    if layer is None:
        return weights[role]
    if role != "qkv":
        matrix = weights[role][layer]
    elif config.model_type == "gpt_neox":  # head by head: its query rows, its key rows, its value rows
        by_head = [weights[part][layer].reshape(size.heads, -1, size.width) for part in ("query", "key", "value")]
        matrix = np.concatenate(by_head, axis=1).reshape(-1, size.width)
    else:  # all queries, then all keys, then all values
        matrix = np.concatenate([weights[part][layer] for part in ("query", "key", "value")])
    return matrix if config.model_type == "gpt_neox" else matrix.T  # GPT-2's Conv1D keeps (in, out)
