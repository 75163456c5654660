"""Every lesson and solution in JupyterLab, in a real browser: run, looked at in each theme and width, opened again."""

import shutil
from pathlib import Path

import pytest
from support import figures
from support.lab import SECONDS, jupyterlab
from support.walk import WINDOWS, Walk, look, lost, open_notebook, run_all, save_and_stop, watch

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NOBODY_BEHIND = "widget model not found"  # which ipywidgets tells the console of every widget without a kernel
LESSONS = [path.relative_to(NOTEBOOKS).as_posix() for path in sorted(NOTEBOOKS.rglob("[0-9][0-9]_*.ipynb"))]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(address, IPython's folder) of a JupyterLab on a copy of the lessons."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(NOTEBOOKS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    figures.watch(folder / "ipythondir")
    with jupyterlab(folder) as address:
        yield address, folder / "ipythondir"


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in LESSONS])
def walk(request, lab, browser):
    """What was found on the way through a lesson, and its figures."""
    (address, noted), found = lab, Walk()
    page = browser.new_page(viewport=dict(zip(("width", "height"), WINDOWS["a laptop"])))
    page.set_default_timeout(1000 * SECONDS)
    watch(page, found)
    lesson = f"{address}/lab/workspaces/walk/tree/{request.param}?reset"
    open_notebook(page, lesson)
    found.failed = run_all(page)
    look(page, found, Path(request.param).with_suffix("").as_posix())
    save_and_stop(page)
    live = list(found.console)
    open_notebook(page, lesson)
    found.lost = lost(page)
    found.console = live + [said for said in found.console[len(live) :] if NOBODY_BEHIND not in said]
    page.close()
    yield found, figures.noted(noted)
    (noted / figures.NOTES).unlink(missing_ok=True)


def test_every_cell_runs_and_none_fails(walk):
    assert walk[0].failed == []


def test_every_widget_and_every_picture_is_there_and_has_its_words(walk):
    found, _ = walk
    assert found.blank == [] and found.nameless == 0


def test_nothing_is_said_to_the_console_and_nobody_outside_the_machine_is_asked(walk):
    found, _ = walk
    assert found.console == [] and found.outside == []


def test_axe_finds_no_violation_in_either_theme(walk):
    assert walk[0].axe == []


@pytest.mark.parametrize("window", WINDOWS)
def test_nothing_overlaps_and_nothing_is_cut_off(walk, window):
    assert walk[0].misplaced[window] == []


def test_on_no_figure_words_lie_over_one_another(walk):
    _, shown = walk
    assert [said for figure in shown for said in figure["over"]] == []


def test_saved_and_opened_again_without_its_kernel_it_still_reads(walk):
    assert walk[0].lost == []
