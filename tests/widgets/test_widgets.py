"""The widgets: what is drawn when a slider moves, and what the picker does with good and bad choices."""

import _thread
import html
import random
import re
import threading
import time
from types import SimpleNamespace

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from support import odd_arguments, odd_prompts

from pythia_course import errors, suite
from pythia_course.hub.fetching import Plan
from pythia_course.widgets import AttentionViewer, ModelPicker, picker
from pythia_course.widgets.common.attention import packed
from pythia_course.widgets.common.keyboard import KeyGuard
from pythia_course.widgets.common.still import VIEW

TOKENS = [" the", " cat", "$x$", "<b>", "\n"]


def causal(*shape):
    scores = np.tril(np.random.default_rng(0).random(shape) ** 4)
    return scores / scores.sum(-1, keepdims=True)


def all_widgets(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from all_widgets(child)


# ---------------------------------------------------------------------------------------------- attention viewer


def test_the_picture_has_every_weight_and_follows_the_sliders_in_the_browser():
    weights = causal(3, 2, 5, 5)
    viewer = AttentionViewer(weights, TOKENS)
    assert viewer.picture._weights == packed(weights)
    assert viewer.picture._described == {"tokens": ["␣the", "␣cat", "$x$", "<b>", "↵"], "heads": 2}
    assert [(link.source, link.target) for link in viewer._links] == [
        ((viewer.layer, "value"), (viewer.picture, "layer")),
        ((viewer.head, "value"), (viewer.picture, "head")),
    ]


def test_one_layer_needs_no_slider():
    viewer = AttentionViewer(causal(1, 2, 5, 5), TOKENS)
    assert viewer.layer not in viewer.children and viewer.head in viewer.children


def test_the_picture_that_is_stored_is_of_the_head_chosen():
    viewer = AttentionViewer(causal(1, 2, 5, 5), TOKENS)
    first = viewer.still()
    assert first.startswith(b"\x89PNG") and viewer.still() == first
    viewer.head.value = 1
    assert viewer.still() != first


@pytest.mark.parametrize("shape", [(5, 5), (2, 2, 4, 4), (2, 2, 5, 4), (0, 2, 5, 5)])
def test_the_viewer_says_what_it_wants(shape):
    with pytest.raises(ValueError, match=r"needs shape \(layer, head, 5, 5\).* got .*Pass trace.attention and"):
        AttentionViewer(np.zeros(shape), TOKENS)


def test_a_head_that_cannot_be_drawn_is_refused_at_once():
    weights = causal(1, 3, 5, 5)
    weights[0, 1] = np.nan
    with pytest.raises(ValueError, match="AttentionViewer draws attention from 0 to 1, got nan"):
        AttentionViewer(weights, TOKENS)


# -------------------------------------------------------------------------------------------------- model picker


def load(name, step=None, progress=None):
    """Stands in for `pythia_course.load`."""
    if "bad" in name:
        raise ValueError(f"The hub has no model {name}.")
    return SimpleNamespace(name=name, step=step)


def plan(name, step):
    """Stands in for `download_plan`."""
    if "bad" in name:
        raise OSError(f"No answer about {name}.")
    return Plan(name, "main", {}, 0 if "tiny" in name else 375_000_000, 1_200_000, 649_300_000)


def choose(it, model, step="", other=""):
    """Make a choice as the browser would and wait for what is said about it."""
    it.step.value, it.other.value, it.model.value = step, other, model
    deadline = time.monotonic() + 10
    while "Asking" in it.status.value and time.monotonic() < deadline:
        time.sleep(0.005)


def press(it):
    """Press the button and wait for what comes of it."""
    it.button.click()
    it.wait()


def test_the_default_is_open_at_once(monkeypatch):
    assert ModelPicker(load=load).lm.name == "tiny-pythia"
    monkeypatch.setenv("PYTHIA_COURSE_MODEL", "pythia-410m")
    it = ModelPicker(load=load)
    assert it.lm.name == "pythia-410m" and it.model.value == "EleutherAI/pythia-410m"
    it = ModelPicker("a/folder", load=load)
    assert (it.model.value, it.other.value) == (picker.ANOTHER, "a/folder")
    assert it.other.layout.display is None
    with pytest.raises(ValueError, match="no model bad"):
        ModelPicker("bad", load=load)


def test_a_model_that_is_open_is_not_opened_again():
    lm = SimpleNamespace(name="tiny-gpt2", step=6200, trace=None)
    made = ModelPicker(lm, load=pytest.fail)
    assert made.lm is lm and made.model.value == "tiny-gpt2"
    assert "tiny-gpt2 at step 6,200 is open" in made.status.value


def test_the_list_has_the_built_in_models_and_the_two_of_the_brief():
    it = ModelPicker(load=load)
    assert it.model.options == (*suite.SHIPPED, "EleutherAI/pythia-160m", "EleutherAI/pythia-410m", picker.ANOTHER)
    assert it.other.layout.display == "none"


def test_sizes_and_seeds_are_in_the_list_and_open(monkeypatch):
    it = ModelPicker()
    for name, step in (("tiny-pythia-91k", "512"), ("tiny-pythia-281k-seed2", "1400"), ("tiny-pythia-5m", "")):
        choose(it, name, step)
        assert "nothing to download" in it.status.value and not it.button.disabled
        press(it)
        assert (it.lm.name, it.lm.step) == (name, int(step or 6200))
    choose(it, "tiny-pythia-seed1", "512")
    assert "the nearest is 600" in it.status.value
    monkeypatch.setenv("PYTHIA_COURSE_MODEL", "tiny-pythia-1m")
    assert ModelPicker().model.value == "tiny-pythia"


def test_whatever_is_typed_into_the_fields_is_answered_in_a_sentence(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    it, dice = ModelPicker(patience=60), random.Random(1)
    names = [name for name in (*odd_arguments.NAMES, *odd_prompts.PIECES) if isinstance(name, str)]
    for _ in range(40):
        it.model.value = dice.choice((picker.ANOTHER, picker.ANOTHER, "tiny-gpt2"))
        it.other.value = dice.choice(names)
        it.step.value = dice.choice(("", "0", "step512", "-1", "1e3", "\u00b2", "9" * 30, "9" * 5000, "\x00", "\ud800"))
        it.button.click()
        while it._opening or (it._question and not it.button.disabled):
            time.sleep(0.005)
        said = html.unescape(re.sub("<[^>]*>", "", it.status.value))
        odd = (ascii(it.other.value), ascii(it.step.value), ascii(said))
        assert said.isprintable() and 15 < len(said) < 500 and said.endswith("."), odd
        assert not re.search(r"Error\b|Traceback|object at|Exceeds", said), odd


def test_a_choice_says_what_it_takes_before_anything_is_opened(monkeypatch):
    opened = []
    monkeypatch.setattr(picker.described, "available_memory", lambda: 500_000_000)
    it = ModelPicker(load=lambda name, **_: opened.append(name) or load(name), plan=plan)
    choose(it, "EleutherAI/pythia-160m")
    assert "375 MB to download (1.2 MB of it are here already)" in it.status.value
    assert "649 MB of memory; 500 MB are free here. That is too much" in it.status.value
    choose(it, "tiny-gpt2")
    assert "nothing to download" in it.status.value
    assert opened == ["tiny-pythia"] and not it.button.disabled


def test_opening_tells_whoever_asked_and_shows_the_download():
    bars, seen, told = [], [], []

    def downloading(name, step=None, progress=None):
        if progress:
            progress(40, 200)
            bars.append((it.progress.layout.display, it.progress.value, it.progress.description))
        return load(name, step)

    it = ModelPicker(load=downloading, plan=plan)
    it.on_open(seen.append)
    it.observe(lambda change: told.append(change.new), "lm")
    choose(it, "EleutherAI/pythia-160m", step=" step3,000 ")
    press(it)
    assert (it.lm.name, it.lm.step) == ("EleutherAI/pythia-160m", 3000)
    assert seen == told == [it.lm]
    assert bars == [(None, 20, "20%")] and it.progress.layout.display == "none"
    assert "EleutherAI/pythia-160m at step 3,000 is open." in it.status.value


def test_another_id_can_be_typed():
    it = ModelPicker(load=load, plan=plan)
    choose(it, picker.ANOTHER)
    assert "EleutherAI/pythia-1b" in it.status.value and it.button.disabled
    assert it.other.layout.display is None
    choose(it, picker.ANOTHER, other=" EleutherAI/pythia-1.4b ")
    press(it)
    assert it.lm.name == "EleutherAI/pythia-1.4b"


def test_failures_are_said_in_place_and_the_open_model_stays():
    it = ModelPicker(load=load, plan=plan)
    before = it.lm
    choose(it, picker.ANOTHER, other="bad/<script>")
    assert "No answer about bad/&lt;script&gt;." in it.status.value
    press(it)  # one may try all the same
    assert "The hub has no model bad/&lt;script&gt;. tiny-pythia is still open." in it.status.value
    assert "<script>" not in it.status.value
    assert it.lm is before and not it.button.disabled


def test_a_wait_for_a_busy_hub_is_counted_down_in_place():
    said = []

    def waiting(name, step=None, progress=None):
        if progress:
            for seconds in (2, 1):
                progress.waiting(seconds)
                said.append(it.status.value)
            progress(1, 2)
            said.append(it.status.value)
        return load(name, step)

    it = ModelPicker(load=waiting, plan=plan)
    choose(it, "tiny-gpt2")
    press(it)
    assert ["going on in 2 s" in said[0], "going on in 1 s" in said[1]] == [True, True]
    assert "Opening tiny-gpt2" in said[2] and "tiny-gpt2 is open" in it.status.value


def test_a_model_that_is_too_large_is_said_in_place_without_a_traceback():
    def refusing(name, step=None, progress=None):
        if progress:
            raise errors.ModelTooLarge("It takes too much.")
        return load(name, step)

    it = ModelPicker(load=refusing, plan=plan)
    choose(it, "tiny-gpt2")
    press(it)
    assert "It takes too much. tiny-pythia is still open." in it.status.value and "Details" not in it.status.value


def test_a_download_can_be_interrupted():
    def interrupted(name, step=None, progress=None):
        if progress:
            raise KeyboardInterrupt
        return load(name)

    it = ModelPicker(load=interrupted, plan=plan)
    press(it)
    assert "Stopped: tiny-pythia is still open." in it.status.value


@pytest.mark.parametrize("step", ["abc", "1.5", "-1", "²"])
def test_a_step_that_is_no_number_is_said_at_once(step):
    it = ModelPicker(load=load, plan=plan)
    choose(it, "tiny-pythia", step=step)
    assert "A step is a whole number such as 3000" in it.status.value and it.button.disabled


def test_a_callback_that_fails_is_not_swallowed():
    it = ModelPicker(load=load, plan=plan)
    it.on_open(lambda lm: 1 / 0)
    choose(it, "tiny-gpt2")
    press(it)
    assert "ZeroDivisionError" in it.status.value and "Details" in it.status.value
    assert it.lm.name == "tiny-gpt2" and not it.button.disabled


def test_a_hub_that_does_not_answer_freezes_nothing_and_a_late_answer_counts_for_its_own_question_only():
    answer = threading.Event()

    def silent(name, step):
        if name == "silent/model":
            answer.wait(10)
        return plan(name, step)

    it = ModelPicker(load=load, plan=silent, patience=0.05)
    start = time.monotonic()
    it.other.value = "silent/model"
    it.model.value = picker.ANOTHER
    assert time.monotonic() - start < 2
    choose(it, picker.ANOTHER, other="silent/model")
    assert picker.NO_ANSWER in it.status.value and not it.button.disabled
    assert it.lm.name == "tiny-pythia"
    choose(it, "tiny-gpt2")
    said = it.status.value
    answer.set()
    time.sleep(0.1)
    assert it.status.value == said and "tiny-gpt2 is on this machine" in said


@pytest.mark.parametrize("answers", [True, False], ids=["the hub answers", "it is silent"])
def test_pressed_before_it_is_known_what_a_model_takes_it_opens_right_after(answers):
    asked = threading.Event()

    def slow(name, step):
        asked.wait(0.2 if answers else 5)
        return plan(name, step)

    it = ModelPicker(load=load, plan=slow, patience=0.5)
    it.model.value = "tiny-gpt2"
    it.button.click()
    deadline = time.monotonic() + 5
    while it.lm.name != "tiny-gpt2" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert it.lm.name == "tiny-gpt2"
    asked.set()


def slowly(steps=200):
    """A loader that takes steps of a hundredth of a second, each told of."""

    def loading(name, step=None, progress=None):
        for done in range(steps if progress else 0):
            time.sleep(0.01)
            progress(done, steps)
        return load(name, step)

    return loading


def test_whoever_asks_meanwhile_waits_and_never_gets_the_old_model():
    it = ModelPicker(load=slowly(30), plan=plan)
    seen, read = [], []
    it.on_open(lambda lm: seen.append(it.lm.name))  # in the thread that opens: it must not wait for itself
    choose(it, "tiny-gpt2")
    readers = [threading.Thread(target=lambda: read.append(it.lm.name)) for _ in range(3)]
    it.button.click()
    for reader in readers:
        reader.start()
    assert it.lm.name == "tiny-gpt2" and seen == ["tiny-gpt2"]
    for reader in readers:
        reader.join()
    assert read == ["tiny-gpt2"] * 3


def test_the_button_stops_what_it_began():
    it = ModelPicker(load=slowly(), plan=plan)
    choose(it, "tiny-gpt2")
    it.button.click()
    deadline = time.monotonic() + 5
    while it.button.description != "Stop" and time.monotonic() < deadline:
        time.sleep(0.01)
    it.button.click()
    assert it.lm.name == "tiny-pythia" and it.button.description == "Open"
    assert "Stopped: tiny-pythia is still open." in it.status.value
    it.button.click()
    assert it.lm.name == "tiny-gpt2"


def test_stopping_the_cell_that_waits_stops_the_opening():
    it = ModelPicker(load=slowly(), plan=plan)
    choose(it, "tiny-gpt2")
    it.button.click()
    threading.Timer(0.2, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        it.lm  # noqa: B018
    assert it.lm.name == "tiny-pythia" and "Stopped" in it.status.value


def test_the_picker_with_the_real_loader():
    """The hub cannot be reached in tests; what ships with the course opens all the same."""
    it = ModelPicker()
    choose(it, "EleutherAI/pythia-160m")
    assert "the hub cannot be reached" in it.status.value
    press(it)
    assert "the hub cannot be reached" in it.status.value and "tiny-pythia at step" in it.status.value
    choose(it, "tiny-pythia", step="0")
    assert "nothing to download" in it.status.value
    press(it)
    assert (it.lm.name, it.lm.step) == ("tiny-pythia", 0)
    choose(it, "tiny-pythia", step="3")
    assert "the nearest are 2 and 4" in it.status.value


# ----------------------------------------------------------------------------------------------------------- both


def test_what_a_notebook_stores_is_the_same_at_every_run():
    viewer, text = AttentionViewer(causal(2, 3, 5, 5), TOKENS), "AttentionViewer of 2 × 3 heads, 5 tokens"
    stored, metadata = viewer._repr_mimebundle_()
    assert metadata["image/png"]["alt"].startswith("layer 0, head 0. Attention map of 5 tokens.")
    assert stored["text/plain"] == f"{text} (run the notebook to use it)"
    assert set(stored) == {"text/plain", "image/png", VIEW}
    stored, metadata = ModelPicker(load=load)._repr_mimebundle_()
    assert "image/png" not in metadata and stored["text/plain"] == "ModelPicker (run the notebook to choose a model)"
    assert set(stored) == {"text/plain", VIEW}


@pytest.mark.parametrize(
    "make", [lambda: AttentionViewer(causal(2, 3, 5, 5), TOKENS), lambda: ModelPicker(load=load)]
)
def test_every_control_has_a_name_and_keeps_its_keys(make):
    widget = make()
    parts = list(all_widgets(widget))
    controls = [part for part in parts if isinstance(part, (ipywidgets.IntSlider, ipywidgets.Text, ipywidgets.Button))]
    assert controls and all(control.description for control in controls)
    assert any(isinstance(part, KeyGuard) for part in widget.children)
    assert not any(isinstance(part, ipywidgets.Output) for part in parts)


def test_drawing_leaves_pyplot_alone():
    before = plt.get_fignums()
    viewer = AttentionViewer(causal(2, 2, 5, 5), TOKENS)
    viewer.head.value = 1
    assert viewer.still() and plt.get_fignums() == before
