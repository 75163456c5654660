"""Is a comparison true?  Against the library's outputs, against models whose answer is known, and as it is drawn."""

import html
import re
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from support import hub_folders
from transformers import AutoTokenizer

from pythia_course import load, suite
from pythia_course.inside.compare import compare, logit_lens
from pythia_course.inside.description import TRAINING_DATA, describe, longest_run_of_spaces
from pythia_course.inside.tracing import LanguageModel
from pythia_course.tiny.models import new_model

TEXT = "Mia had a red ball. Then Mia lost the red"


@cache
def lm(name):
    """A tiny model far from its start, where biases and LayerNorm gains count; no trained weights are needed."""
    torch.manual_seed(7)
    model = new_model(name).eval().requires_grad_(False)
    model.set_attn_implementation("eager")
    for parameter in model.parameters():
        parameter.add_(0.07 * torch.randn_like(parameter))
    tokenizer = AutoTokenizer.from_pretrained(suite.TINY_TOKENIZER)
    return LanguageModel(name, None, model, tokenizer, suite.spec_from_config(model.config, name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A GPT-2 in the hub's layout, whose tokenizer cuts texts in another way."""
    place = tmp_path_factory.mktemp("hub") / "another"
    hub_folders.write_gpt2(place)
    return place


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def differences(a, b):
    return compare(lm(a), lm(b), TEXT).differences


# -------------------------------------------------------------------------------------------- what differs


def test_the_tiny_models_differ_in_the_named_switch_and_in_a_layout_that_changes_nothing():
    layout = "queries, keys, values"
    assert differences("tiny-pythia", "tiny-gpt2") == ["positions", "block", layout]
    assert differences("tiny-pythia", "tiny-pythia-sequential") == ["block"]
    assert differences("tiny-pythia", "tiny-gpt2-parallel") == ["positions", layout]
    assert differences("tiny-gpt2", "tiny-gpt2-parallel") == ["block"]


def test_models_as_the_hub_has_them_differ_in_what_is_published(folder, tmp_path):
    hub_folders.write_pythia(tmp_path / "pythia-160m")
    hub_folders.write_gpt2(tmp_path / "gpt2")
    both = compare(str(tmp_path / "pythia-160m"), str(tmp_path / "gpt2"), TEXT)
    rows = {what: (a, b) for what, a, b, differ in both.facts if differ}
    assert rows["GELU"] == ("exact", "tanh form")
    assert rows["output matrix"] == ("its own", "tied to the embedding")
    assert rows["training data"] == ("the Pile", "WebText")
    assert "context" not in rows  # both folders are made with 128


def test_vocabularies_of_the_same_size_are_still_two(folder, monkeypatch):
    one, other = LanguageModel.open(folder), LanguageModel.open(folder)
    assert "tokenizer" not in compare(one, other, TEXT).differences
    entries = other.tokenizer.get_vocab()
    swapped = entries | {"a": entries["b"], "b": entries["a"]}
    monkeypatch.setattr(other.tokenizer, "get_vocab", lambda: swapped)
    assert compare(one, other, TEXT).differences == ["tokenizer"]


def test_two_sizes_differ_in_their_measures_alone_and_two_seeds_in_what_they_read():
    """On the weights that ship, by name; the sentence is one that both go on alike."""
    sizes = compare("tiny-pythia-91k", "tiny-pythia-281k", TEXT)
    assert sizes.differences == ["layers × heads, width"]
    assert (sizes.a.lens.shape, sizes.b.lens.shape) == ((3, 1024), (4, 1024))
    assert [sum(counts.values()) for counts in sizes.parameters.values()] == [91_008, 281_152]
    assert all(reading.predictions[0][0] == "␣ball" for reading in (sizes.a, sizes.b))
    assert sizes.plot()[1, 0].get_xlim()[1] >= 3  # the deeper one's last layer is in the picture

    seeds = compare(load("tiny-pythia"), load("tiny-pythia", seed=2), TEXT)
    assert list(seeds.parameters) == ["tiny-pythia", "tiny-pythia-seed2"]
    assert seeds.differences == ["training data"] and "drawn with seed 2" in repr(seeds)
    assert np.abs(seeds.a.losses - seeds.b.losses).max() > 0.1
    bars = seeds.plot_losses().patches
    assert len({bar.get_facecolor() for bar in bars}) == 2


def test_every_published_model_has_its_training_data_and_others_are_said_to_be_unknown(folder):
    assert set(TRAINING_DATA) == {*suite.HUB_IDS, *suite.SHIPPED}
    assert TRAINING_DATA["pythia-160m-seed3"] != TRAINING_DATA["pythia-160m"]
    assert TRAINING_DATA["pythia-160m-deduped"] != TRAINING_DATA["pythia-160m"]
    assert "not known" in describe(LanguageModel.open(folder))["training data"]


def test_what_only_a_gpt_neo_does_is_a_fact_of_its_attention(tmp_path):
    hub_folders.write_gpt_neo(tmp_path / "neo")
    neo = LanguageModel.open(tmp_path / "neo")
    for model, divided in ((neo, 1), (lm("tiny-pythia"), lm("tiny-pythia").spec.head_dim ** 0.5)):
        said = describe(model)["scores are divided by"]
        assert said == ("nothing" if divided == 1 else f"√{model.spec.head_dim}")
        trace = model.trace(range(2, 20), keep=["queries", "keys", "attention"])
        scores = trace.queries @ trace.keys.transpose(-1, -2) / divided  # (layer, head, query, key)
        scores = scores.masked_fill(torch.ones(18, 18).triu(1).bool(), -torch.inf)
        torch.testing.assert_close(scores.softmax(-1), trace.attention, atol=1e-5, rtol=0)
    assert describe(neo)["… have a bias"] == "no" and describe(lm("tiny-gpt2"))["… have a bias"] == "yes"


def test_runs_of_spaces_are_found_in_both_spellings():
    tokenizer = AutoTokenizer.from_pretrained(suite.TINY_TOKENIZER)
    longest = longest_run_of_spaces(tokenizer)
    assert len(tokenizer.encode(" " * longest)) == 1 < len(tokenizer.encode(" " * (longest + 1)))
    tokenizer.add_tokens([" " * 24])  # as Pythia's tokenizer has them: spaces, not Ġ
    assert longest_run_of_spaces(tokenizer) == 24


def test_parameters_are_those_in_memory():
    both = compare(lm("tiny-pythia"), lm("tiny-gpt2"), TEXT)
    for reading in (both.a, both.b):
        assert sum(both.parameters[reading.name].values()) == sum(p.numel() for p in reading.lm.model.parameters())
        assert f"{suite.total(reading.lm.spec):,}" in both._repr_html_()


# ------------------------------------------------------------------------------------------------ arrays


@pytest.mark.parametrize("name", ["tiny-pythia", "tiny-gpt2", "folder"])
def test_the_lens_ends_where_the_model_ends_and_the_losses_are_the_library_s(name, folder):
    model = LanguageModel.open(folder) if name == "folder" else lm(name)
    reading = compare(model, lm("tiny-pythia"), TEXT).a
    ids = reading.trace.ids[None]
    with torch.no_grad():
        out = model.model(ids, labels=ids)
    torch.testing.assert_close(torch.from_numpy(reading.lens[-1]), out.logits[0, -1].softmax(-1), atol=1e-5, rtol=1e-4)
    assert reading.losses.mean() == pytest.approx(out.loss.item(), rel=1e-4)
    assert reading.lens.shape == (model.spec.layers + 1, model.spec.vocab)
    torch.testing.assert_close(reading.trace.attention, model.trace(TEXT).attention)


def test_the_lens_after_no_layer_is_the_embedding_through_the_output_matrix():
    model = lm("tiny-gpt2")
    stream = model.trace(TEXT).residual[0, -1]
    logits = model.model.lm_head(model.model.transformer.ln_f(stream))
    np.testing.assert_allclose(compare(model, model, TEXT).a.lens[0], logits.softmax(-1), rtol=1e-4)
    np.testing.assert_allclose(logit_lens(model, stream), logits.softmax(-1), rtol=1e-4)


def test_the_predictions_are_the_model_s():
    both = compare(lm("tiny-pythia"), lm("tiny-gpt2"), TEXT)
    for reading in (both.a, both.b):
        expected = reading.lm.predict(TEXT, k=5)
        assert [token for token, _ in reading.predictions] == [token for token, _ in expected]
        assert [p for _, p in reading.predictions] == pytest.approx([p for _, p in expected], rel=1e-3)


@pytest.mark.parametrize("text", [TEXT, "naïve 🙂 cafés\n    return x", "🙂🙂"])
def test_models_that_know_nothing_need_the_bits_of_their_vocabulary(text, folder):
    """An output matrix of zeros gives every entry the same probability, so the bits can be counted by hand."""
    one, other = know_nothing(lm("tiny-pythia")), know_nothing(LanguageModel.open(folder))
    both = compare(one, other, text)
    size = len(text[both.shared_start :].encode())
    for model, bits in zip((one, other), both.bits_per_byte):
        after = len(model.tokens(text)) - tokens_until(model, text, both.shared_start)
        assert bits == pytest.approx(after * np.log2(model.spec.vocab) / size, rel=1e-5)


def tokens_until(model, text, start):
    """How many tokens the first characters take: the shortest prefix of tokens that says them."""
    ids = model.tokenizer(text)["input_ids"]
    return next(n for n in range(1, len(ids) + 1) if model.tokenizer.decode(ids[:n]) == text[:start])


def know_nothing(model):
    model = LanguageModel(model.name, None, *copies(model), model.spec)
    matrix = torch.nn.Linear(model.spec.width, model.spec.vocab, bias=False)
    torch.nn.init.zeros_(matrix.weight).requires_grad_(False)
    model.model.set_output_embeddings(matrix)
    return model


def copies(model):
    import copy

    return copy.deepcopy(model.model), model.tokenizer


def test_where_nothing_follows_there_are_no_bits():
    both = compare(lm("tiny-pythia"), lm("tiny-gpt2"), "a")
    assert both.a.losses.size == 0 and np.isnan(both.bits_per_byte).all()
    both.plot()


# ------------------------------------------------------------------------------------------- as it is shown


def test_the_figure_shows_the_tokens_and_the_losses():
    both = compare(lm("tiny-pythia"), lm("tiny-gpt2"), TEXT)
    (first, second), (lens, losses) = both.plot()
    assert [bar.get_height() for bar in losses.patches] == pytest.approx([*both.a.losses, *both.b.losses])
    assert [label.get_text() for label in losses.get_xticklabels()] == both.a.trace.tokens[1:]
    assert first.patches[0].get_width() == pytest.approx(both.a.lens[-1].max())
    assert second.patches[0].get_width() == pytest.approx(both.b.lens[-1].max())
    np.testing.assert_allclose(lens.lines[1].get_ydata(), both.b.lens[:, both.b.lens[-1].argmax()])


def test_where_the_tokens_differ_the_losses_are_added_up_over_the_same_characters(folder):
    both = compare(lm("tiny-pythia"), folder, TEXT)
    ax = both.plot_losses()
    for line, bits in zip(ax.lines, both.bits_per_byte):
        (start, zero), (end, total) = (line.get_xydata()[place] for place in (0, -1))
        assert (start, zero, end) == (both.shared_start, 0, len(TEXT))
        assert total == pytest.approx(bits * np.log(2) * len(TEXT[both.shared_start :]), rel=1e-4)


def test_the_table_escapes_names_and_marks_what_differs(folder, tmp_path):
    odd = tmp_path / "<b>$x$"
    hub_folders.write_gpt2(odd)
    both = compare(lm("tiny-pythia"), str(odd), "<script> $x$")
    shown = both._repr_html_()
    assert "&lt;b&gt;$x$" in shown and "<b>$x$" not in shown
    assert shown.count("≠") >= len(both.differences) and str(len(both.differences)) in repr(both)
    heads = re.findall('<th style="text-align:left">([^<]*)</th>', shown)  # as the cells below them
    assert heads == ["what", "differs", "tiny-pythia", html.escape(both.b.name)]
    both.plot()[0][0].figure.canvas.draw()


def test_a_notebook_shows_the_table_and_then_the_figure(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    compare(lm("tiny-pythia"), lm("tiny-gpt2"), TEXT)._ipython_display_()
    assert "<table>" in shown[0].data and len(plt.get_fignums()) == 1


def test_the_same_model_twice_is_told_apart(folder):
    both = compare(folder, str(folder), TEXT)
    assert both.differences == [] and len(both.parameters) == 2


def test_two_steps_of_one_model_are_named_after_them():
    steps = [LanguageModel("tiny-pythia", step, *copies(lm("tiny-pythia")), lm("tiny-pythia").spec) for step in (1, 2)]
    assert list(compare(*steps, TEXT).parameters) == ["tiny-pythia at step 1", "tiny-pythia at step 2"]


def test_what_is_no_text_is_refused_in_a_sentence():
    with pytest.raises(TypeError, match="reads one text.* list"):
        compare(lm("tiny-pythia"), lm("tiny-gpt2"), [1, 2])
    with pytest.raises(ValueError, match="empty"):
        compare(lm("tiny-pythia"), lm("tiny-gpt2"), "")
