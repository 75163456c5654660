"""Trainings of one's own: each has a folder, in which run.json says what is trained there.  What ships is only read."""

import json
import operator
import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

from pythia_course import suite
from pythia_course.machine.devices import placement
from pythia_course.machine.files import whole_file
from pythia_course.suite.runs import is_run_name, run_folder, runs_folder

from .corpus import SEED, STEPS
from .logs import LOGS, WEIGHTS, own_name
from .sizes import size_of

DTYPES = ("bfloat16", "float32")
LOGS_ONLY = ("tiny-pythia-26m", "tiny-pythia-5m-seed1", "tiny-pythia-5m-seed2")  # of these no weights ship


@dataclass(frozen=True)
class Order:
    """What is trained in one folder; a training that goes on keeps all of it."""

    model: str
    seed: int
    dtype: str  # of the products in a step
    peak: float | None = None  # the highest learning rate; None for the model's own


def check(name, run, seed, stop, threads, device, dtype, peak, into_package):
    """Raises ValueError, one sentence, for what makes no sense or what a training may not replace."""
    size_of(name)
    _whole("seed", seed, 0, 2**32 - 1, "")
    _whole("stop", stop, 0, STEPS, ", the steps of the whole training")
    _whole("threads", threads, 1, os.cpu_count() or 1, ", the processors of this machine")
    if not is_run_name(run):
        raise ValueError(f"A training is called by letters, digits, dots and dashes, but {run!r} came.")
    if suite.short_name(run) in suite.HUB_IDS or run.lower() in suite.SHIPPED:
        raise ValueError(f"{run} is a published model: call a training of your own otherwise, for example my-{run}.")
    if device is not None:
        placement(device)
    if dtype not in (None, *DTYPES):
        raise ValueError(f"dtype is {' or '.join(DTYPES)}, but {dtype!r} came.")
    if peak is not None and not (isinstance(peak, float | int) and 0 < peak <= 1):
        raise ValueError(f"peak is a learning rate, above 0 and at most 1, but {peak!r} came.")
    if into_package:
        _check_published(name, run, seed, stop, peak)


def _check_published(name, run, seed, stop, peak):
    if (stop, run, peak) != (STEPS, own_name(name, seed), None):
        raise ValueError(
            f"What ships is trained to step {STEPS:,} at the model's own rate: leave --stop, --peak and --as out."
        )
    if name_of(name, seed) not in (*suite.SHIPPED, *LOGS_ONLY):
        raise ValueError(f"No {name} of seed {seed}, trained to the end, ships with the course: leave --seed out.")


def _whole(what, number, least, most, which):
    try:
        fits = least <= operator.index(number) <= most
    except TypeError:
        fits = False
    if not fits:
        raise ValueError(f"{what} is a whole number from {least} to {most:,}{which}, but {number!r} came.")


def begin(run, order):
    """The folder of this training, made now or begun earlier, and its order: of one that goes on, with its own dtype.

    order: its dtype may be None, for whatever it was begun with.
    Raises ValueError where the folder holds something else.
    """
    folder = runs_folder() / run
    before = read_order(run)
    if before is None and folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds something that is no training of the course: name another with --as.")
    if before is None:
        return folder, order
    same = (before.model, before.seed, before.peak) == (order.model, order.seed, order.peak)
    if not same or order.dtype not in (None, before.dtype):
        peak = "" if before.peak is None else f" and a peak rate of {before.peak}"
        raise ValueError(
            f"{run} is a training of {before.model} with seed {before.seed} in {before.dtype}{peak}, begun earlier: "
            "go on with that, or name another with --as."
        )
    return folder, before


@contextmanager
def alone(run):
    """While it runs, nobody else trains under this name.  Raises ValueError where somebody does."""
    from huggingface_hub.utils import WeakFileLock

    lock = runs_folder() / f".{run}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(lock, timeout=0.3))
        except TimeoutError:
            raise ValueError(
                f"{run} is being trained by another process: wait for it or stop it, or name another with --as; if "
                f"there is none, delete {lock}."
            ) from None
        yield


def keep(folder, order):
    """Write down what is trained in this folder."""
    with whole_file(folder / "run.json") as file:
        file.write(json.dumps(asdict(order)).encode())


def read_order(run):
    """What is trained under this name, None where nothing is.  Raises ValueError where that cannot be read."""
    path = (run_folder(run) or runs_folder() / "-") / "run.json"
    if not path.exists():
        return None
    try:
        return Order(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged: delete the folder, or name another training with --as.") from error


def name_of(model, seed):
    """What this draw of a model is called where it ships: "tiny-pythia", or "tiny-pythia-seed1"."""
    return model if seed == SEED else f"{model}-seed{seed}"


def into_package(folder, name, steps):
    """Put checkpoints at these steps and the log in the place of what ships under this name; of LOGS_ONLY, the log."""
    shipped = WEIGHTS / name
    for step in steps:
        shutil.rmtree(shipped / f"step{step}", ignore_errors=True)
        shutil.copytree(folder / f"step{step}", shipped / f"step{step}")
    shutil.copy(folder / "log.csv", LOGS / f"{name}.csv" if name in LOGS_ONLY else shipped / "log.csv")
