"""Odd arguments, drawn at random: a sentence of the course's own or a right answer, and nothing half-written."""

import random
import warnings

import numpy as np
import pytest
import torch
from support.refusals import written

from pythia_course import errors, steps
from pythia_course.training.audit import Audit, audit
from pythia_course.training.batches import TrainingBatch
from pythia_course.training.pile import training_batch
from pythia_course.training.sweep import Sweep, sweep

SEEDS = (1, 2)
CASES = 75  # a seed

NAMES = [
    "tiny-pythia", "tiny-gpt2", "TINY-PYTHIA", "my-own", "gpt2", "pythia-160m", "tiny-pythi", "", " ", ".", "..",
    "/", "a/b/c", "../../etc",
    "a\0b", "\ud800", "ü" * 300, "x" * 5000, "https://hf.co/a/b", "~", None, 5, 1.5, b"tiny-pythia",
    [], {}, object(), np.array("tiny-pythia"), float("nan"), True,
]  # fmt: skip
STEPS = [
    None, 0, 512, -1, 10**30, 10**5000, 1.0, "512", "", b"0", True, float("nan"), np.int64(512), np.array([0, 512]),
    np.array(512),
    torch.tensor([0, 512]), torch.tensor(0), [], [None], [[0]], {0, 512}, {"a": 1}, range(2), iter([0, 1]), object(),
    "all",
    [0, "x"], [0.0], np.zeros((2, 2)), 700,
]  # fmt: skip
MEASURES = [
    lambda lm: lm.step, lambda lm: None, lambda lm: 10**40, lambda lm: np.zeros((2, 0)), lambda lm: "ü\ud800\0",
    lambda lm: {"": 1}, lambda lm: {"\ud800": 1}, lambda lm: lm, lambda lm: [1, [2]], lambda lm: float("nan"),
    lambda lm: torch.zeros(2).to_sparse(), lambda lm: torch.zeros(2, device="meta"), lambda lm: 1j,
    lambda lm: np.datetime64("now"),
    lambda lm: 1 / 0, lambda: 1, print, None, 5, "measure", type, [].append, lambda lm: {"header": 1, "file": 2},
]  # fmt: skip
OPTIONS = {
    "label": [None, 5, "", "a", "../x", "\0", "\ud800", "x" * 3000, b"a", [], True],
    "version": [None, 1, "1", 1.5, [], "\ud800", True],
    "keep": [False, None, 5, "", "\0", "\ud800", object(), []],
    "workers": [None, 1, 0, -1, 2.5, "2", True],
    "duplicates": ["refuse", "keep", "maybe", None, 5, []],
    "dtype": ["float32", "bfloat16", "auto", "int8", None, 5, []],
    "device": ["cpu", "tpu", "", "cuda:99", None, 5, {}, []],
    "free": [False, True, None, "x"],
    "progress": [False, True, None, 5],
}
# What a mistaken argument, an unknown model or a hub out of reach may raise; each with a sentence.
OURS = (ValueError, TypeError, errors.HubUnreachable, errors.MeasureFailed, OSError, ImportError)
FOREIGN = (
    "object has no attribute", "not subscriptable", "expected str, bytes", "codec can't", "object is not iterable",
    "unhashable", "embedded null", "unsupported operand", "cannot convert", "No such file", "ambiguous", "not JSON",
)  # fmt: skip


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    for variable in ("PYTHIA_COURSE_CACHE", "PYTHIA_COURSE_RUNS", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said_well(foreign, call, *arguments, **options):
    """What a call gives, or None where it says in a sentence why not; other people's words are added to `foreign`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return call(*arguments, **options)
    except errors.MeasureFailed:  # the learner's own error is inside
        pass
    except Exception as error:
        text = str(error)
        expected = isinstance(error, OURS) and not isinstance(error, UnicodeError) and not text.startswith("[Errno")
        if not expected or len(text) < 20 or any(word in text for word in FOREIGN):
            what = f"{call.__name__} {written(arguments)} {written(options)}"
            foreign.append(f"{what}: {type(error).__name__}: {text[:120]}")
    return None


def half_written(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".part", ".unfinished")]


@pytest.mark.parametrize("seed", SEEDS)
def test_steps_audit_and_training_batch(seed, places):
    dice, foreign = random.Random(seed), []
    for _ in range(CASES):
        name, step = dice.choice(NAMES), dice.choice(STEPS)
        found = said_well(foreign, steps, name)
        assert found is None or found == tuple(sorted(found))
        found = said_well(foreign, audit, name, step, progress=False)
        assert found is None or isinstance(found, Audit) and repr(found)
        found = said_well(foreign, training_batch, name, step)
        assert found is None or isinstance(found, TrainingBatch) and found.tokens.shape == (32, 129) and repr(found)
    assert half_written(places) == [] == foreign


@pytest.mark.parametrize("seed", SEEDS)
def test_sweep(seed, places):
    dice, foreign = random.Random(seed), []
    for _ in range(CASES):
        name = dice.choice(NAMES) if dice.random() < 0.3 else "tiny-pythia"
        step = dice.choice(STEPS) if dice.random() < 0.5 else 0
        options = {key: dice.choice(values) for key, values in OPTIONS.items() if dice.random() < 0.2}
        step = 0 if step is None else step  # all nineteen take seconds
        found = said_well(foreign, sweep, name, step, dice.choice(MEASURES), **options)
        assert found is None or isinstance(found, Sweep) and found.steps and repr(found)
    assert half_written(places) == [] == foreign
