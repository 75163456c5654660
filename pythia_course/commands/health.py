"""What the doctor looks at first: Python, packages, memory, disk, cache and hub.

Each check yields findings, and imports what it needs itself, because that may be the thing that is missing.
"""

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from pythia_course import suite
from pythia_course.commands import cache_size, model_cache
from pythia_course.errors import HubUnreachable
from pythia_course.lessons.shipped import tested_set
from pythia_course.machine import budget
from pythia_course.machine.memory import available_memory, in_words

OK, WARNING, BROKEN = "ok", "warning", "broken"
ANSWER_WITHIN = 5  # seconds, for the hub
INSTALL_AGAIN = "install the course again: python -m pip install --force-reinstall --no-deps pythia-course"


@dataclass(frozen=True)
class Finding:
    """One line: how it stands (OK, WARNING, BROKEN), with what, in words, and what to do about it."""

    level: str
    what: str
    text: str
    todo: str = ""


def environment() -> Iterator[Finding]:
    """Which Python, where."""
    text = f"Python {platform.python_version()} in {sys.prefix}, {platform.system()} {platform.machine()}"
    old = sys.version_info < (3, 11)
    yield Finding(BROKEN if old else OK, "Python", text, "the course needs Python 3.11 or newer" if old else "")


def packages() -> Iterator[Finding]:
    """Every package that the course requires, against its range and, where constraints.txt is, the tested version."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(line) for line in requires("pythia-course") or ()]
    except PackageNotFoundError:
        yield Finding(BROKEN, "packages", "the course is not installed in this environment", INSTALL_AGAIN)
        return
    needed = [one for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})]
    installed = {one.name: _version(one.name) for one in needed}
    problems = [finding for one in needed if (finding := _unfit(one, installed[one.name]))]
    yield from problems or [Finding(OK, "packages", f"all {len(needed)} within their ranges, {_tested(installed)}")]


def _unfit(wanted, here: str | None) -> Finding | None:
    """What is wrong with the installed version of a requirement, if anything."""
    todo = f'python -m pip install "{wanted.name}{wanted.specifier}"'
    if here is None:
        return Finding(BROKEN, "packages", f"{wanted.name} is missing", todo)
    if not wanted.specifier.contains(here, prereleases=True):
        return Finding(BROKEN, "packages", f"{wanted.name} is {here}; the course needs {wanted.specifier}", todo)
    return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _tested(installed: dict[str, str | None]) -> str:
    """How the versions here compare with the set that the tests ran with."""
    path = tested_set()
    if path is None:
        return "the tested set (constraints.txt) is not beside this installation"
    pins = dict(line.split("==") for line in path.read_text(encoding="utf-8").splitlines() if "==" in line)
    other = [f"{name} {here} ({pins[name]})" for name, here in installed.items() if _release(here) != pins[name]]
    return f"other than tested: {', '.join(other)}" if other else "each as tested"


def _release(version: str) -> str:
    return version.partition("+")[0]  # torch's builds are "2.13.0+cpu"


def memory() -> Iterator[Finding]:
    """What this process may still use, and the largest Pythia that opens in it."""
    free = available_memory()
    if free == sys.maxsize:
        yield Finding(OK, "memory", "this system does not tell how much is free")
        return
    limit = os.environ.get("MEM_LIMIT", "")
    limited = f" (MEM_LIMIT {in_words(int(limit))})" if limit.isdecimal() and int(limit) else ""
    text = f"{in_words(free)} free for this process{limited}"
    if free < 1e9:
        todo = "close other notebooks (Kernel > Shut Down All Kernels); the tiny models need 0.5 GB, Pythia-160M 1 GB"
        yield Finding(WARNING, "memory", text, todo)
    else:
        yield Finding(OK, "memory", f"{text}; {budget.what_fits(budget.memory_for_weights())}")


def disk() -> Iterator[Finding]:
    """Room for downloads, and for saving a notebook at all."""
    if not budget.free_disk(Path.home()):
        todo = "free some; until then name a folder on another disk, as in `pythia-course lab E:/lessons`"
        yield Finding(BROKEN, "disk", f"full, where {Path.home()} is: no notebook can be saved there", todo)
        return
    free = budget.free_disk(model_cache())
    small = free < 1e9
    todo = "free some: Pythia-160M takes 375 MB, GPT-2 548 MB" if small else ""
    yield Finding(WARNING if small else OK, "disk", f"{in_words(free)} free where downloads go", todo)


def cache() -> Iterator[Finding]:
    """The folder of downloaded models."""
    from huggingface_hub import constants

    from pythia_course.hub.cache import unreadable

    folder = model_cache()
    try:
        closed = unreadable()
    except HubUnreachable as error:  # of the folder itself
        closed = [str(error)]
    for sentence in closed[:1]:
        said, _, todo = sentence.rpartition(": ")
        yield Finding(BROKEN, "cache", said + (f" (and {len(closed) - 1} more)" if closed[1:] else ""), todo)
        return
    text = f"{folder}: {in_words(cache_size())} of models" if folder.is_dir() else f"{folder}: empty as yet"
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if os.access(there, os.W_OK):
        yield Finding(OK, "cache", text)
    elif constants.HF_HUB_OFFLINE:
        yield Finding(OK, "cache", f"{text}, read-only")
    else:
        todo = "name a folder of your own in HF_HUB_CACHE, or set HF_HUB_OFFLINE=1 if this shared one has all you need"
        yield Finding(WARNING, "cache", f"{text}, but it cannot be written", todo)


def hub() -> Iterator[Finding]:
    """Does the hub answer, and is it the hub?"""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        yield Finding(OK, "hub", "not asked: HF_HUB_OFFLINE is set, so only models in the cache open")
    elif problem := _trouble(constants.ENDPOINT):
        text, todo = problem
        todo = f"the models that ship with the course need none; for others {todo}"
        yield Finding(WARNING, "hub", f"{constants.ENDPOINT} {text}", todo)
    else:
        yield Finding(OK, "hub", f"{constants.ENDPOINT} answers")


def _trouble(address: str) -> tuple[str, str] | None:
    """What is wrong with the hub, and what to do about it."""
    from huggingface_hub import get_session

    try:
        reply = get_session().get(f"{address}/api/models/{suite.HUB_IDS['pythia-160m']}", timeout=ANSWER_WITHIN)
    except Exception as error:  # whatever the library below raises of sockets, names, certificates
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return f"does not answer ({reason})", "look at network and proxy (HTTPS_PROXY), or bring them on a stick"
    if reply.status_code != 200:
        return f"answers with status {reply.status_code}", "try again in a minute"
    try:
        known = "id" in reply.json()
    except ValueError:
        known = False
    if not known:
        return "is answered by something else, perhaps the login page of this network", "log in with a browser"
    return None
