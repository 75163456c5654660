"""One Chromium and one server a worker, on a copy of the lessons; JupyterLab and Notebook 7 are two pages of it."""

import shutil
from pathlib import Path

import pytest
from support import figures
from support.lab import chromium, jupyterlab

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """(address, IPython's folder) of a JupyterLab on a copy of the lessons; its kernels are forked."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(NOTEBOOKS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    figures.watch(folder / "ipythondir")
    with jupyterlab(folder, forked=True) as address:
        yield address, folder / "ipythondir"
