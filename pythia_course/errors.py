"""Every error of the course's own that a user can meet: one sentence, what was wanted, what came and what to do.

Each is also one of Python's own kinds, so that a program may catch it by either name.  What only a command line can do
wrong is argparse's and `commands.UsageError`'s; a wrong argument is a plain ValueError or TypeError.
"""


def shown(thing) -> str:
    """How Python writes it, on one line and as much of it as a sentence has room for."""
    try:
        written = " ".join(repr(thing).split())
    except Exception:  # a number of thousands of digits, or whatever somebody's own class raises
        written = f"a {type(thing).__name__} that cannot be written"
    written = "".join(letter if letter.isprintable() else "?" for letter in written)
    return written if len(written) <= 80 else f"{written[:80]}…"


class ModelNotFound(ValueError):
    """No model of that name, or a folder without one."""


class StepNotFound(ValueError):
    """The model has no checkpoint at that step."""


class ModelRefused(ValueError):
    """The model is there, but the course does not understand it or will not run its code."""


class ModelDamaged(OSError):
    """The model's files are there but cannot be read."""


class HubUnreachable(OSError):
    """The model is not on this machine, and the hub did not hand it over."""


class DiskFull(OSError):
    """The model does not fit on the disk beside what is there."""


class ModelTooLarge(MemoryError):
    """The model does not fit into the memory that this process may use."""


class DuplicateCheckpoints(ValueError):
    """Some of the checkpoints asked for hold the same weights, so that they show no training."""


class MeasureFailed(RuntimeError):
    """The measure raised an error at one of the checkpoints; that error is shown above this one."""


class LessonsMissing(OSError):
    """The course is installed, but without its lessons."""


class FolderRefused(OSError):
    """The lessons cannot be put into that folder."""


class GraderMissing(OSError):
    """nbgrader, which the labs are made for, is not installed."""


class CageMissing(OSError):
    """There is nothing here to shut other people's code in with."""


class UnknownAssignment(ValueError):
    """No lesson and no lab of that name."""
