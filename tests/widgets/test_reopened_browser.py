"""A lesson that was run, saved and opened again without its kernel, in JupyterLab itself: nothing in it is lost."""

import json

import nbformat
import pytest
from support.lab import SECONDS, jupyterlab, wait_for_kernel

CELLS = {
    "explorer": "widgets.AttentionExplorer(attention, tokens)",
    "scrubber": "widgets.TrainingScrubber([0, 1], tokens, scores={'loss': [7, 1]})",
    "viewer": "viewer = widgets.AttentionViewer(attention, tokens)\nviewer",
    "RoPE lab": "widgets.RopeLab()",
    "diagram": "widgets.BlockDiagram()",
    "picker": "widgets.ModelPicker()",
    "a bar that was stopped": (
        "from pythia_course.machine import bars\nbars.SECONDS_BEFORE_IT_SHOWS = 0\n"
        "with bars.bar(2, 'counting') as bar:\n    bar.update(); bar.refresh()\n    import time; time.sleep(0.3)"
    ),
}
IMPORTS = (
    "import numpy as np\nfrom pythia_course import widgets\n"
    "attention, tokens = np.tril(np.ones((2, 2, 4, 4))) / np.arange(1, 5)[:, None], list('abcd')"
)
PICTURED = 5  # all but the picker, which has nothing to draw, and the bar, which leaves nothing


@pytest.fixture(scope="module")
def saved(browser, tmp_path_factory):
    """(page, folder, address): a notebook with each kind of widget, run and saved."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [nbformat.v4.new_code_cell(source) for source in (IMPORTS, *CELLS.values())]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "lesson.ipynb")
    with jupyterlab(folder) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1000 * SECONDS)
        open_lesson(page, address)
        wait_for_kernel(page)
        page.evaluate("async () => { await jupyterapp.commands.execute('notebook:run-all-cells'); }")
        page.locator(".widget-dropdown").wait_for()
        page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
        yield page, folder, address
        page.close()


def open_lesson(page, address):
    page.goto(f"{address}/lab/workspaces/test/tree/lesson.ipynb?reset")
    page.locator(".jp-Notebook .jp-CodeCell").nth(len(CELLS)).wait_for()


def visible(page, selector):
    return sum(found.is_visible() for found in page.locator(selector).all())


def all_texts(page):
    return page.locator(".jp-Notebook").inner_text()


def test_while_a_kernel_runs_only_the_live_widgets_are_seen(saved):
    page, _, _ = saved
    assert visible(page, ".pythia-still") == 0 and visible(page, ".jp-RenderedImage img") == 0
    assert page.locator(".pce, .pcs, .rope-lab, .block-diagram").count() == 4 and "not found" not in all_texts(page)


def test_what_is_saved_has_a_text_and_a_picture_of_each(saved):
    _, folder, _ = saved
    outputs = [cell["outputs"] for cell in json.loads((folder / "lesson.ipynb").read_text())["cells"]]
    pictures = [sum("image/png" in output["data"] for output in of_a_cell) for of_a_cell in outputs]
    assert pictures == [0, *[1] * PICTURED, 0, 0]


def test_opened_again_while_the_kernel_runs_the_widgets_are_live(saved):
    page, _, address = saved
    open_lesson(page, address)
    page.locator(".pce").wait_for()
    page.locator(".widget-dropdown").wait_for()
    assert visible(page, ".pythia-still") == 0 and "not found" not in all_texts(page)


def test_opened_again_without_a_kernel_nothing_is_lost_and_nothing_says_error(saved):
    page, _, address = saved
    page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    open_lesson(page, address)
    page.wait_for_timeout(4000)  # ipywidgets looks for a model for two seconds
    assert "Error" not in all_texts(page) and "Loading" not in all_texts(page)
    assert visible(page, ".jp-RenderedImage img") == PICTURED and visible(page, ".pythia-still") == PICTURED + 1
    assert page.locator(".pce, .pcs").count() == 0
