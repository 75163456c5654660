"""Typing in the explorer, in a real browser: what the page computes is what torch computes of that prompt.

No JupyterLab: the widget stands on an empty page, and its Python side answers it as a kernel would.
"""

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from support.live_widget import mounted
from support.widget_page import canvas_levels, press

import pythia_course
from pythia_course import measures
from pythia_course.widgets import AttentionExplorer

NAME, TEXT, OTHER = "tiny-pythia", "Then Mia lost the red ball.", "Then Tom lost the red ball."
TWICE = " Mia saw a red kite." * 2
ODD_TWICE = " red mill Tom has the book of a dog and Mia" * 2  # no order that the model could know otherwise
HOSTILE = "<img src=x onerror=window.ran=1> </textarea><script>window.ran=1</script>"


@pytest.fixture(scope="module")
def lm():
    return pythia_course.load(NAME)


def write(page, text, nth=0):
    page.locator(".pcw-text").nth(nth).fill(text)


def until_shown(page, explorer, panel=0, **fields):
    """Wait until a panel's picture is of a run with these fields, in the page and in Python."""
    same = """([panel, fields]) => Object.entries(fields).every(([name, value]) =>
        JSON.stringify(model.get("_runs")[panel][name]) === JSON.stringify(value))"""
    page.wait_for_function(same, arg=[panel, fields])
    for _ in range(100):
        if fields.items() <= explorer.runs[panel].items():
            return
        page.wait_for_timeout(20)
    raise AssertionError(explorer.runs)


def assert_pictures(page, attention, panel=0):
    """All thumbnails of a panel show this attention (layer, head, query, key), to one level of 255."""
    layers, heads, number = attention.shape[:3]
    cells = page.locator(".pce-panel").nth(panel).locator(".pce-head canvas")
    assert cells.count() == layers * heads
    before = page.locator(".pce-panel").nth(0).locator(".pce-head canvas").count() if panel else 0
    seen = np.tril_indices(number)
    for place, (layer, head) in enumerate(np.ndindex(layers, heads)):
        drawn = canvas_levels(page, ".pce-head canvas", before + place)
        assert np.abs(drawn - 255 * attention[layer, head])[seen].max() <= 1.6
        assert (drawn[np.triu_indices(number, 1)] == -1).all()


def note(page, panel=0):
    return page.locator(".pcw-note").nth(panel).inner_text()


# --------------------------------------------------------------------------------------------------- one prompt


@pytest.fixture(scope="module")
def one(browser):
    """(page, explorer, what Python was asked): one that the tests below type in, one after the other."""
    explorer = AttentionExplorer.of(NAME, TEXT)
    with mounted(browser, explorer) as (page, asked):
        yield page, explorer, asked


def test_typing_shows_what_torch_computes_and_the_kernel_computes_nothing(one, lm):
    page, explorer, asked = one
    page.locator(".pcw-text").click()
    press(page, "Control+End")
    page.keyboard.type(" Then Tom 😀")
    text = TEXT + " Then Tom 😀"
    until_shown(page, explorer, prompt=text)
    trace = lm.trace(text)
    assert_pictures(page, trace.attention.numpy())
    assert page.locator(".pce-tokens .pce-token").all_inner_texts() == trace.tokens
    assert np.array_equal(explorer.trace.attention, trace.attention)
    said = page.locator(".pce-next li").first.inner_text().split()
    [(word, share)] = lm.predict(text, 1)
    assert said[0] == word and abs(float(said[1].rstrip("%")) - 100 * share) <= 0.51
    assert [question["want"] for question in asked] == ["worker", "weights"]
    assert page.locator(".pcw-where").inner_text() == "computed in this page"


def test_scores_are_those_of_the_new_prompt(one, lm):
    page, explorer, _ = one
    write(page, TWICE)
    until_shown(page, explorer, prompt=TWICE)
    attention = lm.trace(TWICE).attention.numpy()
    page.locator(".pcw select").first.select_option(label="induction")
    page.locator(".pce .pcw-controls input[type=checkbox]").uncheck()
    wanted = measures.induction_scores(attention, len(lm.tokens(TWICE)) // 2).ravel()
    shown = [float(text) for text in page.locator(".pce-caption").all_inner_texts()]
    assert np.abs(shown - wanted).max() <= 0.0051
    page.locator(".pcw select").first.select_option(label="previous token")
    wanted = measures.previous_token_scores(attention).ravel()
    shown = [float(text) for text in page.locator(".pce-caption").all_inner_texts()]
    assert np.abs(shown - wanted).max() <= 0.0051
    page.locator(".pcw select").first.select_option(label="none")


def test_a_head_is_silenced_by_key_button_and_two_clicks_and_comes_back(one, lm):
    page, explorer, _ = one
    write(page, TEXT)
    until_shown(page, explorer, prompt=TEXT)
    page.locator(".pce-heads").focus()
    press(page, "Home"), press(page, "ArrowDown"), press(page, "s")
    until_shown(page, explorer, silenced=[[1, 0]])
    with lm.ablate(heads=[(1, 0)]):
        assert_pictures(page, (trace := lm.trace(TEXT)).attention.numpy())
    assert np.array_equal(explorer.trace.logits, trace.logits)
    assert page.locator(".pce-head.pce-silent").get_attribute("aria-label") == "layer 1, head 0, silenced"
    page.locator(".pce-head").nth(2).dblclick()
    until_shown(page, explorer, silenced=[[1, 0], [0, 2]])
    page.get_by_role("button", name="Bring back layer 0, head 2").click()
    until_shown(page, explorer, silenced=[[1, 0]])
    page.get_by_role("button", name="take back: layer 1, head 0 silenced").click()
    until_shown(page, explorer, silenced=[])
    assert_pictures(page, lm.trace(TEXT).attention.numpy())


def test_the_checkpoint_slides_and_another_size_keeps_what_it_has(one):
    page, explorer, asked = one
    page.locator(".pce-head").nth(3).dblclick()
    until_shown(page, explorer, silenced=[[0, 3]])
    slider = page.get_by_role("slider", name="checkpoint")
    slider.focus()
    press(page, "Home")
    until_shown(page, explorer, step=0)
    assert slider.get_attribute("aria-valuetext") == "step 0"
    page.get_by_role("combobox", name="model").last.select_option("tiny-pythia-91k")
    small = pythia_course.load("tiny-pythia-91k", 0)
    kept = [[0, 3]] if small.spec.heads > 3 else []
    until_shown(page, explorer, model="tiny-pythia-91k", step=0, silenced=kept)
    with small.ablate(heads=[tuple(place) for place in kept] or [(0, 0)]) if kept else small.patch(TEXT):
        assert_pictures(page, small.trace(TEXT).attention.numpy())
    page.get_by_role("button", name="Start over").click()
    until_shown(page, explorer, **explorer._live["first"][0])
    assert "picture" not in [question["want"] for question in asked]


@pytest.mark.parametrize(
    ("text", "says"), [("", "The prompt is empty"), ("é" * 300, "reads 512 at most: shorten the text")]
)
def test_what_cannot_be_read_is_said_and_the_picture_stays(one, text, says):
    page, explorer, _ = one
    write(page, TEXT)
    until_shown(page, explorer, prompt=TEXT)
    write(page, text)
    page.locator(".pcw-note").filter(has_text=says).wait_for()
    assert explorer.runs[0]["prompt"] == TEXT and explorer.trace.tokens[2] == "␣Mia"
    write(page, OTHER)
    until_shown(page, explorer, prompt=OTHER)
    assert note(page) == ""


def test_hostile_text_stays_text(one, lm):
    page, explorer, _ = one
    write(page, HOSTILE)
    until_shown(page, explorer, prompt=HOSTILE)
    assert page.locator(".pce-tokens .pce-token").all_inner_texts() == lm.tokens(HOSTILE)
    page.get_by_role("button", name="What it read").click()
    page.locator(".pce-read-what").filter(has_text="documents of batch 6,199").wait_for()
    assert page.locator(".pce").locator("img, script").count() == 0 and page.evaluate("window.ran") is None
    page.get_by_role("button", name="What it read").click()


def test_what_it_read_holds_the_word_chosen(one):
    page, explorer, _ = one
    write(page, OTHER)
    until_shown(page, explorer, prompt=OTHER)
    page.locator(".pce-option", has_text="Tom").click()
    page.get_by_role("button", name="What it read").click()
    page.locator(".pce-read mark").first.wait_for()
    assert set(page.locator(".pce-read mark").all_inner_texts()) == {"Tom"}
    assert "that hold “Tom”" in page.locator(".pce-read-what").inner_text()


def test_a_run_set_from_python_is_shown(one, lm):
    page, explorer, _ = one
    explorer.show(prompt=TWICE, silenced=[(0, 0)])
    page.evaluate("(runs) => model.set('_runs', runs)", explorer.runs)
    until_tokens = "n => document.querySelectorAll('.pce-tokens .pce-option').length === n"
    page.wait_for_function(until_tokens, arg=len(lm.tokens(TWICE)))
    with lm.ablate(heads=[(0, 0)]):
        assert_pictures(page, lm.trace(TWICE).attention.numpy())
    assert page.locator(".pcw-text").input_value() == TWICE


def test_keys_stay_and_every_control_is_named(one):
    page, _, _ = one
    inside = page.locator(".pce").locator("textarea, select, input, button, [tabindex='0']")
    assert inside.count() >= 10
    unnamed = """all => all.filter((e) => !(e.textContent || e.ariaLabel || e.labels?.length || e.ariaLabelledby)
        || e.dataset.lmSuppressShortcuts !== "true").map((e) => e.outerHTML)"""
    assert inside.evaluate_all(unnamed) == []


def test_axe_finds_nothing(one):
    page, _, _ = one
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("async () => (await axe.run('.pce')).violations.map((v) => [v.id, v.nodes[0].html])")
    assert found == []


def test_with_the_previous_token_head_the_induction_stripe_goes_out(one):
    page, explorer, _ = one
    explorer.show(prompt=ODD_TWICE, silenced=[])
    page.evaluate("(runs) => model.set('_runs', runs)", explorer.runs)
    page.locator(".pcw select").first.locator("option", has_text="induction").wait_for(state="attached")
    score = page.locator(".pcw select").first

    def best(name):
        score.select_option(label="none"), score.select_option(label=name)
        return float(page.locator(".pce-head[aria-selected=true] .pce-caption").inner_text().split()[-1])

    before = best("induction")
    best("previous token")
    page.locator(".pce-heads").focus()
    press(page, "s")
    until_shown(page, explorer, silenced=[[1, 3]])
    assert before > 0.7 and best("induction") < 0.1
    score.select_option(label="none")


# -------------------------------------------------------------------------------------- two prompts, two models


def test_values_are_dragged_from_one_prompt_s_run_into_the_other_s(browser, lm):
    explorer = AttentionExplorer.of(NAME, [TEXT, OTHER])
    with mounted(browser, explorer) as (page, _):
        one, two = page.locator(".pce-panel").nth(0), page.locator(".pce-panel").nth(1)
        one.locator(".pce-head").nth(9).drag_to(two.locator(".pce-tokens"))
        until_shown(page, explorer, 1, patched=[{"head": [2, 1]}])
        with lm.patch(TEXT, heads=[(2, 1)]):
            assert_pictures(page, lm.trace(OTHER).attention.numpy(), 1)
        page.get_by_role("button", name="take back: layer 2, head 1 patched in").click()
        one.locator(".pce-head").nth(4).click()
        one.locator(".pce-option").nth(2).drag_to(two.locator(".pce-heads"))
        until_shown(page, explorer, 1, patched=[{"stream": [1, 2]}])
        with lm.patch(TEXT, residual=[(1, 2)]):
            patched = lm.trace(OTHER)
        assert_pictures(page, patched.attention.numpy(), 1)
        assert np.array_equal(explorer.traces[1].logits, patched.logits)
        write(page, TEXT + " Then", 0)  # a longer prompt has nothing to give to a shorter one
        page.locator(".pcw-note").nth(1).filter(has_text="word both prompts to be equally long").wait_for()
        assert_pictures(page, patched.attention.numpy(), 1)
        assert len(explorer.traces[0].tokens) == 9
        one.locator(".pce-heads").focus()
        press(page, "s")
        until_shown(page, explorer, 0, silenced=[[1, 0]])


def test_two_models_read_what_is_typed_once(browser):
    explorer = AttentionExplorer.of([NAME, "tiny-gpt2"], TEXT)
    with mounted(browser, explorer) as (page, _):
        assert page.locator(".pcw-text").evaluate_all("all => all.filter((e) => e.checkVisibility()).length") == 1
        write(page, TWICE)
        for panel, name in enumerate((NAME, "tiny-gpt2")):
            until_shown(page, explorer, panel, prompt=TWICE)
            assert_pictures(page, pythia_course.load(name).trace(TWICE).attention.numpy(), panel)
        assert page.locator(".pce-name").all_inner_texts() == [f"{name}, step 6,200" for name in (NAME, "tiny-gpt2")]


# -------------------------------------------------------------------------------------- where the page cannot


def test_a_model_that_does_not_ship_is_computed_by_the_kernel(browser, lm):
    own = pythia_course.load(NAME)
    own.model.gpt_neox.layers[0].attention.dense.bias.data += 0.1
    explorer = AttentionExplorer.of(own, TEXT)
    with mounted(browser, explorer) as (page, asked):
        write(page, OTHER)
        until_shown(page, explorer, prompt=OTHER)
        assert_pictures(page, own.trace(OTHER).attention.numpy())
        assert page.locator(".pcw-where").inner_text() == "computed by the kernel"
        assert [question["want"] for question in asked] == ["picture"]
        assert not page.get_by_role("slider", name="checkpoint").is_visible()
        write(page, "")
        page.locator(".pcw-note").filter(has_text="The prompt is empty").wait_for()


def test_where_no_worker_is_allowed_the_kernel_computes(browser, lm):
    explorer = AttentionExplorer.of(NAME, TEXT)
    with mounted(browser, explorer) as (page, _):
        page.evaluate("() => { window.Worker = class { constructor() { throw new Error('forbidden'); } }; }")
        write(page, OTHER)
        until_shown(page, explorer, prompt=OTHER)
        assert_pictures(page, lm.trace(OTHER).attention.numpy())
        assert page.locator(".pcw-where").inner_text() == "computed by the kernel"


def test_without_a_kernel_it_says_so_and_keeps_its_picture(browser, lm):
    explorer = AttentionExplorer.of(NAME, TEXT)
    with mounted(browser, explorer, kernel=False) as (page, _):
        page.clock.install()
        write(page, OTHER)
        page.clock.run_for(7000)
        assert "The kernel has not answered yet" in note(page)
        assert_pictures(page, lm.trace(TEXT).attention.numpy())
        page.evaluate("dispose()")
        assert page.evaluate("[document.body.children.length, model.listeners.size]") == [0, 0]
