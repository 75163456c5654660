"""Lesson 06, training checkpoints: what it says, computed anew."""

import contextlib
import dataclasses
import functools
import itertools

import numpy as np
import pytest
import torch
from support.claims import says

from pythia_course import load, measures, steps, suite
from pythia_course.suite.zero_shot import MODELS, TASKS, zero_shot
from pythia_course.tiny import corpus, train
from pythia_course.tiny.models import new_model
from pythia_course.tiny.train import Run, training_log

SEEDS, TINY = (0, 1, 2), steps("tiny-pythia")
THINGS = ("ball", "kite", "lamp", "boat", "drum", "coat")
STORY = "Mia had a red {0}, and she loved it. Then Mia lost the red"
at = functools.cache(lambda step: load("tiny-pythia", step=step))


@pytest.fixture(scope="module")
def line():
    ids = at(6200).tokenizer("happy clock garden red Monday\n")["input_ids"]
    return [0, *ids, *ids, *ids[:4]], len(ids)


@functools.cache
def log(seed):
    """The columns of a seed's log, as far as all seeds go."""
    columns = training_log("tiny-pythia", seed)
    return {name: values[columns["step"] <= 2400] for name, values in columns.items()}


def born(seed, column, share=0.5):
    """The row of the log in which a column first reaches its share of its last value."""
    values = log(seed)[column]
    return next(row for row, value in enumerate(values) if value >= share * values[-1])


def steepest(seed, after=200):
    grid, loss = log(seed)["step"], log(seed)["loss_echoes"]
    falls = {(loss[row] - loss[row + 1]) / (grid[row + 1] - grid[row]): row for row in range(len(grid) - 1)}
    return falls[max(speed for speed, row in falls.items() if grid[row] >= after)] + 1


@functools.cache
def word(thing):
    (token,) = at(6200).tokenizer(" " + thing)["input_ids"]
    return token


def looks(step, story, things, head=(2, 2), front=()):
    """A head's attention from the last token of a story to each of these things."""
    ids = [*front, *at(step).tokenizer(story)["input_ids"]]
    weights = at(step).trace(ids, keep=["attention"]).attention[head][-1]
    return [float(weights[ids.index(word(thing))]) for thing in things]


def probabilities(step, thing, front=()):
    """Of all six things, once one was named."""
    ids = [*front, *at(step).tokenizer(STORY.format(thing))["input_ids"]]
    p = at(step).trace(ids, keep=["logits"]).logits[-1].softmax(-1)
    return [float(p[word(other)]) for other in THINGS]


@functools.cache
def grid_of(step):
    return np.array([probabilities(step, thing) for thing in THINGS])  # (named, thing)


@functools.cache
def best_induction(step):
    """The best head's score on random tokens, each row read off one key at a time."""
    rows = np.random.RandomState(5).randint(2, 1024, (4, 32))
    attention = np.mean([at(step).trace([*row, *row], keep=["attention"]).attention.numpy() for row in rows], axis=0)
    return np.mean([attention[..., 32 + i, i + 1] for i in range(32)], axis=0)


@says(
    "06",
    "its stripe lies one place less than a line's length below the diagonal",
    "In the third, half a copy, it looks at the first copy again, and not at the second.",
    "At step 0 both spread their attention nearly evenly. By the end, each has a clear pattern.",
)
def test_where_the_two_heads_look(line):
    prompt, period = line
    attention = at(6200).trace(prompt, keep=["attention"]).attention
    second = {below: float(np.mean([attention[2, 2, q, q - below] for q in range(8, 15)])) for below in range(1, 8)}
    assert period == 7 and max(second, key=second.get) == 6 and second[6] > 0.8 > 50 * second[7]
    assert float(attention[1, 3].diagonal(-1).mean()) > 0.9
    third = {below: float(np.mean([attention[2, 2, q, q - below] for q in range(15, 19)])) for below in (6, 13)}
    assert third[13] > 0.9 > 0.1 > third[6]
    at_first = at(0).trace(prompt, keep=["attention"]).attention
    for head in ((1, 3), (2, 2)):
        entropy = -(at_first[head] * at_first[head].clamp(min=1e-9).log()).sum(-1)
        assert float((entropy[1:] / torch.arange(2, 20).log()).mean()) > 0.95  # 1 would be perfectly even
        late = -(attention[head] * attention[head].clamp(min=1e-9).log()).sum(-1)
        assert float((late[1:] / torch.arange(2, 20).log()).mean()) < 0.2


@says("06", "Powers of two at first, then evenly spaced", "tiny-pythia on the same plan at a smaller scale")
def test_the_two_plans():
    for saved, early in ((steps("pythia-160m"), 11), (TINY, 11)):
        assert list(saved[1:early]) == [2**n for n in range(early - 1)]
    assert {b - a for a, b in itertools.pairwise(steps("pythia-160m")[11:])} == {1000}
    assert {b - a for a, b in itertools.pairwise(TINY[11:])} == {800} and len(steps("pythia-160m")) == 154


@says(
    "06",
    "Because that is where a model's loss falls fastest.",
    "After a twelfth of the steps almost all of the fall is over; a grid with a point every 800 steps alone "
    "would have missed it.",
)
def test_most_of_the_fall_comes_early():
    for seed in SEEDS:
        grid, loss = log(seed)["step"], log(seed)["loss_stories"]
        fall = loss[0] - loss[-1]
        assert (loss[0] - loss[grid == 512]) / fall > 0.95 and (loss[grid == 512] - loss[-1]) / fall < 0.05
        assert int(np.argmin(np.diff(loss) / np.diff(grid))) < list(grid).index(100)
    assert round(6200 / 512) == 12


@says(
    "06",
    "The checkpoint at step N has seen the batches 0 … N − 1.",
    "The other batches agree about half-way. Any text teaches one thing first, which tokens are common: batch 1 with "
    "its tokens in random order still agrees by a third, and a batch of random tokens hardly at all.",
)
def test_the_first_step_was_made_from_batch_0(monkeypatch):
    def weights(model):
        return torch.cat([tensor.detach().float().flatten() for tensor in model.parameters()])

    start, cosines = weights(at(0).model), []
    real = weights(at(1).model) - start
    batches = [corpus.batch(number) for number in (0, 1, 3)]
    draw, tokens = np.random.RandomState(0), batches[1].tokens
    batches.append(dataclasses.replace(batches[1], tokens=draw.permutation(tokens.ravel()).reshape(tokens.shape)))
    batches.append(dataclasses.replace(batches[1], tokens=draw.randint(1, 1024, tokens.shape).astype(tokens.dtype)))
    for batch in batches:
        run = Run("tiny-pythia")
        monkeypatch.setattr(train, "batch", lambda step, seed, batch=batch: batch)
        run.advance()
        cosines.append(float(torch.cosine_similarity(weights(run.model) - start, real, dim=0)))
    assert cosines[0] > 0.95 and all(0.35 < other < 0.65 for other in cosines[1:3])
    assert 0.28 < cosines[3] < 0.4 and abs(cosines[4]) < 0.1
    rates = [corpus.batch(number).tokens.ravel() for number in (0, 1)]
    common = [{int(token) for token in np.argsort(-np.bincount(tokens))[:20]} for tokens in rates]
    assert len(common[0] & common[1]) > 14  # what is common is common in both


@says(
    "06",
    "Almost nothing up to step 600, then nearly everything, between two neighbouring checkpoints.",
    "documents that repeat a line, which the corpus calls echoes, were there from the first batch on",
)
def test_when_the_line_is_continued(line):
    prompt, _ = line
    likely = {
        step: float(at(step).trace(prompt, keep=["logits"]).logits[-1].softmax(-1)[prompt[4 + 1]]) for step in TINY
    }
    assert max(p for step, p in likely.items() if step <= 600) < 0.01
    assert min(p for step, p in likely.items() if step >= 1400) > 0.98
    assert TINY.index(1400) == TINY.index(600) + 1
    for number in range(0, 600, 100):
        assert "echoes" in {document.source for document in corpus.batch(number).documents}


@says(
    "06",
    "after “␣red” it predicts “␣book” or “␣ball”, whatever stood before",
    "At step 1,400 it predicts the whole line, each word one token ahead.",
    "And the line appears after layer 2, where the induction heads are; stopped after layer 1, the model shows "
    "nothing of it.",
)
def test_what_the_lens_reads(line):
    prompt, period = line
    draw, red = np.random.RandomState(0), word("red")
    said = {int(at(64).trace([0, *draw.randint(2, 1024, 12), red]).logits[-1].argmax()) for _ in range(40)}
    assert said == {word("book"), word("ball")}
    model = at(1400).model
    residual = at(1400).trace(prompt, keep=["residual"]).residual[:, 1 + period : 1 + 2 * period]
    lens = [model.lm_head(model.gpt_neox.final_layer_norm(stream)).argmax(-1).tolist() for stream in residual]
    right = [sum(a == b for a, b in zip(words, prompt[2 + period :])) for words in lens]
    assert right[3] == right[4] == period and right[2] == 0  # after layers 2 and 3, and after layer 1
    assert {divmod(int(n), 4)[0] for n in np.argsort(best_induction(1400).ravel())[-2:]} == {2}


@says(
    "06",
    "the previous-token head was half grown by step 600, and at that checkpoint the other two were not",
    "Both came between 600 and 1,400, and nothing was saved in between.",
)
def test_what_nineteen_checkpoints_say():
    score = {step: float(best_induction(step).max()) for step in (512, 600, 1400, 6200)}
    assert score[600] < score[6200] / 2 < score[1400]
    rows = np.random.RandomState(6).randint(2, 1024, (4, 32))

    def others(step):
        traces = [at(step).trace([*row, *row]) for row in rows]
        previous = np.mean([t.attention.diagonal(-1, dim1=-2, dim2=-1).mean(-1).numpy() for t in traces], axis=0).max()
        losses = [-t.logits[:-1].log_softmax(-1)[range(63), t.ids[1:]] for t in traces]
        return previous, float(np.mean([loss[:31].mean() - loss[32:].mean() for loss in losses]))

    found = {step: others(step) for step in (512, 600, 1400, 6200)}
    assert found[512][0] < found[6200][0] / 2 <= found[600][0]
    assert found[600][1] < found[6200][1] / 2 <= found[1400][1]


@says(
    "06",
    "The training log has a finer grid, a row every 100 steps.",
    "That loss falls early for another reason, as all losses do",
)
def test_what_the_log_has():
    for seed in SEEDS:
        grid = log(seed)["step"].tolist()
        assert set(range(100, 2401, 100)) <= set(grid)
        columns = [name for name in log(seed) if name.startswith("loss_") and "planted" not in name]
        assert all(log(seed)[name][grid.index(200)] < log(seed)[name][0] - 1 for name in columns)


@says(
    "06",
    "First the previous-token head; then the induction head and, give or take a row, the fall of the loss on "
    "what repeats.",
    "the previous-token head is half grown one row before the induction head; the moment differs by 200 steps "
    "between runs, the order does not",
    "The loss on echoes falls fastest in the induction head's row in two runs, and one row before it in the "
    "third (seed 2)",
)
def test_the_order_in_three_runs():
    rows = [(born(seed, "previous_token"), born(seed, "induction"), steepest(seed)) for seed in SEEDS]
    assert [induction - previous for previous, induction, _ in rows] == [1, 1, 1]
    assert [fall - induction for _, induction, fall in rows] == [0, 0, -1]
    dates = [int(log(0)["step"][previous]) for previous, *_ in rows]
    assert max(dates) - min(dates) == 200


SCORES = ("previous_token", "induction")


@says("06", "The dates move by up to 544 steps, and the order stays in all nine lines.")
def test_how_much_hangs_on_the_half():
    spread = []
    for seed in SEEDS:
        dates = np.array(
            [[log(seed)["step"][born(seed, name, share)] for name in ("previous_token", "induction")]
             for share in (0.25, 0.5, 0.75)]
        )  # fmt: skip
        assert (dates[:, 0] < dates[:, 1]).all()
        spread.append(np.ptp(dates, axis=0).max())
    assert max(spread) == 544


LARGER = (("tiny-pythia-281k", (0, 1, 2)), ("tiny-pythia-5m", (0, 1, 2)), ("tiny-pythia-26m", (0,)))


@says(
    "06",
    "seven more runs, three of the 281k model, three of the 5M and one of the 26M (lesson 13 has these sizes), give 21 "
    "such lines more, and the order is the same in all.",
    "half grown, the heads of the 281k come at steps 1,400 to 1,700, those of the 5M at 500 to 700.",
)
@says("11", "The order of the two births is the same in ten of ten runs of ours, of four sizes (lesson 06).")
def test_the_order_in_other_sizes():
    lines, half = [], {}
    for name, seeds in LARGER:
        for columns in (training_log(name, seed) for seed in seeds):
            for share in (0.25, 0.5, 0.75):
                rows = columns["step"] <= 2400
                kept = {key: values[rows] for key, values in columns.items()}
                dates = [kept["step"][np.argmax(kept[key] >= share * kept[key][-1])] for key in SCORES]
                lines.append(dates)
                half[name] = [*half.get(name, []), *(dates if share == 0.5 else [])]
    assert len(lines) == 21 and all(previous < induction for previous, induction in lines)
    assert (min(half["tiny-pythia-281k"]), max(half["tiny-pythia-281k"])) == (1400, 1700)
    assert (min(half["tiny-pythia-5m"]), max(half["tiny-pythia-5m"])) == (500, 700)
    assert len(SEEDS) + sum(len(seeds) for _, seeds in LARGER) == 10


@says("06", "each with initial weights and batches of its own")
def test_seeds_share_neither_start_nor_batches():
    starts = [new_model("tiny-pythia", seed).get_output_embeddings().weight for seed in SEEDS]
    batches = [corpus.batch(0, seed).tokens for seed in SEEDS]
    for a, b in itertools.combinations(range(3), 2):
        assert not torch.equal(starts[a], starts[b]) and not np.array_equal(batches[a], batches[b])


@says(
    "06",
    "At step 128 “ball” has a probability of 0.51 once a ball was named, and the other things at most 0.05 once "
    "they were.",
    "Balls are common in the stories, and “ball” is the model's favourite even after a kite.",
    "0.51 against 0.17 to 0.22 says that naming the ball did help",
)
def test_ball_at_step_128():
    p = grid_of(128)
    assert round(p[0, 0], 2) == 0.51 and p.diagonal()[1:].max().round(2) == 0.05
    assert [p[1:, 0].min().round(2), p[1:, 0].max().round(2)] == [0.17, 0.22]
    assert int(at(128).trace(STORY.format("kite")).logits[-1].argmax()) == word("ball")
    read = " ".join(d.text for number in range(0, 128, 8) for d in corpus.batch(number).documents)
    assert read.count(" ball") > 2 * max(read.count(" " + thing) for thing in THINGS[1:])


@says(
    "06",
    "It rises from step 256 on, when no head has an induction score to speak of (the best has 0.02, as at step "
    "0), and falls at step 600, just when the induction heads appear.",
)
def test_the_copies_come_before_the_score_and_dip_with_it():
    others = {step: grid_of(step).diagonal()[1:].mean() for step in (128, 256, 512, 600)}
    assert others[128] < 0.05 < 5 * others[128] < others[256] < others[512] and others[600] < others[512] / 2
    assert {round(float(best_induction(step).max()), 2) for step in (0, 256)} == {0.02}
    assert best_induction(512).max() < 0.03 < 0.1 < best_induction(600).max()


@says(
    "06",
    "So at step 512 something copies the thing that was named.",
    "The head that copies is the later induction head, and it copies before it is born.",
    "At step 512 it puts 0.99 of its attention on the thing; without it the thing falls from 0.72 to 0.09, and "
    "without (2, 0), another induction head to be, nothing changes.",
    "Its induction score missed all of this.",
    "at step 512 this head does not go by that, not even on lines of nothing but things",
)
def test_the_head_that_copies_at_512():
    assert np.mean([looks(512, STORY.format(thing), [thing]) for thing in THINGS]).round(2) == 0.99
    stories = [at(512).tokenizer(STORY.format(thing))["input_ids"] for thing in THINGS]
    z = torch.cat([at(512).trace(ids, keep=["z"]).z.double() for ids in stories], dim=2).mean(2).float()
    left = {}
    for head in ((2, 2), (2, 0), (2, 1), (2, 3), (1, 3)):
        dense = at(512).model.gpt_neox.layers[head[0]].attention.dense
        place = slice(32 * head[1], 32 * head[1] + 32)

        def fixed(module, inputs, head=head, place=place):
            changed = inputs[0].clone()
            changed[..., place] = z[head]
            return (changed,)

        handle = dense.register_forward_pre_hook(fixed)
        left[head] = np.mean([probabilities(512, thing)[n] for n, thing in enumerate(THINGS)])
        handle.remove()
    assert grid_of(512).diagonal().mean().round(2) == 0.72 and left[2, 2].round(2) == 0.09
    assert left[2, 0].round(2) == 0.72 and min(left, key=left.get) == (2, 2)
    top = np.argsort(best_induction(6200).ravel())[-2:]
    assert {divmod(int(n), 4) for n in top} == {(2, 2), (2, 0)}  # the later induction heads
    assert best_induction(512)[2, 2] < best_induction(6200)[2, 2] / 10
    scores = []
    for order in itertools.islice(itertools.permutations([word(thing) for thing in THINGS]), 0, 720, 60):
        weights = at(512).trace([0, *order, *order], keep=["attention"]).attention[2, 2]
        scores.append(np.mean([float(weights[7 + place, 2 + place]) for place in range(5)]))
    assert np.mean(scores) < 0.15  # about 1 in 10 tokens


@functools.cache
def asked(step, colour, front=(), order=("red", "blue")):
    """Attention of head (2, 2) to the thing named first and to the second: means over all pairs, read in one go."""
    pairs = list(itertools.permutations(THINGS, 2))
    told = "Mia had a {0} {2} and a {1} {3}. Then Mia lost the {4}"
    rows = [[*front, *at(step).tokenizer(told.format(*order, *pair, colour))["input_ids"]] for pair in pairs]
    weights = at(step).model(torch.tensor(rows), output_attentions=True, use_cache=False).attentions[2][:, 2, -1]
    places = torch.tensor([[row.index(word(thing)) for thing in pair] for row, pair in zip(rows, pairs)])
    return weights.gather(1, places).mean(0).numpy()


@says(
    "06",
    "At step 512 the head looks at both things and prefers the second, whichever colour was asked for: it finds "
    "things, not what came after “red”.",
    "From step 1,400 on the colour counts: asked for red, the head gives the red thing more than when asked for blue.",
    "With the blue thing named first, the head looks mostly at that one from step 2,200 on, also when asked for red, "
    "though less so.",
    "So what was born late is not copying but addressing",
    "With <|endoftext|> in front, as documents of the training corpus begin, step 512 shows the same thing, and "
    "the later steps give other numbers.",
)
def test_what_the_head_goes_by():
    for front in ((), (0,)):
        red, blue = asked(512, "red", front), asked(512, "blue", front)
        assert red[1] > 2 * red[0] and blue[1] > 2 * blue[0] and abs(red - blue).max() < 0.05
        assert red.sum() > 0.95 and blue.sum() > 0.95
    for step in (1400, 6200):
        red, blue = asked(step, "red"), asked(step, "blue")
        assert red[0] > red[1] and blue[1] > blue[0] and red[0] - blue[0] > 0.2
    other = ("blue", "red")
    second, first = asked(512, "red", order=other), asked(512, "blue", order=other)
    assert second[1] > 1.5 * second[0] and first[1] > 1.5 * first[0] and abs(second - first).max() < 0.05
    for step in (step for step in TINY if step >= 1400):
        assert asked(step, "red")[0] > asked(step, "blue")[0] + 0.1
        second, first = asked(step, "red", order=other), asked(step, "blue", order=other)
        assert first[0] > second[0] + 0.1 and first[0] > first[1]
        assert (second[0] > second[1]) == (step >= 2200)
    assert np.mean([looks(512, STORY.format(thing), [thing], front=(0,)) for thing in THINGS]) > 0.98
    assert abs(asked(6200, "red", (0,)) - asked(6200, "red")).max() > 0.15


@says(
    "06",
    "A lead: with head (1, 2) silenced, the thing has 0.76 at step 600.",
    "another story, “Mia saw a big kite. She took the big …”, has no dip, although at step 512 its copying needs head "
    "(2, 2) just as much.",
)
def test_the_dip_is_not_in_every_story():
    def likely(step, silent=()):
        found = []
        for thing in THINGS:
            story = f"Mia saw a big {thing}. She took the big"
            silence = at(step).ablate(heads=silent, by="mean", over=story) if silent else contextlib.nullcontext()
            with silence:
                found.append(float(at(step).trace(story, keep=["logits"]).logits[-1].softmax(-1)[word(thing)]))
        return np.mean(found)

    assert likely(512) < likely(600) < likely(1400) and likely(512, [(2, 2)]) < likely(512) / 4
    with at(600).ablate(heads=[(1, 2)], by="mean", over=[STORY.format(thing) for thing in THINGS]):
        found = [probabilities(600, thing)[n] for n, thing in enumerate(THINGS)]
    assert np.mean(found).round(2) == 0.76 and grid_of(600).diagonal().mean() < 0.4


@says("06", "The bright column at step 600 in the opening picture is “clock”, a thing, too.")
def test_the_bright_column(line):
    prompt, period = line
    weights = at(600).trace(prompt, keep=["attention"]).attention[2, 2][period + 2 : 2 * period + 1]
    assert at(600).tokenizer.decode([prompt[int(weights.mean(0).argmax())]]) == " clock"


@says(
    "06",
    "each token must carry the one before it, which is what the previous-token head had begun to write by step 600",
)
def test_the_previous_token_head_by_600():
    assert [log(0)["previous_token"][log(0)["step"] == step].item() > 0.5 for step in (512, 600)] == [False, True]


@functools.cache
def lambada():
    return {name: zero_shot(name, "lambada_openai") for name in MODELS if not name.endswith("-deduped")}


@says(
    "06",
    "Up to step 512 all sizes get next to nothing right, and at step 1,000 the two largest are still behind the two "
    "smallest. By step 13,000 all eight stand in order of size, and the curves go on fanning out.",
    "The two smallest do something else: they come down again.",
    "Pythia-160M has its best accuracy, 0.40, at step 63,000, before the middle of its training run.",
    "By the end, 80,000 steps later, it has lost 0.07.",
    "On LAMBADA it gets worse over more than half of its training run.",
    "The two smallest models fall by 0.07, the larger ones by 0.012 at most.",
)
def test_published_lambada():
    at_end = [curve.accuracy[-1] for curve in lambada().values()]
    assert at_end == sorted(at_end) and len(lambada()) == 8
    fall = {}
    for name, curve in lambada().items():
        assert curve.accuracy[curve.steps <= 512].max() < 0.01
        fall[name] = curve.accuracy.max() - curve.accuracy[-1]
    assert {name for name, value in fall.items() if round(value, 2) == 0.07} == {"pythia-70m", "pythia-160m"}
    assert max(value for name, value in fall.items() if value < 0.05).round(3) == 0.012
    small = lambada()["pythia-160m"]
    best = int(small.accuracy.argmax())
    assert small.steps[best] == 63_000 < 143_000 / 2 and small.accuracy[best].round(2) == 0.40
    fan = [
        np.ptp([curve.accuracy[curve.steps == step] for curve in lambada().values()])
        for step in (1000, 13_000, 143_000)
    ]
    assert fan == sorted(fan)
    grid = small.steps.tolist()
    early, later = ([curve.accuracy[grid.index(s)] for curve in lambada().values()] for s in (1000, 13_000))
    assert max(early[-2:]) < min(early[:2]) and later == sorted(later)


@says(
    "06",
    "At the best step and at the last one the bars are far apart, so noise is a poor explanation.",
    "the best of 27 was picked after the fact, which makes it look a little better than it is",
    "on SciQ, the fall of Pythia-160M is less than two standard errors of the difference, that of Pythia-70M more than "
    "four.",
)
def test_the_fall_is_more_than_the_luck_of_the_best_of_27():
    small = lambada()["pythia-160m"]
    best = int(small.accuracy.argmax())
    assert small.accuracy[best] - 2 * small.stderr[best] > small.accuracy[-1] + 2 * small.stderr[-1] + 0.03
    luck = np.random.RandomState(0).normal(size=(4000, 27)).max(1).mean() * small.stderr[best]
    assert 0 < luck < (small.accuracy[best] - small.accuracy[-1]) / 3
    falls = {}
    for name in ("pythia-160m", "pythia-70m"):
        science = zero_shot(name, "sciq")
        top = int(science.accuracy.argmax())
        error = float((science.stderr[[top, -1]] ** 2).sum() ** 0.5)
        falls[name] = (science.accuracy[top] - science.accuracy[-1]) / error
    assert 1 < falls["pythia-160m"] < 2 and falls["pythia-70m"] > 4


@says("06", "16 models at 27 of the 154 steps; we took six of their tasks")
def test_the_size_of_the_table():
    assert (len(MODELS), len(TASKS)) == (16, 6) and len(zero_shot("pythia-160m", "lambada_openai").steps) == 27


@says(
    "06",
    "If two checkpoints have the same weights, all six accuracies must be equal:",
    "when these accuracies were measured, step 2 was a different model",
)
def test_steps_0_1_and_2_in_the_published_figures():
    def equal(a, b):
        tables = [np.array([zero_shot(name, task).accuracy for task in TASKS]) for name in MODELS]
        grid = zero_shot("pythia-160m", "lambada_openai").steps.tolist()
        return [bool((table[:, grid.index(a)] == table[:, grid.index(b)]).all()) for table in tables]

    assert all(equal(0, 1)) and not any(equal(0, 2))


@says("06", "at nine moments of its training", "so about 3 GB pass through in all")
def test_what_the_last_section_downloads():
    grid = [
        s for s in (0, 64, 256, 512, 600, 1000, 1400, 2000, 4000, 6200, 16_000, 143_000) if s in steps("pythia-160m")
    ]
    assert len(grid) == 9 and round(9 * 2 * suite.total(suite.SUITE["pythia-160m"]) / 1e9) == 3
    assert round(suite.total(suite.SUITE["pythia-160m"]) / 1e6) == 162


def story(thing):
    return f"Mia had a red {thing}, and she loved it. Then Mia lost the red"


def named(lm, silent=()):
    """The probability of the thing that was named, mean over six, with some heads at their means."""
    things = ("ball", "kite", "lamp", "boat", "drum", "coat")
    stories = [story(thing) for thing in things]
    with lm.ablate(heads=list(silent), by="mean", over=stories) if silent else contextlib.nullcontext():
        last = [lm.trace(text, keep=["logits"]).logits[-1].softmax(-1) for text in stories]
    words = [lm.tokenizer(" " + thing)["input_ids"][0] for thing in things]
    return float(np.mean([row[word] for row, word in zip(last, words)]))


def induction_scores(lm):
    rows = measures.repeated_random_tokens(1024, rows=4, seed=0)
    attention = [lm.trace(row.tolist(), keep=["attention"]).attention for row in rows]
    return measures.induction_scores(torch.stack(attention).numpy(), period=32).mean(0)


@says(
    "06",
    "The copying before birth is: at step 600 seeds 1 and 2 give the named thing 0.95 and 0.90, and three seeds of the "
    "smaller 281k model 0.63 to 0.74, when no head of theirs has an induction score above 0.03.",
)
def test_other_seeds_and_sizes_copy_before_the_birth_too():
    likely = {}
    for name in ("tiny-pythia", "tiny-pythia-281k"):
        for seed in (1, 2) if name == "tiny-pythia" else (None, 1, 2):
            lm = load(name, seed=seed, step=600)
            likely[name, seed] = named(lm)
            assert induction_scores(lm).max() < 0.03
    assert likely.pop(("tiny-pythia", 1)) == pytest.approx(0.95, abs=0.01)
    assert likely.pop(("tiny-pythia", 2)) == pytest.approx(0.90, abs=0.01)
    small = sorted(likely.values())
    assert [small[0], small[-1]] == pytest.approx([0.63, 0.74], abs=0.01) and len(small) == 3


@says(
    "06",
    "That the head which copies becomes an induction head is not, either.",
    "In seeds 1 and 2 the copying hangs on (0, 2) and on (2, 0) at that step: silenced, they take the thing down to "
    "0.27 and 0.18; and at the end of training neither has an induction score above 0.05.",
)
def test_other_seeds_copy_with_heads_that_never_become_induction_heads():
    for seed, head, left in ((1, (0, 2), 0.27), (2, (2, 0), 0.18)):
        lm = load("tiny-pythia", seed=seed, step=600)
        assert named(lm, [head]) == pytest.approx(left, abs=0.01) and named(lm, [(2, 2)]) > 0.6
        assert induction_scores(load("tiny-pythia", seed=seed))[head] < 0.05


@says(
    "06",
    "The 91k model, which never has an induction head, gives the named thing 0.97 at its end.",
    "So a story does not need one; what the 91k never learns is to repeat a line of senseless words (lesson 13).",
)
def test_a_model_without_induction_heads_copies_the_thing():
    assert named(load("tiny-pythia-91k")) == pytest.approx(0.97, abs=0.01)
    for seed in SEEDS:
        columns = training_log("tiny-pythia-91k", seed)
        assert columns["induction"].max() < 0.05 and columns["loss_echoes"].min() > 3


@says(
    "06",
    "Checkpoints are densest at the beginning, where the loss falls fastest, and may be far apart where a head is"
    " born;",
)
def test_checkpoints_are_dense_where_the_loss_falls_fastest_not_where_a_head_is_born():
    columns, grid = training_log("tiny-pythia"), steps("tiny-pythia")
    at, gaps = [list(columns["step"]).index(step) for step in grid], np.diff(grid)
    assert gaps[0] == gaps.min() and (np.diff(gaps[: grid.index(512)]) >= 0).all()
    for name in columns:
        if name.startswith("loss") and "planted" not in name:
            assert grid[(-np.diff(columns[name][at]) / gaps).argmax() + 1] <= 64, name
    gained = np.diff(columns["induction"][at]).argmax()
    assert (grid[gained], grid[gained + 1]) == (600, 1400) and gaps[gained] == gaps.max()
