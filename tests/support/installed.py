"""The course as pip installs it: a wheel, in an environment of its own that borrows the libraries of this one."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from support.lab import free_port, without_node

ROOT = Path(__file__).resolve().parents[2]
NOT_IN_A_WHEEL = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "runs")
PATIENCE = 240  # seconds, for a JupyterLab that is started for the first time on a busy machine
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def build_wheel(folder):
    """The wheel of this tree, built in a copy of it."""
    shutil.copytree(ROOT, folder / "source", ignore=NOT_IN_A_WHEEL)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "-w", folder, folder / "source"], check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel, folder):
    """An environment with this wheel and, behind it, the packages of the tests' own; gives its folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=300)
    pip = [sys.executable, "-m", "pip", "--python", folder / SCRIPTS / "python"]  # one of its own takes seconds
    install = [*pip, "install", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    return _borrow(folder)


def bare_environment(folder):
    """An environment with all that the course needs and nothing of the course; gives its folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=300)
    return _borrow(folder)


def _borrow(folder):
    """Puts the packages of the tests' own behind an environment's, pip too where it has none; gives its folder."""
    paths = {"base": str(folder), "platbase": str(folder)}
    own = Path(sysconfig.get_path("purelib", "venv", paths))
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    extensions = Path("share", "jupyter", "labextensions")
    _link(sys.prefix / extensions, folder / extensions)
    return folder


def _link(there, here):
    """Link the extensions of the packages behind, such as anywidget's; the course must bring its own."""
    for path in there.rglob("package.json"):
        other = here / path.parent.relative_to(there)
        of_the_course = any(part.startswith("pythia-course") for part in path.parts[-3:])
        if not of_the_course and not other.exists():
            other.parent.mkdir(parents=True, exist_ok=True)
            other.symlink_to(path.parent, target_is_directory=True)


def command(environment, *words):
    return [str(environment / SCRIPTS / "pythia-course"), *map(str, words)]


def of_a_newcomer(home, **more):
    """The environment variables of somebody who has nothing yet."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
    return kept | {"HOME": str(home), "USERPROFILE": str(home), "OMP_NUM_THREADS": "1"} | more


@contextmanager
def lab(environment, home, *words, **more):
    """`pythia-course lab --no-browser` at work: yields the address that it prints, and the file of what it says."""
    log = home / "said.txt"
    line = command(environment, "lab", *words, "--no-browser", "--port", free_port())
    variables = of_a_newcomer(home, PATH=without_node(home.parent), **more)
    with open(log, "w") as file:
        server = subprocess.Popen(line, env=variables, stdout=file, stderr=file, cwd=home)
    try:
        yield _address(server, log), log
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _address(server, log):
    end = monotonic() + PATIENCE
    while monotonic() < end and server.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\S+", log.read_text()):
            return found[0]
        sleep(0.1)
    raise AssertionError(log.read_text())
