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
from playwright.sync_api import Page, sync_playwright

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


# Sets the theme, opens a notebook and then closes what else there is: where nothing is left, a launcher comes in front.
TURN_TO = """
async ([path, theme]) => {
  const { commands, shell } = jupyterapp;
  await commands.execute("apputils:change-theme", { theme });
  const opened = await commands.execute("docmanager:open", { path });
  for (const other of [...shell.widgets("main")]) {
    if (other === opened) continue;
    await other.sessionContext?.shutdown();
    other.dispose();
  }
  shell.activateById(opened.id);
}
"""


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


@pytest.fixture(scope="module")
def one_page(browser):
    """(a page, what went wrong there and whom it asked): a new one for each test costs half a second."""
    page, wrong = browser.new_page(), []
    page.set_default_timeout(1000 * SECONDS)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith("blob:") else None)
    yield page, wrong
    page.close()


@pytest.fixture
def empty_page(one_page):
    """A page with nothing on it; when the test ends, nothing may have failed or been asked for there."""
    page, wrong = one_page
    page.goto("about:blank")
    wrong.clear()
    yield page
    assert wrong == []


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
    environment["PATH"] = without_node(folder)
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


@pytest.fixture(scope="module")
def shared_lab(browser, tmp_path_factory):
    """One JupyterLab and one page of it for all tests of a module, with the course's settings."""
    folder, asked = tmp_path_factory.mktemp("jupyterlab"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(COURSE))
        with jupyterlab(folder, forked=True) as address:
            page = browser.new_page(has_touch=True)
            page.set_default_timeout(1000 * SECONDS)
            for kind in ("request", "websocket"):
                page.on(kind, lambda one: asked.append(one.url))
            page.goto(f"{address}/lab/workspaces/shared?reset")
            page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)", polling=100)
            yield SharedLab(folder, page, asked)
            page.close()


@dataclass
class SharedLab:
    """Loading JupyterLab costs more than most notebooks do: they come one after the other, with a folder each.

    asked: the addresses that the page has asked for.
    """

    folder: Path
    page: Page
    asked: list

    def room(self, name):
        """The folder of this name, made if need be."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def open(self, name, cells, theme="JupyterLab Light", size=(1280, 720)):
        """The page, with the notebook of this name, a new one; it is not run.  The one before it is closed.

        cells: code or whole cells of a new notebook, or the path of one to copy.  size: of the window, in pixels.
        """
        if isinstance(cells, Path):
            shutil.copy(cells, self.room(name) / "lesson.ipynb")
        else:
            kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
            cells = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), self.room(name) / "lesson.ipynb")
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.evaluate(TURN_TO, [f"{name}/lesson.ipynb", theme])
        wait_for_kernel(self.page)
        return self.page


def without_node(folder):
    """A search path on which node fails: a JupyterLab that finds it spends seconds on yarn's and npm's settings."""
    stand_in = folder / "no_node/node"
    if not stand_in.is_symlink():
        stand_in.parent.mkdir()
        stand_in.symlink_to(shutil.which("false"))
    return f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}"


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
