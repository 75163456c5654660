"""nnsight: a trace in which each wanted value is saved, in the order in which the model computes them."""

import torch
from looking import NAME, compete


def open_model():
    from nnsight import LanguageModel

    kinds = {"dtype": torch.float32, "attn_implementation": "eager", "device_map": "cpu"}
    return LanguageModel(NAME, dispatch=True, **kinds)


def look(model, ids):
    layers = model.gpt_neox.layers
    attention, streams, attn_out, mlp_out = [], [], [], []
    with torch.no_grad(), model.trace(ids[None], use_cache=False):
        streams.append(layers[0].input[0].save())
        for layer in layers:
            added, weights = layer.attention.output
            attn_out.append(added[0].save())
            attention.append(weights[0].save())
            mlp_out.append(layer.mlp.output[0].save())
            out = layer.output
            streams.append((out[0] if isinstance(out, tuple) else out)[0].save())
        logits = model.lm_head.output[0].save()
    return {
        "attention": attention, "residual": streams, "attn_out": attn_out, "mlp_out": mlp_out, "logits": logits,
    }  # fmt: skip


if __name__ == "__main__":
    compete(open_model, look)
