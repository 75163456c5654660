"""What the course does in JupyterLab itself: one server and one page, in which each part opens a notebook of its own.

Widgets and controls are reached with keys, mouse and touch, in both themes; pictures have their alt text; and a lesson
that was only opened is not a changed one.
"""

import pickle
from pathlib import Path

import nbformat
import numpy as np
import pytest
from support.widget_page import FRAMES, LEVELS, PRINTS, assert_drawn, assert_readable, hosts, press
from widgets import test_explorer_browser as explorers
from widgets import test_scrubber_browser as scrubbers

ROOT = Path(__file__).resolve().parents[2]
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"


# --------------------------------------------------------------------------------------------------------- the explorer

EXPLORER = """
import numpy as np
from pythia_course.widgets import AttentionExplorer
explorer = AttentionExplorer(np.load("attention.npy"), [f"␣word{i}" for i in range(50)])
explorer
"""


def run_in(shared_lab, name, source, size):
    """The page, with a notebook of one cell that has been run and has drawn its widget, in the dark theme."""
    page = shared_lab.open(name, [source.strip()], DARK, size)
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")  # not waited for
    page.locator(".pcw-canvas").wait_for()
    return page


@pytest.fixture(scope="module")
def explorer(shared_lab):
    """(page, attention): a notebook that was run in JupyterLab and shows 12 × 12 heads."""
    attention = explorers.causal(12, 12, 50)
    np.save(shared_lab.room("explorer") / "attention.npy", attention)
    return run_in(shared_lab, "explorer", EXPLORER, (1280, 900)), attention


def test_a_head_is_drawn_within_frames_of_its_key(explorer):
    page, attention = explorer
    page.locator(".pce-heads").focus()
    press(page, "Home")
    seen = []
    for _ in range(3):  # another program may disturb one of them
        seen += explorers.walk(page, 34)
        times = [ms for ms, _ in seen[-30:]]
        print(f"key to picture: median {np.median(times):.1f} ms, 90% {np.quantile(times, 0.9):.1f} ms")
        if np.median(times) <= FRAMES:
            break
    for number, (_, drawn) in enumerate(seen, start=1):
        assert_drawn(drawn, attention[divmod(number, 12)])
    assert np.median(times) <= FRAMES


def test_the_cells_stay_and_python_knows_the_head(explorer):
    page, _ = explorer
    page.locator(".pce-heads").focus()
    press(page, "Home"), press(page, "ArrowDown"), press(page, "ArrowRight"), press(page, "d", 2), press(page, "b")
    assert explorers.selected(page) == ["layer 1, head 1"]
    assert page.locator(".jp-CodeCell").count() == 1
    # ipywidgets holds a change back while an earlier one is on its way, so this may take a moment.
    page.wait_for_function(PRINTS, arg=["print(explorer.layer, explorer.head)", "1 1\n"], polling=100)


def test_in_the_dark_theme_all_text_of_an_explorer_can_be_read(explorer):
    page, _ = explorer
    assert_readable(page, (".pce", ".pcw-status", ".pcw-label", ".pce-number", ".pcw-axes", ".pcw select"))


# --------------------------------------------------------------------------------------------------------- the scrubber

# As large as pythia-160m over all its checkpoints.
LARGE_STEPS, LARGE_TOKENS = tuple(range(0, 154_000, 1000)), [f"␣word{i}" for i in range(20)]
SCRUBBER = """
import pickle
from pythia_course.widgets import TrainingScrubber
with open("record.pkl", "rb") as file:
    steps, tokens, given = pickle.load(file)
scrubber = TrainingScrubber(steps, tokens, **given, step=0)
scrubber
"""


@pytest.fixture(scope="module")
def scrubber(shared_lab):
    """(page, what was given): a notebook that was run in JupyterLab and shows 154 × 144 heads."""
    given = scrubbers.record(LARGE_STEPS, LARGE_TOKENS, 12, 12)
    kept = shared_lab.room("scrubber") / "record.pkl"
    kept.write_bytes(pickle.dumps((LARGE_STEPS, LARGE_TOKENS, given)))
    return run_in(shared_lab, "scrubber", SCRUBBER, (1280, 1100)), given


def test_a_step_is_drawn_within_frames_of_its_key(scrubber):
    page, given = scrubber
    page.locator(".pcs-slider").focus()
    press(page, "Home")
    seen = []
    for moment in range(4):  # another program may disturb one of them
        page.wait_for_timeout(3000 * moment)
        seen += scrubbers.walk(page, 34)
        times = [one["ms"] for one in seen[-30:]]
        print(f"key to picture: median {np.median(times):.1f} ms, 90% {np.quantile(times, 0.9):.1f} ms")
        if np.median(times) <= FRAMES:
            break
    for at, one in enumerate(seen, start=1):
        assert one["step"] == f"step {LARGE_STEPS[at]:,}"
        assert_drawn(one["drawn"], given["attention"][at, 0, 0])
        sure = np.rint(255 * given["lens"][1][at]).astype(int).ravel()
        assert np.array_equal(one["cells"], LEVELS[sure])
    assert np.median(times) <= FRAMES


def test_the_cells_stay_and_python_knows_the_step_and_the_head(scrubber):
    page, _ = scrubber
    page.locator(".pcs-slider").focus()
    press(page, "Home"), press(page, "ArrowRight", 3), press(page, "d", 2), press(page, "b")
    page.locator(".pcs-grid").focus()
    press(page, "ArrowDown"), press(page, "d", 2), press(page, "a")
    page.locator(".pcs-play").focus()
    press(page, "d", 2)
    assert page.locator(".jp-CodeCell").count() == 1
    # ipywidgets holds a change back while an earlier one is on its way, so this may take a moment.
    asked = ["print(scrubber.step, scrubber.layer, scrubber.head)", "3000 1 0\n"]
    page.wait_for_function(PRINTS, arg=asked, polling=100)


FITS = """
() => {
  const seen = document.querySelector(".jp-WindowedPanel-outer"), root = document.querySelector(".pcs");
  const rect = (selector) => root.querySelector(selector).getBoundingClientRect();
  const ticks = [...root.querySelectorAll(".pcs-ticks span")].filter((tick) => tick.textContent);
  const boxes = ticks.map((tick) => tick.getBoundingClientRect()), output = root.closest(".jp-OutputArea-output");
  return {
    sideways: [".pcs", ".pcs-time"].map((name) => output.querySelector(name))
      .concat(output).map((box) => Math.max(0, box.scrollWidth - box.clientWidth)),
    spare: seen.clientHeight - (root.getBoundingClientRect().bottom - rect(".pcs-slider").top),
    slider: rect(".pcs-slider").width / output.clientWidth,
    gaps: boxes.slice(1).map((box, place) => box.left - boxes[place].right),
  };
}
"""


@pytest.mark.parametrize("size", [(1366, 768), (1440, 900), (683, 384), (600, 900)])
def test_a_scrubber_fits_a_laptop_and_the_slider_has_room_in_a_narrow_window(scrubber, size):
    page, _ = scrubber
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(500)
    fits = page.evaluate(FITS)
    print(size, fits)
    page.set_viewport_size({"width": 1280, "height": 1100})
    assert min(fits["gaps"]) > 2 and fits["slider"] > 0.5
    if size[0] > 1000:  # a whole screen: the lens is seen while the slider moves
        assert fits["spare"] >= 0 and fits["sideways"] == [0, 0, 0]


def test_in_the_dark_theme_all_text_of_a_scrubber_can_be_read(scrubber):
    page, _ = scrubber
    read = (".pcs", ".pcs-step", ".pcw-status", ".pcs-name", ".pcs-range", ".pcs-ticks", ".pcs-play", ".pcw-label")
    assert_readable(page, (*read, ".pcs figcaption", ".pcs-token", ".pcs-heads"))


# ------------------------------------------------------------------------------------------ controls of ipywidgets' own

CONTROLS = (
    "import numpy as np\nfrom pythia_course import widgets\n"
    "attention, tokens = np.tril(np.ones((2, 3, 4, 4))) / np.arange(1, 5)[:, None], list('abcd')",
    "viewer = widgets.AttentionViewer(attention, tokens)\nviewer",
    "widgets.ModelPicker()",
    "explorer = widgets.AttentionExplorer(attention, tokens)\nexplorer",
    "widgets.TrainingScrubber([0, 1], tokens, attention=[attention, attention], duplicates='keep')",
)


@pytest.fixture(scope="module", params=[LIGHT, DARK])
def page(shared_lab, request):
    """A notebook with these cells, run."""
    page = shared_lab.open(f"controls in {request.param}", CONTROLS, request.param, (1280, 1100))
    page.evaluate("async () => { await jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.locator(".pcs-slider").wait_for()
    return page


def test_the_viewer_s_sliders_and_their_numbers_are_named(page):
    for name, reach in (("layer", "1"), ("head", "2")):
        slider = page.get_by_role("slider", name=name, exact=True)
        assert slider.count() == 1 and float(slider.get_attribute("aria-valuemax")) == float(reach)
        assert page.get_by_role("textbox", name=f"{name}, as a number").count() == 1
    assert page.get_by_role("slider").evaluate_all("all => all.every(one => one.ariaLabel || one.labels?.length)")


# How the focus is drawn: width of the outline, its colour and the colours of what lies behind it.
FOCUS = """
() => {
  const element = document.activeElement, { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element);
  return [element.tagName, outlineStyle, parseFloat(outlineWidth), outlineColor];
}
"""


def test_whatever_has_the_focus_in_viewer_and_picker_shows_it(page):
    page.get_by_role("slider", name="layer").focus()
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUS))
        if reached[-1][0] == "BUTTON":
            break
    assert [tag for tag, *_ in reached][-3:] == ["SELECT", "INPUT", "BUTTON"]
    dark = "Dark" in page.evaluate("() => document.body.dataset.jpThemeName")
    for tag, style, width, color in reached:
        assert style == "solid" and width >= 2, tag
        channels = [float(part) for part in color[color.index("(") + 1 : -1].split(",")][:3]
        assert min(channels) > 200 if dark else max(channels) < 60, (tag, color)  # strong against the page


INSIDE = """
() => {
  const button = [...document.querySelectorAll(".jupyter-button")].find((one) => one.textContent === "Open");
  const { left, right } = button.getBoundingClientRect(), output = button.closest(".jp-OutputArea-output");
  const around = output.getBoundingClientRect();
  return left >= around.left && right <= around.right && output.scrollWidth <= output.clientWidth;
}
"""


@pytest.mark.parametrize("width", [1280, 683, 600])
def test_the_picker_s_button_is_inside_the_page_whatever_its_width(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)
    inside = page.evaluate(INSIDE)
    page.set_viewport_size({"width": 1280, "height": 1100})
    assert inside


@pytest.mark.parametrize(("widget", "status"), [(".pce", "c looks at b 0.33"), (".pcs", "c looks at b 0.33")])
def test_a_tap_on_the_large_map_says_what_is_there_and_stays(page, widget, status):
    picture = page.locator(f"{widget} .pcw-canvas")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    page.touchscreen.tap(box["x"] + 1.5 * box["width"] / 4, box["y"] + 2.5 * box["height"] / 4)
    page.wait_for_timeout(200)
    assert status in page.locator(f"{widget} .pcw-status").inner_text()


# ------------------------------------------------------------------------------------------------------------- pictures

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ALTS = "() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(image => image.alt)"


def test_stored_and_live_pictures_have_their_alt_text(shared_lab):
    stored = nbformat.v4.new_output("display_data", {"image/png": PIXEL}, metadata={"image/png": {"alt": "a <b> & c"}})
    draw = "from pythia_course import plots\nax = plots.head_scores([[0.25]], title='live')"
    page = shared_lab.open("alt", [nbformat.v4.new_code_cell("1", outputs=[stored]), draw])
    assert page.evaluate(ALTS) == ["a <b> & c"]
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(".jp-OutputArea-output img[alt^='live. Heat map']").wait_for()


# ---------------------------------------------------------------------------------------- a lesson that was only opened

LESSON = ROOT / "notebooks/10_pythia_and_gpt_neo.ipynb"
MODEL = "jupyterapp.shell.currentWidget.context.model"
NAME = "Python 3 (ipykernel)"
WRITTEN = (
    f"() => {MODEL}.getMetadata('language_info').version && {MODEL}.getMetadata('kernelspec').display_name === '{NAME}'"
)
CHANGES = {
    "another version": ("model.setMetadata('language_info', { name: 'python', version: '3.0' })", False),
    "another kernel": ("model.setMetadata('kernelspec', { name: 'xpython', display_name: 'Python 3' })", True),
    "other metadata": ("model.setMetadata('authors', [{ name: 'me' }])", True),
    "a cell": ("model.cells.get(0).sharedModel.setSource('mine')", True),
    "a cell, and then the kernel writes": (
        "model.cells.get(0).sharedModel.setSource('mine'); model.setMetadata('language_info', { name: 'python' })",
        True,
    ),
}


@pytest.fixture(scope="module")
def opened(shared_lab):
    """(page, whether it counts as changed): the lesson as it is stored, after its kernel has said what it is."""
    page = shared_lab.open("untouched", LESSON)
    page.wait_for_function(WRITTEN, polling=100)  # in two parts, one after the other
    return page, page.evaluate(f"() => {MODEL}.dirty")


def test_opening_is_no_change(opened):
    _, changed = opened
    assert changed is False


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_a_person_changes_is_a_change(opened, change):
    page, _ = opened
    code, changed = CHANGES[change]
    before = f"const model = {MODEL}; model.dirty = false"
    assert page.evaluate(f"() => {{ {before}; {code}; return model.dirty; }}") is changed


# ----------------------------------------------------------------------------------------------- all of the above


def test_nothing_outside_the_machine_is_asked_for(shared_lab, explorer, scrubber):
    assert hosts(shared_lab.asked) == {"127.0.0.1"}
