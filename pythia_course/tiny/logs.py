"""Logs of trainings: those that ship with the course, and those of one's own."""

import csv
import io
from pathlib import Path

import numpy as np

from pythia_course import suite
from pythia_course.machine.files import whole_file
from pythia_course.suite.runs import run_folder

from .corpus import SEED
from .sizes import NAMES

WEIGHTS = Path(__file__).parent / "weights"
LOGS = Path(__file__).parent / "logs"  # of trainings whose weights do not ship


def training_log(name, seed=SEED, *, peak=None):
    """The log written while a tiny model was trained: column name -> numpy array, a number per row.

    name: of a model that ships ("tiny-pythia-26m" too, of which only the log does), or of a training of your own.
    seed: 0 for the shipped weights, to the end of training; 1 or 2 for other draws of the same model, those of the 2×2
    to step 2,400; others where you have trained them.  The log of "tiny-pythia-seed1" goes to the end: the same draw
    once more, on a graphics card.
    peak: the highest learning rate, where it is another than the model's own; 0.002 of "tiny-pythia" ships, a control.
    """
    path = _path(name, seed) if peak is None else LOGS / f"{name}-peak-{peak}.csv"
    rows = read_log(path) if path and path.exists() else []
    if not rows and peak is not None:
        raise ValueError(f"No log of {name!r} at a peak rate of {peak!r} ships: only that of 'tiny-pythia' at 0.002.")
    if not rows:
        raise ValueError(
            f"No training log of {name!r} with seed {seed!r}: each tiny model has seeds 0, 1 and 2 (that of 26m 0 "
            f"alone), and `python -m pythia_course.tiny train` makes more."
        )
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


def _path(name, seed):
    name = suite.short_name(name) if isinstance(name, str) else name
    if name in suite.SHIPPED and seed == SEED:
        return WEIGHTS / name / "log.csv"
    if name not in NAMES:
        own = run_folder(name) if isinstance(name, str) and seed == SEED else None
    else:
        run = name if seed == SEED else f"{name}-seed{seed}"
        for shipped in (LOGS / f"{run}.csv", WEIGHTS / run / "log.csv"):
            if shipped.exists():
                return shipped
        own = run_folder(own_name(name, seed))
    return own and own / "log.csv"


def own_name(name, seed=SEED):
    """What a training of one's own is called if nothing is said: "my-tiny-gpt2", or "my-tiny-gpt2-seed7"."""
    return f"my-{name}" if seed == SEED else f"my-{name}-seed{seed}"


def write_log_row(path, row):
    """Add a row, or replace the one of the same step, so that a resumed run writes the log of an unbroken one."""
    row = {key: value if isinstance(value, int) else f"{value:.5f}" for key, value in row.items()}
    rows = [old for old in read_log(path) if int(old["step"]) < row["step"]] if path.exists() else []
    write_rows(path, [*rows, row])


def write_rows(path, rows):
    """A table, whole or not at all; the first row has all columns."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def read_log(path):
    """The rows of a training log, each a dict of text."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
