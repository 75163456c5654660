"""A RoPE lab that knows its model: its vectors, and its score, are those of the model, whoever chooses them."""

import numpy as np
import pytest
import torch

from pythia_course import load
from pythia_course.widgets import RopeLab
from pythia_course.widgets.rope_lab.picture import scores

NAME, TEXT, OTHER = "tiny-pythia", "Mia saw a red kite. Mia saw a red", "Then Tom lost the red ball."


@pytest.fixture(scope="module")
def lm():
    return load(NAME)


@pytest.fixture
def lab(lm):
    return RopeLab.of(lm, TEXT, 2, 2)


def score(lab):
    return scores(lab, [lab.query_position - lab.key_position])[0]


def own_score(lm, text, layer, head, query, key):
    """What goes into the model's own softmax."""
    trace = lm.trace(text, keep=["queries", "keys"])
    product = trace.queries[layer, head, query] @ trace.keys[layer, head, key]
    return (product / lm.spec.head_dim**0.5).item()


def assert_of(lab, lm, text, layer, head, query, key):
    """The lab shows just this, standing as it stands in the model."""
    trace = lm.trace(text, unrotated=True)
    assert (lab.text, lab.layer, lab.head, lab.query_token, lab.key_token) == (text, layer, head, query, key)
    assert (lab.query_position, lab.key_position) == (query, key) and lab._tokens == trace.tokens
    assert lab._query == trace.queries_unrotated[layer, head, query].tolist()
    assert lab._key == trace.keys_unrotated[layer, head, key].tolist()
    assert score(lab) == pytest.approx(own_score(lm, text, layer, head, query, key), abs=1e-4)


@pytest.mark.parametrize(("layer", "head", "query", "key"), [(0, 0, 9, 0), (1, 3, 4, 3), (3, 1, 0, 0)])
def test_its_score_is_the_model_s_own(lm, layer, head, query, key):
    lab = RopeLab.of(NAME, TEXT, layer, head, query=query, key=key)
    assert (lab.base, lab.rotary_fraction) == (lm.spec.rope_base, lm.spec.rotary_fraction)
    assert_of(lab, lm, TEXT, layer, head, query, key)
    assert lab._live["where"] == "page"


def test_it_begins_with_the_last_token_and_the_one_that_it_looks_at_most(lab, lm):
    looked_at = int(lm.trace(TEXT).attention[2, 2, -1].argmax())
    assert_of(lab, lm, TEXT, 2, 2, 9, looked_at)
    assert repr(lab) == "RopeLab of layer 2, head 2 of tiny-pythia, 10 tokens (run the notebook to use it)"
    assert lab.still().startswith(b"\x89PNG")


def test_what_is_set_from_code_brings_vectors_and_positions(lab, lm):
    lab.query_position, lab.base = 100, 500.0
    lab.key_token = 3
    assert lab.base == 500.0  # which is the learner's
    lab.base = lm.spec.rope_base
    assert_of(lab, lm, TEXT, 2, 2, 9, 3)
    lab.text = OTHER  # the last token stays the last
    assert_of(lab, lm, OTHER, 2, 2, 7, 3)
    lab.query_token = 1  # a key never stands after its query
    assert_of(lab, lm, OTHER, 2, 2, 1, 1)
    lab.key_token = 5
    assert_of(lab, lm, OTHER, 2, 2, 5, 5)
    lab.layer, lab.head = 0, 1
    assert_of(lab, lm, OTHER, 0, 1, 5, 5)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("text", "", "The prompt is empty"),
        ("text", "é" * 100, "RopeLab draws texts of 1 to 128 tokens, and this one has 200: shorten it"),
        ("layer", 4, "There are layers 0 to 3, but layer 4 was asked for"),
        ("head", -1, "There are heads 0 to 3"),
        ("query_token", 10, "There are tokens 0 to 9"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_changes(lab, lm, name, value, says):
    key = lab.key_token
    with pytest.raises(ValueError, match=says):
        setattr(lab, name, value)
    assert_of(lab, lm, TEXT, 2, 2, 9, key)


def test_a_model_with_learned_positions_is_refused():
    with pytest.raises(ValueError, match="tiny-gpt2 has a learned table of positions"):
        RopeLab.of("tiny-gpt2", TEXT)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"layer": 9}, "There are layers"),
        ({"query": 2, "key": 3}, "A query looks at no later token: key=3 stands after query=2"),
        ({"positions": 5}, "draws texts of 1 to 5 tokens"),
    ],
)
def test_what_it_cannot_begin_with_is_refused(lm, given, says):
    with pytest.raises(ValueError, match=says):
        RopeLab.of(lm, TEXT, **given)


def test_vectors_alone_know_no_model():
    lab = RopeLab()
    for name, value in (("text", TEXT), ("layer", 1), ("key_token", 2)):
        with pytest.raises(ValueError, match=r"RopeLab.of\(lm, text\) does"):
            setattr(lab, name, value)


def test_a_model_whose_weights_were_changed_is_the_kernel_s():
    own = load(NAME)
    with torch.no_grad():
        own.model.gpt_neox.layers[2].attention.query_key_value.bias += 0.5
    lab, told = RopeLab.of(own, TEXT, 2, 2, key=1), []
    assert lab._live["where"] == "kernel"
    assert_of(lab, own, TEXT, 2, 2, 9, 1)
    lab.send = lambda *message: told.append(message)
    run = {"prompt": OTHER, "layer": 1, "head": 0}
    lab._handle_custom_msg({"id": "1", "want": "vectors", "run": run}, [])
    lab._handle_custom_msg({"id": "2", "want": "vectors", "run": {**run, "prompt": ""}}, [])
    [(content, buffers), (refused, _)] = told
    trace = own.trace(OTHER, unrotated=True)
    assert content["tokens"] == trace.tokens and "The prompt is empty" in refused["error"]
    for sent, field in zip(buffers, ("queries_unrotated", "keys_unrotated"), strict=True):
        assert np.frombuffer(sent, "<f4").tolist() == getattr(trace, field)[1, 0].ravel().tolist()


def test_what_a_page_sends_is_taken_and_not_computed_again(lab, monkeypatch):
    monkeypatch.setattr(type(lab), "_computed", None)
    lab._vectors = None  # nothing may be asked for
    chosen = {"text": OTHER, "layer": 1, "head": 0, "query_token": 6, "key_token": 2}
    vectors = {"_tokens": list("abcdefgh"), "_query": [1.0] * 32, "_key": [2.0] * 32}
    lab.set_state({**chosen, **vectors, "query_position": 6, "key_position": 2})
    assert (lab.text, lab.layer, lab.query_token, lab._key, lab.key_position) == (OTHER, 1, 6, [2.0] * 32, 2)
