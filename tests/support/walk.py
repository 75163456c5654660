"""A notebook in JupyterLab, as a learner has it: run whole from the menu, looked at, saved, and opened again."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import TimeoutError
from support.geometry import misplaced
from support.lab import SECONDS, wait_for_kernel

SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
RUN = 900  # seconds that a notebook may take on a busy machine
PATIENCE = 20  # seconds, with what comes in a second or is wrong
WINDOWS = {"a laptop": (1280, 900), "200% zoom": (683, 450), "600 pixels": (600, 900)}
AROUND = 400  # pixels that JupyterLab's own bars take
PICTURES = os.environ.get("PYTHIA_COURSE_SCREENSHOTS")  # a folder, for whoever wants to look
LIVE = ".jp-OutputArea-child > .lm-Panel.jp-OutputArea-output"
OUTPUTS, PROSE = ".jp-OutputArea-output", ".jp-MarkdownOutput"
# JupyterLab does not draw cells that are out of sight, and its body, 0 pixels high, hides everything from axe.
ALL_DRAWN = ".all-drawn .jp-Cell { content-visibility: visible !important; } body { overflow: visible !important; }"
# The next frame has been drawn, and what is put off until after it.
FOLLOWED = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(go, 100))))"
NOBODY_BEHIND = "widget model not found"  # which ipywidgets tells the console of every widget without a kernel
AT_HOME = re.compile(r"(http|ws)://127\.0\.0\.1[:/]|blob:|data:")


@dataclass
class Heard:
    """What a page has said to its console, and whom it has asked outside the machine."""

    console: list = field(default_factory=list)
    outside: list = field(default_factory=list)  # addresses

    def clear(self):
        self.console.clear(), self.outside.clear()


@dataclass
class Walk(Heard):
    """What was found on the way: lists of sentences, best empty."""

    failed: list = field(default_factory=list)
    blank: list = field(default_factory=list)
    nameless: int = 0  # pictures without alt text, or that did not arrive
    axe: list = field(default_factory=list)
    misplaced: dict = field(default_factory=dict)  # {window: [sentence, …]}
    lost: list = field(default_factory=list)  # when it was opened again without a kernel


def ask(page, call):
    """What a function of walk.js gives."""
    return page.evaluate(f"() => {{ {SCRIPT}; return {call}; }}")


def wait(page, call, seconds=SECONDS):
    """Wait until a function of walk.js gives true.  Asked at every frame, it would keep a core busy with drawing."""
    page.wait_for_function(f"() => {{ {SCRIPT}; return {call}; }}", timeout=1000 * seconds, polling=200)


def soon(page, call, seconds=PATIENCE):
    """Wait for it, but no longer than so many seconds: what is not so by then is found by who looks at it."""
    with suppress(TimeoutError):
        wait(page, call, seconds)


def watch(page):
    """What the page says to its console and whom it asks, from now on."""
    heard = Heard()
    page.on("console", lambda said: said.type == "error" and heard.console.append(f"{said.text} {said.location}"))
    page.on("pageerror", lambda error: heard.console.append(str(error)))
    for kind in ("request", "websocket"):
        page.on(kind, lambda asked: AT_HOME.match(asked.url) or heard.outside.append(asked.url))
    return heard


def open_notebook(page, address):
    """Load the page with it, all of it drawn."""
    page.goto(address)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.add_style_tag(content=ALL_DRAWN)
    draw_all(page)


def draw_all(page, yes=True):
    """Whether cells out of sight are drawn too; while it runs, a long notebook so drawn keeps a core busy."""
    page.evaluate("(yes) => document.body.classList.toggle('all-drawn', yes)", yes)


def turn_to(page, path):
    """Open a notebook of the server's folder in the JupyterLab that is there; loading the page anew takes seconds."""
    page.evaluate("async (path) => { await jupyterapp.commands.execute('docmanager:open', { path }); }", path)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()


def close(page):
    """Stop the kernel of the notebook in front and close it, saved or not."""
    wait_for_kernel(page)
    page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    page.evaluate("() => jupyterapp.shell.currentWidget.dispose()")


def run_all(page):
    """Run > Run All Cells, to the end or to the first failure; gives what failed."""
    wait_for_kernel(page)
    draw_all(page, False)
    page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    wait(page, "done()", RUN)
    wait_for_kernel(page)
    draw_all(page)
    return ask(page, "failed()")


def see(page, walk):
    """Whether each widget and picture is there; they come a moment after their cells."""
    soon(page, "!blank().length && !nameless()")
    walk.blank, walk.nameless = ask(page, "blank()"), ask(page, "nameless()")


def look(page, walk, name):
    """In each theme and window, what a person would see of the notebook of this name."""
    page.evaluate("() => document.querySelectorAll('.jp-Cell details').forEach((one) => { one.open = true; })")
    walk.axe = violations(page, f"{OUTPUTS}, {PROSE}", name)
    left = "() => jupyterapp.commands.execute('application:toggle-left-area')"
    page.evaluate(left)
    for window, size in WINDOWS.items():
        resize(page, size)
        walk.misplaced[window] = misplaced(page, f"{OUTPUTS}, {PROSE}")
        keep(page, f"{name} {window}")
    page.evaluate(left)
    resize(page, WINDOWS["a laptop"])


def violations(page, roots, name):
    """axe's violations inside the elements of a CSS selector: all of its rules in light, those about colour in dark.

    Of text that one would have to scroll to, axe measures no contrast: the window is as high as the notebook.
    """
    page.evaluate(AXE_SCRIPT)
    height = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    resize(page, (WINDOWS["a laptop"][0], height + AROUND))
    found = [f"light: {said}" for said in ask(page, f"violations('{roots}')")]
    change_theme(page, "JupyterLab Dark")
    found += [f"dark: {said}" for said in ask(page, f"violations('{roots}', ['color-contrast'])")]
    resize(page, WINDOWS["a laptop"])
    keep(page, f"{name} dark")
    change_theme(page, "JupyterLab Light")
    return found


def change_theme(page, theme):
    """Change it, and wait until the curtain that JupyterLab draws over the page meanwhile is gone."""
    page.evaluate("(theme) => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    wait(page, f"document.body.dataset.jpThemeName === '{theme}' && !document.getElementById('jupyterlab-splash')")


def resize(page, size):
    """Make the window so wide and high, and wait until its widgets have followed."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.evaluate(FOLLOWED)


def keep(page, name):
    """A screenshot of each live widget, if somebody wants to look at them; the figures are in the notebooks."""
    for number, widget in enumerate(page.locator(LIVE).all() if PICTURES else ()):
        widget.screenshot(path=Path(PICTURES) / f"{name.replace('/', ' ')} {number:02}.png")


def save(page):
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")


def lost(page):
    """What a notebook that was opened again without a kernel shows as an error, or not at all."""
    wait_for_kernel(page)
    soon(page, "abandoned()")
    text = page.locator(".jp-Notebook").inner_text()
    said = re.findall(".*(?:Error displaying|Loading widget|model not found).*", text)
    return said + ask(page, "lost()")
