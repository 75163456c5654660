"""What every test stands on: a person's own model cache stays untouched, and no test reaches a model hub."""

import atexit
import os
import shutil
import tempfile

import pytest
from support.kernels import Nursery
from support.lab import browser  # noqa: F401  (a fixture, for every test)

# Before any import reads them. pytest-xdist's workers, subprocesses and notebook kernels inherit them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    for variable in ("HF_HOME", "PYTHIA_COURSE_CACHE", "PYTHIA_COURSE_RUNS"):
        os.environ[variable] = tempfile.mkdtemp(prefix="pythia-course-tests-")
        atexit.register(shutil.rmtree, os.environ[variable], ignore_errors=True)
# Nothing listens on this port of the machine itself; a test of downloads names a loopback server of its own.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def pytest_configure(config):
    """Notebooks under nbval get kernels that have imported other people's libraries: seconds less for each."""
    if getattr(config.option, "nbval", False):
        from jupyter_client.provisioning import local_provisioner

        nursery = Nursery()
        local_provisioner.launch_kernel = nursery.start
        config.add_cleanup(nursery.close)


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    """Figures are drawn off screen. Set a test at a time: the notebooks' kernels need their own backend."""
    monkeypatch.setenv("MPLBACKEND", "Agg")


@pytest.fixture
def one_thread():
    """The shipped weights were made with one thread: the same sums in the same order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
