"""Checks of a learner's own work: they say which mistake was made, and never raise.

A check returns a `Verdict`, a number between 0 (not yet) and 1 (right) that shows itself as a sentence.  Those that a
learner's cells show are kept beside the lessons (`lessons/keeping.py`).
"""

from pythia_course.checks import (  # isort: skip
    architecture, checkpoints, circuits, counting, data, instruments, memory, parallel, rotary, scale, start,
    two_by_two, versus,
)  # fmt: skip
from pythia_course.checks.guesses import compare
from pythia_course.checks.machine import environment
from pythia_course.checks.verdict import Verdict
from pythia_course.lessons import keeping

__all__ = [
    "Verdict", "architecture", "checkpoints", "circuits", "compare", "counting", "data", "environment", "instruments",
    "memory", "parallel", "rotary", "scale", "start", "two_by_two", "versus",
]  # fmt: skip

keeping.install(Verdict)
