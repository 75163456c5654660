"""A JupyterLab and a browser of their own for a test, with nobody's settings."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 180  # for anything to happen on a busy machine
SETTINGS = {"notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}}
OWN = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
NURSERY = """
import sys
from jupyter_client.provisioning import local_provisioner
sys.path.insert(0, {tests!r})
from support.kernels import Nursery
nursery = Nursery()
nursery.open()
local_provisioner.launch_kernel = nursery.start
del sys.path[0]
"""  # what a server does first, as its configuration


@contextmanager
def chromium():
    """Headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium, which is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, for the tests of a module."""
    with chromium() as opened:
        yield opened


@contextmanager
def jupyterlab(folder, theme="JupyterLab Light", forked=False):
    """A JupyterLab in this folder, and under /notebooks a Notebook 7; yields its address.

    forked: whether its kernels are born in a nursery (support/kernels.py), seconds sooner than from nothing.
    """
    for name, content in (SETTINGS | {"themes": {"theme": theme}}).items():
        path = folder / f"settings/@jupyterlab/apputils-extension/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    places = {name: str(folder / name.lower()) for name in OWN} | {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings")}
    if forked:
        configuration = folder / "jupyter_config_dir/jupyter_server_config.py"
        configuration.parent.mkdir(parents=True, exist_ok=True)
        configuration.write_text(NURSERY.format(tests=str(Path(__file__).parents[1])), encoding="utf-8")
    # A notebook chooses its own way to draw; the tests' own Agg would leave its figures out.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"} | places
    port = free_port()
    flags = [f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    flags += [f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0"]
    flags += ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"]
    with open(folder / "server.log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *flags]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        yield answering(f"http://127.0.0.1:{port}", server, folder / "server.log")
    finally:
        server.terminate()
        server.wait(SECONDS)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answering(address, server, log):
    """The address, as soon as the server answers there."""
    end = monotonic() + SECONDS
    while monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api", timeout=5).close()
            return address
        except (urllib.error.URLError, OSError):
            sleep(0.1)
    raise AssertionError(log.read_text())


def wait_for_kernel(page):
    """Wait until the notebook in front has a kernel that is idle; its indicator says "idle" before there is one."""
    idle = "() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(f"() => window.jupyterapp && ({idle})()", polling=100)  # not at each frame: that draws
