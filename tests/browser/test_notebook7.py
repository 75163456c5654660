"""Notebook 7, the other window onto the same lessons: the first one, and the one whose widget is walked through."""

import shutil
from pathlib import Path

import pytest
from support.lab import SECONDS, jupyterlab
from support.walk import Walk, ask, open_notebook, run_all, watch
from support.widget_page import press

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ITS_OWN = "reading 'schema'"  # notebook_core of 7.6.5 says so of any notebook, while its settings load
LESSONS = ("00_start_here", "04_parallel_attention_and_mlp")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(f"{name} in 7")) for name in LESSONS]
)
def lesson(request, browser, tmp_path_factory):
    """(page, what was found): a lesson that was run."""
    folder, found = tmp_path_factory.mktemp("notebook"), Walk()
    shutil.copy(NOTEBOOKS / f"{request.param}.ipynb", folder)
    with jupyterlab(folder, app="notebook") as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1000 * SECONDS)
        watch(page, found)
        open_notebook(page, f"{address}/notebooks/{request.param}.ipynb")
        found.failed, found.blank, found.nameless = run_all(page), ask(page, "blank()"), ask(page, "nameless()")
        yield page, found
        page.close()


def test_a_lesson_runs_in_notebook_7_and_nothing_is_blank(lesson):
    _, found = lesson
    found.console = [said for said in found.console if ITS_OWN not in said]
    assert found == Walk()


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
