"""The attention explorer in a real browser: moved with the keyboard, and what was drawn is looked at.

It is opened on an empty page, with a stand-in for the model that anywidget gives it; test_in_jupyterlab.py has it in
JupyterLab itself.
"""

import base64
import io

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from support.widget_page import LEVELS, assert_drawn, canvas_levels, levels, press

from pythia_course.widgets import AttentionExplorer

TOKENS = "␣the ␣red ␣ball <script>window.ran=1</script> 😀 <img/src=x/onerror=window.ran=1> ↵ .".split()


def causal(layers, heads, positions, seed=0):
    """Random attention as a model gives it; in head 1 each token looks at the one before it."""
    scores = 3 * np.random.default_rng(seed).normal(size=(layers, heads, positions, positions))
    scores[:, 1] += 12 * np.eye(positions, k=-1)
    weights = np.exp(np.where(np.tril(np.ones((positions, positions))), scores, -np.inf))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


# ----------------------------------------------------------------------------------------------- an empty page

# What anywidget does with a widget, without a kernel: `window.model` is the model, `window.dispose` its end.
MOUNT = """
async ({ esm, css, state, binary }) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  for (const name in binary) state[name] = bytes(binary[name]);
  const listeners = new Set(), saved = [];
  window.model = {
    listeners, saved, get: (name) => state[name],
    set: (name, value) => {
      if (state[name] === value) return;
      state[name] = value;
      for (const [names, call] of [...listeners]) if (names.split(" ").includes(`change:${name}`)) call();
    },
    save_changes: () => saved.push([state.layer, state.head]),
    on: (names, call) => listeners.add([names, call]),
    off: (names, call) => listeners.forEach((entry) => { if (entry[1] === call) listeners.delete(entry); }),
  };
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const widget = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  window.dispose = widget.default.render({ model: window.model, el: document.body });
}
"""
# Notes for each key the time from the press to the frame that shows its picture, and what that picture is.
WATCH = """
() => {
  window.watched = [];
  removeEventListener("keydown", window.watch, true); // of another widget, or of an earlier walk
  window.watch = ({ timeStamp }) => requestAnimationFrame(() => {
    const canvas = document.querySelector(".pcw-canvas"), ms = performance.now() - timeStamp;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    window.watched.push({ ms, pixels: btoa(String.fromCharCode(...pixels)) });
  });
  addEventListener("keydown", window.watch, true);
}
"""


@pytest.fixture
def show(empty_page):
    """Opens an explorer on an empty page."""
    page = empty_page
    page.set_viewport_size({"width": 1100, "height": 800})

    def mount(explorer):
        state = explorer.get_state(["_weights", "_colors", "_models", "_title", "layer", "head"])
        binary = {name: base64.b64encode(state.pop(name)).decode() for name in ("_weights", "_colors")}
        page.set_content("<!doctype html><body></body>")
        code = {"esm": str(explorer._esm), "css": str(explorer._css)}
        page.evaluate(MOUNT, code | {"state": state, "binary": binary})
        return page

    return mount


def selected(page):
    return page.locator(".pce-head[aria-selected=true]").evaluate_all("all => all.map(cell => cell.ariaLabel)")


def status(page):
    return page.locator(".pcw-status").inner_text()


def walk(page, number):
    """Press the right arrow so often; what was seen after each: [(ms since the press, levels)]."""
    page.evaluate(WATCH)
    for pressed in range(number):
        page.wait_for_timeout(20 + 7 * pressed % 17)  # as with a person, a key comes at any moment between two frames
        page.keyboard.press("ArrowRight")
        page.evaluate("() => new Promise(requestAnimationFrame)")
    side = int(page.locator(".pcw-canvas").evaluate("canvas => canvas.width"))
    watched = page.evaluate("watched")
    assert len(watched) == number
    return [(seen["ms"], levels(base64.b64decode(seen["pixels"]), side)) for seen in watched]


# -------------------------------------------------------------------------------------------- what is drawn


def test_every_head_reached_with_the_arrows_is_drawn_as_it_is(show):
    attention = causal(4, 12, 50)
    page = show(AttentionExplorer(attention, ["␣word"] * 50))
    page.locator(".pce-heads").focus()
    assert_drawn(canvas_levels(page), attention[0, 0])
    for number, (_, drawn) in enumerate(walk(page, 47), start=1):
        assert_drawn(drawn, attention[divmod(number, 12)])
    assert page.evaluate("model.saved")[-1] == [3, 11]


def test_the_screen_shows_the_colors_of_the_canvas(show):
    attention = causal(2, 2, 8)
    page = show(AttentionExplorer(attention, TOKENS, layer=1, head=1))
    picture = matplotlib.image.imread(io.BytesIO(page.locator(".pcw-canvas").screenshot()))
    centers = ((np.arange(8) + 0.5) * picture.shape[0] / 8).astype(int)
    seen = 255 * picture[np.ix_(centers, centers)][..., :3]
    expected = LEVELS[np.rint(255 * attention[1, 1]).astype(int)]
    looking = np.tril_indices(8)
    assert np.abs(seen - expected)[looking].max() <= 2


def test_thumbnails_are_all_heads(show):
    attention = causal(2, 3, 8)
    page = show(AttentionExplorer(attention, TOKENS))
    for number, (layer, head) in enumerate(np.ndindex(2, 3)):
        assert_drawn(canvas_levels(page, ".pce-head canvas", number), attention[layer, head])


def test_a_thumbnail_smaller_than_the_prompt_keeps_the_largest_weights(show):
    attention = causal(1, 2, 300)
    page = show(AttentionExplorer(attention, ["␣word"] * 300))
    small = canvas_levels(page, ".pce-head canvas", 1)
    starts = -(-np.arange(len(small)) * 300 // len(small))
    blocks = np.maximum.reduceat(np.maximum.reduceat(attention[0, 1], starts, 0), starts, 1)
    assert np.abs(small - 255 * blocks)[np.tril_indices(len(small))].max() <= 1.5


# -------------------------------------------------------------------------------------- moving about in it


def test_keys_and_clicks_choose_a_head_and_python_is_told(show):
    page = show(AttentionExplorer(causal(3, 4, 8), TOKENS))
    page.locator(".pce-heads").focus()
    press(page, "ArrowDown"), press(page, "ArrowRight", 2)
    assert selected(page) == ["layer 1, head 2"]
    press(page, "ArrowUp"), press(page, "ArrowLeft")
    assert selected(page) == ["layer 0, head 1"]
    press(page, "ArrowUp"), press(page, "Control+End")
    assert selected(page) == ["layer 0, head 1"]
    press(page, "End"), press(page, "ArrowRight")
    assert selected(page) == ["layer 2, head 3"]
    page.locator(".pce-head").nth(5).click()
    assert selected(page) == ["layer 1, head 1"]
    saved = page.evaluate("model.saved")
    assert saved == [[1, 0], [1, 1], [1, 2], [0, 2], [0, 1], [2, 3], [1, 1]]


def test_a_head_set_from_python_is_shown(show):
    attention = causal(3, 4, 8)
    page = show(AttentionExplorer(attention, TOKENS))
    page.evaluate("() => { model.set('layer', 2); model.set('head', 3); }")
    assert selected(page) == ["layer 2, head 3"] and page.evaluate("model.saved") == []
    assert_drawn(canvas_levels(page), attention[2, 3])


def values(page, panel=0):
    return page.locator(".pce-tokens").nth(panel).locator(".pce-value").all_inner_texts()


def test_a_token_pointed_at_or_chosen_with_the_arrows_shows_where_it_looks(show):
    attention = causal(2, 2, 8)
    page = show(AttentionExplorer(attention, TOKENS, head=1))

    def looks(query):
        read = [float(value) for value in values(page)[: query + 1]]
        assert np.abs(read - attention[0, 1, query, : query + 1]).max() <= 0.5 / 255 + 0.005 + 1e-6
        assert values(page)[query + 1 :] == [""] * (7 - query)
        assert f"layer 0, head 1: {TOKENS[query]} looks at {TOKENS[query - 1]} " in status(page)

    looks(7)
    page.locator(".pce-option").nth(2).hover()
    looks(2)
    page.locator(".pce-tokens").focus()
    press(page, "ArrowRight", 2), press(page, "ArrowUp")
    looks(3)
    press(page, "End"), press(page, "ArrowRight")
    looks(7)


def test_a_cell_of_the_map_names_its_row_and_its_column(show):
    attention = causal(2, 2, 8)
    page = show(AttentionExplorer(attention, TOKENS))
    box = page.locator(".pcw-canvas").bounding_box()
    cell = box["width"] / 8
    page.mouse.move(box["x"] + 1.5 * cell, box["y"] + 2.5 * cell)
    weight = np.rint(255 * attention[0, 0, 2, 1]) / 255
    assert status(page) == f"layer 0, head 0: ␣ball looks at ␣red {weight:.2f}"
    assert page.locator(".pcw-label.pcw-here").all_inner_texts() == ["␣ball", "␣red"]


def test_heads_are_sorted_and_filtered_by_a_score(show):
    score = np.array([[0.1, 0.7, 0.3], [0.9, 0.2, 0.5]])
    page = show(AttentionExplorer(causal(2, 3, 8), TOKENS, scores={"ours": score}))
    names = "all => all.map(cell => cell.ariaLabel)"
    page.locator(".pcw select").select_option(label="ours")
    best_first = ["1, head 0", "0, head 1", "1, head 2", "0, head 2", "1, head 1", "0, head 0"]
    shown = page.locator(".pce-head").evaluate_all(names)
    assert shown == [f"layer {at}, ours {score[int(at[0]), int(at[-1])]:.2f}" for at in best_first]
    assert selected(page) == shown[:1]
    page.locator(".pce-least").fill("0.5")
    assert page.locator(".pce-head").evaluate_all(names) == shown[:3]
    assert "0.50: 3 of 6 heads" in page.locator(".pcw-controls").first.inner_text()
    page.locator(".pce-heads").focus()
    press(page, "ArrowRight")
    assert selected(page) == shown[1:2]
    page.locator("input[type=checkbox]").uncheck()
    assert page.locator(".pce-head").count() == 6 and page.locator(".pce-out").count() == 3
    page.locator(".pce-heads").focus()
    press(page, "ArrowRight")  # past layer 0, head 2, which the filter leaves out
    assert selected(page) == shown[:1]
    page.locator(".pcw select").select_option(label="none")
    assert page.locator(".pce-head").evaluate_all(names)[:2] == ["layer 0, head 0", "layer 0, head 1"]


def test_a_score_is_rounded_once(show):
    page = show(AttentionExplorer(causal(1, 2, 8), TOKENS, scores={"ours": [[0.12496, 0.7]]}))
    page.locator(".pcw select").select_option(label="ours")
    assert page.locator(".pce-caption").all_inner_texts() == ["L0 H1\n0.70", "L0 H0\n0.12"]


def test_two_models_move_in_lock_step(show):
    one, two = causal(3, 4, 8), causal(2, 4, 5, seed=1)
    page = show(AttentionExplorer.compare({"one": (one, TOKENS), "two": (two, TOKENS[:5])}))
    page.locator(".pce-heads").nth(1).focus()
    press(page, "ArrowDown"), press(page, "ArrowRight")
    assert selected(page) == ["layer 1, head 1"] * 2
    assert_drawn(canvas_levels(page, nth=0), one[1, 1])
    assert_drawn(canvas_levels(page, nth=1), two[1, 1])
    assert "one: . looks at ↵" in status(page) and "two: 😀 looks at <script>" in status(page)
    page.locator(".pce-tokens").nth(0).locator(".pce-option").nth(1).hover()
    assert "one: ␣red looks at ␣the" in status(page) and "two: 😀 looks at <script>" in status(page)
    press(page, "ArrowDown")
    assert selected(page) == ["layer 2, head 1"] and "two: no such head" in status(page)
    assert not page.locator(".pcw-canvas").nth(1).is_visible()


def test_models_that_read_the_same_tokens_look_from_the_same_one(show):
    page = show(AttentionExplorer.compare({name: (causal(1, 2, 8), TOKENS) for name in ("one", "two")}))
    page.locator(".pce-tokens").nth(1).locator(".pce-option").nth(2).hover()
    assert values(page, 0) == values(page, 1) and values(page, 0)[3:] == [""] * 5


# ------------------------------------------------------------------------------------ safe, and open to all


def test_tokens_are_drawn_and_never_interpreted(show):
    explorer = AttentionExplorer.compare({"<b>one</b>": (causal(1, 2, 8), TOKENS)}, title="<i>title</i>")
    page = show(explorer)
    assert page.locator(".pce-token").all_inner_texts() == TOKENS
    assert page.locator(".pcw-title").inner_text() == "<i>title</i>"
    assert page.locator(".pce-name").inner_text() == "<b>one</b>"
    assert page.locator(".pce").locator("script, img, b, i").count() == 0
    page.locator(".pce-option").nth(4).hover()
    assert page.evaluate("window.ran") is None


def test_everything_is_reached_with_tab_keeps_its_keys_and_shows_the_focus(show):
    page = show(AttentionExplorer(causal(2, 2, 8), TOKENS))
    page.locator(".pcw select").select_option(index=1)
    script = """() => {
        const e = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(e);
        const kind = e.tagName + (e.getAttribute("role") ?? "");
        return [kind, e.dataset.lmSuppressShortcuts, outlineStyle, parseFloat(outlineWidth)];
    }"""
    page.locator("body").focus()
    reached = []
    for _ in range(5):
        press(page, "Tab")
        reached.append(page.evaluate(script))
    assert [focus[0] for focus in reached] == ["SELECT", "INPUT", "INPUT", "DIVgrid", "DIVlistbox"]
    assert all(focus[1:3] == ["true", "solid"] and focus[3] >= 2 for focus in reached)


def test_a_screen_reader_is_told_what_is_there(show):
    page = show(AttentionExplorer(causal(2, 2, 8), TOKENS, title="One prompt"))
    page.get_by_role("group", name="One prompt").wait_for()
    grid = page.get_by_role("grid", name="all heads, arrow keys choose one")
    assert grid.get_by_role("gridcell", name="layer 1, head 0").count() == 1
    assert grid.get_by_role("rowheader").count() == 2
    headers = grid.get_by_role("columnheader").all_inner_texts() + grid.get_by_role("rowheader").all_inner_texts()
    assert all(headers)  # a corner heads nothing
    page.get_by_role("img", name="layer 0, head 0").wait_for()
    active = "e => document.getElementById(e.getAttribute('aria-activedescendant')).ariaLabel"
    grid.focus()
    press(page, "ArrowDown")
    assert grid.evaluate(active) == "layer 1, head 0"
    assert page.get_by_role("listbox").get_by_role("option", selected=True).inner_text().startswith(".")
    assert page.locator("[aria-live=polite]").inner_text() == status(page) != ""


def test_nothing_is_left_when_the_cell_is_cleared(show):
    page = show(AttentionExplorer(causal(2, 2, 8), TOKENS))
    page.evaluate("dispose()")
    assert page.evaluate("[document.body.children.length, model.listeners.size]") == [0, 0]
    page.evaluate("model.set('head', 1)")
