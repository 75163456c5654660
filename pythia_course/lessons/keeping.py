"""Which verdicts are kept: those that a cell shows which a learner ran, in a notebook beside the lessons.

A frontend at which somebody sits says which cell it runs (JupyterLab, Notebook 7 and VS Code: "cellId" in the request's
metadata).  What runs notebooks by itself does not (nbval, and nbclient, on which notebooks/build.py, nbconvert and
nbgrader stand): there nothing is written, and nothing is read.
"""

import os
import re
import sys
from pathlib import Path

from pythia_course.lessons import attempts, tasks

CELL = re.compile(r"[\w-]{1,64}", re.ASCII)  # what the notebook format allows; VS Code sends an address instead
_kinds = set()  # of verdicts
_told = set()  # what could not be done, said once


def _started_in() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # a folder that is gone
        return None


HERE = _started_in()  # a kernel starts in its notebook's folder, and may go elsewhere later


def install(kind: type) -> None:
    """From now on keep the verdicts, which are of this kind, of this kernel.  Nothing happens outside of one."""
    shell = _shell()
    _kinds.add(kind)
    if shell is not None and _after_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _after_cell)


def by_hand() -> bool:
    """Whether a learner ran the cell that is at work."""
    return bool(_cell())


def folder() -> Path | None:
    """The folder that holds this kernel's notebook, if it is one of lessons; the solutions' is none."""
    if HERE is None or HERE.name == "solutions":
        return None
    lessons = (path.name for path in HERE.glob("[0-9]*_*.ipynb"))
    return HERE if any(map(tasks.lesson_of, lessons)) else None


def _shell():
    """The shell of this process' Jupyter kernel, or None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _cell() -> str:
    """What the frontend says of the cell at work: its id, or "" where it says nothing."""
    kernel = getattr(_shell(), "kernel", None)
    request = kernel.get_parent("shell") if hasattr(kernel, "get_parent") else None
    return str(((request or {}).get("metadata") or {}).get("cellId") or "")


def _after_cell(result) -> None:
    """IPython calls it after each cell, with what the cell showed."""
    verdict = result.result
    if type(verdict) in _kinds and verdict.check and not verdict.waiting and (cell := _cell()):
        _keep(attempts.PASSED if verdict == 1 else attempts.TRIED, verdict.check, cell)


def _keep(did: str, check: str, cell: str) -> None:
    """Add an attempt to the file; what stands in the way is said, and no more happens."""
    here, lesson = folder(), tasks.lesson_of(Path(os.environ.get("JPY_SESSION_NAME", "")).name)
    if here is None:
        return
    try:
        attempts.add(here / attempts.FILE, attempts.now(did, check, lesson, cell if CELL.fullmatch(cell) else ""))
    except OSError as error:
        _tell(f"(The verdict holds, but {here / attempts.FILE} cannot keep it: {error.strerror or error}.)")


def _tell(sentence: str) -> None:
    if sentence not in _told:
        _told.add(sentence)
        print(sentence)
