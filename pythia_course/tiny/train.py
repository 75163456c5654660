"""The recipe: Pythia's, scaled down. Killed at any moment it goes on where it was and ends with the same weights.

Pythia's recipe (Biderman et al. 2023, arXiv 2304.01373): Adam with betas 0.9 and 0.95, weight decay 0.1, gradients
clipped at 1.0, 1% of warm-up, then a cosine down to a tenth. Only the peak learning rate is higher, as small models
allow.
"""

import copy
import io
import math
import os
import pickle
import shutil

import torch
from safetensors.torch import save
from tqdm import tqdm

from pythia_course import suite
from pythia_course.machine.files import whole_file
from pythia_course.machine.processor import fast_bfloat16

from .corpus import SEED, STEPS, TOKENS_A_STEP, batch
from .evaluate import evaluate
from .forecast import forecast
from .logs import own_name, training_log, write_log_row  # noqa: F401  (lessons take training_log from here)
from .models import new_model
from .own_runs import LOGS_ONLY, Order, alone, begin, check, into_package, keep, name_of

PEAK_RATE = 3e-3
PEAK_RATES = {"tiny-pythia-5m": 2e-3, "tiny-pythia-26m": 1e-3}  # as in Pythia, larger models learn at lower rates
WARMUP = STEPS // 100
# Pythia's schedule: powers of 2, then evenly to the end; the first of these falls between the births of the two heads.
CHECKPOINTS = (0, *(2**n for n in range(10)), *range(600, STEPS + 1, 800))
SEED_CHECKPOINTS = (600, 1400, STEPS)  # what ships of seeds 1 and 2
LOG_EVERY = 100


class Run:
    """One model in training: `advance()` takes one step; `model`, `step` and `loss` (nats) say where it stands.

    dtype: of the products in a step, "bfloat16" (the weights stay float32) or "float32".  The shipped weights were made
    in bfloat16; without one it is taken where it is fast, as on graphics cards.
    peak: the highest learning rate; without one the model's own.
    """

    def __init__(self, name, seed=SEED, device="cpu", dtype=None, peak=None):
        self.name, self.seed, self.device, self.dtype = name, seed, device, dtype or fast_dtype(device)
        self.peak = peak_rate(name) if peak is None else peak
        self.model = new_model(name, seed, attn_implementation="eager").to(device).train()
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim == 1]  # biases and LayerNorms are not decayed
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.peak, betas=(0.9, 0.95), fused=True)
        self.step, self.loss = 0, float("nan")

    def advance(self):
        """Learn from the batch of the present step."""
        tokens = torch.from_numpy(batch(self.step, self.seed).tokens).to(self.device)
        half = self.dtype == "bfloat16"
        with torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16, enabled=half):
            logits = self.model(input_ids=tokens[:, :-1], use_cache=False).logits  # (row, position, vocab)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.peak)
        self.optimizer.step()
        self.step, self.loss = self.step + 1, loss.item()

    def save(self, path):
        """Write everything needed to go on; the file appears whole or not at all."""
        state = {"step": self.step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        content = io.BytesIO()
        torch.save(state, content)
        with whole_file(path) as file:
            file.write(content.getbuffer())

    def resume(self, path):
        """Go on from a file of `save`.  Raises ValueError where it is damaged."""
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        except (RuntimeError, EOFError, LookupError, pickle.UnpicklingError) as error:
            raise ValueError(f"{path} is damaged, so nothing can go on from it: delete it to begin anew.") from error


def fast_dtype(device):
    """ "bfloat16" where this device multiplies such numbers fast, else "float32"."""
    return "bfloat16" if torch.device(device).type == "cuda" or fast_bfloat16() else "float32"


def peak_rate(name):
    """The highest learning rate of a model's recipe."""
    return PEAK_RATES.get(name, PEAK_RATE)


def learning_rate(step, peak=PEAK_RATE):
    """Warm-up, then a cosine from the peak rate to a tenth of it."""
    if step < WARMUP:
        return peak * (step + 1) / WARMUP
    turn, lowest = math.pi * (step - WARMUP) / (STEPS - WARMUP), peak / 10
    return lowest + (peak - lowest) * (1 + math.cos(turn)) / 2


def train(
    name, *, run=None, seed=SEED, stop=STEPS, threads=1, device=None, dtype=None, peak=None, publish=False,
    save_every=50,
):  # fmt: skip
    """Train a tiny model of one's own up to step `stop`, or go on with it; the folder of its checkpoints comes back.

    run: what `pythia_course.load` will open it by, "my-tiny-pythia" if nothing is said.  Into the folder of that name,
    in `suite.runs.runs_folder()`, go checkpoints (float16) at CHECKPOINTS and at `stop`, log.csv and a file to resume.
    First it prints how long that will take here: `forecast`.
    peak: the highest learning rate; without one the model's own.
    publish: once whole, put it in the place of the model that ships with the course; for maintainers.
    Raises ValueError for what makes no sense, before anything is written, and where another process trains it just
    now; OSError where it cannot be written.
    """
    run = own_name(name, seed) if run is None else run
    check(name, run, seed, stop, threads, device, dtype, peak, publish)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    begin(run, order := Order(name, seed, dtype, peak))
    with alone(run):
        folder, order = begin(run, order)  # once more: somebody else may have begun it meanwhile
        torch.set_num_threads(threads)
        training = Run(name, seed, device, order.dtype, order.peak)
        keep(folder, Order(name, seed, training.dtype, order.peak))
        _advance(training, folder, stop, save_every, threads)
        if publish:
            shipped = name_of(name, seed)
            into_package(folder, shipped, shipped_steps(shipped))
    return folder


def shipped_steps(name):
    """The steps whose weights ship, of a name such as "tiny-pythia-seed1"; () where only the log does."""
    if name in LOGS_ONLY:
        return ()
    if suite.seed_of(name):
        return SEED_CHECKPOINTS
    return CHECKPOINTS if name in suite.LADDER[:3] else (STEPS,)


def _advance(run, folder, stop, save_every, threads):
    state = folder / "resume.pt"
    if state.exists():
        run.resume(state)
    if said := forecast(run, stop, threads):
        print(said, flush=True)
    with tqdm(total=stop, initial=run.step, unit="step", desc=folder.name, smoothing=0.05) as bar:
        while True:
            _record(run, folder, stop)
            if run.step >= stop:
                break
            run.advance()
            bar.set_postfix(loss=f"{run.loss:.3f}", refresh=False)
            bar.update()
            if run.step % save_every == 0:
                run.save(state)
    run.save(state)


def _record(run, folder, stop):
    if run.step in CHECKPOINTS or run.step == stop:
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
    (unfinished / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
