"""A notebook in JupyterLab, as a learner has it: run whole from the menu, looked at, saved, and opened again."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from support.geometry import misplaced
from support.lab import wait_for_kernel

SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
RUN = 900  # seconds that a notebook may take on a busy machine
WINDOWS = {"a laptop": (1280, 900), "200% zoom": (683, 450), "600 pixels": (600, 900)}
AROUND = 400  # pixels that JupyterLab's own bars take
THEMES = ("JupyterLab Light", "JupyterLab Dark")
PICTURES = os.environ.get("PYTHIA_COURSE_SCREENSHOTS")  # a folder, for whoever wants to look
LIVE = ".jp-OutputArea-child > .lm-Panel.jp-OutputArea-output"
OUTPUTS, PROSE = ".jp-OutputArea-output", ".jp-MarkdownOutput"
# JupyterLab does not draw cells that are out of sight, and its body, 0 pixels high, hides everything from axe.
ALL_DRAWN = ".jp-Cell { content-visibility: visible !important; } body { overflow: visible !important; }"
AT_HOME = re.compile(r"(http|ws)://127\.0\.0\.1[:/]|blob:|data:")


@dataclass
class Walk:
    """What was found on the way: lists of sentences, best empty."""

    failed: list = field(default_factory=list)
    blank: list = field(default_factory=list)
    nameless: int = 0  # pictures without alt text, or that did not arrive
    console: list = field(default_factory=list)
    outside: list = field(default_factory=list)  # addresses
    axe: list = field(default_factory=list)
    misplaced: dict = field(default_factory=dict)  # {window: [sentence, …]}
    lost: list = field(default_factory=list)  # when it was opened again without a kernel


def ask(page, call):
    """What a function of walk.js gives."""
    return page.evaluate(f"() => {{ {SCRIPT}; return {call}; }}")


def watch(page, walk):
    """Note what the page says to its console and whom it asks."""
    page.on("console", lambda said: said.type == "error" and walk.console.append(f"{said.text} {said.location}"))
    page.on("pageerror", lambda error: walk.console.append(str(error)))
    for kind in ("request", "websocket"):
        page.on(kind, lambda asked: AT_HOME.match(asked.url) or walk.outside.append(asked.url))


def open_notebook(page, address):
    """Open it, and make the browser draw all of it."""
    page.goto(address)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.add_style_tag(content=ALL_DRAWN)


def run_all(page):
    """Run > Run All Cells, to the end or to the first failure; gives what failed."""
    wait_for_kernel(page)
    page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(f"() => {{ {SCRIPT}; return done(); }}", timeout=1000 * RUN, polling=500)
    wait_for_kernel(page)
    page.wait_for_timeout(1500)  # widgets come a moment after their cell
    return ask(page, "failed()")


def look(page, walk, name):
    """In each theme and window, what a person would see of the notebook of this name."""
    walk.blank, walk.nameless = ask(page, "blank()"), ask(page, "nameless()")
    page.evaluate("() => document.querySelectorAll('.jp-Cell details').forEach((one) => { one.open = true; })")
    page.evaluate(AXE_SCRIPT)
    for theme in THEMES:
        walk.axe += [f"{theme}: {said}" for said in in_theme(page, theme)]
        keep(page, f"{name} {theme}")
    page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
    for window, size in WINDOWS.items():
        resize(page, size)
        walk.misplaced[window] = misplaced(page, f"{OUTPUTS}, {PROSE}")
        keep(page, f"{name} {window}")


def in_theme(page, theme):
    """axe's violations in this theme; its script must be on the page.

    Of text that one would have to scroll to, axe measures no contrast: the window is as high as the notebook.
    """
    page.evaluate("(theme) => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    page.wait_for_function(f"() => document.body.dataset.jpThemeName === '{theme}'")
    height = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    resize(page, (WINDOWS["a laptop"][0], height + AROUND))
    found = ask(page, f"violations('{OUTPUTS}, {PROSE}')")
    resize(page, WINDOWS["a laptop"])
    return found


def resize(page, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(400)


def keep(page, name):
    """A screenshot of each live widget, if somebody wants to look at them; the figures are in the notebooks."""
    for number, widget in enumerate(page.locator(LIVE).all() if PICTURES else ()):
        widget.screenshot(path=Path(PICTURES) / f"{name.replace('/', ' ')} {number:02}.png")


def save_and_stop(page):
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")


def lost(page):
    """What a notebook that was opened again without a kernel shows as an error, or not at all."""
    page.wait_for_timeout(4000)  # ipywidgets looks for a model for two seconds
    said = re.findall(".*(?:Error displaying|Loading widget|not found).*", page.locator(".jp-Notebook").inner_text())
    return said + ask(page, "lost()")
