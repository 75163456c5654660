"""What an installation can get wrong: paths too long, two Pythons, an old pip, a closed home, the wrong torch."""

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from pythia_course.commands import model_cache
from pythia_course.commands.health import BROKEN, OK, WARNING, Finding

# Windows takes 260 characters, one of them unseen.  Longest below site-packages: a licence of torch 2.13; below the
# cache of models: a lock of huggingface_hub, .locks/models--EleutherAI--pythia-1.4b-deduped/ and 64 letters.
MOST_LETTERS, IN_PACKAGES, IN_CACHE = 259, 171, 125
FILE_SYSTEM = r"SYSTEM\CurrentControlSet\Control\FileSystem"
LIFT_THE_LIMIT = (
    r"install in a shorter folder, as in C:\course, or lift the limit as administrator and install again: "
    rf"reg add HKLM\{FILE_SYSTEM} /v LongPathsEnabled /t REG_DWORD /d 1 /f"
)
OLDEST_PIP = (22, 3)  # what Python 3.11 brings; older ones do not know the wheels of today
LIBRARIES = ("torch", "transformers", "jupyterlab", "ipykernel")
WRONG_ON_MPS = "2.8."  # torch.nn.functional.linear of a strided tensor: pytorch/pytorch#161640, mended in 2.9


def paths() -> Iterator[Finding]:
    """On Windows, no file lies deeper than it can open."""
    if sys.platform != "win32":
        yield Finding(OK, "paths", "of any length, on this system")
        return
    if _long_paths_allowed():
        yield Finding(OK, "paths", "of any length: Windows' limit is lifted")
        return
    places = {sysconfig.get_path("purelib"): IN_PACKAGES, str(model_cache()): IN_CACHE}
    too_long = [place for place, more in places.items() if len(place) + 1 + more > MOST_LETTERS]
    if too_long:
        text = f"files in {' and '.join(too_long)} come to lie beyond Windows' 260 characters, and will be missing"
        yield Finding(BROKEN, "paths", text, LIFT_THE_LIMIT)
    else:
        yield Finding(OK, "paths", "short enough for Windows' 260 characters")


def _long_paths_allowed() -> bool:
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, FILE_SYSTEM) as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False


def pythons() -> Iterator[Finding]:
    """One installation of the course, whose libraries are its own."""
    named = shutil.which("pythia-course")
    if named and not _leads_here(Path(named)):
        text = f"`pythia-course` is {named}, of another Python than this one ({sys.executable})"
        yield Finding(WARNING, "Pythons", text, "say `python -m pythia_course`, or uninstall the one not wanted")
    elif strangers := _from_elsewhere():
        text = f"{', '.join(strangers)} from outside of this environment ({sys.prefix})"
        yield Finding(WARNING, "Pythons", text, "unset PYTHONPATH, or install the course in an environment of its own")
    else:
        yield Finding(OK, "Pythons", "one, and its libraries are its own")


def _leads_here(command: Path) -> bool:
    """Whether a command is this Python's: among its scripts, a link to one as pipx makes it, or what was just typed."""
    places = [(command.resolve(), Path(sysconfig.get_path("scripts"))), (command, Path(sys.argv[0]).parent)]
    return any(folder.exists() and folder.samefile(one.parent) for one, folder in places if one.parent.exists())


def _from_elsewhere() -> list[str]:
    """ "torch in FOLDER" for each library that an environment of one's own finds beyond it."""
    if sys.prefix == sys.base_prefix:  # no such environment: a system's packages may lie in several places
        return []
    found = {name: _folder_of(name) for name in LIBRARIES}
    inside = Path(sys.prefix).resolve()
    return [f"{name} in {place}" for name, place in found.items() if place and inside not in place.parents]


def _folder_of(name: str) -> Path | None:
    try:
        return Path(distribution(name).locate_file("")).resolve()
    except PackageNotFoundError:
        return None


def pip() -> Iterator[Finding]:
    """A pip that knows the wheels of today, if there is one."""
    try:
        here = version("pip")
    except PackageNotFoundError:  # uv and pipx install without
        yield Finding(OK, "pip", "none in this environment, and none needed")
        return
    if tuple(map(int, re.findall(r"\d+", here)[:2])) < OLDEST_PIP:
        yield Finding(WARNING, "pip", f"{here} is old, and may refuse packages", "python -m pip install --upgrade pip")
    else:
        yield Finding(OK, "pip", here)


def home() -> Iterator[Finding]:
    """Jupyter and IPython can write where they keep their records, or no kernel starts."""
    from jupyter_core.paths import jupyter_config_dir, jupyter_runtime_dir

    places = {
        "JUPYTER_RUNTIME_DIR": Path(jupyter_runtime_dir()),
        "JUPYTER_CONFIG_DIR": Path(jupyter_config_dir()),
        "IPYTHONDIR": Path(os.environ.get("IPYTHONDIR") or Path.home() / ".ipython"),
    }
    closed = {name: place for name, place in places.items() if not os.access(_nearest(place), os.W_OK)}
    if closed:
        text = f"Jupyter cannot write to {', '.join(map(str, closed.values()))}"
        yield Finding(BROKEN, "home", text, f"name folders of your own in {', '.join(closed)}")
    else:
        yield Finding(OK, "home", f"{Path.home()} can be written")


def _nearest(place: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    return next(folder for folder in (place, *place.absolute().parents) if os.path.exists(folder))


def torch() -> Iterator[Finding]:
    """A torch that suits the machine: no gigabytes for a card that is not there, none that computes wrong."""
    import torch

    here, cuda = torch.__version__, torch.version.cuda
    if here.startswith(WRONG_ON_MPS) and torch.backends.mps.is_available():
        text = f"torch {here} computes wrong on Apple's graphics cards, without a word"
        yield Finding(WARNING, "torch", text, 'python -m pip install "torch>=2.9"; until then keep to device="cpu"')
    elif cuda and not torch.cuda.is_available():
        text = f"torch {here} is for graphics cards (CUDA {cuda}), and there is none: it works, and takes gigabytes"
        yield Finding(WARNING, "torch", text, "leave it, or install a CPU build: pytorch.org/get-started has the line")
    else:
        yield Finding(OK, "torch", f"{here}, for {f'CUDA {cuda}' if cuda else 'this machine'}")
