"""Steps of the course's trainer, and the same matrix products alone, in turns in one process.

python training.py NAME STEPS
"""

import json
import statistics
import sys
import time

import torch

from pythia_course.tiny.corpus import CONTEXT, ROWS, TOKENS_A_STEP
from pythia_course.tiny.train import Run


def products(model, dtype):
    """[(left, right)]: the matrices, random, whose products a step takes, forwards and backwards.

    A linear map of (token, in) to (token, out) is multiplied three times: for its output, for the gradient of its input
    and for that of its weights.  So are the scores of each head and its weighted sum of values.
    """
    config, pairs = model.config, []
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            inside, out = module.in_features, module.out_features
            pairs += three((TOKENS_A_STEP, inside), (inside, out), dtype)
    heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    of_heads = (ROWS * heads, CONTEXT)
    for _ in range(config.num_hidden_layers):
        pairs += three((*of_heads, width), (ROWS * heads, width, CONTEXT), dtype)  # the scores
        pairs += three((*of_heads, CONTEXT), (*of_heads, width), dtype)  # the sums of values
    return pairs


def three(left, right, dtype):
    """The product of arrays of these shapes, and the two of its gradient (the second and first transposed)."""
    a, b = torch.randn(left).to(dtype), torch.randn(right).to(dtype)
    gradient = torch.randn(*left[:-1], right[-1]).to(dtype)
    return [(a, b), (gradient, b.transpose(-1, -2)), (a.transpose(-1, -2), gradient)]


def multiply(pairs):
    for left, right in pairs:
        left @ right


def timed(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def main(name, steps):
    run = Run(name)
    pairs = products(run.model, getattr(torch, run.dtype))
    run.advance()
    multiply(pairs)
    seconds = {"step": [], "products": []}
    for _ in range(int(steps)):
        seconds["step"].append(timed(run.advance))
        seconds["products"].append(timed(lambda: multiply(pairs)))
    medians = {what: statistics.median(values) for what, values in seconds.items()}
    parameters = sum(weights.numel() for weights in run.model.parameters())
    print(json.dumps(medians | {"tokens": TOKENS_A_STEP, "parameters": parameters, "numbers": run.dtype}))


if __name__ == "__main__":
    main(*sys.argv[1:])
