"""Hostile text and odd numbers in every field of the widgets: what can be shown is shown as text, else one sentence.

The browser's part is `test_tokens_are_drawn_and_never_interpreted` of each widget; here nothing but Python is needed.
"""

import io
import json
import random
import re
import time
import warnings
from types import SimpleNamespace

import ipywidgets
import matplotlib.image
import numpy as np
import pytest
import traitlets
from jupyter_client.session import json_packer

from pythia_course.widgets import AttentionExplorer, AttentionViewer, ModelPicker, RopeLab, TrainingScrubber, picker

SEEDS = (1, 2)
CASES = 40  # a widget and seed
MOST_PIXELS = 2500  # of the stored picture's side: of more, nobody reads anything
TEXTS = (
    "", " ", "<img src=x onerror=window.ran=1>", "</script><script>window.ran=1</script>", "&lt;b&gt;", "'\"`${7*7}",
    "مرحبا بالعالم", "\u202etxt.exe", "\u2066\u2067", "😀", "👩\u200d👩\u200d👧", "e\u0301", "漢字", "$x$ \\frac{",
    "$" * 3, "{}%s",
    "x" * 2000, "😀" * 2000, "<b>" * 700, "a b " * 500, "\0", "\x07\x1b[31mred", "\r\n\t\v", "\ud800", "a\udfffb",
    "\ufffe", "-1", "1e999", "nan", "../../etc/passwd", "C:\\con", "--help", "٣", "²", "1_000", "0x10", "10" * 500,
)  # fmt: skip
ODD = (-1, 0, 1, 2, 99, 10**30, 0.5, float("nan"), float("inf"), True, None, b"1", [], {}, object(), *TEXTS)
ATTENTION = np.tril(np.ones((2, 2, 3, 3))) / np.arange(1, 4)[:, None]


def one_of(dice, sane, odd=ODD):
    """What a field is given: mostly what it wants."""
    return sane if dice.random() < 0.7 else dice.choice(odd)


def explorer(dice):
    words = dice.choices(TEXTS, k=3)
    made = AttentionExplorer(
        ATTENTION, words, title=one_of(dice, "", TEXTS), layer=one_of(dice, 1), head=one_of(dice, 0),
        scores={dice.choice(TEXTS): one_of(dice, np.ones((2, 2)))}, period=one_of(dice, None),
    )  # fmt: skip
    return made, ("layer", "head")


def two_models(dice):
    names = dice.sample(TEXTS, 2)
    made = AttentionExplorer.compare({name: (ATTENTION, dice.choices(TEXTS, k=3)) for name in names})
    return made, ("layer", "head")


def scrubber(dice):
    words = dice.choices(TEXTS, k=3)
    lens = np.array(dice.choices(TEXTS, k=18)).reshape(2, 3, 3), np.full((2, 3, 3), 0.5)
    made = TrainingScrubber(
        one_of(dice, [0, 1]), words, np.stack([ATTENTION] * 2), [[(dice.choice(TEXTS), one_of(dice, 0.5))]] * 2,
        one_of(dice, lens), {dice.choice(TEXTS): one_of(dice, [1, 2])}, title=one_of(dice, "", TEXTS),
        step=one_of(dice, None), layer=one_of(dice, 1), duplicates=one_of(dice, "keep"),
    )  # fmt: skip
    return made, ("step", "layer", "head")


def rope_lab(dice):
    query = one_of(dice, np.arange(8.0))
    made = RopeLab(
        query, query, rotary_fraction=one_of(dice, 0.5), base=one_of(dice, 10_000.0), positions=one_of(dice, 16),
    )  # fmt: skip
    return made, ("query_position", "key_position", "pair", "base", "rotary_fraction")


def viewer(dice):
    made = AttentionViewer(ATTENTION, dice.choices(TEXTS, k=3))
    return made, ()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [explorer, two_models, scrubber, rope_lab, viewer], ids=lambda make: make.__name__)
def test_a_widget_shows_odd_input_as_text_or_refuses_it_in_a_sentence(make, seed):
    dice, shown = random.Random(seed), 0
    for _ in range(CASES if make is not viewer else 5):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                widget, names = make(dice)
                for name in names:
                    set_from_the_browser(widget, name, dice.choice(ODD))
            except (ValueError, TypeError, traitlets.TraitError) as error:
                assert_sentence(error)
                continue
            assert_can_be_shown(widget, draw=seed == SEEDS[0] and not shown)  # drawing takes a second
            shown += 1
    assert shown > 3


def set_from_the_browser(widget, name, value):
    """A message that sets a field; what is refused leaves the field as it was, and nobody has heard of it."""
    before, heard = getattr(widget, name), []
    widget.observe(heard.append, name)
    try:
        widget.set_state({name: value})
    except (ValueError, traitlets.TraitError) as error:
        assert_sentence(error)
        assert getattr(widget, name) == before and not heard
    widget.unobserve_all(name)


def assert_sentence(error):
    """One of the course's own; what is no number at all, traitlets refuses in words of its own, with all that came."""
    said = str(error)
    if not re.match("The '[a-z_]+' trait of an? [A-Za-z]+ instance expected an? (int|float), not the ", said):
        assert 15 < len(said) < 500 and said.isprintable() and said.endswith("."), repr(error)
        assert not re.match("[a-z' ]+: |could not|'", said), repr(error)


def assert_can_be_shown(widget, draw):
    state = {name: value for name, value in widget.get_state().items() if not isinstance(value, bytes)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        json_packer({name: value for name, value in state.items() if not isinstance(value, ipywidgets.Widget)})
    json.dumps(repr(widget)).encode()
    if draw:
        assert max(matplotlib.image.imread(io.BytesIO(widget.still())).shape[:2]) < MOST_PIXELS


# ------------------------------------------------------------------------------------------------------- picker


@pytest.mark.parametrize("seed", SEEDS)
def test_the_picker_says_one_sentence_about_what_is_typed_and_keeps_its_model(seed, monkeypatch):
    monkeypatch.setattr(picker, "SECONDS_FOR_A_CLICK", 0)
    dice, lm = random.Random(seed), SimpleNamespace(trace=None, name="open", step=None)
    it = ModelPicker(lm, load=no_model, plan=no_model)
    for _ in range(CASES):
        it.model.value = it.model.options[-1]
        it.other.value, it.step.value = dice.choice(TEXTS), one_of(dice, "", TEXTS)
        settle(it)
        if not it.button.disabled and dice.random() < 0.5:
            it.button.click()
            it.wait()
        assert it.lm is lm
        assert_one_line_without_markup(it.status.value)


def no_model(name, step, progress=None):
    """Stands in for `load` and `download_plan`, whose own names are tried in tests of theirs; echoes what came."""
    raise random.choice((ValueError, OSError))(f"There is no model {name[:40]} at step {step}.")


def settle(it):
    """Wait until it is known what the choice takes."""
    end = time.monotonic() + 5
    while "Asking" in it.status.value and time.monotonic() < end:
        time.sleep(0.002)


def assert_one_line_without_markup(shown):
    """shown: the status line, one element around text."""
    inside = re.fullmatch(r'<span role="(?:status|alert)">([^<>]*)</span>', shown)
    assert inside and inside[1].isprintable() and 15 < len(inside[1]) < 700, shown
