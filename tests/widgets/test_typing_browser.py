"""Typing in the scrubber and in the RoPE lab, in a real browser: what the page computes is what torch computes.

No JupyterLab: each stands on an empty page, and its Python side answers it as a kernel would.
"""

import re

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from support.live_widget import mounted
from support.widget_page import canvas_levels, press

from pythia_course import load, suite
from pythia_course.widgets import RopeLab, TrainingScrubber
from pythia_course.widgets.common.attention import head_scores
from pythia_course.widgets.scrubber.snapshots import moment

NAME, TEXT, OTHER = "tiny-pythia-91k", "Then Mia lost the red ball.", "Then Tom 😀 lost the"
STEPS = suite.steps(NAME)
TWICE = " red mill Tom has the book" * 2
HOSTILE = "<img src=x onerror=window.ran=1></textarea><script>window.ran=1</script> \u202etxt.exe مرحبا"
LONG = "a b " * 500
TOO_LONG = re.compile("draws texts of 1 to 128 tokens, and this one has .*: shorten it|reads 512 at most: shorten")
WATCH = """() => {
  const pen = CanvasRenderingContext2D.prototype, write = pen.fillText; // what is written on the lens, and where
  window.written = {};
  pen.fillText = function (text, x, y) { window.written[[x, y]] = text; write.call(this, text, x, y); };
}"""


def write(page, text):
    page.evaluate("window.written = {}")
    page.locator(".pcw-text").fill(text)


def until(page, widget, **fields):
    """Wait until the widget's fields are these, in the page and in Python."""
    page.wait_for_function(
        "fields => Object.entries(fields).every(([name, value]) => model.get(name) === value)", arg=fields
    )
    for _ in range(100):
        if all(getattr(widget, name) == value for name, value in fields.items()):
            return
        page.wait_for_timeout(20)
    raise AssertionError({name: getattr(widget, name) for name in fields})


def until_all(page):
    page.locator(".pcs-progress").filter(has_text=f"{len(STEPS)} of {len(STEPS)} checkpoints").wait_for()


def move_to(page, step):
    slider = page.get_by_role("slider", name="training step")
    slider.focus()
    press(page, "Home")
    press(page, "ArrowRight", STEPS.index(step))


def assert_shown(page, text, step, layer=1, head=0, name=NAME):
    """The scrubber draws what torch computes of this text at this step: attention, words, next tokens, scores."""
    lm, seen = load(name, step=step), moment(load(name, step=step), text)
    weights = lm.trace(text).attention.numpy()
    drawn, past = canvas_levels(page, ".pcw-canvas"), np.tril_indices(len(seen["tokens"]))
    assert np.abs(drawn - 255 * weights[layer, head])[past].max() <= 1.6
    places = sorted(page.evaluate("Object.entries(written).map(([at, text]) => [...at.split(',').map(Number), text])"))
    words = [text for _, _, text in sorted(places, key=lambda place: (place[1], place[0]))]
    wanted = seen["words"].ravel().tolist()
    assert len(words) == len(wanted) and all(w.startswith(t.rstrip("…")) for t, w in zip(words, wanted, strict=True))
    assert page.locator(".pcs-next .pcs-token").all_inner_texts() == [word for word, _ in lm.predict(text, 8)]
    shares = [float(said.strip("<%")) for said in page.locator(".pcs-next .pcs-share").all_inner_texts()]
    assert np.abs(np.array(shares) - [100 * share for _, share in lm.predict(text, 8)]).max() < 0.11
    names, values = (page.locator(f".pcs-{part}").all_inner_texts() for part in ("name", "value"))
    scores = head_scores(weights, seen["tokens"].tolist())
    assert dict(zip(names, map(float, values), strict=True)) == pytest.approx(
        {name: own[layer, head] for name, own in scores.items()}, abs=0.0051
    )


# ------------------------------------------------------------------------------------------------- the scrubber


@pytest.fixture(scope="module")
def one(browser, tmp_path_factory):
    """(page, scrubber, what Python was asked): one that the tests below type in, one after the other."""
    folder = tmp_path_factory.mktemp("sweeps")
    scrubber = TrainingScrubber.of(NAME, TEXT, scores={"made up": range(len(STEPS))}, keep=folder, layer=1, step=1400)
    with mounted(browser, scrubber) as (page, asked):
        page.evaluate(WATCH)
        yield page, scrubber, asked


def test_every_checkpoint_is_computed_of_what_is_typed_and_the_one_shown_first(one):
    page, scrubber, asked = one
    assert "made up" in page.locator(".pcs-name").all_inner_texts()
    write(page, TWICE)
    until(page, scrubber, text=TWICE)
    until_all(page)
    wanted = [question["want"] for question in asked]
    steps = [question["step"] for question in asked if question["want"] == "weights"]
    assert wanted == ["worker"] + ["weights"] * len(STEPS) and steps[0] == 1400 and set(steps) == set(STEPS)
    far = [abs(STEPS.index(step) - STEPS.index(1400)) for step in steps]
    assert far == sorted(far)
    assert page.locator(".pcw-where").inner_text() == "computed in this page"
    assert page.locator(".pcs-name").all_inner_texts() == ["previous token", "first token", "induction"]
    for step in (1400, 600, 0):
        move_to(page, step)
        assert_shown(page, TWICE, step)


def test_the_first_text_comes_back_with_its_own_scores(one):
    page, scrubber, asked = one
    before = len(asked)
    page.get_by_role("button", name="First text again").click()
    until(page, scrubber, text=TEXT)
    assert page.locator(".pcw-text").input_value() == TEXT and page.locator(".pcs-progress").inner_text() == ""
    assert page.locator(".pcs-name").all_inner_texts() == ["previous token", "first token", "made up"]
    assert page.get_by_role("button", name="First text again").is_disabled() and len(asked) == before
    assert page.locator(".pcs-lens .pcs-heads div").all_inner_texts() == load(NAME).tokens(TEXT)


def test_a_newer_text_is_shown_whatever_came_before_it(one):
    page, scrubber, asked = one
    before = len(asked)
    page.locator(".pcw-text").fill("")
    page.locator(".pcw-text").press_sequentially(OTHER[:-1], delay=5)
    page.evaluate("window.written = {}")
    page.locator(".pcw-text").press_sequentially(OTHER[-1])
    until(page, scrubber, text=OTHER)
    until_all(page)
    move_to(page, 6200)
    assert_shown(page, OTHER, 6200)
    assert len(asked) == before  # all models stayed


REFUSED = [("", re.compile("The prompt is empty")), (LONG, TOO_LONG), (LONG[:600], TOO_LONG)]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_cannot_be_shown_is_said_and_the_picture_stays(one, text, says):
    page, scrubber, _ = one
    write(page, OTHER)
    until(page, scrubber, text=OTHER)
    write(page, text)
    page.locator(".pcw-note").filter(has_text=says).wait_for()
    assert scrubber.text == OTHER
    assert page.locator(".pcs-lens .pcs-heads div").all_inner_texts() == load(NAME).tokens(OTHER)


def test_a_text_set_from_code_is_shown(one):
    page, scrubber, _ = one
    scrubber.text = TEXT + " Then"
    page.evaluate("text => model.set('text', text)", scrubber.text)
    until_all(page)
    assert page.locator(".pcw-text").input_value() == TEXT + " Then"
    assert page.locator(".pcs-lens .pcs-heads div").last.inner_text() == "␣Then"
    assert page.locator(".pcw-note").inner_text() == ""


def assert_plain(page, root):
    """Hostile text stayed text, every control has a name and keeps its keys, and axe finds nothing."""
    assert page.locator(root).locator("img, script").count() == 0 and page.evaluate("window.ran") is None
    inside = page.locator(root).locator("textarea, select, input, button, [tabindex='0']")
    unnamed = """all => all.filter((e) => !(e.textContent || e.ariaLabel || e.labels?.length)
        || e.dataset.lmSuppressShortcuts !== "true").map((e) => e.outerHTML)"""
    assert inside.count() >= 5 and inside.evaluate_all(unnamed) == []
    page.evaluate(AXE_SCRIPT)
    found = f"async () => (await axe.run('{root}')).violations.map((v) => [v.id, v.nodes[0].html])"
    assert page.evaluate(found) == []


def test_hostile_text_in_the_scrubber_stays_text(one):
    page, scrubber, _ = one
    write(page, HOSTILE)
    until(page, scrubber, text=HOSTILE)
    assert page.locator(".pcs-lens .pcs-heads div").all_inner_texts() == load(NAME).tokens(HOSTILE)
    assert_plain(page, ".pcs")


def test_a_step_that_is_not_there_yet_comes_next_and_is_not_drawn_before(browser, tmp_path):
    scrubber = TrainingScrubber.of(NAME, TEXT, keep=tmp_path, layer=1)
    with mounted(browser, scrubber) as (page, asked):
        page.evaluate(WATCH)
        page.evaluate("""() => { // a kernel that gives out weights one by one, when told to
          const send = model.send;
          window.held = [];
          model.send = (content) => (content.want === "weights" ? held.push(() => send(content)) : send(content));
          window.let = () => held.shift()();
        }""")
        write(page, OTHER)
        page.wait_for_function("held.length")
        page.evaluate("window.let()")
        until(page, scrubber, text=OTHER)
        assert page.locator(".pcs-progress").inner_text() == f"1 of {len(STEPS)} checkpoints"
        page.wait_for_function("held.length")  # the neighbour is on its way
        move_to(page, 0)
        assert "step 0 · being computed" in page.locator(".pcw-status").inner_text()
        assert page.locator(".pcs-waiting").count() == 1
        page.evaluate("window.let()")
        page.wait_for_function("held.length")
        page.evaluate("window.written = {}")
        page.evaluate("window.let()")
        page.locator(".pcs-waiting").wait_for(state="detached")
        assert [q["step"] for q in asked if q["want"] == "weights"][-1] == 0
        assert_shown_attention(page, OTHER, 0)


def assert_shown_attention(page, text, step):
    weights = load(NAME, step=step).trace(text).attention[1, 0].numpy()
    past = np.tril_indices(len(weights))
    assert np.abs(canvas_levels(page, ".pcw-canvas") - 255 * weights)[past].max() <= 1.6


def test_where_no_worker_is_allowed_the_kernel_computes_the_scrubber_s_texts(browser, tmp_path):
    scrubber = TrainingScrubber.of(NAME, TEXT, (0, 600, 6200), keep=tmp_path, layer=1)
    with mounted(browser, scrubber) as (page, asked):
        page.evaluate("() => { window.Worker = class { constructor() { throw new Error('forbidden'); } }; }")
        page.evaluate(WATCH)
        write(page, TWICE)
        page.locator(".pcs-progress").filter(has_text="3 of 3 checkpoints").wait_for()
        until(page, scrubber, text=TWICE)
        assert page.locator(".pcw-where").inner_text() == "computed by the kernel"
        assert [question["want"] for question in asked] == ["worker"] + ["moment"] * 3
        assert_shown(page, TWICE, 6200)


def test_without_a_kernel_the_scrubber_says_so_and_keeps_its_picture(browser, tmp_path):
    scrubber = TrainingScrubber.of(NAME, TEXT, (0, 6200), keep=tmp_path, layer=1)
    with mounted(browser, scrubber, kernel=False) as (page, _):
        page.clock.install()
        write(page, OTHER)
        page.clock.run_for(7000)
        assert "The kernel has not answered yet" in page.locator(".pcw-note").inner_text()
        assert_shown_attention(page, TEXT, 6200)
        page.evaluate("dispose()")
        assert page.evaluate("[document.body.children.length, model.listeners.size]") == [0, 0]


# ------------------------------------------------------------------------------------------------- the RoPE lab


@pytest.fixture(scope="module")
def lab(browser):
    """(page, lab, what Python was asked)."""
    lab = RopeLab.of("tiny-pythia", TEXT, 2, 2)
    with mounted(browser, lab) as (page, asked):
        yield page, lab, asked


def own(lab):
    """(query, key, score before the softmax) as torch has them."""
    lm = load("tiny-pythia")
    trace, place = lm.trace(lab.text, unrotated=True, keep=["queries", "keys"]), (lab.layer, lab.head)
    q, k = trace.queries[place][lab.query_token], trace.keys[place][lab.key_token]
    vectors = trace.queries_unrotated[place][lab.query_token], trace.keys_unrotated[place][lab.key_token]
    return *vectors, (q @ k / lm.spec.head_dim**0.5).item()


def assert_own(page, lab):
    """What the lab shows, in the page and in Python, is the model's own."""
    query, key, score = own(lab)
    assert np.abs(query.numpy() - lab._query).max() < 1e-4 and np.abs(key.numpy() - lab._key).max() < 1e-4
    assert (lab.query_position, lab.key_position) == (lab.query_token, lab.key_token)
    said = page.locator(".rope-status").inner_text()
    assert f"Query at {lab.query_token}, key at {lab.key_token}:" in said
    assert "The score is the model's own, before the softmax." in said
    assert float(re.search(r"Score (-?[\d.]+)\.", said)[1]) == pytest.approx(score, abs=0.0011)


def test_typing_turns_the_model_s_own_vectors_and_the_kernel_computes_nothing(lab):
    page, widget, asked = lab
    assert_own(page, widget)
    write(page, OTHER)
    until(page, widget, text=OTHER)
    assert widget.query_token == len(load("tiny-pythia").tokens(OTHER)) - 1
    assert_own(page, widget)
    assert [question["want"] for question in asked] == ["worker", "weights"]
    assert page.locator(".pcw-where").inner_text() == "computed in this page"


def test_layer_head_and_tokens_are_chosen(lab):
    page, widget, asked = lab
    write(page, TEXT)
    until(page, widget, text=TEXT)
    for label, value in (("layer", "3"), ("head", "1"), ("query of", "5"), ("key of", "2")):
        page.get_by_label(label, exact=True).select_option(value)
    until(page, widget, layer=3, head=1, query_token=5, key_token=2)
    assert_own(page, widget)
    page.get_by_label("query of", exact=True).select_option("1")  # a key never stands after its query
    until(page, widget, query_token=1, key_token=1)
    page.get_by_label("key of", exact=True).select_option("4")
    until(page, widget, query_token=4, key_token=4)
    assert_own(page, widget)
    assert len(asked) == 2


def test_what_if_it_stood_elsewhere_and_back(lab):
    page, widget, _ = lab
    page.get_by_label("query position").focus()
    press(page, "End")
    page.get_by_label("base").select_option("100")
    until(page, widget, query_position=127, base=100)
    _, _, score = own(widget)
    said = page.locator(".rope-status").inner_text()
    assert float(re.search(r"the score is (-?[\d.]+)\.$", said)[1]) == pytest.approx(score, abs=0.0011)
    page.get_by_role("button", name="As in the model").click()
    until(page, widget, query_position=widget.query_token, base=10_000)
    assert_own(page, widget)


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_the_lab_cannot_show_is_said(lab, text, says):
    page, widget, _ = lab
    before = widget.text
    write(page, text)
    page.locator(".pcw-note").filter(has_text=says).wait_for()
    assert widget.text == before and "the model's own" in page.locator(".rope-status").inner_text()


def test_hostile_text_in_the_lab_stays_text(lab):
    page, widget, _ = lab
    write(page, HOSTILE)
    until(page, widget, text=HOSTILE)
    options = page.get_by_label("key of", exact=True).locator("option")
    assert options.count() == len(load("tiny-pythia").tokens(HOSTILE)) and page.locator(".pcw-note").inner_text() == ""
    assert_own(page, widget)
    assert_plain(page, ".rope-lab")


def test_where_no_worker_is_allowed_the_kernel_computes_the_lab_s_vectors(browser):
    widget = RopeLab.of("tiny-pythia", TEXT, 2, 2)
    with mounted(browser, widget) as (page, asked):
        page.evaluate("() => { window.Worker = class { constructor() { throw new Error('forbidden'); } }; }")
        write(page, OTHER)
        until(page, widget, text=OTHER)
        assert_own(page, widget)
        assert [question["want"] for question in asked] == ["worker", "vectors"]
        widget.text, widget.key_token = TEXT, 1  # from code
        for name in ("text", "query_token", "key_token", "_tokens", "_query", "_key", "query_position", "key_position"):
            page.evaluate("([name, value]) => model.set(name, value)", [name, getattr(widget, name)])
        assert page.locator(".pcw-text").input_value() == TEXT
        assert_own(page, widget)
        page.evaluate("dispose()")
        assert page.evaluate("[document.body.children.length, model.listeners.size]") == [0, 0]
