"""Controls of ipywidgets' own in JupyterLab: reached and named on the keyboard, in a narrow window, and by touch."""

import pytest

CELLS = (
    "import numpy as np\nfrom pythia_course import widgets\n"
    "attention, tokens = np.tril(np.ones((2, 3, 4, 4))) / np.arange(1, 5)[:, None], list('abcd')",
    "viewer = widgets.AttentionViewer(attention, tokens)\nviewer",
    "widgets.ModelPicker()",
    "explorer = widgets.AttentionExplorer(attention, tokens)\nexplorer",
    "widgets.TrainingScrubber([0, 1], tokens, attention=[attention, attention], duplicates='keep')",
)


@pytest.fixture(scope="module", params=["JupyterLab Light", "JupyterLab Dark"])
def page(browser, shared_lab, request):
    """A notebook with these cells, run, on a machine that is touched."""
    window = {"viewport": {"width": 1280, "height": 1100}, "has_touch": True}
    with shared_lab.opened(browser, "controls", CELLS, theme=request.param, **window) as page:
        page.evaluate("async () => { await jupyterapp.commands.execute('notebook:run-all-cells'); }")
        page.locator(".pcs-slider").wait_for()
        yield page


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
