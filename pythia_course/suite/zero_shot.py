"""Published zero-shot accuracies of the Pythia suite over training: 16 models, 6 tasks, 27 steps.

Source: EleutherAI/pythia, evals/pythia-v1 (Biderman et al. 2023, arXiv 2304.01373). They were measured by its authors
on the real models; nothing here was measured by the course.
"""

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pythia_course import suite

FILE = Path(__file__).with_name("zero_shot.csv")
# The eight sizes of the paper, each trained on the Pile and on the deduplicated Pile.
MODELS = tuple(f"{size}{data}" for size in suite.PYTHIAS[2:] for data in ("", "-deduped"))
STEPS = (0, *(2**n for n in range(10)), 1_000, *range(3_000, 143_001, 10_000))


class Task(NamedTuple):
    """How many questions it asks, what guessing would get right, and what is asked."""

    questions: int
    chance: float
    asks: str


# Sizes of the sets that EleutherAI's lm-evaluation-harness uses; every published accuracy is a whole number of them.
TASKS = {
    "lambada_openai": Task(5_153, 0.0, "the last word of a passage"),
    "arc_easy": Task(2_376, 0.25, "school science, mostly one of four answers"),
    "piqa": Task(1_838, 0.5, "everyday physics, one of two ways to do a thing"),
    "sciq": Task(1_000, 0.25, "science with the passage to look it up in, one of four"),
    "winogrande": Task(1_267, 0.5, "who or what a gap stands for, one of two"),
    "wsc": Task(104, 0.5, "whether a pronoun means this noun, yes or no"),
}


@dataclass(frozen=True, eq=False)
class Curve:
    """One model's accuracy on one task at each step: arrays of shape (step,)."""

    model: str
    task: str
    steps: np.ndarray  # training steps, ascending
    accuracy: np.ndarray  # share of the questions answered rightly, 0 to 1

    @property
    def stderr(self):
        """The standard error of each accuracy, √(p(1 − p)/(n − 1)) for n questions; it is what was published."""
        return np.sqrt(self.accuracy * (1 - self.accuracy) / (TASKS[self.task].questions - 1))

    def __repr__(self):
        first, last = self.accuracy[[0, -1]]
        return f"<{self.model} on {self.task}, {len(self.steps)} steps: {first:.3f} at first, {last:.3f} at the end>"


def zero_shot(model, task="lambada_openai") -> Curve:
    """The published accuracies of one model on one task, step by step.

    model: one of MODELS, or its id on the hub.  task: one of TASKS.
    Raises ValueError, naming what there is, for any other.
    """
    model = suite.short_name(str(model))
    if model not in MODELS:
        raise ValueError(
            f"No zero-shot accuracies are published for {model!r}{_near(model, MODELS)} There are for "
            f"{', '.join(name for name in MODELS if not name.endswith('-deduped'))}, each with and without -deduped."
        )
    if task not in TASKS:
        raise ValueError(
            f"No task here is called {task!r}{_near(str(task), TASKS)} The published ones are {', '.join(TASKS)}."
        )
    return Curve(model, task, np.array(STEPS), np.array(_table()[model, task]))


@cache
def _table():
    """{(model, task): accuracies, one per step}."""
    with open(FILE, encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(line for line in file if not line.startswith("#"))
    return {(model, task): tuple(map(float, accuracies)) for model, task, *accuracies in rows}


def _near(name, names):
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"; did you mean {near[0]!r}?" if near else "."
