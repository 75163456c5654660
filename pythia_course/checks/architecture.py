"""Checks of lesson 01, the architecture tour."""

import numpy as np

from pythia_course import suite
from pythia_course.checks.running import run
from pythia_course.checks.verdict import judge


def head_dim(answer, name="pythia-410m"):
    """Dimensions of one head."""
    spec = suite.SUITE[name]
    mistakes = [
        (spec.width, "That is the width of the whole residual stream: the heads share it among themselves."),
        (
            spec.width / spec.layers,
            "You divided by the number of layers. Each layer has its own heads; divide by those.",
        ),
        (spec.mlp_width / spec.heads, "You divided the MLP's width. Heads share the width of the residual stream."),
        (
            spec.rotary_dims,
            "That many of them turn with the position. The rest of the head does not turn, but belongs to it.",
        ),
    ]
    return judge(answer, spec.head_dim, "Right: the width, shared among the heads of one layer.", mistakes, 1e-9)


def attention_parameters(answer, name="pythia-160m"):
    """Parameters of the attention of one layer, biases included."""
    spec = suite.SUITE[name]
    matrix, bias = spec.width**2, spec.width
    mistakes = [
        (4 * matrix, "The four matrices are right. Each has a bias too, one number for each of its outputs."),
        (
            3 * (matrix + bias),
            "Queries, keys and values are right. What the heads find must also be written back: one more matrix.",
        ),
        (3 * matrix, "Three matrices make queries, keys and values. One more writes back, and all four have a bias."),
        (4 * (matrix + bias) * spec.layers, "That is the attention of all layers together; the question is about one."),
        (
            4 * (matrix + bias) * spec.heads,
            "The heads share the matrices: the width is cut into heads, not multiplied by them.",
        ),
    ]
    return judge(
        answer,
        suite.parameters(spec)["attention"] // spec.layers,
        "Right: four matrices and four biases.",
        mistakes,
        1e-9,
    )


def layernorm(function):
    """A learner's layernorm(x, weight, bias), x: (position, width)."""
    import torch

    generator = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(5, 8, generator=generator) + 1
    weight, bias = torch.randn(8, generator=generator), torch.randn(8, generator=generator)
    result, trouble = run(function, x.clone(), weight.clone(), bias.clone())
    if trouble is not None:
        return trouble
    centred = x - x.mean(-1, keepdim=True)

    def finish(y):
        return y * weight + bias

    def scale(unbiased):
        return centred / x.std(-1, keepdim=True, unbiased=unbiased)

    columns = (x - x.mean(0)) / x.std(0, unbiased=False)
    mistakes = [
        (
            finish(scale(True)),
            "Nearly: you divided by n - 1 in the variance (torch's std does so); LayerNorm divides by n.",
        ),
        (scale(False), "The normalised numbers are right; multiply by weight and add bias."),
        (scale(False) * weight, "The bias is missing."),
        (
            finish(columns),
            "You normalised each dimension over the positions. Each position is normalised by itself, over its width.",
        ),
        (finish(centred), "The mean is gone; now divide by the standard deviation."),
        (finish(x / x.std(-1, keepdim=True, unbiased=False)), "Take the mean away before you divide."),
        (
            finish(x / x.pow(2).mean(-1, keepdim=True).sqrt()),
            "That is RMSNorm, which Llama uses; LayerNorm takes the mean away first.",
        ),
        (
            finish(centred / x.var(-1, keepdim=True, unbiased=False)),
            "You divided by the variance; its square root is wanted.",
        ),
    ]
    right = torch.nn.functional.layer_norm(x, (8,), weight, bias)
    return judge(result, right, "Right: the same numbers as the library's.", mistakes)


def hooked_mlp(answer, trace, layer):
    """What a hook on the MLP of a layer caught. trace: of the same prompt."""
    mistakes = [
        (trace.attn_out[layer], "That is what attention adds in this layer; put the hook on the module named mlp."),
        (
            trace.residual[layer + 1],
            "That is the whole stream after the layer; the hook sits on the layer, not on its MLP.",
        ),
        (trace.residual[layer], "That is the stream before the layer."),
    ]
    mistakes += [
        (trace.mlp_out[other], f"That is the MLP of layer {other}; layers count from 0.")
        for other in range(len(trace.mlp_out))
        if other != layer
    ]
    return judge(answer, trace.mlp_out[layer], "Right: your hook and the trace caught the same.", mistakes)


def embedding_share(answer, name="pythia-70m"):
    """The share of a model's parameters in its embedding and unembedding together, between 0 and 1."""
    spec = suite.SUITE[name]
    counts = suite.parameters(spec)
    both = counts["embedding"] + counts["unembedding"]
    rest = suite.total(spec) - both
    mistakes = [
        (
            counts["embedding"] / suite.total(spec),
            "That is the embedding alone. Pythia's unembedding is a matrix of its own and counts too.",
        ),
        (100 * both / suite.total(spec), "In percent it is right; give the share, between 0 and 1."),
        (rest / suite.total(spec), "That is the share of everything else."),
        (both / rest, "You divided by the other parameters; divide by all of them."),
    ]
    return judge(answer, both / suite.total(spec), "Right: most of this model is vocabulary.", mistakes)


def same_logits(answer, trace):
    """The logits of a forward pass rebuilt by hand."""
    logits = np.asarray(trace.logits)
    mistakes = [
        (logits[-1], "Those are the logits of the last position only; keep all positions."),
        (
            logits - logits.mean(-1, keepdims=True),
            "All logits of a position are shifted by their mean: the softmax is the same, the logits are not.",
        ),
    ]
    return judge(answer, logits, "Right: your forward pass and the library's agree.", mistakes)
