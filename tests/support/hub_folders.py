"""Folders in the layouts that the hub has, old names and old buffers included, with seeded random weights.

Each writer returns the tensors it wrote as {name in the file: tensor}, for a test to build the model by hand.
"""

import json

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT = ["The cat sat on the mat. The dog sat on the cat, and the mat sat still. 1 2 3 4 5 (x, y) = f(z)"]
END = "<|endoftext|>"

# Fields as in the config.json of EleutherAI/pythia-160m; sizes smaller unless asked otherwise.
PYTHIA = {
    "architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "gelu",
    "hidden_size": 64, "initializer_range": 0.02, "intermediate_size": 256, "layer_norm_eps": 1e-05,
    "max_position_embeddings": 128, "model_type": "gpt_neox", "num_attention_heads": 4,
    "num_hidden_layers": 3, "rotary_emb_base": 10000, "rotary_pct": 0.25, "tie_word_embeddings": False,
    "torch_dtype": "float16", "transformers_version": "4.24.0", "use_cache": True,
    "use_parallel_residual": True, "vocab_size": 320,
}  # fmt: skip
PYTHIA_160M = {
    "hidden_size": 768, "intermediate_size": 3072, "max_position_embeddings": 2048, "num_attention_heads": 12,
    "num_hidden_layers": 12, "vocab_size": 50304,
}  # fmt: skip
# As in openai-community/gpt2.
GPT2 = {
    "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
    "bos_token_id": 0, "embd_pdrop": 0.1, "eos_token_id": 0, "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 128, "n_embd": 64, "n_head": 4, "n_layer": 3,
    "n_positions": 128, "resid_pdrop": 0.1, "summary_activation": None, "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True, "summary_type": "cls_index", "summary_use_proj": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}, "vocab_size": 320,
}  # fmt: skip
# As in EleutherAI/gpt-neo-125m.
GPT_NEO = {
    "activation_function": "gelu_new", "architectures": ["GPTNeoForCausalLM"], "attention_dropout": 0,
    "attention_layers": ["global", "local"] * 2, "attention_types": [[["global", "local"], 2]],
    "bos_token_id": 0, "embed_dropout": 0, "eos_token_id": 0, "gradient_checkpointing": False,
    "hidden_size": 64, "initializer_range": 0.02, "intermediate_size": None, "layer_norm_epsilon": 1e-05,
    "max_position_embeddings": 512, "model_type": "gpt_neo", "num_heads": 4, "num_layers": 4,
    "resid_dropout": 0, "summary_activation": None, "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True, "summary_type": "cls_index", "summary_use_proj": True,
    "transformers_version": "4.9.0.dev0", "use_cache": True, "vocab_size": 320, "window_size": 256,
}  # fmt: skip


def write_pythia(folder, seed=0, spread=0.2, **fields):
    """float16, `embed_out`, and per layer the buffers `bias`, `masked_bias` and `rotary_emb.inv_freq`.

    spread: the weights of matrices lie between -spread and spread.
    """
    config = PYTHIA | fields
    width, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    shapes = {"gpt_neox.embed_in.weight": (vocab, width), "embed_out.weight": (vocab, width)}
    shapes |= _norm("gpt_neox.final_layer_norm", width)
    for layer in range(config["num_hidden_layers"]):
        at = f"gpt_neox.layers.{layer}"
        shapes |= _norm(f"{at}.input_layernorm", width) | _norm(f"{at}.post_attention_layernorm", width)
        shapes |= _linear(f"{at}.attention.query_key_value", width, 3 * width)
        shapes |= _linear(f"{at}.attention.dense", width, width)
        shapes |= _linear(f"{at}.mlp.dense_h_to_4h", width, inner)
        shapes |= _linear(f"{at}.mlp.dense_4h_to_h", inner, width)
    tensors = _random(shapes, seed, torch.float16, spread)
    turning = int(width // config["num_attention_heads"] * config["rotary_pct"])
    frequencies = 1 / (config["rotary_emb_base"] ** (torch.arange(0, turning, 2) / turning))
    for layer in range(config["num_hidden_layers"]):
        at = f"gpt_neox.layers.{layer}.attention"
        tensors[f"{at}.bias"] = _triangle(config["max_position_embeddings"]).bool()
        tensors[f"{at}.masked_bias"] = torch.tensor(-1e9).half()
        tensors[f"{at}.rotary_emb.inv_freq"] = frequencies.half()
    return _write(folder, config, tensors, "GPTNeoXTokenizer")


def write_gpt2(folder, seed=0, **fields):
    """float32, no `transformer.` in front, no output matrix, and per layer the buffer `attn.bias`."""
    config = GPT2 | fields
    width, length = config["n_embd"], config["n_positions"]
    shapes = {"wte.weight": (config["vocab_size"], width), "wpe.weight": (length, width)}
    shapes |= _norm("ln_f", width)
    for layer in range(config["n_layer"]):
        at = f"h.{layer}"
        shapes |= _norm(f"{at}.ln_1", width) | _norm(f"{at}.ln_2", width)
        sizes = {"attn.c_attn": (1, 3), "attn.c_proj": (1, 1), "mlp.c_fc": (1, 4), "mlp.c_proj": (4, 1)}
        for name, (size_in, size_out) in sizes.items():
            shapes[f"{at}.{name}.weight"] = (size_in * width, size_out * width)  # GPT-2 keeps them (in, out)
            shapes[f"{at}.{name}.bias"] = (size_out * width,)
    tensors = _random(shapes, seed, torch.float32)
    for layer in range(config["n_layer"]):
        tensors[f"h.{layer}.attn.bias"] = _triangle(length).float()
    return _write(folder, config, tensors, "GPT2Tokenizer")


def write_gpt_neo(folder, seed=0, **fields):
    """float32, tied, and per layer the buffers `attn.attention.bias` and `masked_bias`."""
    config = GPT_NEO | fields
    width, length = config["hidden_size"], config["max_position_embeddings"]
    shapes = {"transformer.wte.weight": (config["vocab_size"], width)} | _norm("transformer.ln_f", width)
    shapes["transformer.wpe.weight"] = (length, width)
    for layer in range(config["num_layers"]):
        at = f"transformer.h.{layer}"
        shapes |= _norm(f"{at}.ln_1", width) | _norm(f"{at}.ln_2", width)
        for name in ("q_proj", "k_proj", "v_proj"):
            shapes[f"{at}.attn.attention.{name}.weight"] = (width, width)
        shapes |= _linear(f"{at}.attn.attention.out_proj", width, width)
        shapes |= _linear(f"{at}.mlp.c_fc", width, 4 * width) | _linear(f"{at}.mlp.c_proj", 4 * width, width)
    tensors = _random(shapes, seed, torch.float32)
    for layer, kind in enumerate(config["attention_layers"]):
        at, seen = f"transformer.h.{layer}.attn.attention", _triangle(length)
        window = seen ^ seen.tril(-config["window_size"]) if kind == "local" else seen
        tensors[f"{at}.bias"] = window.bool()
        tensors[f"{at}.masked_bias"] = torch.tensor(-1e9)
    return _write(folder, config, tensors, "GPT2Tokenizer")


def write_tokenizer(folder, kind):
    """A small byte-level BPE as the hub has it: for GPT-2 as vocab.json and merges.txt too."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    if kind == "GPT2Tokenizer":
        tokenizer.model.save(str(folder))
    special = {"bos_token": END, "eos_token": END, "unk_token": END}
    _json(folder / "special_tokens_map.json", special)
    fields = {"add_prefix_space": False, "tokenizer_class": kind, "name_or_path": "somewhere"}
    _json(folder / "tokenizer_config.json", special | fields)


def _write(folder, config, tensors, tokenizer_class):
    folder.mkdir(parents=True, exist_ok=True)
    _json(folder / "config.json", config)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_tokenizer(folder, tokenizer_class)
    return tensors


def _json(path, content):
    path.write_text(json.dumps(content, indent=2))


def _norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _linear(name, size_in, size_out):
    return {f"{name}.weight": (size_out, size_in), f"{name}.bias": (size_out,)}


def _random(shapes, seed, dtype, spread=0.2):
    """Uniform draws, around 1 for the scale of a LayerNorm and around 0 for the rest."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        middle = 1 if name.endswith("weight") and len(shape) == 1 else 0
        draws = torch.empty(shape).uniform_(-spread, spread, generator=generator)
        tensors[name] = draws.add_(middle).to(dtype)
    return tensors


def _triangle(length):
    return torch.ones(1, 1, length, length, dtype=torch.uint8).tril()
