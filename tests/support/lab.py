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
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import nbformat
import pytest
from playwright.sync_api import sync_playwright

COURSE = Path(__file__).resolve().parents[2] / "jupyter"  # which the Makefile and binder/postBuild copy
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


_running = []  # the Chromium of this process, which can have but one Playwright


@contextmanager
def chromium():
    """Headless Chromium: the one that runs, if one does."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium, which is not installed")
    if _running:
        yield _running[0]
        return
    with sync_playwright() as playwright:
        _running.append(playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]))
        try:
            yield _running[0]
        finally:
            _running.pop().close()


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
    set_up(folder, SETTINGS | {"themes": {"theme": theme}})
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


def set_up(folder, settings):
    """Write settings of JupyterLab, which a page reads when it is loaded, where a server in this folder has them."""
    for name, content in settings.items():
        path = folder / f"settings/@jupyterlab/apputils-extension/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory):
    """One JupyterLab for all tests of a worker that need no server of their own, with the course's settings."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(COURSE))
        with jupyterlab(folder, forked=True) as address:
            yield SharedLab(address, folder)


@dataclass
class SharedLab:
    """Notebooks in it have a folder each."""

    address: str
    folder: Path

    def room(self, name):
        """The folder of this name, made if need be."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    @contextmanager
    def opened(self, browser, name, cells, theme="JupyterLab Light", asked=None, **window):
        """A page with a notebook in the folder of this name; it is not run.

        cells: code or whole cells of a new notebook, or the path of one to copy.  asked: a list for the addresses
        that the page asks for.  window: of the browser's context.  The kernel ends with the page.
        """
        if isinstance(cells, Path):
            shutil.copy(cells, self.room(name) / "lesson.ipynb")
        else:
            kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
            cells = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), self.room(name) / "lesson.ipynb")
        set_up(self.folder, {"themes": {"theme": theme}})
        context = browser.new_context(**window)
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        for kind in ("request", "websocket") if asked is not None else ():
            page.on(kind, lambda one: asked.append(one.url))
        self.go(page, name)
        yield page
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown().catch(() => {})")
        context.close()

    def go(self, page, name):
        """Load the page with the notebook of this name, and wait for its kernel."""
        page.goto(f"{self.address}/lab/workspaces/{name}/tree/{name}/lesson.ipynb?reset")
        wait_for_kernel(page)


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
