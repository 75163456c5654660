"""What one may want to know of an opened model before comparing it with another, in words."""

from pythia_course import suite
from pythia_course.inside.anatomy import FAMILIES
from pythia_course.inside.opened import other_rotation

# Sources: Biderman et al. 2023, arXiv 2304.01373; Radford et al. 2019, "Language Models are Unsupervised Multitask
# Learners"; the card of EleutherAI/gpt-neo-125m; van der Wal et al. 2025, arXiv 2503.09543.
TRAINING_DATA = {
    **dict.fromkeys(suite.PYTHIAS, "the Pile"),
    **{name: "the Pile, deduplicated" for name in suite.HUB_IDS if name.endswith("-deduped")},
    "gpt2": "WebText",
    "gpt-neo-125m": "the Pile",
    **dict.fromkeys(suite.SHIPPED, "the Tiny Pile"),
    **{name: f"the Tiny Pile, drawn with seed {seed}" for name in suite.SHIPPED if (seed := suite.seed_of(name))},
    **{name: "the Pile, in an order of its own" for name in suite.HUB_IDS if suite.seed_of(name)},
}


def describe(lm) -> dict[str, str]:
    """What one may want to know of a model before comparing it with another, in words."""
    spec = lm.spec
    window = f"the last {spec.attention_window} in every second layer" if spec.attention_window else "all before"
    return {
        "layers × heads, width": f"{spec.layers} × {spec.heads}, {spec.width}",
        "positions": _positions(lm),
        "block": "parallel" if spec.parallel else "sequential",
        "output matrix": "tied to the embedding" if spec.tied else "its own",
        "GELU": {"gelu": "exact", "gelu_new": "tanh form"}.get(spec.activation, spec.activation),
        "queries, keys, values": _layout(FAMILIES[spec.family].projections),
        "… have a bias": "yes" if spec.qkv_bias else "no",
        "scores are divided by": "nothing" if spec.family == "gpt_neo" else f"√{spec.head_dim}",
        "a token may look at": window,
        "context": f"{spec.context:,} tokens",
        "tokenizer": f"{len(lm.tokenizer):,} entries, up to {longest_run_of_spaces(lm.tokenizer)} spaces in one",
        "training data": TRAINING_DATA.get(suite.short_name(lm.name), "not known to the course"),
    }


def longest_run_of_spaces(tokenizer) -> int:
    """The longest run of spaces that the vocabulary has as one token ("Ġ" is a space in byte-level tokenizers)."""
    return max((len(token) for token in tokenizer.get_vocab() if not token.strip("Ġ ")), default=0)


def _positions(lm) -> str:
    if lm.spec.positions != "rotary":
        return "a learned table"
    return f"rotary, {lm.spec.rotary_dims} of {lm.spec.head_dim}{other_rotation(lm.spec, lm.model.config)}"


def _layout(projections) -> str:
    if len(projections) > 1:
        return "three matrices"
    return "one matrix, head by head" if projections[0].by_head else "one matrix, all q, all k, all v"
