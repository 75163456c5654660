"""The Python side of an explorer with a text field: which models it knows, what it sends, what it says as arrays."""

import json

import pytest
import torch

import pythia_course
from pythia_course import suite
from pythia_course.widgets import AttentionExplorer
from pythia_course.widgets.common.attention import packed
from pythia_course.widgets.common.documents import LONGEST, MOST, documents
from pythia_course.widgets.common.sizes import sizes

NAME, TEXT, OTHER = "tiny-pythia", "Then Mia lost the red ball.", "Then Tom lost the red ball."


@pytest.fixture(scope="module")
def lm():
    return pythia_course.load(NAME)


@pytest.fixture
def changed():
    """tiny-pythia with one number of its own."""
    lm = pythia_course.load(NAME)
    with torch.no_grad():
        lm.model.gpt_neox.layers[1].attention.dense.weight[0, 0] += 1
    return lm


def asked(explorer, **content):
    """What the page is told, and the buffers."""
    told = []
    explorer.send = lambda *message: told.append(message)
    explorer._handle_custom_msg({"id": "1", **content}, [])
    [(content, buffers)] = told
    assert content.pop("id") == "1"
    return content, buffers


def same(one, other):
    assert one.tokens == other.tokens
    for field in ("attention", "residual", "logits"):
        assert torch.equal(getattr(one, field), getattr(other, field))


# ------------------------------------------------------------------------------------------------ what is shown


@pytest.mark.parametrize("given", [NAME, "tiny-pythia-1m", None])
def test_a_model_is_named_or_opened_and_the_trace_is_its_own(lm, given):
    explorer = AttentionExplorer.of(given or lm, TEXT)
    first = {"model": NAME, "step": 6200, "prompt": TEXT}
    assert explorer.runs == [{**first, "silenced": [], "patched": [], "clean": None}]
    assert explorer._live["where"] == ["page"] and explorer._weights == packed(lm.trace(TEXT).attention.numpy())
    words, shares = zip(*lm.predict(TEXT, 6), strict=True)
    assert [word for word, _ in explorer._models[0]["next"]] == list(words)
    assert [share for _, share in explorer._models[0]["next"]] == pytest.approx(shares, abs=1e-6)
    same(explorer.trace, lm.trace(TEXT))


def test_silenced_heads_and_another_checkpoint_are_in_the_trace(lm):
    explorer = AttentionExplorer.of(lm, TEXT)
    explorer.show(prompt=OTHER, silenced=[(1, 3), (0, 2)])
    with lm.ablate(heads=[(1, 3), (0, 2)]):
        same(explorer.trace, lm.trace(OTHER))
    explorer.show(step=600, silenced=[])
    same(explorer.trace, pythia_course.load(NAME, 600).trace(OTHER))
    assert explorer.still() and "4 × 4 heads, 8 tokens" in repr(explorer)


def test_what_is_patched_comes_from_the_other_prompt(lm):
    explorer = AttentionExplorer.of(lm, [TEXT, OTHER])
    explorer.show(1, patched=[{"stream": [1, 2]}, {"head": [2, 1]}], silenced=[(1, 0)])
    first, second = explorer.traces
    same(first, lm.trace(TEXT))
    with lm.patch(TEXT, residual=[(1, 2)]), lm.patch(TEXT, heads=[(2, 1)]), lm.ablate(heads=[(1, 0)]):
        same(second, lm.trace(OTHER))
    assert not torch.equal(second.logits, lm.trace(OTHER).logits)


def test_two_models_share_a_prompt_and_two_prompts_a_model():
    models = AttentionExplorer.of([NAME, "tiny-gpt2"], TEXT)
    models.show(prompt=OTHER), models.show(1, model="tiny-pythia-91k", step=600)
    assert [run["prompt"] for run in models.runs] == [OTHER, OTHER]
    assert [run["model"] for run in models.runs] == [NAME, "tiny-pythia-91k"]
    prompts = AttentionExplorer.of(NAME, [TEXT, OTHER])
    prompts.show(step=600), prompts.show(1, prompt="Then Anna")
    assert [(run["prompt"], run["step"]) for run in prompts.runs] == [(TEXT, 600), ("Then Anna", 600)]


def test_a_model_whose_weights_were_changed_is_the_kernel_s(changed):
    explorer = AttentionExplorer.of(changed, TEXT)
    assert explorer._live["where"] == ["kernel"] and explorer._live["models"] == {}
    same(explorer.trace, changed.trace(TEXT))
    run = {**explorer.runs[0], "prompt": OTHER, "silenced": [[1, 1]]}
    told, [weights] = asked(explorer, want="picture", run=run)
    with changed.ablate(heads=[(1, 1)]):
        assert weights == packed(changed.trace(OTHER).attention.numpy())
    assert told["picture"]["tokens"] == changed.trace(OTHER).tokens


# ------------------------------------------------------------------------------------------------ what is sent


def test_a_saved_notebook_gets_no_weights_of_a_model():
    state = AttentionExplorer.of(NAME, TEXT).get_state()
    binary = {name for name, value in state.items() if isinstance(value, bytes)}
    assert binary == {"_weights", "_colors"} and len(state["_weights"]) == 16 * 8 * 9 / 2
    assert len(json.dumps({name: state[name] for name in state if name not in binary})) < 80_000


def test_the_page_is_sent_what_ships_to_the_byte():
    explorer = AttentionExplorer.of(NAME, TEXT)
    told, [weights] = asked(explorer, want="weights", model=NAME, step=600)
    folder = suite.TINY_WEIGHTS / NAME / "step600"
    assert weights == (folder / "model.safetensors").read_bytes()
    assert told["config"] == (folder / "config.json").read_text(encoding="utf-8")
    told, _ = asked(explorer, want="worker")
    assert "self.onmessage" in told["worker"] and "import {" not in told["worker"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"want": "weights", "model": "tiny-pythia", "step": 601}, "ships at the steps"),
        ({"want": "weights", "model": "../../secret", "step": 1}, "is none of them"),
        ({"want": "documents", "model": "nobody", "step": 1, "token": "a"}, "nobody"),
        ({"want": "mischief"}, "AttributeError"),
    ],
)
def test_what_cannot_be_sent_is_said(content, says):
    told, buffers = asked(AttentionExplorer.of(NAME, TEXT), **content)
    assert says in told["error"] and buffers == []


# --------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt": ""}, "The prompt is empty"),
        ({"prompt": "é" * 300}, "reads 512 at most"),
        ({"prompt": 7}, "its prompt is a text"),
        ({"step": 601}, "not at 601"),
        ({"model": "pythia-160m"}, "is none of them"),
        ({"silenced": [(9, 0)]}, "There is no layer 9"),
        ({"color": "red"}, "show changes model, step, prompt, silenced, patched of panel 0, not color"),
    ],
)
def test_what_a_model_cannot_do_is_refused_and_nothing_changes(change, says):
    explorer = AttentionExplorer.of(NAME, TEXT)
    with pytest.raises(ValueError, match=says):
        explorer.show(**change)
    assert explorer.runs[0]["prompt"] == TEXT and explorer.runs[0]["step"] == 6200


def test_runs_that_a_page_makes_up_are_refused():
    explorer = AttentionExplorer.of(NAME, TEXT)
    for runs in ([], [{"model": NAME}], [{**explorer.runs[0], "model": "/etc/passwd"}]):
        with pytest.raises(ValueError, match="runs came|A run has|is none of them"):
            explorer._runs = runs
    assert explorer.trace.tokens[2] == "␣Mia"


TWO_BY_TWO = ([NAME, "tiny-gpt2"], [TEXT, OTHER])


@pytest.mark.parametrize(("models", "texts"), [TWO_BY_TWO, ([], TEXT), (NAME, []), (NAME, [7])])
def test_more_than_two_runs_are_refused(models, texts):
    with pytest.raises(ValueError, match="one model on one text, two models on one text, or one model on two"):
        AttentionExplorer.of(models, texts)


def test_arrays_alone_have_no_trace(lm):
    trace = lm.trace(TEXT)
    explorer = AttentionExplorer(trace.attention, trace.tokens)
    for ask in (lambda: explorer.trace, lambda: explorer.runs, lambda: explorer.show(prompt=OTHER)):
        with pytest.raises(ValueError, match=r"AttentionExplorer.of\(lm, text\) does"):
            ask()


# ------------------------------------------------------------------------------------------- what it was trained on


def test_documents_hold_the_word_and_come_from_the_last_batch_read():
    told = documents(NAME, 600, "␣Tom")
    assert (told["batch"], told["word"], len(told["found"])) == (599, "Tom", MOST)
    assert all("Tom" in one["text"] and len(one["text"]) <= LONGEST + 4 for one in told["found"])
    batch = pythia_course.pile.training_batch(NAME, 599)
    whole = [piece for row in range(len(batch.tokens)) for piece in batch.pieces(row) if piece.text.strip()]
    assert told["total"] == len(whole) and told["found"][0]["text"].strip("… ") in batch.decode(batch.tokens.ravel())
    assert documents(NAME, 0, "␣")["batch"] == 0 and documents(NAME, 0, ".")["word"] == ""


@pytest.mark.parametrize("name", ["tiny-pythia", "tiny-gpt2", "tiny-pythia-91k"])
def test_sizes_are_those_of_the_models(name):
    spec = pythia_course.load(name).spec
    assert sizes(name) == (spec.layers, spec.heads)
