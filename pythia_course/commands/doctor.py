"""`pythia-course doctor`: is this machine ready for the course?  Each line says so, or what to do."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from threading import Thread
from time import monotonic

from pythia_course.commands import add_command, health, installed, running
from pythia_course.commands.health import BROKEN, OK, WARNING, Finding

ABOUT = """\
Check that this machine is ready for the course. One line for each thing that a lesson needs: the environment and its
versions, memory, disk, the cache of downloaded models, the hub, the models that ship with the course, widgets, a
kernel. A line that is not OK says what to do. A warning is about something that the first lessons do without.
"""
EXAMPLES = """\
  pythia-course doctor
      before a lesson, on the machine that will be used
  HF_HUB_OFFLINE=1 HF_HUB_CACHE=/media/stick/models pythia-course doctor
      as a room without a network will have it
  pythia-course doctor > report.txt || echo "this machine is not ready"
      in a script: exit code 1 when something is broken, 0 when all is OK or there are only warnings
"""
CHECKS = {
    "Python": health.environment,
    "Pythons": installed.pythons,
    "pip": installed.pip,
    "paths": installed.paths,
    "packages": health.packages,
    "memory": health.memory,
    "disk": health.disk,
    "home": installed.home,
    "cache": health.cache,
    "hub": health.hub,
    "model": running.chosen_model,
    "torch": installed.torch,
    "widgets": running.widgets,
    "kernel": running.kernel,
    "tiny models": running.weights,
}
PATIENCE = {"hub": 10}  # seconds until a check is given up: a name server can keep one waiting for long
LONGEST = 60
MARKS = {OK: "OK", WARNING: "warning", BROKEN: "BROKEN"}
COLOURS = {OK: "32", WARNING: "33", BROKEN: "31"}  # of a terminal: green, yellow, red


def add_to(commands) -> None:
    """Describe the command."""
    add_command(commands, "doctor", run, about=ABOUT, examples=EXAMPLES)


def run(_options) -> int:
    """Print the findings as they come; gives the exit code."""
    levels = []
    for finding in _findings():
        levels.append(finding.level)
        print(_line(finding), flush=True)
    broken, warnings = levels.count(BROKEN), levels.count(WARNING)
    print(f"\n{_verdict(broken, warnings)}")
    return 1 if broken else 0


def _findings() -> Iterator[Finding]:
    """Every finding, in the order of CHECKS; the checks themselves run side by side."""
    for number, one in enumerate([Running(what, check) for what, check in CHECKS.items()]):
        if sys.stderr.isatty():
            print(f"{number} of {len(CHECKS)} done, waiting for: {one.what} …", end="\r", file=sys.stderr, flush=True)
        found = one.findings()
        if sys.stderr.isatty():
            print(end="\033[K", file=sys.stderr, flush=True)
        yield from found


class Running:
    """A check at work in a thread of its own, which nobody waits for when the command is stopped."""

    def __init__(self, what: str, check: Callable[[], Iterator[Finding]]):
        self.what, self._check, self._found = what, check, []
        self._until = monotonic() + PATIENCE.get(what, LONGEST)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def findings(self) -> list[Finding]:
        """What the check found, once it is done or has taken too long."""
        self._thread.join(max(0, self._until - monotonic()))
        if self._thread.is_alive():
            return [Finding(WARNING, self.what, "no answer in time", "run this again when the machine has less to do")]
        return self._found

    def _run(self) -> None:
        """One that fails itself is a finding too: a doctor who faints is of no use."""
        try:
            self._found = list(self._check())
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({os.path.basename(last.filename)}, line {last.lineno})"
            self._found = [Finding(BROKEN, self.what, text, f"{health.INSTALL_AGAIN}; if it stays so, report it")]


def _line(finding: Finding) -> str:
    mark = f"{MARKS[finding.level]:<8}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        mark = f"\033[{COLOURS[finding.level]}m{mark}\033[0m"
    todo = f"\n{'':21}-> {finding.todo}" if finding.todo else ""
    return f"{mark} {finding.what:<12}{finding.text}{todo}"


def _verdict(broken: int, warnings: int) -> str:
    if broken:
        return f"{broken} broken: do what stands beside it, then run this again."
    return f"Ready, with {warnings} warning{'s' if warnings > 1 else ''}." if warnings else "Ready."
