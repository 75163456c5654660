"""The training scrubber's Python side: what is sent, what is refused, what stands there without a kernel."""

import base64
import io
import json

import matplotlib.image
import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from support.hub_folders import write_pythia
from support.hub_server import hub_fixture  # noqa: F401

from pythia_course import load, measures, suite
from pythia_course.errors import DuplicateCheckpoints
from pythia_course.inside.compare import logit_lens
from pythia_course.widgets import TrainingScrubber
from pythia_course.widgets.scrubber.snapshots import MOST_TOKENS, moment

STEPS = (0, 1, 2, 4, 1000)
TOKENS = "␣the ␣red ␣ball ␣is ␣red .".split()


def causal(*shape, seed=0):
    """Random attention as a model gives it: (..., query, key), causal, rows sum to 1."""
    scores = 3 * np.random.default_rng(seed).normal(size=shape)
    weights = np.exp(np.where(np.tril(np.ones(shape[-2:])), scores, -np.inf))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def parts(steps=STEPS, tokens=TOKENS, layers=2, heads=3, seed=0):
    """Everything a scrubber can show, at random."""
    dice = np.random.default_rng(seed)
    shape = (len(steps), layers + 1, len(tokens))
    words = np.array(tokens)[dice.integers(len(tokens), size=shape)]
    said = [[(str(dice.choice(tokens)), p) for p in (0.5, 0.25, 0.125)] for _ in steps]
    return {
        "attention": causal(len(steps), layers, heads, len(tokens), len(tokens), seed=seed),
        "predictions": said,
        "lens": (words, dice.random(shape)),
        "scores": {"loss": np.linspace(7, 1, len(steps)), "of a head": dice.random((len(steps), layers, heads))},
    }


def scrubber(**options):
    return TrainingScrubber(STEPS, TOKENS, **(parts() | options))


# ------------------------------------------------------------------------------------------------ what is sent


def test_the_bytes_say_every_weight_of_every_step_to_half_a_level():
    given, numbers = parts()["attention"], iter(scrubber()._weights)
    for at, layer, head, query, key in np.ndindex(given.shape):
        if key <= query:
            assert abs(next(numbers) / 255 - given[at, layer, head, query, key]) <= 0.5 / 255 + 1e-7
    assert next(numbers, None) is None


def test_the_lens_is_sent_as_places_in_a_list_of_words():
    widget, (words, sure) = scrubber(), parts()["lens"]
    vocabulary = widget._data["vocabulary"]
    assert len(set(vocabulary)) == len(vocabulary)
    said = np.frombuffer(widget._said, "<u4").reshape(words.shape)
    assert np.array_equal(np.array(vocabulary)[said], words)
    levels = np.frombuffer(widget._sure, np.uint8).reshape(sure.shape)
    assert np.abs(levels / 255 - sure).max() <= 0.5 / 255 + 1e-7


def test_the_rest_is_sent_as_json():
    sent = json.loads(json.dumps(scrubber()._data))
    assert (sent["steps"], sent["tokens"]) == (list(STEPS), TOKENS)
    assert (sent["layers"], sent["heads"], sent["lens_rows"]) == (2, 3, 3)
    assert sent["predictions"] == [[[token, p, f"{p:.1%}"] for token, p in said] for said in parts()["predictions"]]


def scores_of(widget):
    return {score["name"]: np.array(score["values"], dtype=float) for score in widget._data["scores"]}


def test_heads_are_scored_at_each_step_as_measures_does():
    attention = causal(5, 2, 2, 12, 12)
    sent = scores_of(TrainingScrubber(STEPS, TOKENS[:4] * 3, attention))
    assert list(sent) == ["previous token", "first token", "induction"]
    for at in range(5):
        np.testing.assert_allclose(sent["previous token"][at], measures.previous_token_scores(attention[at]), atol=1e-4)
        np.testing.assert_allclose(sent["induction"][at], measures.induction_scores(attention[at], 4), atol=1e-4)


def test_a_score_without_a_number_at_some_step_stays_without_one():
    sent = scrubber(scores={"gap": [1, np.nan, np.inf, 4, 5]})._data["scores"][-1]
    assert sent == {"name": "gap", "values": [1, None, None, 4, 5]}


def test_tensors_are_as_good_as_arrays_and_half_precision_is_enough():
    given = parts()["attention"]
    assert scrubber(attention=torch.tensor(given))._weights == scrubber()._weights
    TrainingScrubber(STEPS, TOKENS, attention=given.astype(np.float16))


def test_tokens_and_words_are_sent_as_one_can_see_them():
    odd = [" the", "\n", "<script>", "😀", "\u202e", "\t"]
    visible = ["␣the", "↵", "<script>", "😀", "\\u202e", "⇥"]
    lens = np.tile(odd, (5, 2, 1)), np.random.default_rng(0).random((5, 2, 6))
    sent = TrainingScrubber(STEPS, odd, lens=lens, predictions=[[("\n", 1.0)]] * 5)._data
    assert sent["tokens"] == visible and sorted(sent["vocabulary"]) == sorted(visible)
    assert sent["predictions"][0] == [["↵", 1.0, "100.0%"]]


@pytest.mark.parametrize("part", ["attention", "predictions", "lens", "scores"])
def test_each_part_may_come_alone(part):
    widget = TrainingScrubber(STEPS, TOKENS, **{part: parts()[part] if part != "scores" else {"a": range(5)}})
    assert shown(widget)[1].shape[1] > 300


# ---------------------------------------------------------------------------------------------- what is refused

GIVEN = parts()
MANY = ["a"] * (MOST_TOKENS + 1)
REFUSED = {
    "one step": (lambda: TrainingScrubber([5], TOKENS, scores={"a": [1]}), r"two or more whole numbers.*got \[5\]"),
    "backwards": (lambda: TrainingScrubber(STEPS[::-1], TOKENS, **GIVEN), "ascending, each once"),
    "twice": (lambda: TrainingScrubber([0, 1, 1, 2, 3], TOKENS, **GIVEN), "ascending, each once"),
    "half steps": (lambda: TrainingScrubber([0, 0.5, 1, 2, 3], TOKENS, **GIVEN), "whole numbers"),
    "nothing": (lambda: TrainingScrubber(STEPS, TOKENS), "nothing to show beside the steps"),
    "no tokens": (lambda: TrainingScrubber(STEPS, [], scores={"a": range(5)}), "1 to 128 tokens, got 0"),
    "many tokens": (lambda: TrainingScrubber(STEPS, MANY, scores={"a": range(5)}), "1 to 128 tokens, got 129"),
    "one trace": (lambda: scrubber(attention=GIVEN["attention"][0]), r"shape \(5 steps, layer, head, 6, 6\), got"),
    "a step short": (lambda: scrubber(attention=GIVEN["attention"][1:]), r"\(5 steps, .*got \(4, 2, 3, 6, 6\)"),
    "scores": (lambda: scrubber(attention=9 * GIVEN["attention"]), "from 0 to 1, got 0 to 9. Take the softmax"),
    "NaN": (lambda: scrubber(attention=np.nan * GIVEN["attention"]), "from 0 to 1, got nan"),
    "the future": (lambda: scrubber(attention=GIVEN["attention"].swapaxes(3, 4)), "later tokens.*swapped"),
    "one prediction": (lambda: scrubber(predictions=GIVEN["predictions"][0]), "one list a step, here 5"),
    "no prediction": (lambda: scrubber(predictions=[[]] * 5), "one list a step, here 5"),
    "a number": (lambda: scrubber(predictions=3), "one list a step"),
    "not a probability": (lambda: scrubber(predictions=[[("a", 7)]] * 5), "one list a step"),
    "no pair": (lambda: scrubber(lens=GIVEN["lens"][0]), "lens is a pair.*got no pair"),
    "no layers": (lambda: scrubber(lens=[part[:, 0] for part in GIVEN["lens"]]), r"got \(5, 6\) and \(5, 6\)"),
    "percent": (lambda: scrubber(lens=(GIVEN["lens"][0], 100 * GIVEN["lens"][1])), "probabilities from 0 to 1"),
    "score": (lambda: scrubber(scores={"a": [1, 2]}), r"'a' needs one number per step, shape \(5,\) or one per head, "),
    "words": (lambda: scrubber(scores={"a": ["x"] * 5}), "'a' needs one number per step"),
    "all NaN": (lambda: scrubber(scores={"a": [np.nan] * 5}), "'a' needs one number per step"),
    "duplicates": (lambda: scrubber(duplicates="some"), "duplicates is one of refuse, keep, but 'some' came"),
    "no such step": (lambda: scrubber(step=3), "no step 3; the nearest it has: 2 and 4"),
    "past the end": (lambda: scrubber(step=2000), "no step 2000; the nearest it has: 1000"),
    "no such layer": (lambda: scrubber(layer=2), "layers 0 to 1, but layer 2"),
    "no such head": (lambda: scrubber(head=-1), "heads 0 to 2, but head -1"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_more_than_a_browser_should_get_is_refused(monkeypatch):
    monkeypatch.setattr("pythia_course.widgets.scrubber.snapshots.MOST_BYTES", 500)
    with pytest.raises(ValueError, match="would send 0 MB to the browser.*Pass fewer steps"):
        scrubber()


def copied(part, source=4, to=1):
    """Parts in which one step is a copy of another."""
    given = parts()
    arrays = given["lens"] if part == "lens" else [given["attention"]]
    for array in arrays:
        array[to] = array[source]
    return {part: given[part]}


@pytest.mark.parametrize("part", ["attention", "lens"])
def test_copies_are_not_shown_as_training_unless_asked_for(part):
    with pytest.raises(DuplicateCheckpoints, match="to the last digit at steps 1, 1000, so.*audit.*duplicates='keep'"):
        TrainingScrubber(STEPS, TOKENS, **copied(part))
    TrainingScrubber(STEPS, TOKENS, **copied(part), duplicates="keep")


def test_scores_that_are_equal_are_no_copies():
    scrubber(scores={"accuracy": [0, 0, 0, 0, 0.3]})


def test_a_step_or_head_that_does_not_exist_is_refused_later_too():
    widget = scrubber(step=4, head=2)
    for name, value in (("step", 3), ("layer", 7), ("head", 3)):
        with pytest.raises(ValueError, match="nearest it has|There are"):
            setattr(widget, name, value)
    assert (widget.step, widget.layer, widget.head) == (4, 0, 2)


# --------------------------------------------------------------------------------------------- from checkpoints


def test_a_moment_is_what_the_model_says(one_thread):
    lm, text = load("tiny-pythia", step=600), "Mia had a red ball. Then Mia lost the"
    seen, trace = moment(lm, text, k=4), lm.trace(text)
    assert seen["tokens"].tolist() == trace.tokens
    np.testing.assert_allclose(seen["attention"], trace.attention, atol=1e-3)
    assert [(token, round(p, 5)) for token, p in lm.predict(text, k=4)] == [
        (token, round(float(p), 5)) for token, p in zip(seen["next"], seen["p"])
    ]
    assert seen["words"].shape == seen["sure"].shape == (lm.spec.layers + 1, len(trace.tokens))
    assert seen["words"][-1].tolist() == lm.tokens(trace.logits.argmax(-1))
    early = logit_lens(lm, trace.residual[1, 3])
    assert seen["words"][1, 3] == lm.tokens([early.argmax()])[0]
    assert seen["sure"][1, 3] == pytest.approx(early.max(), abs=1e-5)


def test_the_scrubber_of_a_model_shows_what_each_checkpoint_says(tmp_path, one_thread):
    steps, text = (0, 256, 6200), "Mia had a red ball. Then Mia lost the"
    widget = TrainingScrubber.of("tiny-pythia", text, steps, keep=tmp_path, layer=1, head=3)
    assert widget._data["steps"] == list(steps) and widget._title == "tiny-pythia"
    for step, said in zip(steps, widget._data["predictions"]):
        token, p = load("tiny-pythia", step=step).predict(text, k=1)[0]
        assert said[0][0] == token and said[0][1] == pytest.approx(p, abs=1e-3)
    assert list(tmp_path.rglob("step*.npz"))


def test_the_scrubber_of_a_model_has_all_its_checkpoints(tmp_path, one_thread):
    widget = TrainingScrubber.of("tiny-pythia", "Mia had a red", keep=tmp_path, scores={"step": range(19)})
    assert tuple(widget._data["steps"]) == suite.steps("tiny-pythia") and "step" in scores_of(widget)


def test_branches_with_the_same_bytes_are_refused_before_anything_is_fetched(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_COURSE_CACHE", str(tmp_path / "own"))
    branches = {"step0": "the start", "step1": "the start", "main": "the end"}
    for branch, weights in branches.items():
        (tmp_path / branch).mkdir()
        for name, text in {"model.safetensors": weights, "config.json": "{}", "tokenizer.json": "{}"}.items():
            (tmp_path / branch / name).write_text(text)
    hub.repositories["EleutherAI/pythia-160m"] = {branch: tmp_path / branch for branch in branches}
    with pytest.raises(DuplicateCheckpoints, match="the same weights at steps 0, 1 .*issues/83.*duplicates='keep'"):
        TrainingScrubber.of("pythia-160m", "Mia had a red", (0, 1, 143_000), keep=tmp_path / "sweeps")
    assert not any("/resolve" in request for request in hub.requests)


def test_the_scrubber_of_a_published_model_fetches_and_frees_one_checkpoint_after_the_other(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_COURSE_CACHE", str(tmp_path / "own"))
    branches = {"step0": 0, "step64": 1, "main": 2}
    for branch, seed in branches.items():
        write_pythia(tmp_path / branch, seed=seed)
    hub.repositories["EleutherAI/pythia-160m"] = {branch: tmp_path / branch for branch in branches}
    steps, keep, text = (0, 64, 143_000), tmp_path / "sweeps", "the cat sat"
    widget = TrainingScrubber.of("pythia-160m", text, steps, keep=keep, free=True)
    assert not list(hub.cache.rglob("*.safetensors"))
    for step, said in zip(steps, widget._data["predictions"]):
        token, p = load("pythia-160m", step=step).predict(text, k=1)[0]
        assert said[0][0] == token and said[0][1] == pytest.approx(p, abs=1e-3)
    hub.requests.clear()
    assert TrainingScrubber.of("pythia-160m", text, steps, keep=keep)._weights == widget._weights
    assert not any("/resolve" in request for request in hub.requests)


@pytest.mark.parametrize(
    "name, steps, layers, heads",
    [("tiny-pythia-91k", suite.steps("tiny-pythia-91k"), 2, 2), ("tiny-pythia-281k-seed2", (600, 1400, 6200), 3, 4)],
)
def test_the_scrubber_of_another_size_or_seed(name, steps, layers, heads):
    widget = TrainingScrubber.of(name, "Mia had a red ball. Then Mia lost the red", keep=False)
    sent = widget._data
    assert sent["steps"] == list(steps) and (sent["layers"], sent["heads"]) == (layers, heads)
    assert widget._title == name and widget.step == 6200
    for step, said in list(zip(steps, sent["predictions"]))[-2:]:
        token, p = load(name, step=step).predict("Mia had a red ball. Then Mia lost the red", k=1)[0]
        assert said[0][0] == token and said[0][1] == pytest.approx(p, abs=1e-3)


# --------------------------------------------------------------------------------------------- without a kernel


def shown(widget):
    data, _ = widget._repr_mimebundle_()
    return data, matplotlib.image.imread(io.BytesIO(base64.b64decode(data["image/png"])))


def test_a_picture_of_the_step_stands_beside_the_widget():
    widget = scrubber(title="$x <b> 😀", layer=1, head=1, step=4)
    data, picture = shown(widget)
    assert data.keys() == {"text/plain", "application/vnd.jupyter.widget-view+json", "image/png"}
    assert picture.shape[1] > 600 and np.ptp(picture) == 1
    assert shown(widget)[0] == data
    for name, value in (("step", 0), ("head", 2), ("layer", 0)):
        before = shown(widget)[0]["image/png"]
        setattr(widget, name, value)
        assert shown(widget)[0]["image/png"] != before


def test_the_text_form_is_short_and_always_the_same():
    assert repr(scrubber()) == (
        "TrainingScrubber of 5 checkpoints, steps 0 to 1,000, 6 tokens (run the notebook to use it)"
    )


def test_a_stored_notebook_keeps_the_picture_and_the_text():
    source = (
        "import numpy as np\nfrom pythia_course.widgets import TrainingScrubber\n"
        "TrainingScrubber([0, 1], list('abc'), scores={'a': [1, 2]})"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    view, text, picture = (output.data for output in notebook.cells[0].outputs)
    assert set(view) == {"application/vnd.jupyter.widget-view+json"} and set(picture) == {"image/png"}
    assert text["text/plain"].startswith("TrainingScrubber of 2 checkpoints, steps 0 to 1, 3 tokens")
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
