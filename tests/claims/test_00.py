"""Lesson 00, Start here: what it says, computed anew."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import rooms
import torch
from support.claims import cells, says, source

from pythia_course import load, measures, suite
from pythia_course.lessons import attempts, tasks
from pythia_course.lessons.progress import CourseMap
from pythia_course.tiny import corpus, words
from pythia_course.tiny.models import new_model
from pythia_course.tiny.train import training_log

TEXT = "Mia made a red kite for Tom. She put the kite in a box. When Tom saw the red"


@pytest.fixture(scope="module")
def lm():
    return load("tiny-pythia")


@pytest.fixture(scope="module")
def trace(lm):
    return lm.trace(TEXT)


def softmax(logits):
    """Probabilities over the vocabulary at each position, in float64."""
    return torch.as_tensor(logits).double().softmax(-1)


def first_token(lm, word):
    return lm.tokenizer(f" {word}")["input_ids"][0]


@says("00", "a head spreads its attention over the tokens read so far, as a set of weights that add up to 1")
def test_weights_add_up_to_one_and_look_back_only(trace):
    weights = trace.attention
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert float(weights.triu(1).abs().max()) == 0


@says("00", "carries something from there to here")
def test_what_a_head_writes_is_the_weighted_mean_of_values(lm, trace):
    z = lm.trace(TEXT, keep=["z", "attention", "values"])
    torch.testing.assert_close(z.attention @ z.values, z.z, atol=1e-4, rtol=1e-4)


@says("00", "The grey half is the future, which a language model is never shown.")
def test_another_future_changes_nothing_before_it(lm, trace):
    other = lm.trace(TEXT.replace("saw the red", "ate the cake"))
    same = next(n for n, (a, b) in enumerate(zip(trace.ids, other.ids)) if a != b)
    torch.testing.assert_close(other.logits[:same], trace.logits[:same], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(other.logits[same], trace.logits[same], atol=1)


@says("00", "most tokens begin with one")
def test_most_tokens_of_text_begin_with_a_space(lm):
    text = " ".join(document.text for document in corpus.held_out("stories", 50))
    begins = [token.startswith("␣") for token in lm.tokens(text)]
    assert 0.5 < np.mean(begins) < 1


@says("00", "the weight it gives to the token before, averaged over all positions")
def test_the_score_is_the_mean_of_the_diagonal_below(trace):
    by_hand = torch.stack([trace.attention[:, :, n, n - 1] for n in range(1, len(trace.ids))]).mean(0)
    np.testing.assert_allclose(measures.previous_token_scores(trace.attention), by_hand, rtol=1e-5)


@says(
    "00",
    "Whichever thing of its stories Mia makes, it is what comes next; without the first two sentences the model falls"
    " back on things that are common in those stories.",
    "So the answer is read from the prompt.",
    "a dog, which nobody in its stories makes, it does not copy, although a model trained from a different seed does.",
)
def test_any_thing_in_the_box_comes_next(lm):
    for thing in words.THINGS:
        token, probability = lm.predict(TEXT.replace("kite", thing), k=1)[0]
        assert f" {thing}".startswith(token.replace("␣", " ")) and probability > 0.5, thing
    common = {first_token(lm, thing) for thing in words.THINGS[:5]}
    fallback = softmax(lm.trace("When Tom saw the red").logits[-1])
    assert int(fallback.argmax()) in common and set(fallback.topk(3).indices.tolist()) <= common
    assert float(fallback[first_token(lm, "kite")]) < 0.1  # the control: without its sentences it is not expected
    assert "dog" not in words.THINGS
    assert float(softmax(lm.trace(TEXT.replace("kite", "dog")).logits[-1])[first_token(lm, "dog")]) < 0.2
    assert load("tiny-pythia", seed=2).predict(TEXT.replace("kite", "dog"), k=1)[0][0] == "␣dog"


@says("00", "from the part of the corpus that is never trained on")
def test_held_out_stories_are_in_no_batch():
    read = [document for step in range(0, corpus.STEPS, 400) for document in corpus.batch(step).documents]
    held = corpus.held_out("stories", 10)
    assert all(map(corpus.is_held_out, held)) and not any(map(corpus.is_held_out, read))
    assert {document.text for document in held}.isdisjoint(document.text for document in read)


@says("00", "each count is computed from the model's configuration", "made of the same kind of block")
def test_tiny_and_large_are_built_alike(lm):
    tiny, large = asdict(lm.spec), asdict(suite.SUITE["pythia-12b"])
    sizes = {"name", "layers", "width", "heads", "mlp_width", "vocab", "context"}
    assert {key for key in tiny if tiny[key] != large[key]} == sizes
    assert lm.spec.mlp_width == 4 * lm.spec.width and large["mlp_width"] == 4 * large["width"]


@says("00", "The course's own tests run ten of the fourteen lessons on a model of full size")
@says("00", "the other four name the models they are about")
def test_ten_lessons_are_among_the_full_size_runs():
    from support.full_size import FIRST, NOTEBOOKS, SECOND

    lessons, run = {*NOTEBOOKS.glob("[0-9]*.ipynb")}, {*FIRST, *SECOND}
    assert len(run) == 10 and len(lessons) == 14 and run < lessons
    for path in lessons - run:
        cells = [cell["source"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        named = re.findall(r"\b(?:load|Run|training_batch)\(([^)]*)\)", "\n".join("".join(cell) for cell in cells))
        assert len(named) > 1 and all(named), path.name


@says("00", "the batch of step N is a function of N")
def test_the_batch_of_a_step_is_always_the_same():
    corpus_batch = corpus.batch(700).tokens
    np.testing.assert_array_equal(corpus_batch, corpus.batch(700).tokens)
    assert not np.array_equal(corpus_batch, corpus.batch(701).tokens)


@says("00", "Dense at the start, where a model changes fastest, then evenly spaced.")
def test_the_loss_falls_fastest_at_the_start():
    for name in suite.TINY:
        log = training_log(name)
        loss = np.mean([log[key] for key in log if key.startswith("loss_") and "planted" not in key], axis=0)
        at = {int(step): value for step, value in zip(log["step"], loss)}
        assert at[0] - at[500] > 4 * (at[500] - at[max(at)]) / (max(at) / 500 - 1)
    gaps = np.diff([step for step in suite.steps("tiny-pythia") if step >= 600])
    assert set(gaps) == {800}


@says("00", "First it knows nothing, then it knows what is common, then it takes what the text named.")
def test_nothing_then_the_common_then_the_named():
    things = ("kite", "clock", "spoon")
    for step, named in ((0, None), (64, False), (256, True), (6200, True)):
        lm = load("tiny-pythia", step=step)
        said = [softmax(lm.trace(TEXT.replace("kite", thing)).logits[-1]) for thing in things]
        tops = [int(p.argmax()) for p in said]
        if named is None:
            assert max(float(p.max()) for p in said) < 0.02
        elif named:
            assert tops[:2] == [first_token(lm, thing) for thing in things[:2]]
        else:
            assert tops == [first_token(lm, "ball")] * 3


@says("00", "First comes the head that attends to the previous token, then the induction head")
def test_previous_token_heads_come_first_in_every_seed():
    for seed in (0, 1, 2):
        log = training_log("tiny-pythia", seed)
        for threshold in (0.2, 0.25, 0.4):
            first = {skill: log["step"][log[skill] > threshold][0] for skill in ("previous_token", "induction")}
            assert first["previous_token"] < first["induction"]


@says("00", "on our own text the same head scores lower, and on other stories of its corpus, too, about 0.5.")
def test_the_same_head_scores_lower_on_a_story(lm, trace):
    ids = measures.repeated_random_tokens(lm.spec.vocab, rows=4)
    random = np.mean([measures.previous_token_scores(lm.trace(row).attention) for row in ids], axis=0)
    layer, head, score = measures.best_head(random)
    layer_here, head_here, here = measures.best_head(measures.previous_token_scores(trace.attention))
    assert (layer, head) == (layer_here, head_here) and here < score - 0.2
    stories = [lm.trace([0, *lm.tokenizer(d.text)["input_ids"]]) for d in corpus.held_out("stories", 10)]
    on_stories = [measures.previous_token_scores(story.attention)[layer, head] for story in stories]
    assert abs(np.mean(on_stories) - 0.5) < 0.05
    assert abs(score - training_log("tiny-pythia")["previous_token"][-1]) < 0.05


@says("00", "That is “hundreds” only over several models")
def test_one_model_has_fewer_than_two_hundred_checkpoints():
    assert {len(suite.steps(name)) for name in suite.PYTHIAS} == {154}


@says("00", "the peak learning rate falls with size, and depth, width and the width of a head do not grow in step")
def test_sizes_differ_in_more_than_size():
    rates = [suite.PEAK_LEARNING_RATE[name] for name in suite.PYTHIAS]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) > 1
    specs = [suite.SUITE[name] for name in suite.PYTHIAS]
    for what in ("layers", "head_dim"):
        values = [getattr(spec, what) for spec in specs]
        assert values != sorted(values), what


@says(
    "00",
    "four models that were trained on the same batches from the same initial weights, and differ only in the two"
    " columns below",
)
def test_the_four_tiny_models_differ_in_two_things():
    specs = [asdict(load(name).spec) for name in suite.TINY]
    differing = {key for key in specs[0] if len({spec[key] for spec in specs}) > 1}
    # The family is the class that can do it; a fraction of each head rotates where anything does.
    assert differing == {"name", "family", "positions", "rotary_fraction", "parallel"}
    starts = [new_model(name).get_input_embeddings().weight for name in suite.TINY]
    assert all(torch.equal(start, starts[0]) for start in starts)


@says("00", "Those whose names begin with `tiny` are here already", "it says what a choice will download and need")
def test_the_picker_lists_the_tiny_models_first():
    from pythia_course.widgets import ModelPicker

    listed = ModelPicker().model.options
    tiny = [name for name in listed if name.startswith("tiny")]
    assert tuple(listed[: len(tiny)]) == tuple(tiny) == suite.SHIPPED and len(tiny) < len(listed)


@says(
    "00",
    "Which predictions and exercises you have tried and solved is kept in a file beside the lessons, progress.jsonl.",
    "The file holds no name and is sent nowhere; delete it, and you begin anew.",
)
def test_progress_is_kept_without_a_name_and_without_a_network(tmp_path):
    path = tmp_path / attempts.FILE
    assert path.name == "progress.jsonl"
    attempts.add(path, attempts.now("passed", "start.surprise", "start_here", "cell-48"))
    line = json.loads(path.read_text(encoding="utf-8"))
    whose = {"v", "at", "course"}  # a number, a time, a version
    assert {name: said for name, said in line.items() if name not in whose} == {
        "did": "passed", "check": "start.surprise", "lesson": "start_here", "cell": "cell-48",
    }  # fmt: skip
    assert CourseMap(tasks.course(), attempts.read(path)).standings["start.surprise"].state == "solved"
    path.unlink()
    assert CourseMap(tasks.course(), attempts.read(path)).standings["start.surprise"].state == "open"
    used = {name.split(".")[0] for module in rooms.PACKAGE.glob("lessons/*.py") for name in rooms.imported(module)}
    assert used.isdisjoint({"socket", "ssl", "http", "urllib", "asyncio", "subprocess", "requests", "huggingface_hub"})


def test_the_claims_are_about_the_text_of_the_lesson():
    code = "\n".join(source(cell) for cell in cells("00") if cell["cell_type"] == "code")
    assert json.dumps(TEXT) in code
