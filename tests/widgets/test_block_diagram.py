"""The diagram of one layer: the same description in both drawings, moved by keys and buttons in a real browser."""

import json

import matplotlib.pyplot as plt
import pytest
import traitlets
from support.widget_page import contrast

from pythia_course.widgets import block_diagram
from pythia_course.widgets.block_diagram import BlockDiagram, block_picture, parallel_panel, sequential_panel

PANELS = (sequential_panel(), parallel_panel())


def parts(panel, **wanted):
    return [part for part in panel["parts"] if wanted.items() <= part.items()]


def ends_at(panel, x, y):
    """The step of the one line whose arrow ends on this point."""
    (line,) = [line for line in parts(panel, kind="line", arrow=True) if line["points"][-1] == [x, y]]
    return line["step"]


# ----------------------------------------------------------------------------------------- the description


def test_in_a_sequential_block_the_mlp_reads_below_the_sum_and_in_a_parallel_block_beside_attention():
    for panel, step, branches_at in zip(PANELS, (4, 1), (245, 70)):
        (norm,) = parts(panel, kind="box", text="LayerNorm₂")
        assert norm["step"] == step
        assert ends_at(panel, norm["x"] + norm["width"] / 2, norm["y"]) == step
        (read,) = [line for line in parts(panel, kind="line") if line["points"][-1][:] == [260, norm["y"]]]
        assert [160, branches_at] in read["points"]


def test_only_the_sequential_block_has_a_resid_mid_and_two_sums():
    texts = [[part.get("text") for part in panel["parts"]] for panel in PANELS]
    assert ["resid_mid" in names for names in texts] == [True, False]
    assert [len(parts(panel, kind="plus")) for panel in PANELS] == [2, 1]


def test_every_step_has_a_sentence_and_every_part_lies_inside():
    width, height = block_diagram.SIZE
    for panel in PANELS:
        assert len(panel["sentences"]) == block_diagram.STEPS
        assert {part["step"] for part in panel["parts"]} <= set(range(block_diagram.STEPS))
        for part in panel["parts"]:
            for x, y in part.get("points", [(part.get("x"), part.get("y"))]):
                assert 0 <= x <= width and 0 <= y <= height
            assert part.get("x", 0) + part.get("width", 0) <= width


# ------------------------------------------------------------------------------------------- the static one


def drawn_texts(ax, at_least=0.9):
    return {text.get_text() for text in ax.texts if (text.get_alpha() or 1) > at_least}


def test_the_picture_names_every_part():
    axes = block_picture()
    assert [ax.get_title() for ax in axes] == ["Sequential (GPT-2)", "Parallel (Pythia)"]
    for ax in axes:
        assert {"LayerNorm₁", "LayerNorm₂", "attention", "MLP", "x", "to the next layer"} <= drawn_texts(ax)
    plt.close("all")


def test_a_picture_of_one_step_leaves_later_parts_faint():
    sequential, parallel = block_picture(step=3)
    assert "attention" in drawn_texts(sequential) and "MLP" not in drawn_texts(sequential)
    assert {"attention", "MLP"} <= drawn_texts(parallel)
    plt.close("all")


@pytest.mark.parametrize("step", [-1, 7, "first"])
def test_a_step_that_is_not_there_is_refused(step):
    with pytest.raises(ValueError, match="0 to 6"):
        block_picture(step=step)


def test_the_widget_knows_its_steps_and_what_it_shows_without_a_kernel():
    diagram = BlockDiagram(step=2)
    assert diagram.step == 2 and diagram.panels == list(PANELS)
    assert len(repr(diagram)) < 110 and "0x" not in repr(diagram)
    with pytest.raises(traitlets.TraitError):
        diagram.step = 7


# --------------------------------------------------------------------------------------- in a real browser

PAGE = """
<style>%(css)s</style><div id="place" style="%(theme)s"></div>
<script type="module">
  const state = %(state)s, listeners = [];
  window.model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; if (name === "step") listeners.forEach((tell) => tell()); },
    save_changes: () => {},
    on: (_, tell) => listeners.push(tell),
    off: (_, tell) => listeners.splice(listeners.indexOf(tell), 1),
  };
  const source = new Blob([%(js)s], { type: "text/javascript" });
  const widget = (await import(URL.createObjectURL(source))).default;
  window.leave = widget.render({ model, el: document.querySelector("#place") });
  window.listeners = listeners;
  document.body.dataset.ready = "yes";
</script>
"""
DARK = "background:#111;--jp-ui-font-color1:rgba(255,255,255,0.87);--jp-layout-color0:#111"
LIGHT = "background:#fff;--jp-ui-font-color1:rgba(0,0,0,0.87);--jp-layout-color0:#fff"


IN_EVERY_THEME = pytest.mark.parametrize("page", ["", LIGHT, DARK], ids=["no theme", "light", "dark"], indirect=True)


@pytest.fixture
def page(browser, request):
    """The widget in a page of its own; IN_EVERY_THEME has it in three, for what colours have to do with."""
    diagram = BlockDiagram()
    state = {name: getattr(diagram, name) for name in ("step", "panels", "size", "fill")}
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    values = {
        "css": BlockDiagram._css,
        "js": json.dumps(BlockDiagram._esm),
        "state": json.dumps(state),
        "theme": getattr(request, "param", ""),
    }
    page.set_content(PAGE % values)
    page.wait_for_selector("body[data-ready]")
    yield page
    assert [url for url in asked if url.startswith("http")] == []
    page.close()


def when(page, panel, text):
    """ "now", "past" or "later": how the part with this text is drawn in the first or second panel."""
    found = page.locator("section").nth(panel).locator("g", has=page.get_by_text(text, exact=True)).first
    return found.get_attribute("data-when")


def sentences(page):
    return page.locator("section p").all_text_contents()


def test_the_arrow_keys_walk_through_the_layer(page):
    page.locator("button").nth(1).focus()
    assert [when(page, panel, "MLP") for panel in (0, 1)] == ["later", "later"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert [when(page, panel, "attention") for panel in (0, 1)] == ["now", "now"]
    assert [when(page, panel, "MLP") for panel in (0, 1)] == ["later", "now"]
    assert sentences(page) == [panel["sentences"][2] for panel in PANELS]
    page.keyboard.press("End")
    assert page.evaluate("model.get('step')") == 6 and when(page, 0, "MLP") == "past"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("model.get('step')") == 6
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("model.get('step')") == 0


def test_the_buttons_walk_too_and_say_where_they_end(page):
    previous, following = page.get_by_role("button").all()
    assert previous.get_attribute("aria-disabled") == "true"
    for _ in range(6):
        following.click()
    assert page.locator(".block-diagram-place").text_content() == "step 6 of 6"
    assert following.get_attribute("aria-disabled") == "true"
    previous.click()
    assert sentences(page)[0] == PANELS[0]["sentences"][5]


def test_jupyterlab_is_asked_to_leave_the_keys_alone_on_the_very_element_with_the_focus(page):
    for button in page.get_by_role("button").all():
        assert button.get_attribute("data-lm-suppress-shortcuts") == "true"


# Colours behind and of every letter as drawn, half transparent ones included: [[behind, ink], …].
COLORS = """
() => {
  const numbers = (text) => text.match(/[0-9.]+/g).map(Number);
  const over = (ink, share, paper) => paper.map((channel, i) => share * ink[i] + (1 - share) * channel);
  const [r, g, b, seen] = numbers(getComputedStyle(document.querySelector("#place")).backgroundColor);
  const paper = seen === 0 ? [255, 255, 255] : [r, g, b];
  return [...document.querySelectorAll(".block-diagram-text text, .block-diagram-plus text")].map((text) => {
    const [red, green, blue, own] = numbers(getComputedStyle(text).fill);
    return [paper, over([red, green, blue], (own ?? 1) * getComputedStyle(text.parentNode).opacity, paper)];
  });
}
"""


@IN_EVERY_THEME
@pytest.mark.parametrize("step", [0, 6])
def test_lines_and_letters_stand_out_from_what_is_behind_them_also_those_of_steps_to_come(page, step):
    """Contrast of at least 4.5, the figure of WCAG 2.1 for text."""
    page.keyboard.press("Tab")
    if step:
        page.keyboard.press("End")
    pairs = page.evaluate(COLORS)
    assert len(pairs) > 5 and min(contrast(*pair) for pair in pairs) >= 4.5


@IN_EVERY_THEME
def test_what_is_to_come_is_told_by_its_outline_and_not_only_by_its_shade(page):
    outline = "e => [getComputedStyle(e).strokeDasharray !== 'none', getComputedStyle(e).fill !== 'none']"
    boxes = page.locator("section").first.locator("rect")
    first, last = boxes.first, boxes.last
    assert first.evaluate(outline) == last.evaluate(outline) == [True, False]  # at step 0 all boxes are to come
    page.keyboard.press("Tab"), page.keyboard.press("End")
    assert first.evaluate(outline) == last.evaluate(outline) == [False, True]


def test_it_adds_no_heading_to_the_lesson_s_own(page):
    assert page.get_by_role("heading").count() == 0
    assert page.locator(".block-diagram-title").all_inner_texts() == [panel["title"] for panel in PANELS]


def test_a_screen_reader_hears_which_block_is_which_and_what_happens(page):
    assert [section.get_attribute("aria-label") for section in page.locator("section").all()] == [
        panel["title"] for panel in PANELS
    ]
    assert {p.get_attribute("aria-live") for p in page.locator("section p").all()} == {"polite"}


def test_a_widget_that_is_taken_away_stops_listening(page):
    page.evaluate("leave()")
    assert page.evaluate("listeners.length") == 0
