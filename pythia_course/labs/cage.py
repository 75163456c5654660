"""A command shut in by bubblewrap: what other people's code may see and take of the machine that marks it.

It sees Python, the course and its own folder, which is empty and forgotten afterwards; nothing of a home, of other
submissions, of answers, of marks.  It has no network, no environment of its owner's, and limits of memory, processor
time, threads and file size.  Linux only; https://github.com/containers/bubblewrap, in Debian `bubblewrap`.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from pythia_course.errors import CageMissing

PACKAGE = Path(__file__).resolve().parents[1]
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime")
KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "OMP_NUM_THREADS", "NBGRADER_EXECUTION")
OWN = {"HOME": "/tmp", "HF_HUB_OFFLINE": "1"}
SCRATCH = 500_000_000  # bytes that it may write, in each of two folders
LARGEST_FILE = 100_000_000  # bytes
THREADS = 512  # and processes; not counted for root


def command(argv: Iterable[str], folder: Path, sockets: Path, memory: int, seconds: int) -> list[str]:
    """A command line that runs another one shut in.

    folder: where it is run; its name is seen, its files are not.  sockets: the one folder that it shares with us.
    memory: bytes.  seconds: of processor time.  Raises CageMissing where there is no bubblewrap.
    """
    missing = [tool for tool in ("bwrap", "prlimit") if shutil.which(tool) is None]
    if missing:
        raise CageMissing(
            "Submissions are other people's code, and there is no bubblewrap here to shut them in: install it "
            "(Debian, Ubuntu: `sudo apt install bubblewrap`), or mark on a machine that has nothing to lose, with "
            "`c.Run.caged = False` in nbgrader_config.py."
        )
    _check_packages()
    limits = {"data": memory, "cpu": seconds, "nproc": THREADS, "fsize": LARGEST_FILE, "core": 0}
    return [
        *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--dev", "/dev", "--proc", "/proc", "--size", str(SCRATCH), "--tmpfs", "/tmp"),
        *_shown(),
        *("--size", str(SCRATCH), "--tmpfs", str(folder), "--bind", str(sockets), str(sockets)),
        *("--remount-ro", "/", "--chdir", str(folder), "--clearenv", *_environment()),
        *("prlimit", *(f"--{name}={limit}" for name, limit in limits.items()), "--", *argv),
    ]


def _places() -> list[str]:
    """What is shown, read-only: the system's programs, this Python with its packages, and the course."""
    return [*dict.fromkeys([*SYSTEM, sys.base_prefix, sys.prefix, str(PACKAGE)])]


def _shown() -> list[str]:
    return [word for place in _places() for word in ("--ro-bind-try", place, place)]


def _check_packages() -> None:
    """Raises CageMissing where a kernel lies outside all that is shown, as after `pip install --user`."""
    found = find_spec("ipykernel")
    if found and not any(Path(found.origin).is_relative_to(place) for place in _places()):
        raise CageMissing(
            f"Submissions are shut in and would not see the packages in {Path(found.origin).parents[1]}: install the "
            "course and nbgrader into an environment of their own (`python -m venv marking`), and mark from there."
        )


def _environment() -> list[str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ} | OWN
    return [word for name, value in kept.items() for word in ("--setenv", name, value)]
