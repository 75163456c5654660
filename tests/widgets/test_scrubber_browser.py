"""The training scrubber in a real browser: moved with the keyboard, and what was drawn is looked at.

It is opened on an empty page, with a stand-in for the model that anywidget gives it; test_in_jupyterlab.py has it in
JupyterLab itself.
"""

import base64

import numpy as np
import pytest
from support.widget_page import LEVELS, assert_drawn, canvas_levels, levels, press

from pythia_course.widgets import TrainingScrubber

TOKENS = "␣the ␣red ␣ball <script>window.ran=1</script> 😀 <img/src=x/onerror=window.ran=1> ↵ .".split()
STEPS = (0, 1, 2, 4, 8, 1000, 143_000)


def record(steps=STEPS, tokens=TOKENS, layers=3, heads=4, seed=0, next_tokens=5):
    """What every checkpoint of a made-up model does; nothing in it is twice the same."""
    dice = np.random.default_rng(seed)
    scores = 3 * dice.normal(size=(len(steps), layers, heads, len(tokens), len(tokens)))
    weights = np.exp(np.where(np.tril(np.ones((len(tokens),) * 2)), scores, -np.inf))
    shape = (len(steps), layers + 1, len(tokens))
    shares = dice.dirichlet(np.ones(next_tokens), size=len(steps))
    return {
        "attention": (weights / weights.sum(-1, keepdims=True)).astype(np.float32),
        "predictions": [[(str(dice.choice(tokens)), float(p)) for p in sorted(row)[::-1]] for row in shares],
        "lens": (np.array(tokens)[dice.integers(len(tokens), size=shape)], dice.random(shape)),
        "scores": {"loss": np.linspace(7, 1, len(steps)), "of a head": dice.random((len(steps), layers, heads))},
    }


# ----------------------------------------------------------------------------------------------- an empty page

# What anywidget does with a widget, without a kernel: `window.model` is the model, `window.dispose` its end.
MOUNT = """
async ({ esm, css, state, binary }) => {
  const pen = CanvasRenderingContext2D.prototype, write = pen.fillText; // what is written on a canvas, and where
  window.written = {};
  pen.fillText = function (text, x, y) {
    window.written[[x, y]] = [text, this.fillStyle];
    write.call(this, text, x, y);
  };
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
    save_changes: () => saved.push([state.step, state.layer, state.head]),
    on: (names, call) => listeners.add([names, call]),
    off: (names, call) => listeners.forEach((entry) => { if (entry[1] === call) listeners.delete(entry); }),
  };
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const widget = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  window.dispose = widget.default.render({ model: window.model, el: document.body });
}
"""
SENT = ("_weights", "_said", "_sure", "_colors", "_data", "_title", "step", "layer", "head")
# Notes for each key the time from the press to the frame that shows its picture, and what that picture is.
WATCH = """
() => {
  window.watched = [];
  removeEventListener("keydown", window.watch, true); // of another widget, or of an earlier walk
  window.watch = ({ timeStamp }) => requestAnimationFrame(() => {
    const canvas = document.querySelector(".pcw-canvas"), [words] = document.querySelectorAll(".pcs-words");
    const ms = performance.now() - timeStamp;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const lens = words.getContext("2d").getImageData(0, 0, words.width, words.height).data;
    const cells = [...Array(13 * 20).keys()].map((i) => {
      const row = Math.floor(i / 20) * Math.floor(words.height / 13) + 1;
      const at = 4 * (row * words.width + (i % 20) * Math.floor(words.width / 20) + 1);
      return [...lens.subarray(at, at + 3)];
    });
    window.watched.push({ ms, cells, step: document.querySelector(".pcs-step").innerText,
                          pixels: btoa(String.fromCharCode(...pixels)) });
  });
  addEventListener("keydown", window.watch, true);
}
"""


@pytest.fixture
def show(empty_page):
    """Opens a scrubber on an empty page."""
    page = empty_page
    page.set_viewport_size({"width": 1100, "height": 1000})

    def mount(scrubber):
        state = scrubber.get_state(list(SENT))
        names = [name for name, value in state.items() if isinstance(value, bytes)]
        binary = {name: base64.b64encode(state.pop(name)).decode() for name in names}
        page.set_content("<!doctype html><body></body>")
        code = {"esm": str(scrubber._esm), "css": str(scrubber._css)}
        page.evaluate(MOUNT, code | {"state": state, "binary": binary})
        return page

    return mount


def lens_cells(page):
    """What was written last in each cell of the lens, row by row, and in which colour."""
    places = page.evaluate("Object.entries(written)")
    return [said for _, said in sorted(places, key=lambda item: [float(x) for x in item[0].split(",")][::-1])]


def fitting(word):
    """A word as a cell of the lens holds it; of those in these tests only the two tags are too long."""
    return f"{word[:8]}…" if len(word) > 9 else word


def assert_all_shown(page, given, at, layer=0, head=0, steps=STEPS):
    """Everything on the page is that of this checkpoint."""
    assert page.locator(".pcs-step").inner_text() == f"step {steps[at]:,}"
    assert_drawn(canvas_levels(page), given["attention"][at, layer, head])
    tokens, shares = (page.locator(name).all_inner_texts() for name in (".pcs-next .pcs-token", ".pcs-share"))
    assert tokens == [token for token, _ in given["predictions"][at]]
    for share, (_, p) in zip(shares, given["predictions"][at]):
        assert share == "<0.1%" if p < 0.0005 else abs(float(share[:-1]) - 100 * p) < 0.06
    assert [word for word, _ in lens_cells(page)] == [fitting(word) for word in given["lens"][0][at].ravel()]
    values = page.locator(".pcs-value").all_inner_texts()
    loss, own = given["scores"]["loss"][at], given["scores"]["of a head"][at, layer, head]
    assert np.abs(np.array(values[-2:], float) - [loss, own]).max() < 0.0052


def walk(page, number):
    """Press the right arrow so often; what was seen after each: ms since the press, step, words and levels."""
    page.evaluate(WATCH)
    for pressed in range(number):
        page.wait_for_timeout(20 + 7 * pressed % 17)  # as with a person, a key comes at any moment between two frames
        page.keyboard.press("ArrowRight")
        page.evaluate("() => new Promise(requestAnimationFrame)")
    width = int(page.locator(".pcw-canvas").evaluate("canvas => canvas.width"))
    watched = page.evaluate("watched")
    assert len(watched) == number
    return [seen | {"drawn": levels(base64.b64decode(seen["pixels"]), width)} for seen in watched]


# -------------------------------------------------------------------------------------------- what is drawn


def test_each_key_moves_attention_next_tokens_lens_and_scores_together(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given, step=0))
    page.locator(".pcs-slider").focus()
    assert_all_shown(page, given, 0)
    for at in range(1, len(STEPS)):
        press(page, "ArrowRight")
        assert_all_shown(page, given, at)
    press(page, "ArrowRight"), press(page, "Home")
    assert_all_shown(page, given, 0)
    press(page, "End")
    assert_all_shown(page, given, len(STEPS) - 1)
    saved = page.evaluate("model.saved")
    assert [step for step, *_ in saved] == [*STEPS[1:], 0, STEPS[-1]] and all(head == [0, 0] for _, *head in saved)


def test_thumbnails_are_all_heads_of_the_step(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given, step=4))
    drawn, pitch = canvas_levels(page, ".pcs-stack canvas"), len(TOKENS) + 1
    for layer, head in np.ndindex(3, 4):
        part = drawn[layer * pitch : (layer + 1) * pitch, head * pitch : (head + 1) * pitch]
        assert_drawn(part[:-1, :-1], given["attention"][3, layer, head])
        assert (part[-1] < 0).all() and (part[:, -1] < 0).all()


def test_a_thumbnail_smaller_than_the_prompt_keeps_the_largest_weights(show):
    tokens = ["␣word"] * 100
    given = record((0, 1), tokens, 1, 6)
    page = show(TrainingScrubber((0, 1), tokens, given["attention"]))
    side = int(page.locator(".pcs-stack canvas").evaluate("c => c.width")) // 6 - 1
    assert side < 100
    small = canvas_levels(page, ".pcs-stack canvas")[:side, :side]
    starts = -(-np.arange(side) * 100 // side)
    blocks = np.maximum.reduceat(np.maximum.reduceat(given["attention"][1, 0, 0], starts, 0), starts, 1)
    assert np.abs(small - 255 * blocks)[np.tril_indices(side)].max() <= 1.5


def test_the_lens_is_coloured_by_how_sure_it_is_and_underlines_what_came(show):
    given, at = record(), 2
    page = show(TrainingScrubber(STEPS, TOKENS, **given, step=2))
    canvas = page.locator(".pcs-words")
    pixels = canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    pixels = np.array(pixels).reshape(-1, int(canvas.evaluate("c => c.width")), 4)
    words, sure = (part[at] for part in given["lens"])
    high, wide = pixels.shape[0] // len(words), pixels.shape[1] // len(TOKENS)
    written = np.array(lens_cells(page), dtype=object).reshape(*words.shape, 2)
    for row, position in np.ndindex(words.shape):
        color = LEVELS[round(255 * sure[row, position])]
        cell = pixels[row * high : (row + 1) * high, position * wide : (position + 1) * wide]
        assert np.array_equal(cell[1, 1, :3], color)
        ink = 0 if color @ [0.299, 0.587, 0.114] > 127 else 255
        assert written[row, position, 1] == ("#000000", "#ffffff")[ink > 0]
        came = position + 1 < len(TOKENS) and words[row, position] == TOKENS[position + 1]
        assert np.array_equal(cell[-3, 4, :3], [ink] * 3 if came else color)


def test_pointing_at_the_lens_says_the_whole_word_and_how_sure_it_is(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given))
    box = page.locator(".pcs-words").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 2.5 / len(TOKENS), box["y"] + box["height"] * 1.5 / 4)
    words, sure = (part[-1, 1, 2] for part in given["lens"])
    said = page.locator(".pcw-status").inner_text()
    assert f"after layer 0, having read ␣ball, it says {words} {np.rint(255 * sure) / 255:.2f} ·" in said


def test_bars_are_as_long_as_their_share_and_the_last_answer_is_marked(show):
    given = record()
    given["predictions"][-1][0] = ("answer", given["predictions"][-1][0][1])
    given["predictions"][2][3] = ("answer", given["predictions"][2][3][1])
    page = show(TrainingScrubber(STEPS, TOKENS, **given, step=2))
    wide = "getBoundingClientRect().width"
    script = f"all => all.map(bar => bar.{wide} / bar.parentElement.{wide})"
    np.testing.assert_allclose(
        page.locator(".pcs-bar").evaluate_all(script), [p for _, p in given["predictions"][2]], atol=1e-3
    )
    assert page.locator(".pcs-answer .pcs-token").all_inner_texts() == ["answer"]


def test_a_number_is_rounded_once_as_in_the_figures(show):
    said, scores = [[("␣red", 0.98847)], [("␣red", 0.0004)]], {"a": [0.12496, 1], "b": [0.00496, 1]}
    page = show(TrainingScrubber([0, 1], TOKENS, predictions=said, scores=scores, step=0))
    assert page.locator(".pcs-share").all_inner_texts() == ["98.8%"]
    assert page.locator(".pcs-value").all_inner_texts() == ["0.12", "0.00"]
    page.locator(".pcs-slider").focus()
    press(page, "ArrowRight")
    assert page.locator(".pcs-share").all_inner_texts() == ["<0.1%"]


def test_the_line_through_the_scores_stands_under_the_thumb(show):
    page = show(TrainingScrubber(STEPS, TOKENS, **record(), step=0))
    page.locator(".pcs-slider").focus()
    for at in range(len(STEPS)):
        slider, line = (page.locator(name).bounding_box() for name in (".pcs-slider", ".pcs-line"))
        thumb = slider["x"] + 8 + (slider["width"] - 16) * at / (len(STEPS) - 1)
        assert abs(line["x"] - thumb) <= 2
        chart = page.locator(".pcs-chart").first.bounding_box()
        assert line["height"] >= 3 * chart["height"]
        press(page, "ArrowRight")


def test_a_score_of_its_own_for_each_head_follows_the_head(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given))
    lines = [page.locator(".pcs-chart path").evaluate_all("all => all.map(path => path.getAttribute('d'))")]
    page.locator(".pcs-head").nth(7).click()
    lines.append(page.locator(".pcs-chart path").evaluate_all("all => all.map(path => path.getAttribute('d'))"))
    same = [before == after for before, after in zip(*lines)]
    names = page.locator(".pcs-name").all_inner_texts()
    assert dict(zip(names, same)) == {
        "previous token": False, "first token": False, "loss": True, "of a head": False,
    }  # fmt: skip
    heights = [float(point.split(",")[1]) for point in lines[1][3][1:].split("L")]
    values, top = given["scores"]["of a head"], given["scores"]["of a head"].max()
    np.testing.assert_allclose(heights, 96 - 92 * values[:, 1, 3] / top, atol=0.05)


def test_a_step_without_a_number_leaves_a_gap(show):
    page = show(TrainingScrubber(STEPS, TOKENS, scores={"gap": [1, 2, np.nan, 4, 5, 6, 7]}, step=2))
    assert page.locator(".pcs-value").inner_text() == "–"
    assert page.locator(".pcs-chart path").get_attribute("d").count("M") == 2


# -------------------------------------------------------------------------------------- moving about in it


def test_a_head_is_chosen_with_keys_and_clicks_and_python_is_told(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given, step=4))
    page.locator(".pcs-grid").focus()
    press(page, "ArrowDown"), press(page, "ArrowRight", 2), press(page, "ArrowUp", 2), press(page, "ArrowLeft")
    assert_all_shown(page, given, 3, 0, 1)
    page.locator(".pcs-head").nth(7).click()
    assert_all_shown(page, given, 3, 1, 3)
    chosen = page.locator(".pcs-head[aria-selected=true]").evaluate_all("all => all.map(cell => cell.ariaLabel)")
    assert chosen == ["layer 1, head 3"]
    assert page.evaluate("model.saved") == [[4, 1, 0], [4, 1, 1], [4, 1, 2], [4, 0, 2], [4, 0, 1], [4, 1, 3]]


def test_what_python_sets_is_shown(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given))
    page.evaluate("() => { model.set('step', 8); model.set('layer', 2); model.set('head', 3); }")
    assert_all_shown(page, given, 4, 2, 3)
    assert page.locator(".pcs-slider").input_value() == "4" and page.evaluate("model.saved") == []


def test_a_click_on_a_score_goes_to_the_nearest_checkpoint(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given))
    box = page.locator(".pcs-chart").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 2.2 / 6, box["y"] + 10)
    assert_all_shown(page, given, 2)


def test_play_shows_every_checkpoint_once_and_stops_at_the_last(show):
    page = show(TrainingScrubber(STEPS, TOKENS, **record()))
    button = page.locator(".pcs-play")
    assert "Play" in button.inner_text()
    button.focus()
    press(page, "Enter")
    assert "Pause" in button.inner_text() and page.locator("[role=status]").get_attribute("aria-live") == "off"
    page.wait_for_function("() => document.querySelector('.pcs-play').innerText.includes('Play')", polling=100)
    assert [step for step, _, _ in page.evaluate("model.saved")] == list(STEPS)
    assert page.locator("[role=status]").get_attribute("aria-live") == "polite"


def test_play_goes_on_from_where_one_is_and_a_hand_on_the_slider_stops_it(show):
    page = show(TrainingScrubber(STEPS, TOKENS, **record(), step=4))
    page.locator(".pcs-play").click()
    page.wait_for_function("() => model.saved.length")
    page.locator(".pcs-slider").focus()
    press(page, "Home")
    assert "Play" in page.locator(".pcs-play").inner_text() and page.evaluate("model.saved")[0] == [8, 0, 0]
    count = page.evaluate("model.saved.length")
    page.wait_for_timeout(1000)
    assert page.evaluate("model.saved.length") == count and page.evaluate("model.get('step')") == 0


def test_pointing_at_a_weight_names_it(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given))
    box = page.locator(".pcw-canvas").bounding_box()
    cell = box["width"] / len(TOKENS)
    page.mouse.move(box["x"] + 1.5 * cell, box["y"] + 2.5 * cell)
    weight = np.rint(255 * given["attention"][-1, 0, 0, 2, 1]) / 255
    assert f"layer 0, head 0: ␣ball looks at ␣red {weight:.2f} ·" in page.locator(".pcw-status").inner_text()
    page.mouse.move(1, 1)
    assert "layer 0, head 0: . looks at " in page.locator(".pcw-status").inner_text()


# ------------------------------------------------------------------------------------ safe, and open to all


def test_tokens_are_drawn_and_never_interpreted(show):
    given = record()
    given["scores"]["<b>score</b>"] = range(len(STEPS))
    page = show(TrainingScrubber(STEPS, TOKENS, **given, title="<i>title</i>"))
    assert page.locator(".pcs-heads div").all_inner_texts() == TOKENS
    assert page.locator(".pcw-title").inner_text() == "<i>title</i>"
    assert "<b>score</b>" in page.locator(".pcs-name").all_inner_texts()
    page.locator(".pcs-slider").focus()
    press(page, "ArrowLeft", 6)
    assert page.locator(".pcs").locator("script, img, b, i").count() == 0
    assert page.evaluate("window.ran") is None


def test_everything_is_reached_with_tab_keeps_its_keys_and_shows_the_focus(show):
    page = show(TrainingScrubber(STEPS, TOKENS, **record()))
    script = """() => {
        const e = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(e);
        const kind = e.tagName + (e.getAttribute("role") ?? "");
        return [kind, e.dataset.lmSuppressShortcuts, outlineStyle, parseFloat(outlineWidth)];
    }"""
    page.locator("body").focus()
    reached = []
    for _ in range(4):
        press(page, "Tab")
        reached.append(page.evaluate(script))
    assert [focus[0] for focus in reached] == ["BUTTON", "INPUT", "DIVgrid", "DIVgroup"]
    assert all(focus[1:3] == ["true", "solid"] and focus[3] >= 2 for focus in reached)


def test_a_screen_reader_is_told_what_is_there(show):
    given = record()
    page = show(TrainingScrubber(STEPS, TOKENS, **given, title="One prompt"))
    page.get_by_role("group", name="One prompt").wait_for()
    slider = page.get_by_role("slider", name="training step")
    slider.focus()
    press(page, "ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "step 1,000 of 143,000"
    grid = page.get_by_role("grid", name="all heads, arrow keys choose one")
    assert grid.get_by_role("gridcell", name="layer 1, head 0").count() == 1
    active = "e => document.getElementById(e.getAttribute('aria-activedescendant')).ariaLabel"
    grid.focus()
    press(page, "ArrowDown")
    assert grid.evaluate(active) == "layer 1, head 0"
    page.get_by_role("img", name="layer 1, head 0: tokens (rows) look at tokens (columns)").wait_for()
    words, sure = (part[5, 1:, -1] for part in given["lens"])
    said = [f"after layer {i} {word} {np.rint(255 * p) / 255:.2f}" for i, (word, p) in enumerate(zip(words, sure))]
    page.get_by_role("img", name=", ".join(said)).wait_for()
    assert page.get_by_role("list", name="likeliest next tokens").get_by_role("listitem").count() == 5
    said = page.locator("[aria-live=polite]").inner_text()
    token, p = given["predictions"][5][0]
    assert said.startswith("step 1,000 · layer 1, head 0: . looks at ") and said.endswith(f"next: {token} {p:.2f}")


def test_nothing_is_left_when_the_cell_is_cleared(show):
    page = show(TrainingScrubber(STEPS, TOKENS, **record(), step=0))
    page.locator(".pcs-play").click()
    page.evaluate("dispose()")
    assert page.evaluate("[document.body.children.length, model.listeners.size]") == [0, 0]
    count = page.evaluate("model.saved.length")
    page.wait_for_timeout(1000)
    assert page.evaluate("model.saved.length") == count
    page.evaluate("model.set('head', 1)")
