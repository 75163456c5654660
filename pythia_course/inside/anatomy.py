"""Where the parts of a model are: one table for the three architectures, which differ in names and in layout.

Module names and layouts as in the sources of transformers 5.23 (`modeling_gpt_neox.py`, `modeling_gpt2.py`,
`modeling_gpt_neo.py`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Projection:
    """A linear map inside the attention whose output holds queries, keys and values, or one of them.

    path: its module, seen from the layer.  parts: what the output holds, in order.
    by_head: True where the order starts anew for each head (q, k, v of head 0, then of head 1, …: GPT-NeoX);
    False where all heads' q come first, then all k, then all v (GPT-2).
    """

    path: str
    parts: tuple[str, ...]
    by_head: bool = False

    def split(self, output, heads: int) -> dict:
        """output (position, parts x width) -> for each part a view (head, position, head_dim)."""
        position, parts = output.shape[0], len(self.parts)
        if self.by_head:
            pieces = output.view(position, heads, parts, -1).unbind(2)  # each (position, head, head_dim)
        else:
            pieces = output.view(position, parts, heads, -1).unbind(1)
        return {name: piece.transpose(0, 1) for name, piece in zip(self.parts, pieces, strict=True)}


@dataclass(frozen=True)
class Anatomy:
    """Module paths of one architecture: `layers` and `rotary` from the model, the others from a layer."""

    layers: str
    attention: str
    output: str  # attention's output matrix: what goes into it is all heads' z side by side
    mlp: str
    projections: tuple[Projection, ...]
    rotary: str | None = None


_QKV = ("queries", "keys", "values")

FAMILIES = {
    "gpt_neox": Anatomy(
        layers="gpt_neox.layers",
        attention="attention",
        output="attention.dense",
        mlp="mlp",
        projections=(Projection("attention.query_key_value", _QKV, by_head=True),),
        rotary="gpt_neox.rotary_emb",
    ),
    "gpt2": Anatomy(
        layers="transformer.h",
        attention="attn",
        output="attn.c_proj",
        mlp="mlp",
        projections=(Projection("attn.c_attn", _QKV),),
    ),
    "gpt_neo": Anatomy(
        layers="transformer.h",
        attention="attn",
        output="attn.attention.out_proj",
        mlp="mlp",
        projections=(
            Projection("attn.attention.q_proj", ("queries",)),
            Projection("attn.attention.k_proj", ("keys",)),
            Projection("attn.attention.v_proj", ("values",)),
        ),
    ),
}
