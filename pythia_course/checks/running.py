"""A learner's function, called by a check: it may return anything, stop with any error, and say where it did."""

import inspect
import sys
import sysconfig
import traceback
from pathlib import Path

from pythia_course.checks.answers import is_missing, kind, shortened
from pythia_course.checks.verdict import Verdict, unanswered

NOT_THEIRS = tuple({str(Path(__file__).parents[1]), *(sysconfig.get_path(name) for name in ("stdlib", "purelib"))})
NOTHING_YET = "Your function returns nothing yet: replace its three dots, and end it with return."


def run(function, *arguments):
    """(result, None) of a learner's function, or (None, Verdict) where there is none or it stops with an error.

    Only Stop gets through, so that a function that never ends can be stopped as any cell can.
    """
    if is_missing(function):
        return None, unanswered()
    if not callable(function):
        return None, Verdict(0, f"This check wants the function itself, without brackets; {kind(function)} came.")
    try:
        result = function(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # even sys.exit(): whatever the learner's code does, the check says it in words
        return None, _stopped(error)
    if inspect.isgenerator(result) or inspect.iscoroutine(result):
        result.close()
        return None, Verdict(0, "Your function is a generator or async: end it with return, without yield or async.")
    if is_missing(result):
        return None, Verdict(0, NOTHING_YET, waiting=True)
    return result, None


def _stopped(error):
    if isinstance(error, SystemExit):
        said = "Your function called exit(): end it with return instead."
    else:
        said = f"Your function stopped with {type(error).__name__}{_words_of(error)}"
    return Verdict(0, said, code=_places(error))


def _words_of(error):
    try:
        words = shortened(str(error).strip(), 300)
    except Exception:  # an error that cannot even say what it is
        words = ""
    return f": {words}" if words else "."


def _places(error):
    """The lines of the learner's own that led to an error, the last three, each with its cell or file."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(NOT_THEIRS)]
    lines = []
    for frame in own[-3:]:
        lines += [f"{_place(frame.filename)}, line {frame.lineno}, in {frame.name}"]
        lines += [f"    {shortened(frame.line, 100)}"] if frame.line else []
    return "\n".join(shortened(line, 160) for line in lines)


def _place(filename):
    """`In[5]` for a cell that was run as number 5, or the name of a file."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    named = shell.compile.format_code_name(filename) if shell is not None else None
    return named[1] if named else Path(filename).name
