"""transformers alone: what it hands over, and hooks for the two halves and for the stream before the last norm."""

import torch
from looking import NAME, compete


def open_model():
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(NAME, dtype=torch.float32, attn_implementation="eager").eval()


def look(model, ids):
    layers = model.gpt_neox.layers
    seen = {"attn_out": [], "mlp_out": [], "last": []}
    handles = [layers[-1].register_forward_hook(lambda module, args, out: seen["last"].append(first(out)[0]))]
    for layer in layers:
        handles += [
            layer.attention.register_forward_hook(lambda module, args, out: seen["attn_out"].append(out[0][0])),
            layer.mlp.register_forward_hook(lambda module, args, out: seen["mlp_out"].append(out[0])),
        ]
    with torch.no_grad():
        out = model(ids[None], output_attentions=True, output_hidden_states=True, use_cache=False)
    for handle in handles:
        handle.remove()
    streams = [stream[0] for stream in out.hidden_states[:-1]] + seen.pop("last")
    attention = [weights[0] for weights in out.attentions]
    return {"attention": attention, "residual": streams, **seen, "logits": out.logits[0]}


def first(out):
    return out[0] if isinstance(out, tuple) else out


if __name__ == "__main__":
    compete(open_model, look)
