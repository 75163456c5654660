"""Attribution patching: what a patch would do, estimated from one backward pass; and a single edge patched exactly.

    slopes = gradients(lm, corrupted.ids, measure)                    one forward and one backward pass
    ((clean.z - corrupted.z) * slopes["z"]).sum((-1, -2))             an estimate for each head: (layer, head)

An edge leads from what one head writes to the queries, the keys or the values of a later head; `edge` patches one.
Sources: Nanda 2023, "Attribution patching: activation patching at industrial scale"; for edges Syed et al. 2023,
"Attribution patching outperforms automated circuit discovery".
"""

from functools import partial
from itertools import product

from pythia_course.inside.anatomy import FAMILIES
from pythia_course.inside.module_paths import PARTS
from pythia_course.inside.recording import ONLY_EAGER, hooks, run_quietly
from pythia_course.inside.with_blocks import Block

WAYS_IN = ("queries", "keys", "values")


def gradients(lm, prompt, measure) -> dict:
    """How fast a measure of the logits changes with each number inside, at one prompt.

    prompt: a text or token ids.  measure: a function of logits (position, vocab) -> one number, a tensor.
    Back, on the CPU: "z" (layer, head, position, head_dim), "attention" (layer, head, query, key), and "queries",
    "keys", both before the rotation, and "values", each (layer, head, position, head_dim).
    Raises ValueError where the measure gives no number that depends on the logits, or attention is not eager.
    """
    import torch

    if lm.model.config._attn_implementation != "eager":
        raise ValueError(ONLY_EAGER)
    ids = lm.trace(prompt, keep=["ids"]).ids  # refused in words where the model cannot read it
    caught = {}

    def run():
        with torch.enable_grad(), hooks(_catching(lm, caught)):
            logits = lm.model(ids[None].to(lm.input_device), use_cache=False).logits[0].float()
            return torch.autograd.grad(_number(measure(logits)), list(caught.values()))

    found = run_quietly(lm.model, run)
    return _by_head(lm, dict(zip(caught, found, strict=True)))


def edge(lm, clean, corrupted, writer, reader, way) -> Block:
    """A block in which one edge carries what it carried in another run: `with edge(…): lm.trace(corrupted.ids)`.

    clean, corrupted: traces of two prompts of one length that kept `z`, the second also `residual`.
    writer, reader: heads, (layer, head), the writer in an earlier layer.  way: "queries", "keys" or "values" of the
    reader.  All else, the reader's other two inputs among it, is computed from the corrupted run as usual.
    """
    change = written(lm, clean, corrupted, writer)
    layer, head = reader
    part = _projection(lm, layer, way)
    stream = corrupted.residual[layer] + change
    value = part.split(_projected(lm, layer, part, stream), lm.spec.heads)[way][head]
    module = _layers(lm)[layer].get_submodule(part.path)
    return hooks([(module.register_forward_hook, partial(_put, part, lm.spec.heads, way, head, value))])


def edge_estimates(lm, clean, corrupted, slopes, reader, way):
    """What patching each edge into one head would add to the measure, to first order: (earlier layer, head).

    clean, corrupted: as in `edge`.  slopes: what `gradients` gave at the corrupted prompt.  reader: (layer, head).
    """
    import torch

    layer, head = reader
    part = _projection(lm, layer, way)
    with torch.enable_grad():
        stream = corrupted.residual[layer].clone().requires_grad_()
        read = part.split(_projected(lm, layer, part, stream), lm.spec.heads)[way][head]
        (slope,) = torch.autograd.grad(read, stream, slopes[way][layer, head])  # (position, width)
    writers = product(range(layer), range(lm.spec.heads))
    found = [(written(lm, clean, corrupted, writer) * slope.float().cpu()).sum() for writer in writers]
    return torch.stack(found).view(layer, lm.spec.heads)


def written(lm, clean, corrupted, head):
    """By how much what a head adds to the stream differs between two runs: (position, width)."""
    import torch

    layer, number = head
    if len(clean.ids) != len(corrupted.ids):
        raise ValueError(
            f"One prompt has {len(clean.ids)} tokens and the other {len(corrupted.ids)}: word both to be equally long "
            "(lm.tokens(text) shows their tokens)."
        )
    difference = torch.zeros_like(clean.z[layer])
    difference[number] = clean.z[layer, number] - corrupted.z[layer, number]
    output = _layers(lm)[layer].get_submodule(FAMILIES[lm.spec.family].output)
    together = difference.transpose(0, 1).flatten(1).to(next(output.parameters()))
    with torch.no_grad():
        return (output(together) - output(torch.zeros_like(together))).float().cpu()  # without the output bias


def _catching(lm, caught):
    """Pairs for `hooks` that put what is wanted into `caught`, and let gradients begin at the embedding."""
    anatomy = FAMILIES[lm.spec.family]
    yield lm.model.get_input_embeddings().register_forward_hook, lambda module, args, out: out.detach().requires_grad_()
    for number, layer in enumerate(_layers(lm)):
        for part in anatomy.projections:
            see = partial(_see_output, caught, (number, part))
            yield layer.get_submodule(part.path).register_forward_hook, see
        yield layer.get_submodule(anatomy.attention).register_forward_hook, partial(_see_weights, caught, number)
        yield layer.get_submodule(anatomy.output).register_forward_pre_hook, partial(_see_heads, caught, number)


def _see_output(caught, key, module, args, out):
    caught[key] = out


def _see_weights(caught, number, module, args, out):
    caught[number, "attention"] = out[1]


def _see_heads(caught, number, module, args):
    caught[number, "z"] = args[0]


def _by_head(lm, found):
    """{(layer, what): gradient (batch, …)} -> {name: gradients of all layers}."""
    import torch

    layers = {name: [] for name in ("z", "attention", *WAYS_IN)}
    for (_, what), slope in found.items():
        slope = slope[0].float().cpu()
        if what == "attention":
            layers["attention"].append(slope)
        elif what == "z":
            layers["z"].append(slope.unflatten(-1, (lm.spec.heads, -1)).transpose(0, 1))
        else:
            for name, piece in what.split(slope, lm.spec.heads).items():
                layers[name].append(piece)
    return {name: torch.stack(slopes) for name, slopes in layers.items()}


def _number(value):
    """What the measure gave, where a gradient can be taken of it."""
    if getattr(value, "requires_grad", False) and value.numel() == 1:
        return value
    raise ValueError(
        "The measure should give one number computed from the logits by torch, for example "
        "lambda logits: logits[-1, 5] - logits[-1, 7]."
    )


def _layers(lm):
    return lm.model.get_submodule(FAMILIES[lm.spec.family].layers)


def _projection(lm, layer, way):
    """The linear map that makes a layer's queries, keys or values; ValueError where there is none to patch."""
    if way not in WAYS_IN or not 0 < layer < lm.spec.layers:
        raise ValueError(
            f"An edge ends in the queries, keys or values of a head of layers 1 to {lm.spec.layers - 1}; "
            f"{way!r} of layer {layer} came."
        )
    return next(part for part in FAMILIES[lm.spec.family].projections if way in part.parts)


def _projected(lm, layer, part, stream):
    """What that map makes of a stream (position, width): LayerNorm first, as in the model."""
    norm = lm.model.get_submodule(PARTS["first LayerNorm"][lm.spec.family].format(N=layer))
    stream = stream.to(next(norm.parameters()))
    return _layers(lm)[layer].get_submodule(part.path)(norm(stream))


def _put(part, heads, way, head, value, module, args, out):
    new = out.clone()
    part.split(new[0], heads)[way][head] = value.to(new)
    return new
