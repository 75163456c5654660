"""Commands held to so much memory, as a container holds them: by a memory cgroup, which root may make."""

import os
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

MB = 10**6
_CGROUPS = Path("/sys/fs/cgroup")


def memory_cgroups() -> tuple[Path, str] | None:
    """(the folder to make a memory cgroup in, the file that takes its limit), or None where one cannot be made."""
    for folder, file in ((_CGROUPS / "memory", "memory.limit_in_bytes"), (_CGROUPS, "memory.max")):
        try:
            there = folder / f"pythia-course-{uuid.uuid4().hex[:8]}"
            there.mkdir()
        except OSError:
            continue
        limited = (there / file).exists()
        there.rmdir()
        if limited:
            return folder, file
    return None


@contextmanager
def memory_limit(megabytes: float):
    """A memory cgroup with this limit (10**6 bytes each); yields its folder, for `run`."""
    root, file = memory_cgroups()
    folder = root / f"pythia-course-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        (folder / file).write_text(str(int(megabytes * MB)))
        if (folder / "memory.swap.max").exists():
            (folder / "memory.swap.max").write_text("0")
        yield folder
    finally:
        _empty(folder)
        _remove(folder)


def entering(command, folder: Path | None = None) -> list[str]:
    """The line that runs a command, and all that it starts, inside a cgroup; without one, the command itself."""
    # the shell enters first, so that not a page of the program's is outside
    enter = ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"]
    return list(command) if folder is None else [*enter, *command]


def run(command, folder: Path | None = None, python=sys.executable, **options) -> subprocess.CompletedProcess:
    """Run a Python command line inside a cgroup; without one, free."""
    return run_program([python, *command], folder, **options)


def run_program(command, folder: Path | None = None, **options) -> subprocess.CompletedProcess:
    """The same for any program."""
    return subprocess.run(entering(command, folder), capture_output=True, text=True, **options)


# How a program says that memory was short: the course's refusal, Python's, and what a notebook says of a kernel's end.
SHORT_OF_MEMORY = ("ModelTooLarge", "MemoryError", "DeadKernelError")


def completes(command, megabytes: float, **options) -> bool:
    """Whether a command ends well under this limit.  Anything but a lack of memory is an error of its own."""
    with memory_limit(megabytes) as folder:
        done = run(command, folder, **options)
    killed = done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    if done.returncode and not killed and not any(word in done.stderr for word in SHORT_OF_MEMORY):
        raise RuntimeError(done.stderr[-3000:])
    return done.returncode == 0


def smallest_limit(command, low: int, high: int, step: int = 25, **options) -> int:
    """The smallest limit, in megabytes and to within `step`, under which a command completes."""
    if not completes(command, high, **options):
        raise RuntimeError(f"{command} does not complete under {high} MB.")
    while high - low > step:
        middle = (low + high) // 2 // step * step
        if middle in (low, high):
            break
        low, high = (low, middle) if completes(command, middle, **options) else (middle, high)
    return high


def smallest_unbroken(command, low: int, high: int, step: int = 100, **options) -> int:
    """The smallest limit such that a command completes under it and under every larger one up to `high`.

    For what adapts itself to the memory there is, and so might fail under more and complete under less.
    """
    limits = range(high, low - 1, -step)
    failed = next((limit for limit in limits if not completes(command, limit, **options)), low - step)
    if failed == high:
        raise RuntimeError(f"{command} does not complete under {high} MB.")
    return failed + step


def _empty(folder: Path) -> None:
    """Kill what is still inside; a cgroup with processes cannot be removed."""
    for _ in range(200):
        pids = (folder / "cgroup.procs").read_text().split()
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass


def _remove(folder: Path, seconds: float = 10) -> None:
    """Remove a cgroup that is empty, or nearly: a process that gives much memory back takes its time."""
    end = monotonic() + seconds
    while True:
        try:
            return folder.rmdir()
        except OSError:
            if monotonic() > end:
                raise
            sleep(0.05)
