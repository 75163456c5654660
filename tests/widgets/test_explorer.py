"""The attention explorer's Python side: what is sent, what is refused, what stands there without a kernel."""

import base64
import gc
import io
import json
import weakref

import matplotlib
import matplotlib.image
import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from pythia_course import measures
from pythia_course.widgets import AttentionExplorer, AttentionViewer
from pythia_course.widgets.common import attention as shared
from pythia_course.widgets.common.attention import packed, repetition
from pythia_course.widgets.explorer.panel import MOST_TOKENS

TOKENS = "␣the ␣red ␣ball ␣is ␣in ␣the ␣garden .".split()


def causal(layers=2, heads=3, positions=8, seed=0):
    """Random attention as a model gives it: (layer, head, query, key), causal, rows sum to 1."""
    scores = 3 * np.random.default_rng(seed).normal(size=(layers, heads, positions, positions))
    weights = np.exp(np.where(np.tril(np.ones((positions, positions))), scores, -np.inf))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def unpacked(data, shape):
    """The weights that the bytes stand for, by a loop that reads as the format is described."""
    weights, numbers = np.zeros(shape), iter(data)
    for layer, head, query, key in np.ndindex(shape):
        if key <= query:
            weights[layer, head, query, key] = next(numbers) / 255
    assert next(numbers, None) is None
    return weights


# ------------------------------------------------------------------------------------------------ what is sent


def test_the_bytes_say_every_weight_to_half_a_level():
    attention = causal(3, 2, 9)
    assert np.abs(unpacked(packed(attention), attention.shape) - attention).max() <= 0.5 / 255 + 1e-7


@pytest.mark.parametrize("widget", [AttentionExplorer, AttentionViewer])
def test_the_widget_keeps_the_bytes_alone_and_draws_from_them(widget):
    attention = causal()
    kept, held = widget(attention, TOKENS), weakref.ref(attention)
    bytes_, shape = packed(attention), attention.shape
    assert np.abs(shared.unpacked(bytes_, shape) - attention).max() <= 0.5 / 255 + 1e-6
    del attention
    gc.collect()
    assert held() is None and kept.still()


def test_weights_a_rounding_error_outside_0_to_1_do_not_wrap_around():
    attention = np.array([[[[1 + 5e-5, 0], [-5e-5, 1]]]])
    assert list(packed(attention)) == [255, 0, 255]
    AttentionExplorer(attention, ["a", "b"])


def test_twelve_by_twelve_heads_of_fifty_tokens_are_a_thirtieth_of_bertviz():
    explorer = AttentionExplorer(causal(12, 12, 50), ["␣word"] * 50)
    state = explorer.get_state()
    sent = sum(len(value) for value in state.values() if isinstance(value, bytes))
    text = {key: value for key, value in state.items() if not isinstance(value, bytes)}
    assert len(explorer._weights) == 12 * 12 * 50 * 51 / 2
    assert sent + len(json.dumps(text, default=str)) <= 14.6e6 / 30


def test_the_colors_are_those_of_the_static_plots():
    colors = np.frombuffer(AttentionExplorer(causal(), TOKENS)._colors, np.uint8).reshape(256, 3)
    np.testing.assert_allclose(colors / 255, matplotlib.colormaps["viridis"](np.arange(256))[:, :3], atol=1 / 255)


def test_a_torch_trace_is_as_good_as_an_array():
    attention = causal()
    assert AttentionExplorer(torch.tensor(attention), TOKENS)._weights == packed(attention)


def test_tokens_are_sent_as_one_can_see_them():
    tokens = [" the", "\n", "<script>", "😀", "\u202e", "", "\t", 7]
    [sent] = AttentionExplorer(causal(1, 1, 8), tokens)._models
    assert sent["tokens"] == ["␣the", "↵", "<script>", "😀", "\\u202e", "", "⇥", "7"]


# ------------------------------------------------------------------------------------------------------ scores


def scores_of(explorer, model=0):
    return {label: np.array(values) for label, values in explorer._models[model]["scores"].items()}


def test_heads_are_scored_as_measures_does():
    attention = causal()
    scores = scores_of(AttentionExplorer(attention, TOKENS))
    assert list(scores) == ["previous token", "first token"]
    np.testing.assert_allclose(scores["previous token"], measures.previous_token_scores(attention), atol=1e-4)
    np.testing.assert_allclose(scores["first token"], measures.first_token_scores(attention), atol=1e-4)


def test_a_text_given_twice_has_an_induction_score():
    attention = causal(2, 2, 16)
    scores = scores_of(AttentionExplorer(attention, TOKENS * 2))
    np.testing.assert_allclose(scores["induction"], measures.induction_scores(attention, 8), atol=1e-4)
    after_special = scores_of(AttentionExplorer(attention[..., :13, :13], ["<|endoftext|>", *TOKENS[:6] * 2]))
    expected = measures.induction_scores(attention[..., 1:13, 1:13], 6)
    np.testing.assert_allclose(after_special["induction"], expected, atol=1e-4)


def test_a_period_that_is_given_counts():
    attention = causal(2, 2, 16)
    scores = scores_of(AttentionExplorer(attention, [str(i) for i in range(16)], period=8))
    np.testing.assert_allclose(scores["induction"], measures.induction_scores(attention, 8), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a b c a b c", (0, 3)),
        ("a b c a b c a b c", (0, 3)),
        ("a b c a b c a", (0, 3)),
        ("| a b c d a b c d", (1, 4)),
        ("a b c d a b c", (0, 0)),
        ("a b a b", (0, 0)),
        ("a a a a a a a a", (0, 0)),
        ("a", (0, 0)),
    ],
)
def test_repetition(text, found):
    assert repetition(text.split()) == found


def test_scores_can_be_passed():
    ours = np.arange(6).reshape(2, 3) / 6
    explorer = AttentionExplorer(causal(), TOKENS, scores={"ours": ours, "first token": ours})
    assert list(scores_of(explorer)) == ["previous token", "first token", "ours"]
    np.testing.assert_allclose(scores_of(explorer)["first token"], ours, atol=1e-4)


# -------------------------------------------------------------------------------------------------- two models


def two_models(**options):
    models = {"tiny-pythia": (causal(2, 3, 8), TOKENS), "tiny-gpt2": (causal(2, 2, 5, seed=1), TOKENS[:5])}
    return AttentionExplorer.compare(models, **options)


def test_two_models_are_sent_one_after_the_other():
    explorer = two_models(title="Two", scores={"tiny-gpt2": {"ours": np.eye(2)}})
    assert explorer._weights == packed(causal(2, 3, 8)) + packed(causal(2, 2, 5, seed=1))
    assert [(m["name"], m["layers"], m["heads"], len(m["tokens"])) for m in explorer._models] == [
        ("tiny-pythia", 2, 3, 8),
        ("tiny-gpt2", 2, 2, 5),
    ]
    assert "ours" in scores_of(explorer, 1) and "ours" not in scores_of(explorer, 0)
    assert explorer._title == "Two"


# ---------------------------------------------------------------------------------------------- what is refused

ATTENTION = causal()
REFUSED = {
    "one head": (lambda: AttentionExplorer(ATTENTION[0, 0], TOKENS), r"shape \(layer, head, 8, 8\).*got \(8, 8\)"),
    "other tokens": (lambda: AttentionExplorer(ATTENTION, TOKENS[:7]), r"one label a position, got \(2, 3, 8, 8\)"),
    "no heads": (lambda: AttentionExplorer(ATTENTION[:0], TOKENS), "needs shape"),
    "no tokens": (lambda: AttentionExplorer(np.zeros((2, 3, 0, 0)), []), "1 to 512 tokens, got 0"),
    "many tokens": (lambda: AttentionExplorer(ATTENTION, ["a"] * (MOST_TOKENS + 1)), "1 to 512 tokens, got 513"),
    "scores": (lambda: AttentionExplorer(10 * ATTENTION, TOKENS), "from 0 to 1, got 0 to 10. Take the softmax"),
    "NaN": (lambda: AttentionExplorer(ATTENTION * np.nan, TOKENS), "from 0 to 1, got nan"),
    "the future": (lambda: AttentionExplorer(ATTENTION.swapaxes(2, 3), TOKENS), "later tokens.*swapped"),
    "no such layer": (lambda: AttentionExplorer(ATTENTION, TOKENS, layer=2), "layers 0 to 1, but layer 2"),
    "no such head": (lambda: AttentionExplorer(ATTENTION, TOKENS, head=-1), "heads 0 to 2, but head -1"),
    "a score per layer": (
        lambda: AttentionExplorer(ATTENTION, TOKENS, scores={"ours": [1, 2]}),
        r"score 'ours' needs one finite number per head, shape \(2, 3\) .*got \(2,\)",
    ),
    "a list": (lambda: AttentionExplorer.compare([ATTENTION]), "a dictionary .*got list"),
    "no model": (lambda: AttentionExplorer.compare({}), "a dictionary"),
    "no pair": (lambda: AttentionExplorer.compare({"a": ATTENTION}), r"\(attention, tokens\) for 'a', got ndarray"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_more_than_a_browser_should_get_is_refused(monkeypatch):
    monkeypatch.setattr("pythia_course.widgets.explorer.panel.MOST_BYTES", 2_000_000)
    with pytest.raises(ValueError, match="would send 8 MB to the browser, more than its 2 MB. Pass fewer layers"):
        AttentionExplorer(np.broadcast_to(np.eye(512, dtype=np.float32), (8, 8, 512, 512)), ["a"] * 512)


def test_a_head_that_does_not_exist_is_refused_later_too():
    explorer = AttentionExplorer(causal(), TOKENS)
    with pytest.raises(ValueError, match="heads 0 to 2, but head 3"):
        explorer.head = 3
    assert explorer.head == 0


# --------------------------------------------------------------------------------------------- without a kernel


def shown(explorer):
    data, _ = explorer._repr_mimebundle_()
    return data, matplotlib.image.imread(io.BytesIO(base64.b64decode(data["image/png"])))


@pytest.mark.parametrize("make", [lambda **o: AttentionExplorer(causal(), TOKENS, **o), two_models])
def test_a_picture_stands_beside_the_widget(make):
    explorer = make(title="$x <b>", layer=1, head=1)
    data, picture = shown(explorer)
    assert data.keys() == {"text/plain", "application/vnd.jupyter.widget-view+json", "image/png"}
    assert picture.shape[1] > 500 and np.ptp(picture) == 1
    assert shown(explorer)[0] == data
    explorer.layer = 0
    assert shown(explorer)[0]["image/png"] != data["image/png"]


def test_an_emoji_and_a_title_of_two_thousand_letters_are_drawn_without_a_warning(recwarn):
    explorer = AttentionExplorer.compare({"😀" * 999: (causal(), ["😀"] * len(TOKENS))}, title="漢字😀" * 500)
    picture = shown(explorer)[1]
    assert picture.shape[1] < 1500 and not recwarn.list


def test_a_head_that_only_one_model_has_is_drawn_for_that_one():
    shown(two_models(layer=1, head=2))


def test_the_text_form_is_short_and_always_the_same():
    assert repr(AttentionExplorer(causal(), TOKENS)) == (
        "AttentionExplorer of 2 × 3 heads, 8 tokens (run the notebook to use it)"
    )
    assert repr(two_models()) == (
        "AttentionExplorer of tiny-pythia: 2 × 3 heads, 8 tokens; tiny-gpt2: 2 × 2 heads, 5 tokens "
        "(run the notebook to use it)"
    )


def test_a_stored_notebook_keeps_the_picture_and_the_text(tmp_path):
    source = (
        "import numpy as np\nfrom pythia_course.widgets import AttentionExplorer\n"
        "AttentionExplorer(np.eye(3)[None, None], list('abc'))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    view, text, picture = (output.data for output in notebook.cells[0].outputs)
    assert set(view) == {"application/vnd.jupyter.widget-view+json"} and set(picture) == {"image/png"}
    assert text["text/plain"].startswith("AttentionExplorer of 1 × 1 heads, 3 tokens")
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
