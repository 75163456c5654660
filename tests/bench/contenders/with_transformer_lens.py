"""TransformerLens: `run_with_cache`, with the weights as they are (its default folds and centres them)."""

import torch
from looking import NAME, compete


def open_model():
    from transformer_lens.model_bridge import TransformerBridge

    model = TransformerBridge.boot_transformers(NAME, dtype=torch.float32, device="cpu")
    return model.eval()


def look(model, ids):
    with torch.no_grad():
        logits, cache = model.run_with_cache(ids[None], prepend_bos=False, remove_batch_dim=True)
    layers = range(model.cfg.n_layers)
    streams = [cache[f"blocks.{layer}.hook_resid_pre"] for layer in layers]
    return {
        "attention": [cache[f"blocks.{layer}.attn.hook_pattern"] for layer in layers],
        "residual": [*streams, cache[f"blocks.{len(layers) - 1}.hook_resid_post"]],
        "attn_out": [cache[f"blocks.{layer}.hook_attn_out"] for layer in layers],
        "mlp_out": [cache[f"blocks.{layer}.hook_mlp_out"] for layer in layers],
        "logits": logits[0],
    }


if __name__ == "__main__":
    compete(open_model, look)
