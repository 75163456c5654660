"""What every contender in looking inside a model does, so that all are timed alike: open, look, look again.

    python CONTENDER.py LENGTHS REPEATS [FOLDER]

LENGTHS: tokens, as in 41,501.  REPEATS: warm looks at each.  FOLDER: where to put the arrays, for comparing them.
The last line that it prints is JSON: processor seconds from the start of the process to the end of
the first look, and of a warm look.
"""

import json
import statistics
import sys
import time

NAME = "EleutherAI/pythia-160m"  # in the cache of this machine


def ids_of(length):
    """The prompt, as ids: (position)."""
    import torch

    return torch.randint(2, 50_000, (length,), generator=torch.Generator().manual_seed(length))


def compete(open_model, look):
    """open_model() -> a model.  look(model, ids) -> {"attention": one array a layer, "residual": …, "logits": …}."""
    lengths, repeats, *folder = sys.argv[1:]
    lengths = [int(length) for length in lengths.split(",")]
    model = open_model()
    look(model, ids_of(lengths[0]))
    figures = {"start": time.process_time()}
    for length in lengths:
        ids = ids_of(length)
        arrays = look(model, ids)
        if folder:
            keep(arrays, f"{folder[0]}/{length}.npz")
        del arrays
        seconds = [timed(look, model, ids) for _ in range(int(repeats))]
        if seconds:
            figures[f"warm {length}"] = statistics.median(seconds)
    print(json.dumps(figures))


def timed(call, *arguments):
    start = time.process_time()
    call(*arguments)
    return time.process_time() - start


def keep(arrays, path):
    """Write the arrays, those of the layers one above the other."""
    import numpy as np

    np.savez(path, **{name: np.stack([np.asarray(part) for part in parts]) for name, parts in arrays.items()})
