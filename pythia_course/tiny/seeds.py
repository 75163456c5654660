"""More draws of each tiny model. Seed 0 ships with its weights; of the others only the logs do.

A seed sets the first weights and the corpus, so models of one seed started from the same numbers and read the same
batches in the same order: their differences can be taken seed by seed. `python -m pythia_course.tiny seed NAME N`
makes such a log: about 12 minutes on one core of a processor with bfloat16, about 30 on one without.
"""

import shutil

import numpy as np
import torch
from safetensors.torch import load_file

from .corpus import END_OF_TEXT, SEED, SOURCE_NAMES, encode, held_out
from .logs import LOGS, read_log, write_rows
from .models import new_model
from .train import train

SEEDS = (0, 1, 2)
STOP = 2400  # of seeds 1 and 2, on the schedule of the whole training
BIN, LONGEST = 64, 512


def length_losses():
    """Loss by position beyond the 128 of training: rows {"name", "seed", "step", "first_position", "loss"}.

    loss: nats per token, the mean of 64 positions, on held-out documents put one after the other.
    """
    kinds = {"name": str, "seed": int, "step": int, "first_position": int, "loss": float}
    return [{key: kinds[key](value) for key, value in row.items()} for row in read_log(LOGS / "length.csv")]


def make(name, seed, *, publish=False):
    """Train one more draw of a model to step 2,400 and measure its losses by position: a training of one's own.

    publish: put its log and these losses beside those that ship; for maintainers.
    """
    if seed == SEED:
        raise ValueError(f"Seed {SEED} is the shipped model's, whole: another draw needs another seed.")
    folder = train(name, seed=seed, stop=STOP)
    rows = length_rows(name, seed, STOP, folder / f"step{STOP}")
    write_rows(folder / "length.csv", rows)
    if publish:
        shutil.copy(folder / "log.csv", LOGS / f"{name}-seed{seed}.csv")
        add_length_rows(rows)


def length_rows(name, seed, step, folder):
    """The losses by position of the checkpoint in `folder`, a row for each bin."""
    model = new_model(name).eval()
    model.load_state_dict({key: value.float() for key, value in load_file(folder / "model.safetensors").items()})
    facts = {"name": name, "seed": seed, "step": step}
    losses = enumerate(position_losses(model, seed))
    return [{**facts, "first_position": index * BIN, "loss": f"{loss:.4f}"} for index, loss in losses]


def add_length_rows(rows):
    """Put the rows of one draw into the shipped table, in place of older ones."""
    draw = (rows[0]["name"], str(rows[0]["seed"]))
    others = [row for row in read_log(LOGS / "length.csv") if (row["name"], row["seed"]) != draw]
    rows = sorted([*others, *rows], key=lambda row: (row["name"], int(row["seed"]), int(row["first_position"])))
    write_rows(LOGS / "length.csv", rows)


@torch.no_grad()
def position_losses(model, seed=SEED):
    """Mean loss (nats per token) in each bin of 64 positions up to 512, on held-out documents one after the other."""
    sources = [name for name in SOURCE_NAMES if name not in ("weather", "planted")]  # these have no documents held out
    texts = [document.text for source in sources for document in held_out(source, 40, seed)]
    texts = [texts[i] for i in np.random.RandomState(seed).permutation(len(texts))]
    ids = [i for text in texts for i in (END_OF_TEXT, *encode(text))]
    rows = torch.tensor(ids[: len(ids) // LONGEST * LONGEST]).view(-1, LONGEST)
    logits = model(input_ids=rows, use_cache=False).logits[:, :-1]  # (row, position - 1, vocab)
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2).float(), rows[:, 1:], reduction="none")
    return [part.mean().item() for part in losses.split(BIN, dim=1)]
