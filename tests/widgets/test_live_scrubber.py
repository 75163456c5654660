"""The Python side of a scrubber with a text field: what it reads, what it tells the page, what it refuses."""

import json

import numpy as np
import pytest
from support.hub_folders import write_pythia
from support.hub_server import hub_fixture  # noqa: F401

from pythia_course import load
from pythia_course.widgets import TrainingScrubber
from pythia_course.widgets.common.attention import packed

NAME, STEPS = "tiny-pythia-91k", (0, 600, 6200)
TEXT, OTHER, TWICE = "Then Mia lost the red ball.", "Then Tom lost", " Mia saw a red kite." * 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture
def scrubber(folder):
    return TrainingScrubber.of(NAME, TEXT, STEPS, scores={"made up": [1, 2, 3]}, keep=folder)


def asked(widget, **content):
    """What the page is told, and the buffers."""
    told = []
    widget.send = lambda *message: told.append(message)
    widget._handle_custom_msg({"id": "1", **content}, [])
    [(content, buffers)] = told
    return content, buffers


def test_what_the_kernel_tells_of_a_moment_is_what_the_model_computes(scrubber):
    lm = load(NAME, step=600)
    trace = lm.trace(TWICE)
    told, (weights, sure) = asked(scrubber, want="moment", run={"step": 600, "prompt": TWICE})
    told = told["moment"]
    assert (told["tokens"], told["layers"], told["heads"]) == (trace.tokens, lm.spec.layers, lm.spec.heads)
    wanted = np.frombuffer(packed(trace.attention.numpy()), np.uint8).astype(int)
    assert np.abs(np.frombuffer(weights, np.uint8) - wanted).max() <= 1  # it is float16 on the way
    words = np.array(told["words"]).reshape(lm.spec.layers + 1, -1)
    assert words[-1].tolist() == lm.tokens(trace.logits.argmax(-1))
    last = np.frombuffer(sure, np.uint8).reshape(words.shape)[-1]
    assert np.abs(last / 255 - trace.logits.softmax(-1).max(-1).values.numpy()).max() < 0.51 / 255
    assert [word for word, _ in told["next"]] == [word for word, _ in lm.predict(TWICE, 8)]
    assert told["scores"].keys() == {"previous token", "first token", "induction"}


def test_another_text_set_from_code_is_in_the_picture_and_the_first_comes_back(scrubber):
    first, text = scrubber.still(), repr(scrubber)
    assert scrubber.text == TEXT and scrubber._live["where"] == "page" and ", 8 tokens" in text
    scrubber.text = OTHER
    moments = scrubber._shown()
    assert moments.labels == load(NAME).tokens(OTHER) and f", {len(moments.tokens)} tokens" in repr(scrubber)
    np.testing.assert_allclose(moments.attention[1], load(NAME, step=600).trace(OTHER).attention, atol=1e-3)
    assert set(moments.scores) == {"previous token", "first token"}  # those by hand are of the first text
    assert scrubber.still() != first
    scrubber.text = TEXT
    assert scrubber._shown() is scrubber._moments and repr(scrubber) == text and "made up" in scrubber._shown().scores


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The prompt is empty"),
        ("é" * 300, "TrainingScrubber draws texts of 1 to 128 tokens, and this one has 600: shorten it"),
        ("a\ud800", "The prompt holds half a character"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_nothing_changes(scrubber, text, says):
    with pytest.raises(ValueError, match=says):
        scrubber.text = text
    assert scrubber.text == TEXT
    told, buffers = asked(scrubber, want="moment", run={"step": 600, "prompt": text})
    assert "error" in told and buffers == []


def test_a_step_it_does_not_have_is_refused(scrubber):
    assert "no step 64" in asked(scrubber, want="moment", run={"step": 64, "prompt": OTHER})[0]["error"]


def test_a_saved_notebook_gets_the_text_and_no_weights(scrubber):
    scrubber.text = OTHER
    state = scrubber.get_state()
    binary = {name for name, value in state.items() if isinstance(value, bytes)}
    assert state["text"] == OTHER and binary == {"_weights", "_said", "_sure", "_colors"}
    assert len(json.dumps({name: value for name, value in state.items() if name not in binary})) < 120_000


def test_arrays_alone_have_no_text():
    scrubber = TrainingScrubber([0, 1], list("ab"), scores={"a": [1, 2]})
    assert scrubber.text == "" and scrubber._live == {}
    with pytest.raises(ValueError, match="knows no model"):
        scrubber.text = OTHER


def test_token_ids_are_the_text_that_gives_them_and_others_have_no_field(folder):
    ids = [0, *load(NAME).tokenizer(TEXT)["input_ids"]]
    assert TrainingScrubber.of(NAME, ids, STEPS, keep=folder).text == "<|endoftext|>" + TEXT
    spelled = [load(NAME).tokenizer.encode(letter)[0] for letter in "Then"]  # which a text gives as two tokens
    assert TrainingScrubber.of(NAME, spelled, STEPS, keep=folder)._live == {}


def test_other_numbers_than_those_that_ship_are_the_kernel_s(folder):
    scrubber = TrainingScrubber.of(NAME, TEXT, STEPS, keep=folder, dtype="bfloat16")
    assert scrubber._live["where"] == "kernel"
    told, (weights, _) = asked(scrubber, want="moment", run={"step": 600, "prompt": OTHER})
    attention = load(NAME, step=600, dtype="bfloat16").trace(OTHER).attention.numpy().astype(np.float16)
    assert weights == packed(attention.astype(np.float32)) and told["moment"]["heads"] == 2


def test_a_published_model_is_the_kernel_s_and_freed_downloads_have_no_field(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_COURSE_CACHE", str(tmp_path / "own"))
    branches = {"step0": 0, "step64": 1}
    for branch, seed in branches.items():
        write_pythia(tmp_path / branch, seed=seed)
    hub.repositories["EleutherAI/pythia-160m"] = {branch: tmp_path / branch for branch in branches}
    assert TrainingScrubber.of("pythia-160m", "the cat sat", (0, 64), keep=tmp_path / "sweeps", free=True)._live == {}
    scrubber = TrainingScrubber.of("pythia-160m", "the cat sat", (0, 64), keep=tmp_path / "sweeps")
    scrubber.text = "the cat"
    told, _ = asked(scrubber, want="moment", run={"step": 64, "prompt": "the cat"})
    assert scrubber._live["where"] == "kernel" and told["moment"]["tokens"] == load("pythia-160m", 64).tokens("the cat")
    [(word, _)] = load("pythia-160m", 64).predict("the cat", 1)
    assert told["moment"]["next"][0][0] == word
