"""More draws of each tiny model. Seed 0 ships with its weights; of the others only the logs do.

A seed sets the first weights and the corpus, so models of one seed started from the same numbers and read the same
batches in the same order: their differences can be taken seed by seed. `python -m pythia_course.tiny seed NAME N`
makes such a log anew, in about 12 minutes on one processor core.
"""

import csv
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from .corpus import END_OF_TEXT, SEED, SOURCE_NAMES, encode, held_out
from .models import new_model
from .train import LOGS, read_log, train

SEEDS = (0, 1, 2)
STOP = 2400  # of seeds 1 and 2, on the schedule of the whole training
BIN, LONGEST = 64, 512


def length_losses():
    """Loss by position beyond the 128 of training: rows {"name", "seed", "step", "first_position", "loss"}.

    loss: nats a token, the mean of 64 positions, on held-out documents put one after the other.
    """
    kinds = {"name": str, "seed": int, "step": int, "first_position": int, "loss": float}
    return [{key: kinds[key](value) for key, value in row.items()} for row in read_log(LOGS / "length.csv")]


def make(name, seed, *, runs="runs", threads=1, device=None):
    """Train one more draw of a model, and keep its log and its losses by position."""
    weights = Path(runs) / f"seed{seed}"
    train(name, seed=seed, stop=STOP, keep=(STOP,), runs=runs, weights=weights, threads=threads, device=device)
    LOGS.mkdir(exist_ok=True)
    shutil.copy(weights / name / "log.csv", LOGS / f"{name}-seed{seed}.csv")
    add_length_losses(name, seed, STOP, weights / name / f"step{STOP}")


def add_length_losses(name, seed, step, folder):
    """Measure the checkpoint in `folder` and put its rows into the table, in place of older ones."""
    model = new_model(name).eval()
    model.load_state_dict({key: value.float() for key, value in load_file(folder / "model.safetensors").items()})
    path = LOGS / "length.csv"
    rows = read_log(path) if path.exists() else []
    rows = [row for row in rows if (row["name"], row["seed"]) != (name, str(seed))]
    for index, loss in enumerate(position_losses(model, seed)):
        rows.append({"name": name, "seed": seed, "step": step, "first_position": index * BIN, "loss": f"{loss:.4f}"})
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: (row["name"], int(row["seed"]), int(row["first_position"]))))


@torch.no_grad()
def position_losses(model, seed=SEED):
    """Mean loss (nats a token) in each bin of 64 positions up to 512, on held-out documents one after the other."""
    sources = [name for name in SOURCE_NAMES if name not in ("weather", "planted")]  # these have no documents held out
    texts = [document.text for source in sources for document in held_out(source, 40, seed)]
    texts = [texts[i] for i in np.random.RandomState(seed).permutation(len(texts))]
    ids = [i for text in texts for i in (END_OF_TEXT, *encode(text))]
    rows = torch.tensor(ids[: len(ids) // LONGEST * LONGEST]).view(-1, LONGEST)
    logits = model(input_ids=rows, use_cache=False).logits[:, :-1]  # (row, position - 1, vocab)
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2).float(), rows[:, 1:], reduction="none")
    return [part.mean().item() for part in losses.split(BIN, dim=1)]
