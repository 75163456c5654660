"""nbgrader for the tests of the labs, in a folder of its own beside the environment's packages.

Installed into the environment itself it would put its extensions into the JupyterLab of every test in a browser.
Brought once, by pip, in the versions of constraints.txt.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(sys.prefix) / "nbgrader"
NAMES = ("nbgrader", "alembic", "Mako", "RapidFuzz", "SQLAlchemy")  # all that it brings beside what JupyterLab has
CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"


@pytest.fixture(scope="module")
def nbgrader_here():
    """nbgrader can be imported and started, in this process and in those that it starts."""
    bring()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")])))
        patch.setenv("PATH", os.pathsep.join([str(FOLDER / "bin"), os.environ["PATH"]]))
        yield


def bring():
    """Install nbgrader into its folder, unless it is there; two processes may do so at once."""
    if FOLDER.exists():
        return
    pins = dict(line.split("==") for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines() if "==" in line)
    scratch = FOLDER.with_name(f"nbgrader.{os.getpid()}")
    wanted = [f"{name}=={pins[name]}" for name in NAMES]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(scratch), *wanted]
    subprocess.run(pip, check=True)
    try:
        scratch.rename(FOLDER)
    except OSError:  # another process was first
        assert FOLDER.exists()
