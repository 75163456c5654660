"""Notebook 7, the other window onto the same lessons: the first one, and the one whose widget is walked through."""

import pytest
from support.lab import SECONDS
from support.walk import NOBODY_BEHIND, Walk, open_notebook, run_all, see, watch
from support.widget_page import press

# What notebook_core of 7.6.5 says of any notebook, while its settings load and its file browser restores itself.
ITS_OWN = ("reading 'schema'", "Command 'filebrowser:open-path' not registered.")
LESSONS = ("00_start_here", "04_parallel_attention_and_mlp")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(f"{name} in 7")) for name in LESSONS]
)
def lesson(request, browser, lab):
    """(page, what was found): a lesson that was run."""
    page, found = browser.new_page(viewport={"width": 1280, "height": 900}), Walk()
    page.set_default_timeout(1000 * SECONDS)
    heard = watch(page)
    open_notebook(page, f"{lab[0]}/notebooks/{request.param}.ipynb")
    found.failed = run_all(page)
    see(page, found)
    known = *ITS_OWN, NOBODY_BEHIND  # the last of the pictures that are there before the cells run
    found.console = [said for said in heard.console if not any(one in said for one in known)]
    found.outside = heard.outside
    yield page, found
    page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    page.close()


def test_a_lesson_runs_in_notebook_7_and_nothing_is_blank(lesson):
    assert lesson[1] == Walk()


def test_its_widgets_follow_their_keys(lesson):
    page, _ = lesson
    if page.locator(".block-diagram").count():
        page.locator(".block-diagram button").last.focus()
        press(page, "ArrowRight", 2)
        assert page.locator(".block-diagram-place").inner_text() == "step 2 of 6"
    else:
        page.get_by_role("slider", name="head", exact=True).focus()
        press(page, "ArrowRight", 2)
        page.locator(".pcw-status", has_text="layer 0, head 2:").wait_for()
