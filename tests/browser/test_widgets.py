"""Every widget in JupyterLab, full of hostile text: by keyboard, mouse and finger, in each theme and window."""

import numpy as np
import pytest
from support import all_widgets, walk
from support.all_widgets import IMAGE, TOKENS, WIDGETS
from support.geometry import misplaced
from support.lab import SECONDS, jupyterlab
from support.walk import LIVE, OUTPUTS, WINDOWS
from support.widget_page import PRINTS, assert_drawn, canvas_levels, press

from pythia_course.plots.labels import printable
from pythia_course.widgets.block_diagram import sequential_panel

pytestmark = pytest.mark.xdist_group("widgets")
WEIGHTS = all_widgets.weights()
LABELS = [printable(token) for token in TOKENS]
HANDS = ["keyboard", "mouse", "finger"]


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """(page, what was found): the notebook, run, on a machine that has a mouse and is touched."""
    folder, found = tmp_path_factory.mktemp("lab"), walk.Walk()  # kernel and server are as a learner's, none is forked
    all_widgets.write(folder)
    with jupyterlab(folder) as address:
        context = browser.new_context(viewport=dict(zip(("width", "height"), WINDOWS["a laptop"])), has_touch=True)
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        heard = walk.watch(page)
        walk.open_notebook(page, f"{address}/lab/workspaces/test/tree/widgets.ipynb?reset")
        found.failed = walk.run_all(page)
        page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
        yield page, found, heard
        context.close()


@pytest.fixture
def page(lab):
    """The page; when the test ends, no text may have become anything but text, and nobody may have been asked."""
    page, found, heard = lab
    yield page
    assert page.evaluate("window.ran") is None and page.locator(f"{LIVE} img").count() == 0
    assert found == walk.Walk() and heard == walk.Heard()


# ------------------------------------------------------------------------------------------------- what is seen


def test_none_is_blank_and_every_widget_is_there(page):
    assert walk.ask(page, "blank()") == []
    assert page.locator(LIVE).count() == WIDGETS


@pytest.mark.parametrize("window", WINDOWS)
def test_nothing_overlaps_and_nothing_is_cut_off(page, window):
    walk.resize(page, WINDOWS[window])
    found = misplaced(page, OUTPUTS)
    walk.keep(page, f"widgets {window}")
    walk.resize(page, WINDOWS["a laptop"])
    assert found == []


@pytest.mark.parametrize("window", WINDOWS)
def test_the_diagram_s_buttons_are_seen_together_with_the_first_panel(page, window):
    walk.resize(page, WINDOWS[window])
    diagram = page.locator(".block-diagram")
    diagram.scroll_into_view_if_needed()
    top = diagram.locator("button").first.bounding_box()["y"]
    picture = diagram.locator("svg").first.bounding_box()
    walk.resize(page, WINDOWS["a laptop"])
    assert 0 < picture["y"] + picture["height"] - top < WINDOWS[window][1]


def test_axe_finds_no_violation_in_either_theme(page):
    assert walk.violations(page, OUTPUTS, "widgets") == []


# --------------------------------------------------------------------------------------------- how it is moved


def tap(page, target, x=0.5, y=0.5):
    """Tap at this share of an element's width and height."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])


def click(page, target, x=0.5, y=0.5):
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


POINTED = {"mouse": click, "finger": tap}


def test_the_viewer_by_keyboard(page):
    page.get_by_role("slider", name="layer", exact=True).focus()
    press(page, "Home"), press(page, "ArrowRight", 1)
    press(page, "Tab", 2)  # over the number of the layer
    press(page, "Home"), press(page, "ArrowRight", 3)
    page.locator(".pcw-status", has_text="layer 1, head 3:").first.wait_for()
    assert_drawn(canvas_levels(page), WEIGHTS[0, 1, 3])


@pytest.mark.parametrize("how", POINTED)
def test_the_viewer_by(page, how):
    for name, share in (("layer", 0.999), ("head", 0.34)):
        handle = page.get_by_role("slider", name=name, exact=True)
        POINTED[how](page, handle.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]"), share)
    page.locator(".pcw-status", has_text="layer 2, head 1:").first.wait_for()
    assert_drawn(canvas_levels(page), WEIGHTS[0, 2, 1])
    POINTED[how](page, page.locator(".pcw-canvas").first, 2.5 / 8, 7.5 / 8)
    weight = np.rint(255 * WEIGHTS[0, 2, 1, 7, 2]) / 255
    assert f"␣red looks at {LABELS[2]} {weight:.2f}" in page.locator(".pcw-status").first.inner_text()


def panel(page, kind="pce", nth=0):
    return page.locator(f".{kind}").nth(nth)


def test_the_explorer_by_keyboard(page):
    explorer = panel(page)
    explorer.locator(".pce-heads").focus()
    press(page, "Home"), press(page, "ArrowDown", 2), press(page, "ArrowRight")
    assert_drawn(canvas_levels(page, ".pcw-canvas", 1), WEIGHTS[0, 2, 1])
    press(page, "Tab"), press(page, "Home"), press(page, "ArrowRight", 3)
    assert explorer.locator(".pce-option.pcw-here .pce-token").inner_text() == LABELS[3]
    assert page.locator(".jp-CodeCell").count() == len(all_widgets.CELLS) + 1  # no key of it went to JupyterLab


@pytest.mark.parametrize("how", POINTED)
def test_the_explorer_by(page, how):
    explorer, (layer, head) = panel(page), {"mouse": (1, 2), "finger": (0, 3)}[how]
    POINTED[how](page, explorer.get_by_role("gridcell", name=f"layer {layer}, head {head}", exact=True))
    assert_drawn(canvas_levels(page, ".pcw-canvas", 1), WEIGHTS[0, layer, head])
    POINTED[how](page, explorer.locator(".pce-option").nth(3))
    weight = np.rint(255 * WEIGHTS[0, layer, head, 3, 0]) / 255
    assert explorer.locator(".pce-value").first.inner_text() == f"{weight:.2f}"


@pytest.mark.parametrize("how", HANDS)
def test_two_models_by(page, how):
    both = panel(page, nth=1)
    if how == "keyboard":
        both.locator(".pce-heads").nth(1).focus()
        press(page, "Home"), press(page, "ArrowDown"), press(page, "ArrowRight", 3)
    else:
        POINTED[how](page, both.locator(".pce-heads").nth(1).locator(".pce-head").nth(7))
    for nth in (2, 3):
        assert_drawn(canvas_levels(page, ".pcw-canvas", nth), WEIGHTS[0, 1, 3])


@pytest.mark.parametrize("how", HANDS)
def test_the_scrubber_by(page, how):
    scrubber = panel(page, "pcs")
    if how == "keyboard":
        scrubber.locator(".pcs-slider").focus()
        press(page, "Home"), press(page, "ArrowRight")
        scrubber.locator(".pcs-grid").focus()
        press(page, "Home"), press(page, "ArrowDown"), press(page, "ArrowRight", 2)
    else:
        POINTED[how](page, scrubber.locator(".pcs-chart").first, {"mouse": 0.52, "finger": 0.48}[how])
        POINTED[how](page, scrubber.get_by_role("gridcell", name="layer 1, head 2", exact=True))
    assert scrubber.locator(".pcs-step").inner_text() == "step 512"
    assert_drawn(canvas_levels(page, ".pcs .pcw-canvas"), WEIGHTS[1, 1, 2])
    if how != "keyboard":
        scrubber.locator(".pcs-slider").focus()
        press(page, "End")
        POINTED[how](page, scrubber.locator(".pcs-play"))  # from the first on
        scrubber.locator(".pcs-step", has_text="step 143,000").wait_for()
        assert_drawn(canvas_levels(page, ".pcs .pcw-canvas"), WEIGHTS[2, 1, 2])


def turned(vector, pair, position):
    """(2,): a pair of the lab's vectors, turned; 8 of 32 dimensions turn."""
    frequency = 10_000.0 ** (-2 * pair / 8)
    number = complex(vector[pair], vector[pair + 4]) * np.exp(1j * position * frequency)
    return np.array([number.real, number.imag])


@pytest.mark.parametrize("how", HANDS)
def test_the_rope_lab_by(page, how):
    query, pair = {"keyboard": (20, 2), "mouse": (64, 3), "finger": (95, 1)}[how]
    lab = panel(page, "rope-lab")
    slider = lab.get_by_role("slider", name="query position")
    if how == "keyboard":
        slider.focus()
        press(page, "Home"), press(page, "ArrowRight", query)
        lab.get_by_role("slider", name="pair").focus()
        press(page, "Home"), press(page, "ArrowRight", pair)
    else:
        POINTED[how](page, slider, query / 127)
        POINTED[how](page, lab.locator(f".rope-dials [data-pair='{pair}']").first)
        query = int(slider.input_value())
        assert abs(query - {"mouse": 64, "finger": 95}[how]) < 6  # the thumb has a width
    line = lab.locator(".rope-dial line.query:not(.dashed)")
    end = np.array([float(line.get_attribute("x2")) - 110, 110 - float(line.get_attribute("y2"))])
    wanted = turned(np.arange(1.0, 33), pair, query)
    assert np.abs(end / np.linalg.norm(end) - wanted / np.linalg.norm(wanted)).max() < 0.01


@pytest.mark.parametrize("how", HANDS)
def test_the_diagram_by(page, how):
    diagram = page.locator(".block-diagram")
    before, after = diagram.locator("button").all()
    before.focus()
    press(page, "Home")
    if how == "keyboard":
        press(page, "Tab"), press(page, "Enter"), press(page, "ArrowRight"), press(page, " ")
    else:
        for _ in range(3):
            POINTED[how](page, after)
    assert diagram.locator(".block-diagram-place").inner_text() == "step 3 of 6"
    shown = diagram.locator("section").first.locator("g").evaluate_all("all => all.map((part) => part.dataset.when)")
    steps = [part["step"] for part in sequential_panel()["parts"]]
    assert shown == ["now" if step == 3 else "past" if step < 3 else "later" for step in steps]


def test_the_diagram_comes_to_rest(page):
    """What moves for over five seconds needs a way to stop it (WCAG 2.2, success criterion 2.2.2)."""
    longest = """() => Math.max(...document.querySelector(".block-diagram").getAnimations({ subtree: true })
      .map(({ effect }) => effect.getComputedTiming().endTime))"""
    page.locator(".block-diagram button").last.focus()
    press(page, "Home"), press(page, "ArrowRight", 2)
    page.locator(".block-diagram-place", has_text="step 2").wait_for()
    assert 0 < page.evaluate(longest) < 5000


@pytest.mark.parametrize(("how", "name"), zip(HANDS, ("tiny-gpt2", "tiny-pythia-sequential", "tiny-pythia")))
def test_the_picker_by(page, how, name):
    models = page.locator(f"{LIVE} .widget-dropdown select")
    models.focus()
    if how == "keyboard":
        press(page, "Home")
        while models.evaluate("(select) => select.selectedOptions[0].label") != name:
            press(page, "ArrowDown")
        press(page, "Tab", 2), press(page, "Enter")
    else:
        models.select_option(label=name)  # what opens is the system's own list
        POINTED[how](page, page.get_by_role("button", name="Open", exact=True))
    page.locator("[role=status]", has_text=f"{name} at step").wait_for()
    page.wait_for_function(PRINTS, arg=["print(picker.lm.name)", f"{name}\n"])


SEEN = {"pce": ".pce-tokens .pce-token", "pcs": ".pcs-heads div", "rope-lab": "[aria-label='key of'] option"}


@pytest.mark.parametrize("kind", SEEN)
def test_what_is_typed_above_is_seen_below_and_no_letter_goes_to_jupyterlab(page, kind):
    widget, text = page.locator(f".{kind}:has(.pcw-text)"), "dd Then Mia"  # d d would delete the cell
    field = widget.locator(".pcw-text")
    assert IMAGE in field.input_value() and widget.locator(SEEN[kind], has_text="␣Mia").count() == 0
    field.click()
    press(page, "Control+a")
    page.keyboard.type(text)
    widget.locator(SEEN[kind], has_text="␣Mia").last.wait_for(state="attached")
    assert widget.locator(".pcw-where").inner_text() == "computed in this page"
    assert field.input_value() == text and page.locator(".jp-CodeCell").count() == len(all_widgets.CELLS) + 1


HOSTILE = [IMAGE, "\u202e" + "مرحبا", "😀" * 1000, "x" * 2000]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("nth", [0, 1])
def test_what_is_typed_beside_a_slider_of_the_viewer_moves_nothing_unless_it_is_a_number(page, nth, text):
    number = page.locator(".widget-readout").nth(nth)
    before = number.inner_text()
    number.fill(text)
    press(page, "Enter")
    page.wait_for_function("([node, before]) => node.innerText === before", arg=[number.element_handle(), before])


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["Step", "Id"])
def test_what_is_typed_into_the_picker_is_answered_as_text_that_fits(page, field, text):
    picker = page.locator(LIVE).filter(has=page.locator(".widget-dropdown"))
    picker.locator("select").select_option(label="another id…" if field == "Id" else "tiny-gpt2")
    box = picker.locator("input[type=text]:visible").nth({"Step": 0, "Id": 1}[field])
    box.fill(text)
    press(page, "Enter")
    picker.get_by_role("alert").wait_for()
    assert picker.locator("img, script").count() == 0
    wrong = misplaced(page, OUTPUTS)
    box.fill("")
    press(page, "Enter")
    assert wrong == []
