"""What stands between arrays and a browser that shows all heads: how many bytes, and how long they take to build.

    python heads.py ours|bertviz TOKENS REPEATS

bertviz's `model_view`, the view of all heads, as HTML; or the course's explorer: its code, weights and still picture.
"""

import json
import statistics
import sys
import time

import numpy as np


def attention_of(tokens, layers=12, heads=12):
    """(layer, head, query, key), float32, as large as Pythia-160M's."""
    scores = np.random.default_rng(tokens).normal(size=(layers, heads, tokens, tokens)).astype(np.float32)
    weights = np.tril(np.exp(scores))
    return weights / weights.sum(-1, keepdims=True)


def bertviz(attention, labels):
    import torch
    from bertviz import model_view

    layers = [torch.from_numpy(layer)[None] for layer in attention]  # each (batch, head, query, key)
    return len(model_view(layers, labels, html_action="return").data.encode())


def ours(attention, labels):
    from pythia_course.widgets import AttentionExplorer

    explorer = AttentionExplorer(attention, labels)
    state = explorer.get_state()  # what opening it sends to the browser
    sent = sum(len(part) if isinstance(part, bytes) else len(json.dumps(part, default=repr)) for part in state.values())
    shown, _ = explorer._repr_mimebundle_()
    return sent + len(json.dumps(shown))


def main(who, tokens, repeats):
    attention, labels = attention_of(int(tokens)), [f"t{number}" for number in range(int(tokens))]
    build = {"ours": ours, "bertviz": bertviz}[who]
    size, seconds = build(attention, labels), []
    for _ in range(int(repeats)):
        start = time.perf_counter()
        build(attention, labels)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"bytes": size, "seconds": statistics.median(seconds)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
