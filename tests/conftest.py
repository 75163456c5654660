"""What every test stands on: a person's own model cache stays untouched, and no test reaches a model hub."""

import atexit
import gc
import os
import shutil
import signal
import tempfile

import pytest
from jupyter_client.launcher import launch_kernel
from jupyter_client.provisioning import local_provisioner
from support import costs, lot
from support.kernels import Nursery
from support.lab import browser, empty_page, one_page, shared_lab  # noqa: F401  (fixtures, for every test)

# Before any import reads them. pytest-xdist's workers, subprocesses and notebook kernels inherit them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    for variable in ("HF_HOME", "PYTHIA_COURSE_CACHE", "PYTHIA_COURSE_RUNS"):
        os.environ[variable] = tempfile.mkdtemp(prefix="pythia-course-tests-")
        atexit.register(shutil.rmtree, os.environ[variable], ignore_errors=True)
# Nothing listens on this port of the machine itself; a test of downloads names a loopback server of its own.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# A shell that starts the tests with & has them ignore Ctrl-C, and with them the processes that tests stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NURSERY = pytest.StashKey[Nursery]()


def pytest_addoption(parser):
    parser.addoption("--costs", action="store_true", help="record what each file costs (tests/support/costs.json)")
    parser.addoption("--until", type=int, help="as much as can be begun until then, by lot; seconds since 1970")
    parser.addoption("--quick", action="store_true", help="only the files that are recorded as cheap")


def pytest_configure(config):
    """Notebooks under nbval get kernels that have imported other people's libraries: seconds less for each."""
    nursery = config.stash[NURSERY] = Nursery()
    config.add_cleanup(nursery.close)
    if config.option.nbval:
        local_provisioner.launch_kernel = nursery.start
    if config.option.until:
        config.pluginmanager.register(lot.Lot(config.option.until))
    if config.option.costs:
        config.pluginmanager.register(costs.Recorder(nursery))


def pytest_ignore_collect(collection_path, config):
    if config.option.quick and collection_path.suffix == ".py":
        return not costs.is_quick(collection_path.relative_to(config.rootpath).as_posix()) or None


@pytest.hookimpl(tryfirst=True)  # xdist writes groups into names afterwards
def pytest_collection_modifyitems(items, config):
    """For --dist loadgroup, a file without groups is one."""
    costs.dearest_first(items)
    for item in items if config.getoption("loadgroup", False) else ():  # as xdist tells its workers
        item.add_marker(pytest.mark.xdist_group(lot.part_of(item)))


def pytest_collection_finish():
    """What has been imported and collected stays: no later collection of garbage need look through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def kernel_nursery(pytestconfig):
    """Where kernels come from that need not import other people's libraries."""
    return pytestconfig.stash[NURSERY]


@pytest.fixture(autouse=True)
def kernels_from_nothing(monkeypatch):
    """A test's own kernels import everything in the environment that they are given; nbval's are forked."""
    monkeypatch.setattr(local_provisioner, "launch_kernel", launch_kernel)


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
