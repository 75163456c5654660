"""The versions that the course was tried with, and one sentence where this machine has others."""

import platform
import re
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version

# What -> the oldest and the newest that tests passed with.  Beyond them it may well run: it was not tried.
TRIED = {"Python": ("3.11", "3.13"), "torch": ("2.6", "2.14"), "transformers": ("5.14", "5.24")}


class UntriedVersion(UserWarning):
    """The course runs with a version that it was not tried with."""


def warn_of_untried() -> None:
    """Warn, in one sentence, where Python or a library is older or newer than what was tried; once, not in workers."""
    if _in_a_worker():
        return
    others = [f"{name} {here}" for name, here in _here().items() if here and not _tried(here, *TRIED[name])]
    if others:
        with_what = ", ".join(f"{name} {oldest} to {newest}" for name, (oldest, newest) in TRIED.items())
        text = f"The course was tried with {with_what}, not with {' and '.join(others)}: look twice at what comes out."
        warnings.warn(text, UntriedVersion, stacklevel=3)


def _in_a_worker() -> bool:
    """Whether this process was started by multiprocessing or joblib, whose own process has said it."""
    processes = sys.modules.get("multiprocessing.process")
    return bool(processes) and processes.current_process().name != "MainProcess"


def _here() -> dict[str, str | None]:
    """{what: its version}, or None of a library that is missing, which will be said when it is needed."""
    return {name: platform.python_version() if name == "Python" else _version(name) for name in TRIED}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _tried(here: str, oldest: str, newest: str) -> bool:
    return _numbers(oldest) <= _numbers(here) <= _numbers(newest)


def _numbers(version: str) -> list[int]:
    """The first two numbers: 2.13.0+cpu -> [2, 13]."""
    return [int(number) for number in re.findall(r"\d+", version)[:2]]
