"""Every lesson and solution in JupyterLab, run in a real browser; every lesson looked at in each theme and width, and
opened again without its kernel."""

from pathlib import Path

import pytest
from support import figures
from support.lab import SECONDS
from support.walk import (
    NOBODY_BEHIND,
    WINDOWS,
    Walk,
    close,
    look,
    lost,
    open_notebook,
    run_all,
    save,
    see,
    turn_to,
    watch,
)

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = [path.name for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))]
SOLUTIONS = [f"solutions/{path.name}" for path in sorted(NOTEBOOKS.glob("solutions/*.ipynb"))]


def walked(names):
    """For a test of what was found on the way through these notebooks, each gone through once."""
    each = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names]
    return pytest.mark.parametrize("walk", each, indirect=True, scope="module")


@pytest.fixture(scope="module")
def window(browser, lab):
    """(page, what it says and asks, address): JupyterLab with no notebook open."""
    page = browser.new_page(viewport=dict(zip(("width", "height"), WINDOWS["a laptop"])))
    page.set_default_timeout(1000 * SECONDS)
    heard = watch(page)
    open_notebook(page, f"{lab[0]}/lab/workspaces/walk/tree/{LESSONS[0]}?reset")
    close(page)
    yield page, heard, lab[0]
    page.close()


@pytest.fixture(scope="module")
def walk(request, window, lab):
    """What was found on the way through a notebook, and its figures."""
    (page, heard, address), found = window, Walk()
    heard.clear()
    turn_to(page, request.param)
    found.failed = run_all(page)
    see(page, found)
    if request.param in LESSONS:
        look(page, found, Path(request.param).stem)
        save(page)
        close(page)
        live = len(heard.console)
        open_notebook(page, f"{address}/lab/workspaces/walk/tree/{request.param}?reset")
        found.lost = lost(page)
        heard.console[live:] = [said for said in heard.console[live:] if NOBODY_BEHIND not in said]
    found.console, found.outside = [*heard.console], [*heard.outside]
    close(page)
    notes = lab[1] / figures.NOTES
    yield found, figures.noted(lab[1])
    notes.unlink(missing_ok=True)


@walked(LESSONS + SOLUTIONS)
def test_every_cell_runs_and_none_fails(walk):
    assert walk[0].failed == []


@walked(LESSONS + SOLUTIONS)
def test_every_widget_and_every_picture_is_there_and_has_its_words(walk):
    found, _ = walk
    assert found.blank == [] and found.nameless == 0


@walked(LESSONS + SOLUTIONS)
def test_nothing_is_said_to_the_console_and_nobody_outside_the_machine_is_asked(walk):
    found, _ = walk
    assert found.console == [] and found.outside == []


@walked(LESSONS + SOLUTIONS)
def test_on_no_figure_words_lie_over_one_another(walk):
    _, shown = walk
    assert [said for figure in shown for said in figure["over"]] == []


@walked(LESSONS)
def test_axe_finds_no_violation_in_either_theme(walk):
    assert walk[0].axe == []


@pytest.mark.parametrize("size", WINDOWS)
@walked(LESSONS)
def test_nothing_overlaps_and_nothing_is_cut_off(walk, size):
    assert walk[0].misplaced[size] == []


@walked(LESSONS)
def test_saved_and_opened_again_without_its_kernel_it_still_reads(walk):
    assert walk[0].lost == []
