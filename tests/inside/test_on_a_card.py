"""How often a trace waits for a graphics card.  There is none here: what a trace asks of one is written down."""

import pytest
import torch
from support.card import Card
from support.hub_folders import write_pythia

from pythia_course import load
from pythia_course.inside import recording
from pythia_course.inside.loading import Loaded

TEXT = "The cat sat"
USUAL = 8  # the arrays that a trace keeps unless asked otherwise


@pytest.fixture(params=[2, 5], ids=["2 layers", "5 layers"])
def lm(request, tmp_path, monkeypatch):
    """A model on the stand-in for a card."""
    write_pythia(tmp_path, num_hidden_layers=request.param)
    lm = load(tmp_path)
    lm.model.to("meta")
    monkeypatch.setattr(Loaded, "input_device", torch.device("meta"))
    return lm


def seen_of(run):
    with Card() as card:
        run()
    return card.seen


def plain(lm):
    """What the library's own pass asks of a card."""
    ids = torch.zeros(1, 3, dtype=torch.long, device="meta")
    with torch.no_grad():
        return seen_of(lambda: lm.model(ids, use_cache=False, output_attentions=True, output_hidden_states=True))


def test_a_trace_waits_once_for_each_array_however_many_layers_there_are(lm):
    seen = seen_of(lambda: lm.trace(TEXT))
    pass_begins = seen.index("up")
    after = seen[-seen[::-1].index("launch") :]  # nothing is left to do for the card but to hand over
    assert after == ["wait"] * (USUAL - 1)  # the logits were copied before queries and keys were rotated
    assert seen[pass_begins:].count("wait") == plain(lm).count("wait") + USUAL
    assert seen.count("up") == 1  # the ids


def test_where_a_card_has_no_room_to_spare_the_arrays_are_put_together_in_memory(lm, monkeypatch):
    monkeypatch.setattr(recording, "room", lambda device: 0)
    seen = seen_of(lambda: lm.trace(TEXT, keep=["mlp_out"]))
    assert seen.count("wait") > lm.spec.layers


def test_one_array_is_one_copy(lm):
    once = seen_of(lambda: lm.trace(TEXT, keep=["logits"]))
    twice = seen_of(lambda: lm.trace(TEXT, keep=["logits", "attention"]))
    assert twice.count("wait") - once.count("wait") == 1
