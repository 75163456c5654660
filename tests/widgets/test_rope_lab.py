"""The RoPE lab: what it refuses, and what a real browser draws when its controls are moved by keys."""

import json
import re

import numpy as np
import pytest
import traitlets

from pythia_course.widgets import RopeLab
from pythia_course.widgets.rope_lab.picture import scores

JS, CSS = RopeLab._esm, RopeLab._css


@pytest.fixture
def vectors():
    return np.random.RandomState(0).randn(2, 32)


def turned(vector, position, dims, base):
    """The vector with its first `dims` numbers turned as complex numbers, one for each pair (j, j + dims / 2)."""
    vector = vector.copy()
    numbers = vector[: dims // 2] + 1j * vector[dims // 2 : dims]
    numbers = numbers * np.exp(1j * position * base ** (-np.arange(0, dims, 2) / dims))
    vector[:dims] = np.concatenate([numbers.real, numbers.imag])
    return vector


# ------------------------------------------------------------------------------------------- without a browser


def test_a_key_never_stands_after_its_query():
    lab = RopeLab()
    lab.key_position = 40
    assert (lab.query_position, lab.key_position) == (40, 40)
    lab.query_position = 3
    assert (lab.query_position, lab.key_position) == (3, 3)


def test_with_fewer_turning_dimensions_the_pair_stays_one_of_them():
    lab = RopeLab(rotary_fraction=1.0)
    lab.pair = 15
    lab.rotary_fraction = 0.25
    assert (lab.pairs, lab.pair) == (4, 3)
    lab.rotary_fraction = 0
    assert (lab.pairs, lab.pair) == (0, 0)


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("query_position", 128, "0 to 127"),
        ("key_position", -1, "0 to 127"),
        ("pair", 4, "4 pairs"),
        ("base", 1.0, "above 1"),
        ("rotary_fraction", 25, "share from 0 to 1"),
    ],
)
def test_a_value_out_of_range_is_refused_in_words(name, value, words):
    lab = RopeLab()
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(lab, name, value)


@pytest.mark.parametrize("query, key", [(np.ones(32), np.ones(16)), (np.ones((2, 32)), None), (1.0, 1.0)])
def test_vectors_that_are_not_one_query_and_one_key_are_refused(query, key):
    with pytest.raises(ValueError, match="one query and one key of the same length"):
        RopeLab(query, key)


def test_numbers_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="infinite"):
        RopeLab(np.full(32, np.nan), np.ones(32))
    with pytest.raises(ValueError, match="2 or more"):
        RopeLab(positions=1)


def test_a_short_lab_starts_inside_its_positions():
    lab = RopeLab(positions=4)
    assert (lab.query_position, lab.key_position) == (3, 3)


@pytest.mark.parametrize("share, base", [(0.25, 10_000.0), (1.0, 100.0), (0.0, 10_000.0)])
def test_the_picture_that_is_stored_draws_the_score_of_the_turned_vectors(vectors, share, base):
    lab, dims = RopeLab(*vectors, rotary_fraction=share, base=base), int(32 * share)
    wanted = [turned(vectors[0], at, dims, base) @ turned(vectors[1], 0, dims, base) / 32**0.5 for at in (0, 7, 100)]
    np.testing.assert_allclose(scores(lab, [0, 7, 100]), wanted, atol=1e-9)
    assert lab.still().startswith(b"\x89PNG")
    best = max(range(lab.positions), key=lambda at: scores(lab, [at])[0])
    assert f"highest at {best};" in lab.still().alt and ("no pair turns" in lab.still().alt) == (share == 0)


def test_what_it_shows_without_a_kernel_names_no_address():
    assert repr(RopeLab()) == "RopeLab of a head with 32 dimensions (run the notebook to use it)"


def test_nothing_is_fetched_from_elsewhere():
    for text in (JS, CSS):
        assert "url(" not in text and "@import" not in text and "import(" not in text
        assert "http" not in re.sub(r"http://www\.w3\.org/[\w/]+", "", text)  # names of kinds of markup


# ------------------------------------------------------------------------------------------ in a real browser

PAGE = """
<style>%(css)s</style><body data-jp-theme-light="%(light)s"><div id="place"></div></body>
<script type="module">
  const state = %(state)s, listeners = {};
  window.saved = 0;
  window.model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; listeners[`change:${name}`]?.forEach((tell) => tell()); },
    save_changes: () => { window.saved += 1; },
    on: (name, tell) => (listeners[name] ??= []).push(tell),
    off: (name, tell) => listeners[name].splice(listeners[name].indexOf(tell), 1),
  };
  const source = new Blob([%(js)s], { type: "text/javascript" });
  const lab = await import(URL.createObjectURL(source));
  window.score = lab.score;
  window.leave = lab.default.render({ model, el: document.querySelector("#place") });
  window.listeners = listeners;
  document.body.dataset.ready = "yes";
</script>
"""
STATE = ("query_position", "key_position", "pair", "base", "rotary_fraction", "positions", "_query", "_key")


@pytest.fixture
def open_lab(browser):
    pages, troubles = [], []

    def open_one(lab, light="true"):
        page = browser.new_page()
        pages.append(page)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        state = json.dumps({name: getattr(lab, name) for name in STATE})
        page.set_content(PAGE % {"css": CSS, "js": json.dumps(JS), "state": state, "light": light})
        page.wait_for_selector("[data-ready]")
        return page

    yield open_one
    for page in pages:
        page.close()
    assert troubles == []


def press(page, label, *keys):
    page.get_by_role("slider", name=label).focus()
    for key in keys:
        page.keyboard.press(key)


def words(page):
    return page.get_by_role("status").last.text_content()


def end_of(page, kind):
    """Where the solid line of the large dial ends: (right of its middle, above it)."""
    line = page.locator(f".rope-dial line.{kind}:not(.dashed)")
    return np.array([float(line.get_attribute("x2")) - 110, 110 - float(line.get_attribute("y2"))])


@pytest.mark.parametrize("dims, base", [(8, 10_000.0), (32, 100.0), (0, 10_000.0)])
def test_its_score_is_that_of_the_turned_vectors(open_lab, vectors, dims, base):
    page = open_lab(RopeLab(*vectors))
    for at, key_at in ((0, 0), (12, 5), (500, 3)):
        query, key = (turned(v, p, dims, base) for v, p in zip(vectors, (at, key_at)))
        arguments = [at - key_at, *(v.tolist() for v in vectors), dims, base]
        assert page.evaluate("a => score(...a)", arguments) == pytest.approx(query @ key / 32**0.5, abs=1e-9)


def test_keys_turn_the_vectors_by_the_angle_of_their_pair(open_lab, vectors):
    page = open_lab(RopeLab(*vectors))
    press(page, "query position", "Home", *["ArrowRight"] * 3)
    press(page, "pair", "ArrowRight")
    for kind, position, vector in (("query", 3, vectors[0]), ("key", 0, vectors[1])):
        drawn = end_of(page, kind)
        wanted = turned(vector, position, 8, 10_000.0)[[1, 5]]
        assert drawn / np.linalg.norm(drawn) == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-3)


def test_moving_both_leaves_distance_and_score_as_they_are(open_lab, vectors):
    page = open_lab(RopeLab(*vectors))
    before, drawn = words(page), end_of(page, "query")
    page.get_by_role("button").click()
    page.wait_for_function("model.get('query_position') > 14")
    page.get_by_role("button").click()
    after = words(page)
    assert before.split("key at")[1].split("distance")[1] == after.split("key at")[1].split("distance")[1]
    assert before != after and not np.allclose(drawn, end_of(page, "query"))
    assert page.evaluate("saved") == 1 and page.get_by_role("button").get_attribute("aria-pressed") == "false"


def test_the_key_is_pulled_along_and_the_mark_moves_on_the_curve(open_lab):
    page = open_lab(RopeLab())
    press(page, "query position", "Home")
    assert "Query at 0, key at 0: distance 0" in words(page)
    at_zero = page.locator(".rope-curve circle").get_attribute("cx")
    press(page, "query position", "End")
    assert "Query at 127, key at 0: distance 127" in words(page)
    assert float(page.locator(".rope-curve circle").get_attribute("cx")) - float(at_zero) == pytest.approx(322)


def test_base_and_fraction_change_what_turns(open_lab):
    page = open_lab(RopeLab())
    slow = words(page)
    page.get_by_label("base").select_option("100")
    press(page, "pair", "End")
    assert words(page) != slow and "turns once in 198.7 positions" in words(page)
    page.get_by_label("rotary fraction").select_option("1")
    assert page.locator(".rope-strip rect.passes").count() == 0
    page.get_by_label("rotary fraction").select_option("0")
    assert "Nothing turns" in words(page) and page.get_by_role("slider", name="pair").is_disabled()


def test_a_click_on_a_small_dial_or_on_a_dimension_chooses_the_pair(open_lab):
    page = open_lab(RopeLab())
    page.locator(".rope-dials [data-pair='2']").click()
    assert "Pair 2" in words(page)
    page.locator(".rope-strip rect").nth(5).click()
    assert "Pair 1" in words(page)


def test_a_value_set_from_code_is_drawn_and_nothing_stays_after_leaving(open_lab):
    page = open_lab(RopeLab(base=500.0))
    assert page.get_by_label("base").input_value() == "500"
    page.evaluate("model.set('base', 77)")
    assert page.get_by_label("base").input_value() == "77"
    page.evaluate("leave()")
    assert page.evaluate("Object.values(listeners).flat().length") == 0


def test_every_control_has_a_name_and_keeps_its_keys_and_every_picture_says_what_it_shows(open_lab):
    page = open_lab(RopeLab(np.ones(64), np.ones(64), rotary_fraction=1.0))
    controls = page.locator("input, select, button")
    assert controls.count() == 6
    for control in controls.all():
        assert control.get_attribute("data-lm-suppress-shortcuts") == "true"
    for picture in page.get_by_role("img").all():
        assert len(picture.get_attribute("aria-label")) > 10
    assert page.locator(".rope-dials .button").count() == 16


def test_the_dark_theme_has_lighter_lines(open_lab):
    colors = "getComputedStyle(document.querySelector('.rope-dial line.query')).stroke"
    dark = open_lab(RopeLab(), light="false").evaluate(colors)
    assert dark == "rgb(86, 180, 233)" and dark != open_lab(RopeLab()).evaluate(colors)
