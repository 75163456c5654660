"""Was a call refused as the course refuses: by a `raise` of its own, of a kind it documents, in one line of words?"""

import linecache
import reprlib
import traceback
import warnings
from pathlib import Path

import pythia_course
from pythia_course import errors

HERE = Path(pythia_course.__file__).parent
KINDS = {ValueError, TypeError, MemoryError, FloatingPointError, ImportError}
KINDS |= {kind for kind in vars(errors).values() if isinstance(kind, type)}


def written(thing) -> str:
    """Something of it, whatever it is."""
    try:
        return ascii(reprlib.repr(thing))
    except Exception:  # a number of thousands of digits, or a class whose repr fails
        return f"a {type(thing).__name__} that cannot be written"


def objections(error) -> list[str]:
    """What is wrong with an error: nothing, if it is the course's."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(where.filename, where.lineno).strip()
    text, found = str(error), []
    if type(error) not in KINDS:
        found.append("somebody else's kind of error")
    if HERE not in Path(where.filename).parents or not line.startswith("raise "):
        found.append(f"raised by {Path(where.filename).name}:{where.lineno}, {line!r}")
    if not 20 <= len(text) <= 700 or not text.isprintable() or not text.endswith((".", "?")):
        found.append("no sentence of one line")
    return found


def attempt(faults, what, call, *arguments, **options):
    """What a call gives, or the error with which it refuses; objections to the error go into the list `faults`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return call(*arguments, **options)
    except Exception as error:
        if wrong := objections(error):
            text = str(error).encode("ascii", "backslashreplace").decode()
            faults.append(f"{what}: {type(error).__name__}: {text[:160]!r}: {'; '.join(wrong)}")
        return error
