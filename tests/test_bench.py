"""What the bench measures that no machine changes: bytes, passes, memory kept; and that its contenders do the same."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bench import __main__ as bench
from bench import looking
from bench.turns import Goal, in_turns, judged, spread, table
from support.hub_folders import write_pythia

from pythia_course import load
from pythia_course.inside.tracing import bytes_kept
from pythia_course.training.sweep import sweep
from pythia_course.widgets import AttentionExplorer

ROOT = Path(__file__).resolve().parents[1]
TEXT = "The cat sat on the mat"


@pytest.fixture
def contenders(monkeypatch):
    """The contenders' scripts, as modules."""
    monkeypatch.syspath_prepend(str(ROOT / "tests/bench/contenders"))
    names = ("ours", "plain", "heads", "sweeping", "training", "looking")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        del sys.modules[name]


@pytest.fixture
def passes(monkeypatch):
    """A list that grows by one with each pass of a Pythia."""
    from transformers import GPTNeoXForCausalLM

    counted, forward = [], GPTNeoXForCausalLM.forward

    def counting(self, *args, **kwargs):
        counted.append(1)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(GPTNeoXForCausalLM, "forward", counting)
    return counted


# ------------------------------------------------------------------------------------- what no machine changes


@pytest.mark.parametrize("keep", [None, ["logits"], ["attention", "z"]])
def test_a_trace_is_one_pass(keep, passes):
    load("tiny-pythia").trace(TEXT, keep=keep)
    assert len(passes) == 1


def test_a_sweep_is_one_pass_for_each_trace_of_each_checkpoint(passes):
    sweep("tiny-pythia", [0, 600, 6200], lambda lm: lm.trace(TEXT).attention.max(), keep=False)
    assert len(passes) == 3


@pytest.mark.parametrize("fields", [None, ["attention"], ["logits", "queries"]])
def test_what_a_trace_holds_is_what_it_shows(fields):
    """No array is a view of a larger one that stays in memory with it."""
    lm = load("tiny-pythia")
    trace = lm.trace(TEXT, keep=fields)
    names = fields or [name for name in vars(trace) if name not in ("tokens", "ids")]
    storages = {getattr(trace, name).untyped_storage().data_ptr(): getattr(trace, name) for name in names}
    held = sum(array.untyped_storage().nbytes() for array in storages.values())
    assert held == sum(bytes_kept(lm.spec, len(trace.ids), names).values())


@pytest.mark.parametrize("tokens", [20, 200])
def test_all_heads_are_a_byte_for_each_weight_and_a_little_code(tokens, contenders):
    attention = contenders["heads"].attention_of(tokens, layers=2, heads=3)
    labels = [f"t{number}" for number in range(tokens)]
    explorer = AttentionExplorer(attention, labels)
    weights = 2 * 3 * tokens * (tokens + 1) // 2
    assert len(explorer._weights) == weights
    assert weights < contenders["heads"].ours(attention, labels) < weights + 75_000


# -------------------------------------------------------------------------------------------- the contenders


def test_plain_and_the_course_hand_over_the_same_arrays(contenders, monkeypatch, tmp_path):
    write_pythia(tmp_path)
    lm, ids = load(tmp_path), torch.arange(2, 30)
    monkeypatch.setattr(contenders["plain"], "NAME", tmp_path)
    theirs = contenders["plain"].look(contenders["plain"].open_model(), ids)
    for name, array in contenders["ours"].look(lm, ids).items():
        assert torch.equal(array, torch.stack(list(theirs[name]))), name


def test_a_difference_is_told_as_a_part_of_the_largest_number(tmp_path):
    for who, value in (("ours", 4.0), ("plain", 5.0)):
        (tmp_path / who).mkdir()
        np.savez(tmp_path / who / "41.npz", logits=np.array([value, -8.0]))
    assert looking.difference({who: tmp_path / who for who in ("ours", "plain")}, "plain", 41) == 1 / 8


def test_a_sweep_finds_what_a_plain_loop_finds(contenders):
    ids, sweeping = contenders["sweeping"].ids_of(20), contenders["sweeping"]
    assert sweeping.ours("tiny-pythia", [0, 600], ids) == sweeping.plain("tiny-pythia", [0, 600], ids)


def test_the_floor_of_training_is_three_products_for_each_map_and_each_head(contenders):
    from pythia_course.tiny.models import new_model

    pairs = contenders["training"].products(new_model("tiny-pythia-91k"), torch.float32)
    layers, width, vocab, tokens = 2, 32, 1024, 4096
    linear = tokens * (layers * 12 * width * width + width * vocab)
    heads = layers * 2 * 32 * 128 * 128 * width  # rows, queries, keys, and all heads' widths
    products = sum(left.numel() * right.shape[-1] for left, right in pairs)
    assert products == 3 * (linear + heads)


# ------------------------------------------------------------------------------------------- turns and the page


def test_contenders_take_turns_and_the_first_round_does_not_count(tmp_path):
    note = f"open({str(tmp_path / 'order')!r}, 'a').write(NAME); print('{{\"seconds\": 1}}')"
    commands = {name: [sys.executable, "-c", note.replace("NAME", repr(name))] for name in "AB"}
    figures = in_turns(commands, 2)
    assert (tmp_path / "order").read_text() == "ABABAB"
    assert figures == {"A": {"seconds": [1, 1]}, "B": {"seconds": [1, 1]}}


def test_a_contender_that_fails_is_no_figure():
    with pytest.raises(RuntimeError, match="no such thing"):
        in_turns({"A": [sys.executable, "-c", "raise SystemExit('no such thing')"]}, 1)


def test_ratios_and_spreads_in_words():
    figures = {"ours": {"start": [1.0, 1.04, 9.0]}, "plain": {"start": [1.0, 0.5, 1.5]}}
    assert Goal("plain", 1.05).said(figures, "start") == "1.04 × plain (at most 1.05: met)"
    assert judged(1.06, "plain", 1.05) == "1.06 × plain (at most 1.05: missed)"
    assert spread([3.0, 1.0, 2.0]) == "2.00 s (1.00–3.00)"
    assert spread([0.02, 0.03, 0.01]) == "20.0 ms (10.0–30.0)"
    assert table(["", "a"], [["b", "1"]]) == ["|  | a |", "| --- | --- |", "| b | 1 |"]


def test_sections_measured_anew_leave_the_others_of_the_page_as_they_were(monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "PAGE", tmp_path / "page.md")
    bench.write({"Sweeps": ["old"], "Growth": ["", "kept"]})
    bench.write({"Sweeps": ["new"]})
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert written == bench.INTRODUCTION.strip() + "\n\n## Sweeps\n\nnew\n\n## Growth\n\nkept\n"


def test_the_page_has_the_sections_in_order_and_explains_each_goal_that_is_missed():
    text = (ROOT / "docs/measurements.md").read_text(encoding="utf-8")
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    assert [*sections] == [title for title, _ in bench.SECTIONS.values()]
    for title, section in sections.items():
        assert ("missed" in section) == ("\nWhy: " in section), title
