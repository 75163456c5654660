"""One number of each of several checkpoints: the previous-token score of the best head.

    python sweeping.py ours|plain|floor NAME STEPS TOKENS

plain: a loop over `from_pretrained`.  floor: one model, into which each file's weights are read,
and a forward pass each.
Seconds are counted from when the libraries are imported and the first checkpoint has been measured once.
"""

import json
import sys
import time

import torch
from safetensors.torch import load_file
from transformers import GPTNeoXForCausalLM

from pythia_course import measures
from pythia_course.hub import fetching
from pythia_course.training import audit
from pythia_course.training.sweep import sweep


def ids_of(tokens):
    return torch.randint(2, 500, (tokens,), generator=torch.Generator().manual_seed(0))


def best(attention):
    """attention: (layer, head, query, key)."""
    return float(measures.previous_token_scores(attention).max())


def ours(name, steps, ids):
    return [*sweep(name, steps, lambda lm: best(lm.trace(ids, keep=["attention"]).attention), keep=False).values()]


def plain(name, steps, ids):
    found = []
    for folder in folders(name, steps):
        model = opened(folder)
        with torch.no_grad():
            out = model(ids[None], output_attentions=True, use_cache=False)
        found.append(best(torch.cat(out.attentions)))
    return found


def floor(name, steps, ids):
    model = opened(folders(name, steps[:1])[0])
    places = model.state_dict()
    for folder in folders(name, steps):
        for part, weights in load_file(folder / "model.safetensors").items():
            if (place := places.get(part.replace("embed_out", "lm_head"))) is not None:  # else an old buffer
                place.copy_(weights)
        with torch.no_grad():
            model(ids[None], output_attentions=True, use_cache=False)


def opened(folder):
    return GPTNeoXForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def folders(name, steps):
    """Where the checkpoints are; all of them are on this machine."""
    return [place.folder or fetching.cached_folder(place) for place in audit.checkpoint_places(name, steps)]


def main(who, name, steps, tokens):
    steps, ids = [int(step) for step in steps.split(",")], ids_of(int(tokens))
    run = {"ours": ours, "plain": plain, "floor": floor}[who]
    run(name, steps[:1], ids)
    start = time.process_time()
    found = run(name, steps, ids)
    print(json.dumps({"seconds": time.process_time() - start, "found": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
