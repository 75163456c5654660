"""Checks of lesson 04, parallel attention and MLP."""

import numpy as np

from pythia_course.checks.answers import as_array, is_missing, shown
from pythia_course.checks.made_up_layer import WIDTH, MadeUpLayer, wrong_parallel, wrong_sequential
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered


def paths(answer, layers):
    """In how many ways a token's vector can go through so many parallel layers."""
    mistakes = [
        (4**layers, "That is the sequential model, where a path may take attention and then the MLP of one layer."),
        (2**layers, "You let a path choose between two things in each layer. Count again: it may also just pass."),
        (3 * layers, "You added the choices of the layers. Each choice goes with each choice of all other layers."),
        (layers**3, "Base and exponent are the wrong way round: so many choices, once for every layer."),
        (1 + layers, "That is how often the stream is written down, not the number of ways through it."),
    ]
    praise = "Right: each layer multiplies the number of ways by the number of its choices."
    return judge(answer, (1 + 2) ** layers, praise, mistakes, 1e-9)


def composing_pairs(answer, layers):
    """Number of pairs (attention of one layer, MLP that can read what it wrote) in a parallel model."""
    later = layers * (layers - 1) // 2
    mistakes = [
        (
            later + layers,
            "That counts each attention with the MLP of its own layer too: only a sequential block has those.",
        ),
        (2 * later, "That counts the MLPs of earlier layers too; nothing flows backwards."),
        (layers**2, "That is every attention with every MLP. Which of them run after it?"),
        (layers - 1, "You took the next layer only. The stream carries what attention wrote to all later layers."),
        (layers, "You counted one pair per layer. Within a parallel layer the MLP does not read attention."),
    ]
    return judge(answer, later, "Right: each attention, with the MLPs of all later layers.", mistakes, 1e-9)


def parallel_block(function):
    """A learner's block(x, attention, mlp, norm1, norm2) in parallel form."""
    layer = MadeUpLayer()
    result, trouble = run(function, *layer.arguments())
    if trouble is not None:
        return trouble
    right = layer.parallel(layer.norm1, layer.norm2)
    return judge(result, right, "Right: both read x, and one sum takes in both.", wrong_parallel(layer))


def sequential_block(function):
    """A learner's block(x, attention, mlp, norm1, norm2) in sequential form."""
    layer = MadeUpLayer()
    result, trouble = run(function, *layer.arguments())
    if trouble is not None:
        return trouble
    return judge(
        result,
        layer.sequential(),
        "Right: the MLP reads the stream that attention has written to.",
        wrong_sequential(layer),
    )


def fused_writes(function):
    """A learner's fuse(attention_weight, attention_bias, mlp_weight, mlp_bias): one Linear in place of two."""
    import torch

    draw = torch.Generator().manual_seed(1)
    weights = torch.randn(WIDTH, WIDTH, generator=draw), torch.randn(WIDTH, 4 * WIDTH, generator=draw)
    biases = torch.randn(2, WIDTH, generator=draw)
    given = [weights[0], biases[0], weights[1], biases[1]]
    result, trouble = run(function, *(part.clone() for part in given))
    if trouble is not None:
        return trouble
    weight, bias = _pair(result)
    if weight is None or bias is None:
        return Verdict(0, "Return two things, a weight and a bias.")
    for wrong, sentence in _wrong_shapes(weight.shape, bias.shape):
        if wrong:
            return Verdict(0, sentence)
    right = _beside(torch.cat(weights, 1), biases.sum(0))
    praise = "Right: the sum of the two halves happens inside one product."
    return judge(_beside(weight, bias), right, praise, _wrong_fusions(weights, biases))


def costliest_layer(answer, lm, loss):
    """The layer of a Pythia whose switch, flipped alone, costs most. loss: a function of the model, lower is better."""
    if is_missing(answer):
        return unanswered()
    usual, flipped = float(loss(lm)), _losses_with_one_flipped(lm, loss)
    right = int(np.argmax(flipped))
    mistakes = [
        (right + 1, "You counted from 1; layers count from 0."),
        (np.argmin(flipped), "That is the layer where it matters least."),
        (flipped[right] - usual, "That is what it costs. Which layer is it?"),
        (flipped[right], "That is the loss with this layer flipped. Which layer is it?"),
    ]
    return judge(answer, right, f"Right: it costs {flipped[right] - usual:.2g} nats.", mistakes, 1e-9)


def _losses_with_one_flipped(lm, loss):
    losses = []
    for layer in lm.model.gpt_neox.layers:
        try:
            layer.use_parallel_residual = not layer.use_parallel_residual
            losses.append(float(loss(lm)))
        finally:
            layer.use_parallel_residual = not layer.use_parallel_residual
    return losses


def dial(answer, parallel, sequential):
    """Losses with the MLP reading x + alpha * attention's output, for alpha from 0 to 1.

    parallel, sequential: the same model's losses with the switch at either end.
    """
    if is_missing(answer):
        return unanswered()
    values = as_array(answer)
    if values is None or values.ndim != 1 or len(values) < 5:
        return Verdict(0, f"Give one loss for each alpha, five or more in a list; {shown(answer)} came.")
    if not np.isfinite(values).all():
        return Verdict(0, "There is something among your losses that is no number, or an infinite one.")
    ends = np.array([parallel, sequential], dtype=float)
    within = abs(ends[1] - ends[0]) * 0.02 + 1e-3
    if (values <= 0).any():
        return Verdict(0, "A loss is never negative, and zero only where each token was certain.")
    if np.allclose(np.diff(values, 2), 0, atol=1e-9) and values[0] < values[-1]:
        return Verdict(0, "These lie on one straight line to the last digit: measure what lies between, as well.")
    if np.abs(values[[0, -1]] - ends).max() <= within:
        return Verdict(1, "Right: the dial ends where the switch does. Nobody trained what lies between.")
    return Verdict(0, _wrong_dial(values, ends, within))


def _wrong_dial(values, ends, within):
    first, last = values[[0, -1]]
    if np.abs(values - ends[0]).max() <= within:
        return "All of them are the loss of the parallel block: your alpha reaches nothing. Does the hook return?"
    if np.abs(values - ends[1]).max() <= within:
        return "All of them are the loss of the sequential block. Is its switch still on while you turn the dial?"
    if max(abs(first - ends[1]), abs(last - ends[0])) <= within:
        return "The dial is turned the wrong way: alpha = 0 should be the parallel block."
    if abs(first - ends[0]) > within:
        return f"At alpha = 0 it should be the parallel block, with a loss of {ends[0]:.2f}; yours has {first:.2f}."
    return (
        f"At alpha = 1 it should be the sequential block, with a loss of {ends[1]:.2f}; yours has {last:.2f}. "
        "Did you change what the MLP reads, or the stream itself?"
    )


def _wrong_shapes(weight, bias):
    """What is amiss with the shapes of a fused weight and bias: (whether it is so, what to say)."""
    wanted = f"({WIDTH}, {5 * WIDTH}), here for a width of {WIDTH}"
    return [
        (bias == (2 * WIDTH,), "You kept both biases, one after the other. Both are added to the same stream."),
        (weight == (5 * WIDTH, WIDTH), "Your weight is transposed: a Linear keeps (outputs, inputs)."),
        (weight != (WIDTH, 5 * WIDTH), f"The fused weight has shape {wanted}; yours has {weight}."),
        (bias != (WIDTH,), f"The fused bias has shape ({WIDTH},), one number per output; yours has {bias}."),
    ]


def _wrong_fusions(weights, biases):
    """Fused weights and biases of the right shapes with wrong numbers."""
    import torch

    weight = torch.cat(weights, 1)
    forgotten = "One of the two biases is missing."
    return [
        (
            _beside(torch.cat(weights[::-1], 1), biases.sum(0)),
            "The columns are in the wrong order: the heads come first.",
        ),
        (_beside(weight, biases[0]), forgotten),
        (_beside(weight, biases[1]), forgotten),
        (_beside(weight, biases.mean(0)), "The two biases are added to the stream, not averaged."),
        (_beside(weight, 0 * biases[0]), "The weight is right; the biases are missing."),
    ]


def _pair(result):
    """Two arrays, or None in place of what is none."""
    try:
        first, second = result
    except (TypeError, ValueError):
        return None, None
    return as_array(first), as_array(second)


def _beside(weight, bias):
    """(outputs, inputs + 1): a Linear's numbers in one array."""
    return np.concatenate([as_array(weight), as_array(bias)[:, None]], axis=1)
