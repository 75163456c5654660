"""`make lab` as a newcomer meets it: JupyterLab in a real browser, Run All, and the first picture within seconds."""

import json
import re
import shutil
from pathlib import Path
from time import monotonic

import pytest
from support.lab import SECONDS, jupyterlab, wait_for_kernel

LESSONS = Path(__file__).resolve().parents[1] / "notebooks"
FIRST_PICTURE = 30  # seconds from Run All beside another worker; 10 on two AVX2 cores with nothing else to do


@pytest.fixture(scope="module")
def lesson(browser, tmp_path_factory):
    """(page, seconds to the first picture, addresses asked for): lesson 00 without outputs, opened and run."""
    folder = tmp_path_factory.mktemp("lessons")
    notebook = json.loads((LESSONS / "00_start_here.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    (folder / "00_start_here.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    shutil.copy(LESSONS / "01_architecture_tour.ipynb", folder)
    with jupyterlab(folder) as address:
        page, asked = browser.new_page(viewport={"width": 1280, "height": 1000}), []
        page.set_default_timeout(1000 * SECONDS)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/lab/workspaces/first/tree/00_start_here.ipynb?reset")
        wait_for_kernel(page)
        seconds = run_all(page)
        while min(seconds) >= FIRST_PICTURE and len(seconds) < 3:  # something else may have had the processor
            page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
            page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
            seconds += run_all(page)
        page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
        yield page, min(seconds), asked
        page.close()


def run_all(page):
    """[seconds from Run > Run All Cells to the first picture]"""
    start = monotonic()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator(".jp-OutputArea-output img").first.wait_for()
    return [monotonic() - start]


def test_the_first_picture_is_there_within_seconds(lesson):
    _, seconds, _ = lesson
    print(f"from Run All to the first picture: {seconds:.1f} s")
    assert seconds < FIRST_PICTURE


# (execution count, kinds of output) of each code cell, from the notebook itself: cells out of sight are not drawn.
CELLS = """
() => [...jupyterapp.shell.currentWidget.content.model.cells].filter(cell => cell.type === "code")
  .map(({ sharedModel: cell }) => [cell.execution_count, cell.getOutputs().map(out => out.name || out.output_type)])
"""


def test_every_cell_ran_and_none_failed(lesson):
    page, _, _ = lesson
    page.wait_for_function(f"() => ({CELLS})().every(([count]) => count)")
    kinds = {kind for _, outputs in page.evaluate(CELLS) for kind in outputs}
    assert "display_data" in kinds and not kinds & {"error", "stderr"}


def test_the_viewer_follows_its_sliders(lesson):
    page, _, _ = lesson
    picture = page.locator(".jp-OutputArea-output .pcw canvas").last
    picture.scroll_into_view_if_needed()
    before = picture.evaluate("canvas => canvas.toDataURL()")
    page.locator(".jp-OutputArea-output .noUi-handle, .jp-OutputArea-output .ui-slider-handle").last.focus()
    page.keyboard.press("ArrowRight")
    drawn = "([canvas, before]) => canvas.toDataURL() !== before"
    page.wait_for_function(drawn, arg=[picture.element_handle(), before])


def test_the_picker_offers_the_models_and_opens_another(lesson):
    page, _, _ = lesson
    choice = page.locator(".jp-OutputArea-output select").first
    offered = choice.locator("option").all_inner_texts()
    for name in ("tiny-pythia", "tiny-gpt2", "EleutherAI/pythia-160m", "EleutherAI/pythia-410m"):
        assert any(name in text for text in offered), offered
    choice.select_option(label=next(text for text in offered if re.match("tiny-gpt2$|tiny-gpt2 ", text)))
    page.get_by_role("button", name="Open").click()
    page.get_by_text(re.compile("^tiny-gpt2.* is open[.]$")).wait_for()
    page.get_by_role("button", name="Open", exact=True).wait_for()  # it says Stop until then


# Presses the picker's button and, without waiting for anything, runs code in the kernel; gives what that printed.
PRESS_AND_ASK = """
async () => {
  const button = [...document.querySelectorAll(".jp-OutputArea-output button")].find((b) => b.textContent === "Open");
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel, printed = [];
  button.click();
  const asked = kernel.requestExecute({ code: "print(picker.lm.name)" });
  asked.onIOPub = ({ content }) => content.text && printed.push(content.text);
  await asked.done;
  return printed.join("").trim();
}
"""


@pytest.mark.parametrize("name", ["tiny-pythia-sequential", "tiny-gpt2-parallel", "tiny-pythia"])
def test_what_runs_right_after_a_click_on_open_has_the_new_model(lesson, name):
    page, _, _ = lesson
    page.locator(".jp-OutputArea-output select").first.select_option(label=name)
    page.get_by_role("button", name="Open", exact=True).wait_for()  # Stop, while the last one is being opened
    assert page.evaluate(PRESS_AND_ASK) == name


# Runs a cell by its id, with the source changed if there is a new one.
RUN_CELL = """
async ([id, source]) => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = [...notebook.model.cells].findIndex((cell) => cell.id === id);
  if (source) notebook.activeCell.model.sharedModel.setSource(source);
  await jupyterapp.commands.execute("notebook:run-cell");
}
"""


def test_a_guess_that_is_right_is_on_the_map_whose_links_lead_on_by_keyboard(lesson):
    page, _, _ = lesson
    row = page.locator(".jp-OutputArea-output tr", has_text="00 · Start here")
    page.evaluate(RUN_CELL, ["progress-map", None])
    assert row.inner_text().split()[-8:] == ["0", "of", "4", "○○○○", "0", "of", "5", "○○○○○"]
    page.evaluate(RUN_CELL, ["cell-06", 'guess = "kite"\nchecks.compare(guess, "␣kite")'])
    page.evaluate(RUN_CELL, ["progress-map", None])
    row.get_by_label("1 solved, 0 tried, 3 open").wait_for()
    page.get_by_role("link", name="01 · The architecture tour").last.focus()
    page.keyboard.press("Enter")
    page.locator(".lm-TabBar-tab.jp-mod-current", has_text="01_architecture_tour.ipynb").first.wait_for()


def test_nothing_outside_the_machine_is_asked_for(lesson):
    _, _, asked = lesson
    assert all(re.match(r"(http|ws)://127\.0\.0\.1[:/]|blob:|data:", url) for url in asked)
