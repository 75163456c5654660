"""What stands between arrays and a browser that shows all heads: how many bytes, and how long they take to build.

    python heads.py bertviz|ours|pictured TOKENS REPEATS

bertviz's `model_view`, the view of all heads, as HTML; or the course's explorer.
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

    state = AttentionExplorer(attention, labels).get_state()  # what opening it sends to the browser, code and all
    return sum(len(part) if isinstance(part, bytes) else len(json.dumps(part, default=repr)) for part in state.values())


def pictured(attention, labels):
    """The same with the still picture that a notebook keeps for whoever has no kernel."""
    from pythia_course.widgets import AttentionExplorer

    picture, _ = AttentionExplorer(attention, labels)._repr_mimebundle_()
    return ours(attention, labels) + len(json.dumps(picture))


def main(who, tokens, repeats):
    attention, labels = attention_of(int(tokens)), [f"t{number}" for number in range(int(tokens))]
    build = {"bertviz": bertviz, "ours": ours, "pictured": pictured}[who]
    size, seconds = build(attention, labels), []
    for _ in range(int(repeats)):
        start = time.process_time()
        build(attention, labels)
        seconds.append(time.process_time() - start)
    print(json.dumps({"bytes": size, "seconds": statistics.median(seconds)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
