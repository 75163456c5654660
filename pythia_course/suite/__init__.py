"""Facts about the models as plain data: sizes, positions and the share of a head that rotates, hub ids, training steps.

Nothing here imports a library heavier than ``dataclasses``, so any module may import this one.
Sizes are config fields of the published models; `parameters` counts from them and tests compare the
counts with the real classes.
"""

import bisect
import operator
import re
from dataclasses import dataclass
from pathlib import Path

from pythia_course.suite.runs import checkpoint_steps, run_folder


@dataclass(frozen=True)
class Spec:
    """What one needs to know of a decoder-only transformer to count, draw and rebuild it."""

    name: str
    family: str  # "gpt_neox", "gpt2" or "gpt_neo"
    layers: int
    width: int
    heads: int
    mlp_width: int
    vocab: int  # rows of the embedding, padding included
    context: int  # longest prompt, in tokens
    positions: str  # "rotary" or "learned"
    rotary_fraction: float = 0.0  # share of each head's dimensions that turn
    rope_base: float = 10_000.0
    parallel: bool = False  # attention and MLP both read the block's input
    tied: bool = False  # the output matrix is the embedding
    activation: str = "gelu"  # "gelu" is exact, "gelu_new" the tanh approximation
    qkv_bias: bool = True
    attention_window: int | None = None  # every second layer looks back only this far

    @property
    def head_dim(self) -> int:
        """Dimensions of one head's queries, keys and values."""
        return self.width // self.heads

    @property
    def rotary_dims(self) -> int:
        """How many of a head's dimensions rotary positions turn; the rest pass through."""
        return int(self.head_dim * self.rotary_fraction)


def _pythia(size: str, layers: int, width: int, heads: int, vocab: int = 50_304) -> Spec:
    return Spec(
        f"pythia-{size}", "gpt_neox", layers, width, heads, 4 * width, vocab, 2048,
        "rotary", rotary_fraction=0.25, parallel=True,
    )  # fmt: skip


# Source: config.json of each model on the hub; for the Pythias also Biderman et al. 2023, arXiv 2304.01373.
SUITE: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        _pythia("14m", 6, 128, 4),
        _pythia("31m", 6, 256, 8),
        _pythia("70m", 6, 512, 8),
        _pythia("160m", 12, 768, 12),
        _pythia("410m", 24, 1024, 16),
        _pythia("1b", 16, 2048, 8),
        _pythia("1.4b", 24, 2048, 16),
        _pythia("2.8b", 32, 2560, 32),
        _pythia("6.9b", 32, 4096, 32, vocab=50_432),
        _pythia("12b", 36, 5120, 40, vocab=50_688),
        Spec("gpt2", "gpt2", 12, 768, 12, 3072, 50_257, 1024, "learned", tied=True, activation="gelu_new"),
        Spec("gpt-neo-125m", "gpt_neo", 12, 768, 12, 3072, 50_257, 2048, "learned", tied=True,
             activation="gelu_new", qkv_bias=False, attention_window=256),
    )
}  # fmt: skip

PYTHIAS = tuple(name for name in SUITE if name.startswith("pythia-"))

# The deduplicated suite has the eight sizes of the paper; PolyPythias (van der Wal et al. 2025,
# arXiv 2503.09543) add nine seeds of the five smallest.
_DEDUPED = tuple(f"{name}-deduped" for name in PYTHIAS[2:])
_SEEDS = tuple(f"{name}-seed{seed}" for name in PYTHIAS[:5] for seed in range(1, 10))

HUB_IDS: dict[str, str] = {
    **{name: f"EleutherAI/{name}" for name in PYTHIAS + _DEDUPED + _SEEDS},
    "gpt2": "openai-community/gpt2",
    "gpt-neo-125m": "EleutherAI/gpt-neo-125m",
}

TINY = ("tiny-pythia", "tiny-pythia-sequential", "tiny-gpt2", "tiny-gpt2-parallel")  # the 2×2
LADDER = ("tiny-pythia-91k", "tiny-pythia-281k", "tiny-pythia", "tiny-pythia-5m")  # Pythia's block, by size
_TINY_SEEDS = tuple(f"{name}-seed{seed}" for name in LADDER[:3] for seed in (1, 2))
SHIPPED = (*TINY, *(name for name in LADDER if name not in TINY), *_TINY_SEEDS)  # all that is here without a network
TINY_WEIGHTS = Path(__file__).parents[1] / "tiny" / "weights"
TINY_TOKENIZER = Path(__file__).parents[1] / "tiny" / "tokenizer"

# Source: README of EleutherAI/pythia. The checkpoint at step N has seen batches 0 ... N-1.
PYTHIA_STEPS: tuple[int, ...] = (0, *(2**i for i in range(10)), *range(1_000, 143_001, 1_000))

# Source: README of EleutherAI/pythia and Biderman et al. 2023, arXiv 2304.01373.
TRAINING = {
    "steps": 143_000,
    "sequences per step": 1_024,
    "tokens per sequence": 2_048,
    "tokens per step": 2_097_152,
    "tokens": 299_892_736_000,
    "warm-up": 0.01,  # share of the steps; then a cosine down
    "Adam betas": (0.9, 0.95),
    "weight decay": 0.1,
    "gradient clip": 1.0,
}

# Source: README of EleutherAI/pythia and Biderman et al. 2023, arXiv 2304.01373.
PEAK_LEARNING_RATE = {
    "pythia-14m": 1e-3, "pythia-31m": 1e-3, "pythia-70m": 1e-3, "pythia-160m": 6e-4,
    "pythia-410m": 3e-4, "pythia-1b": 3e-4, "pythia-1.4b": 2e-4, "pythia-2.8b": 1.6e-4,
    "pythia-6.9b": 1.2e-4, "pythia-12b": 1.2e-4,
}  # fmt: skip

_SHORT = {key.lower(): name for name, id in HUB_IDS.items() for key in (name, id)} | {n: n for n in SHIPPED}
_SHORT["tiny-pythia-1m"] = "tiny-pythia"  # its name among its sizes


def short_name(name: str) -> str:
    """The course's name of a model: "EleutherAI/Pythia-160M" -> "pythia-160m"; others come back unchanged."""
    return _SHORT.get(name.lower(), name)


def steps(name: str = "tiny-pythia") -> tuple[int, ...]:
    """Training steps at which a model can be opened, ascending; () for models published only once trained.

    The real Pythias all have the same 154.  For the models that ship with the course, and for trainings of your own, it
    is what is on disk.  Raises TypeError where no name comes.
    """
    if not isinstance(name, str):
        raise TypeError(f'steps needs the name of a model, as in steps("pythia-160m"), but {name!r} came.')
    name = short_name(name)
    if name in HUB_IDS:
        return PYTHIA_STEPS if name.startswith("pythia-") else ()
    folder = TINY_WEIGHTS / name if name in SHIPPED else run_folder(name)
    return checkpoint_steps(folder) if folder else ()


def seed_of(name: str) -> int:
    """The seed in the name of one of several trainings, "tiny-pythia-seed2" or "pythia-160m-seed2"; else 0."""
    return int(name.rpartition("-seed")[2]) if re.search(r"-seed[0-9]+$", name) else 0


def nearest_steps(step: int, available: tuple[int, ...]) -> tuple[int, ...]:
    """The last available step before `step` and the first after it (one only at either end).

    available: ascending.
    """
    step = operator.index(step)
    after = bisect.bisect_left(available, step)
    return tuple(available[max(after - 1, 0) : after + 1])


def parameters(spec: Spec) -> dict[str, int]:
    """Number of parameters by component, from the spec alone.  0 where a model has no such component."""
    table = spec.vocab * spec.width
    return {
        "embedding": table,
        "position table": spec.context * spec.width if spec.positions == "learned" else 0,
        "attention": spec.layers * _attention_parameters(spec),
        "mlp": spec.layers * (2 * spec.width * spec.mlp_width + spec.mlp_width + spec.width),
        "layernorms": (2 * spec.layers + 1) * 2 * spec.width,
        "unembedding": 0 if spec.tied else table,
    }


def _attention_parameters(spec: Spec) -> int:
    """One layer's four square matrices and their biases."""
    # GPT-Neo alone has a bias on the output projection but none on queries, keys and values.
    output_bias = spec.qkv_bias or spec.family == "gpt_neo"
    return 4 * spec.width**2 + (3 * spec.qkv_bias + output_bias) * spec.width


def total(spec: Spec) -> int:
    """All parameters, each counted once (a tied output matrix is the embedding)."""
    return sum(parameters(spec).values())


def without_embeddings(spec: Spec) -> int:
    """Parameters in the layers and the final LayerNorm: what the Pythia paper calls non-embedding."""
    counts = parameters(spec)
    return counts["attention"] + counts["mlp"] + counts["layernorms"]


def spec_from_config(config, name: str) -> Spec:
    """Read a Spec from a transformers config of GPT-NeoX, GPT-2 or GPT-Neo.

    Raises KeyError for any other `model_type`.
    """
    read = {"gpt_neox": _neox_fields, "gpt2": _gpt2_fields, "gpt_neo": _neo_fields}[config.model_type]
    width = config.hidden_size
    return Spec(
        name=name,
        family=config.model_type,
        layers=config.num_hidden_layers,
        width=width,
        heads=config.num_attention_heads,
        vocab=config.vocab_size,
        context=config.max_position_embeddings,
        tied=bool(config.tie_word_embeddings),
        **read(config, 4 * width),
    )


def _neox_fields(config, _default_mlp: int) -> dict:
    rope = config.rope_parameters
    return {
        "positions": "rotary",
        "rotary_fraction": float(rope.get("partial_rotary_factor", 1.0)),
        "rope_base": float(rope["rope_theta"]),
        "parallel": bool(config.use_parallel_residual),
        "mlp_width": config.intermediate_size,
        "activation": config.hidden_act,
        "qkv_bias": bool(config.attention_bias),
    }


def _gpt2_fields(config, default_mlp: int) -> dict:
    return {
        "positions": "learned",
        # transformers has no parallel GPT-2; the course's own carries this extra field.
        "parallel": bool(getattr(config, "parallel_block", False)),
        "mlp_width": config.n_inner or default_mlp,
        "activation": config.activation_function,
    }


def _neo_fields(config, default_mlp: int) -> dict:
    return {
        "positions": "learned",
        "mlp_width": config.intermediate_size or default_mlp,
        "activation": config.activation_function,
        "qkv_bias": False,
        "attention_window": config.window_size if "local" in config.attention_layers else None,
    }
