"""The kernels of tests/support/kernels.py: as fresh as one that was started from nothing, and no less alone."""

import signal
import sys
from contextlib import contextmanager

import pytest
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import local_provisioner


@contextmanager
def kernel(launch, folder, monkeypatch):
    """(its manager, a function that gives what code prints there)"""
    monkeypatch.setattr(local_provisioner, "launch_kernel", launch)
    monkeypatch.delenv("MPLBACKEND", raising=False)  # as nbval starts kernels
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(60)

    def printed(code):
        said = []
        hook = lambda message: said.append(message["content"].get("text", message["content"].get("traceback", "")))  # noqa: E731
        client.execute_interactive(code, output_hook=hook, timeout=60)
        return "".join(map(str, said))

    try:
        yield manager, printed
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


# What a notebook could find out about where it runs; the connection file has a name of its own each time.
SURROUNDINGS = """
import os, signal, sys, threading
own = {"JPY_PARENT_PID", "JPY_SESSION_NAME"}
print(os.getcwd(), sys.path, len(sys.argv), sys.argv[1])
print(sorted(item for item in os.environ.items() if item[0] not in own))
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), os.getpgid(0) == os.getpid())
print([name for name in sys.modules if name.split(".")[0] == "pythia_course"], sorted(globals().keys() - {"own"}))
import matplotlib.pyplot
print(matplotlib.get_backend(), matplotlib.pyplot.get_fignums())
import ipywidgets
print(sorted(get_ipython().kernel.comm_manager.targets))
"""


def test_a_kernel_finds_what_it_would_if_started_from_nothing(kernel_nursery, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_COURSE_MODEL", "tiny-gpt2")
    from jupyter_client.launcher import launch_kernel

    with kernel(launch_kernel, tmp_path, monkeypatch) as (_, printed):
        expected = printed(SURROUNDINGS)
    with kernel(kernel_nursery.start, tmp_path, monkeypatch) as (_, printed):
        assert printed(SURROUNDINGS) == expected
    assert "'PYTHIA_COURSE_MODEL', 'tiny-gpt2'" in expected and str(tmp_path) in expected and "inline" in expected
    assert "jupyter.widget.control" in expected


def test_kernels_share_nothing_that_one_of_them_changed(kernel_nursery, tmp_path, monkeypatch):
    draw = "import numpy, torch, os; print(numpy.random.rand(), torch.is_grad_enabled(), os.environ.get('LEFT'))"
    with kernel(kernel_nursery.start, tmp_path, monkeypatch) as (_, printed):
        first = printed(draw)
        printed("torch.set_grad_enabled(False); os.environ['LEFT'] = 'behind'")
    with kernel(kernel_nursery.start, tmp_path, monkeypatch) as (_, printed):
        second = printed(draw)
    assert first != second and first.split()[1:] == second.split()[1:] == ["True", "None"]


def test_the_end_of_a_kernel_is_known(kernel_nursery, tmp_path, monkeypatch):
    with kernel(kernel_nursery.start, tmp_path, monkeypatch) as (manager, printed):
        process, before = manager.provisioner.process, kernel_nursery.seconds
        assert printed("print(1)") == "1\n" and process.poll() is None
        watched = printed("import os; print(os.environ['JPY_PARENT_PID'] == str(os.getppid()))")
        assert watched == "True\n"  # so that no kernel outlives a session that was killed
        process.kill()
        assert process.wait(10) == -signal.SIGKILL == process.poll() and kernel_nursery.seconds > before
    with kernel(kernel_nursery.start, tmp_path, monkeypatch) as (manager, printed):  # the others live on
        assert printed("print(2)") == "2\n"


def test_only_kernels_are_born_there(kernel_nursery):
    with pytest.raises(ValueError, match="only Python kernels"):
        kernel_nursery.start([sys.executable, "-m", "jupyterlab"])
