"""A small layer that a learner's block is tried on, and the blocks that can be made of it, right and wrong."""

POSITIONS, WIDTH = 6, 8


class MadeUpLayer:
    """A small made-up layer. Its attention mixes positions, so that whoever reads it late reads something else."""

    def __init__(self):
        import torch

        draw = torch.Generator().manual_seed(0)

        def matrix(rows, columns):
            return torch.randn(rows, columns, generator=draw) / rows**0.5

        mix, wide, narrow = matrix(WIDTH, WIDTH), matrix(WIDTH, 4 * WIDTH), matrix(4 * WIDTH, WIDTH)
        scales, shifts = torch.rand(2, WIDTH, generator=draw) + 0.5, torch.randn(2, WIDTH, generator=draw)
        counts = torch.arange(1, POSITIONS + 1)[:, None]
        self.x = torch.randn(POSITIONS, WIDTH, generator=draw)
        self.attention = lambda x: x.cumsum(0) / counts @ mix
        self.mlp = lambda x: torch.nn.functional.gelu(x @ wide) @ narrow
        self.norm1 = lambda x: torch.nn.functional.layer_norm(x, (WIDTH,), scales[0], shifts[0])
        self.norm2 = lambda x: torch.nn.functional.layer_norm(x, (WIDTH,), scales[1], shifts[1])

    def arguments(self):
        return self.x.clone(), self.attention, self.mlp, self.norm1, self.norm2

    def parallel(self, before_attention, before_mlp):
        return self.x + self.attention(before_attention(self.x)) + self.mlp(before_mlp(self.x))

    def sequential(self, before_attention=None, before_mlp=None):
        middle = self.x + self.attention((before_attention or self.norm1)(self.x))
        return middle + self.mlp((before_mlp or self.norm2)(middle))

    def mlp_first(self):
        middle = self.x + self.mlp(self.norm2(self.x))
        return middle + self.attention(self.norm1(middle))


def wrong_parallel(layer):
    """Pairs of a wrong parallel block and what to say of it."""
    return [
        (layer.sequential(), "Your MLP reads what attention wrote: that is the sequential block."),
        (layer.mlp_first(), "Your attention reads what the MLP wrote. In a parallel block both read x."),
        *_wrong_norms(layer, layer.parallel),
        *_left_out(layer),
    ]


def wrong_sequential(layer):
    """Pairs of a wrong sequential block and what to say of it."""
    found = layer.attention(layer.norm1(layer.x))
    middle = layer.x + found
    return [
        (
            layer.parallel(layer.norm1, layer.norm2),
            "Your MLP reads x: that is the parallel block. It should read what attention has left behind.",
        ),
        (layer.mlp_first(), "Your MLP comes first. GPT-2's attention goes first."),
        (
            layer.x + layer.mlp(layer.norm2(middle)),
            "What attention wrote was read by the MLP and then lost: add the MLP's output to the stream it read.",
        ),
        (
            middle + layer.mlp(layer.norm2(found)),
            "Your MLP reads attention's output alone; it should read the stream with that output in it.",
        ),
        (
            layer.mlp(layer.norm2(middle)),
            "You forgot the second residual: the MLP's output is added to the stream, it does not replace it.",
        ),
        (
            found + layer.mlp(layer.norm2(found)),
            "You forgot the first residual: attention's output is added to x, it does not replace it.",
        ),
        (middle, "The MLP is missing: this is the stream in the middle of the layer."),
        *_wrong_norms(layer, layer.sequential),
    ]


def _wrong_norms(layer, block):
    """The ways of mixing up two LayerNorms."""

    def nothing(x):
        return x

    one, two = layer.norm1, layer.norm2
    tied = "You used one LayerNorm for both halves (GPT-J does so); Pythia and GPT-2 have two."
    return [
        (block(one, one), tied),
        (block(two, two), tied),
        (block(two, one), "The LayerNorms are swapped: the first belongs to attention, the second to the MLP."),
        (block(nothing, nothing), "Both halves read the stream through a LayerNorm: use norm1 and norm2."),
        (block(one, nothing), "The MLP reads the stream without its LayerNorm."),
        (block(nothing, two), "Attention reads the stream without its LayerNorm."),
    ]


def _left_out(layer):
    """Parallel blocks with a term of the sum missing, or one too many."""
    x, found = layer.x, layer.attention(layer.norm1(layer.x))
    made = layer.mlp(layer.norm2(layer.x))
    return [
        (found + made, "You forgot the residual: x itself is part of the sum."),
        (x + made, "What attention found is missing from the sum."),
        (x + found, "What the MLP found is missing from the sum."),
        (2 * x + found + made, "You added x twice. Both halves read it, but the sum holds it once."),
        (
            x + layer.mlp(layer.norm2(found)),
            "Your MLP reads attention's output alone. In a parallel block both read x.",
        ),
    ]
