"""How many layers and heads the models that ship have, without opening them."""

import json
from functools import cache

from pythia_course import live


@cache
def sizes(name: str) -> tuple[int, int]:
    """(layers, heads) of a model that ships.  Raises ValueError for any other."""
    config = json.loads(live.model_files(name)["config"].read_text(encoding="utf-8"))
    layers, heads = ("n_layer", "n_head") if "n_layer" in config else ("num_hidden_layers", "num_attention_heads")
    return config[layers], config[heads]
