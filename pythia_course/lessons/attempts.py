"""What a learner tried, one line of JSON an attempt, in `progress.jsonl` beside the lessons.

    {"v": 1, "at": "2026-11-28T09:15:02+00:00", "did": "passed", "check": "versus.sink",
     "lesson": "pythia_vs_gpt2", "cell": "cell-65", "course": "0.2.0"}

v: the format.  at: the time, with its distance from UTC.  did: "passed", "tried", or "reset", after which those before
it count no more.  check, lesson, cell: the task, by names that stay when lessons are renumbered.  course: the version.

A line is added by one write at the end of the file, so several kernels may add at once.  A process that is killed or a
full disk can leave a torn line behind: it is skipped, and the next one starts on a line of its own.
"""

import errno
import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FILE = "progress.jsonl"
FORMAT = 1
PASSED, TRIED, RESET = "passed", "tried", "reset"


@dataclass(frozen=True)
class Attempt:
    """One line of the file."""

    at: str
    did: str
    check: str
    lesson: str = ""
    cell: str = ""
    course: str = ""


@dataclass
class Record:
    """The file as it could be read."""

    attempts: list[Attempt] = field(default_factory=list)
    damaged: int = 0  # lines that are none of ours
    newer: int = 0  # lines in a format of a later version of the course


def now(did: str, check: str, lesson: str = "", cell: str = "") -> Attempt:
    """An attempt at this moment, with this version of the course."""
    return Attempt(datetime.now(UTC).isoformat(timespec="seconds"), did, check, lesson, cell, _version())


def add(path: Path, attempt: Attempt) -> None:
    """Add a line to the file, which is made if need be.  Raises OSError where the system refuses."""
    line = json.dumps({"v": FORMAT} | asdict(attempt)).encode() + b"\n"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
    try:
        line = line if _ends_a_line(file) else b"\n" + line
        if os.write(file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(file)


def _ends_a_line(file: int) -> bool:
    """Whether the open file is empty or ends with a line that is whole."""
    size = os.lseek(file, 0, os.SEEK_END)
    if size == 0:
        return True
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1) == b"\n"


def read(path: Path) -> Record:
    """What the file holds; of no file, nothing.  Raises OSError where the system refuses."""
    record = Record()
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return record
    for line in filter(bytes.strip, lines):
        try:
            said = json.loads(line)
            if said["v"] > FORMAT:
                record.newer += 1
            else:
                record.attempts.append(_attempt(said))
        except (ValueError, LookupError, TypeError, RecursionError):
            record.damaged += 1
    return record


def _attempt(said: dict) -> Attempt:
    """Unknown fields are passed over.  Raises ValueError, LookupError or TypeError for what is no attempt."""
    attempt = Attempt(**{name: said[name] for name in Attempt.__dataclass_fields__})
    if not all(isinstance(value, str) for value in asdict(attempt).values()):
        raise TypeError
    if attempt.did not in (PASSED, TRIED, RESET) or datetime.fromisoformat(attempt.at).tzinfo is None:
        raise ValueError
    return attempt


@cache
def _version() -> str:
    try:
        return version("pythia-course")
    except PackageNotFoundError:
        return ""
