"""Numbers of one's own for each student, the same wherever a submission is opened, and known when it is marked."""

import os
import zlib
from pathlib import Path

import numpy as np


def own_numbers(student, exercise: int = 0) -> np.random.RandomState:
    """A generator of numbers that belong to one student and one exercise; a cell that is run again gets the same.

    student: the number or name that the submission is handed in under, as text or as a number; capitals and spaces
    around it do not count.  While nbgrader marks, the folder says who handed it in, and what was typed only matters if
    it is another: then one sentence says so.  Exercise 0 is the text or setting that the others share.
    """
    typed = "" if student in (None, ..., "...") else str(student).strip().casefold()
    known = _marked_for() or typed
    if not known and not exercise:
        print("Put your student number in place of the three dots: the numbers below will be other ones then.")
    elif typed != known and not exercise:
        print(f"Marked with the numbers of {known}; typed was {typed or 'nothing'}.")
    return np.random.RandomState(zlib.crc32(f"{known} {exercise}".encode()))


def _marked_for() -> str:
    """The student in whose folder nbgrader is marking (autograded/STUDENT/ASSIGNMENT), or nothing."""
    if os.environ.get("NBGRADER_EXECUTION") != "autograde":
        return ""
    return Path.cwd().parent.name.strip().casefold()
