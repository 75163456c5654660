"""The recipe: Pythia's, scaled down. Killed at any moment it goes on where it was and ends with the same weights.

Pythia's recipe (Biderman et al. 2023, arXiv 2304.01373): Adam with betas 0.9 and 0.95, weight decay 0.1, gradients
clipped at 1.0, 1% of warm-up, then a cosine down to a tenth. Only the peak learning rate is higher, as small models
allow.
"""

import copy
import csv
import math
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from .corpus import SEED, STEPS, TOKENS_A_STEP, batch
from .evaluate import evaluate
from .models import new_model

WEIGHTS = Path(__file__).parent / "weights"
LOGS = Path(__file__).parent / "logs"  # of seeds whose weights do not ship
PEAK_RATE, LOWEST_RATE = 3e-3, 3e-4
WARMUP = STEPS // 100
# Pythia's schedule: powers of 2, then evenly to the end; the first of these falls between the births of the two heads.
CHECKPOINTS = (0, *(2**n for n in range(10)), *range(600, STEPS + 1, 800))
LOG_EVERY = 100


class Run:
    """One model in training: `advance()` takes one step; `model`, `step` and `loss` (nats) say where it stands."""

    def __init__(self, name, seed=SEED, device="cpu"):
        self.name, self.seed, self.device = name, seed, device
        self.model = new_model(name, seed, attn_implementation="eager").to(device).train()
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim == 1]  # biases and LayerNorms are not decayed
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.95), fused=True)
        self.step, self.loss = 0, float("nan")

    def advance(self):
        """Learn from the batch of the present step."""
        tokens = torch.from_numpy(batch(self.step, self.seed).tokens).to(self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16):
            logits = self.model(input_ids=tokens[:, :-1], use_cache=False).logits  # (row, position, vocab)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step)
        self.optimizer.step()
        self.step, self.loss = self.step + 1, loss.item()

    def save(self, path):
        """Write everything needed to go on; the file appears whole or not at all."""
        state = {"step": self.step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        unfinished = path.with_suffix(".unfinished")
        torch.save(state, unfinished)
        os.replace(unfinished, path)

    def resume(self, path):
        """Go on from a file of `save`."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def learning_rate(step):
    """Warm-up, then a cosine from the peak rate to the lowest."""
    if step < WARMUP:
        return PEAK_RATE * (step + 1) / WARMUP
    turn = math.pi * (step - WARMUP) / (STEPS - WARMUP)
    return LOWEST_RATE + (PEAK_RATE - LOWEST_RATE) * (1 + math.cos(turn)) / 2


def train(
    name, *, seed=SEED, stop=STEPS, runs="runs", weights=WEIGHTS, keep=None, threads=1, device=None, save_every=50
):
    """Train one tiny model; write its checkpoints (float16) and its log under `weights`, its resume file under `runs`.

    keep: the steps whose weights are kept: all of CHECKPOINTS for tiny-pythia and the last one for the others.
    """
    torch.set_num_threads(threads)
    if keep is None:
        keep = CHECKPOINTS if name == "tiny-pythia" else (STEPS,)
    run = Run(name, seed, device or ("cuda" if torch.cuda.is_available() else "cpu"))
    state, folder = Path(runs) / f"{name}-seed{seed}.pt", Path(weights) / name
    state.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    if state.exists():
        run.resume(state)
    with tqdm(total=stop, initial=run.step, unit="step", desc=name, smoothing=0.05) as bar:
        while True:
            _record(run, folder, keep)
            if run.step >= stop:
                break
            run.advance()
            bar.set_postfix(loss=f"{run.loss:.3f}", refresh=False)
            bar.update()
            if run.step % save_every == 0:
                run.save(state)
    run.save(state)


def _record(run, folder, keep):
    if run.step in keep:
        save_checkpoint(run.model, folder / f"step{run.step}")
    if run.step in CHECKPOINTS or run.step % LOG_EVERY == 0:
        row = {"step": run.step, "tokens": run.step * TOKENS_A_STEP, **evaluate(run.model, run.seed)}
        write_log_row(folder / "log.csv", row)


def save_checkpoint(model, folder):
    """An ordinary `transformers` folder: config.json and float16 safetensors. It appears whole or not at all."""
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    config = copy.deepcopy(model.config)
    config.dtype, config.architectures = "float16", [type(model).__name__]
    config.save_pretrained(unfinished)
    weights = {key: value.to("cpu", torch.float16).contiguous() for key, value in model.state_dict().items()}
    save_file(weights, unfinished / "model.safetensors", metadata={"format": "pt"})
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)


def write_log_row(path, row):
    """Add a row, or replace the one of the same step, so that a resumed run writes the log of an unbroken one."""
    row = {key: value if isinstance(value, int) else f"{value:.5f}" for key, value in row.items()}
    rows = [old for old in read_log(path) if int(old["step"]) < row["step"]] if path.exists() else []
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "w", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])
    os.replace(unfinished, path)


def read_log(path):
    """The rows of a training log, each a dict of text."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def training_log(name, seed=SEED, weights=WEIGHTS):
    """The log written while a tiny model was trained: column name -> numpy array, a number a row.

    seed: 0 for the shipped weights, to the end of training; 1 or 2 for other draws of the same model, to step 2,400.
    """
    path = Path(weights) / name / "log.csv" if seed == SEED else LOGS / f"{name}-seed{seed}.csv"
    if not path.exists():
        raise ValueError(f"No training log of {name!r} with seed {seed!r}: each tiny model has seeds 0, 1 and 2.")
    rows = read_log(path)
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
