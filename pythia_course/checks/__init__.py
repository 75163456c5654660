"""Checks of a learner's own work: they say which mistake was made, never raise, and never give the answer away.

A check returns a `Verdict`, a number between 0 (not yet) and 1 (right) that shows itself as a sentence.
"""

from pythia_course.checks import (
    ablation,
    architecture,
    checkpoints,
    circuits,
    data,
    parallel,
    rotary,
    scale,
    start,
    versus,
)
from pythia_course.checks.guesses import compare
from pythia_course.checks.machine import environment
from pythia_course.checks.verdict import Verdict

__all__ = [
    "Verdict", "ablation", "architecture", "checkpoints", "circuits", "compare", "data", "environment", "parallel",
    "rotary", "scale", "start", "versus",
]  # fmt: skip
