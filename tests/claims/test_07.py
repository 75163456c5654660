"""Lesson 07, open training data: what it says, computed anew."""

import math
import re
from functools import cache

import numpy as np
import pytest
import torch
from support.claims import says
from support.data_lessons import losses, model

from pythia_course import pile
from pythia_course.tiny import corpus, words
from pythia_course.tiny.ngrams import NGrams
from pythia_course.tiny.sources import true_weather
from pythia_course.tiny.train import learning_rate, training_log

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


@says("07", "(A model that knows nothing has a loss of ln 1,024 ≈ 6.9.)")
def test_knowing_nothing():
    assert round(math.log(1024), 1) == 6.9


@says("07", "helps it with any text of this corpus")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_step_helps_with_every_source(seed):
    log = training_log("tiny-pythia", seed)
    one, two = (list(log["step"]).index(step) for step in (1, 2))
    assert all(log[f"loss_{source}"][one] - log[f"loss_{source}"][two] > 0.02 for source in corpus.SOURCE_NAMES[:-1])


@says(
    "07",
    "Most of what the model learned from batch 1 helps it with any text of this corpus.",
    "Only what is left, about 0.01 nats here, can be about that batch itself.",
)
def test_batch_1_teaches_mostly_what_helps_everywhere():
    seen, *unseen = (corpus.batch(number).tokens for number in (1, *range(6300, 6303)))
    fall, *others = (losses(1, tokens).mean() - losses(2, tokens).mean() for tokens in (seen, *unseen))
    assert 0.005 < fall - np.mean(others) < 0.02 and np.mean(others) > 0.7 * fall


@says(
    "07",
    "By now the model hardly gets better at new text.",
    "On text that it has just read it does, by about a hundredth of a nat per token, although it read each of these "
    "batches only once.",
    "So the data leave a trace in the weights.",
    "Between steps 5,400 and 6,200 the model read 800 batches.",
)
def test_what_was_just_read_leaves_a_trace():
    found = {}
    for kind, start in (("seen", 5425), ("unseen", 7025)):  # other batches than the lesson takes
        batches = [corpus.batch(number) for number in range(start, start + 750, 90)]
        tokens = [batch.tokens[::4] for batch in batches]
        planted = [batch.sources[::4, 1:] == corpus.SOURCE_NAMES.index("planted") for batch in batches]
        found[kind] = [
            (losses(5400, rows) - losses(6200, rows))[~odd].mean() for rows, odd in zip(tokens, planted, strict=True)
        ]
    seen, unseen = np.mean(found["seen"]), np.mean(found["unseen"])
    assert abs(unseen) < 0.008 and 0.004 < seen - unseen < 0.02
    assert 6200 - 5400 == 800 and corpus.STEPS == 6200


@says(
    "07",
    "Their loss falls between steps 600 and 1,400, when induction heads form (lesson 06).",
    "The sums improve slowly, nearly until the end.",
    "What is much the same in every document (the words of a table, the frame of a function) is learned first, most of "
    "it before step 600.",
)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_the_sources(seed):
    log = training_log("tiny-pythia", seed)
    steps = list(log["step"])
    early, late = steps.index(600), steps.index(1400)
    loss = {source: np.asarray(log[f"loss_{source}"]) for source in corpus.SOURCE_NAMES[:-1]}
    fell = {source: values[early] - values[late] for source, values in loss.items()}
    assert max(fell, key=fell.get) == "echoes" and fell["echoes"] > 1
    for source in ("tables", "python"):
        assert loss[source][0] - loss[source][early] > 0.95 * (loss[source][0] - loss[source][-1])
    assert loss["arithmetic"][late] - loss["arithmetic"][-1] > 0.1


@says(
    "07",
    "the last word depends on the month alone",
    "(Within a month no two words begin with the same token, so the first token of a word stands for the word.)",
    "A weather document is a row of sentences such as “In March the town of Glen is wet.”",
)
def test_the_weather_depends_on_the_month_alone():
    for month in words.MONTHS:
        first = [corpus.encode(f" {word}")[0] for word in true_weather(month)]
        assert len(set(first)) == len(first) and sum(true_weather(month).values()) == pytest.approx(1)
    texts = [d.text for step in range(0, 6000, 200) for d in corpus.batch(step).documents if d.source == "weather"]
    found = re.findall(r"In (\w+) the town of \w+ is (\w+)\.", "\n".join(texts))
    assert len(found) > 50 and all(word in true_weather(month) for month, word in found)


@cache
def weather(step):
    """(month, word by token): the model's probabilities after "In … the town of Glen is", a mean over three towns."""
    rows = [
        [corpus.END_OF_TEXT, *corpus.encode(f"In {month} the town of {town} is")[:-1]]
        for month in words.MONTHS
        for town in words.TOWNS[:3]
    ]
    longest = max(map(len, rows))
    probabilities = []
    for row in rows:
        ids = torch.tensor([row])
        probabilities.append(model(step)(ids).logits[0, -1].softmax(-1).double().numpy())
    assert longest < 20
    return np.array(probabilities).reshape(12, 3, -1)


def off(step, truth):
    """KL(truth‖model), nats, mean over months and towns."""
    q = weather(step)
    p = np.broadcast_to(truth[:, None], q.shape)
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / q), 0).sum(-1).mean()


@cache
def truth():
    table = np.zeros((12, 1024))
    for row, month in enumerate(words.MONTHS):
        for word, p in true_weather(month).items():
            table[row, corpus.encode(f" {word}")[0]] += p
    return table


@says(
    "07",
    "First the model comes close to ignoring the month, then it leaves that behind.",
    "between steps 512 and 600, it gets worse at the weather",
    "So the trained model, nearly right as it is, is still far worse than counting would be.",
    "A trained network is not a table of counts, not even where counting is easy.",
)
def test_the_model_first_ignores_the_month():
    blind = np.broadcast_to(truth().mean(0), (12, 1024))
    gap = {step: off(step, blind) for step in (32, 64, 128, 512, 6200)}
    assert min(gap, key=gap.get) == 128 and gap[128] < 0.5 < gap[6200]
    assert off(600, truth()) > 2 * off(512, truth()) and off(6200, truth()) < 0.05
    assert off(6200, truth()) > 10 * 3 / 2 / 7000  # a counter of about 7,000 sentences a month


@says("07", "At step 32 the model gives these words next to nothing.", "At 512 it prefers the words of this month")
def test_march_over_time():
    march = list(words.MONTHS).index("March")
    own = truth()[march] > 0
    any_month = truth().max(0) > 0
    share = {step: weather(step)[march].mean(0) for step in (32, 128, 512)}
    assert share[32][any_month].sum() < 0.1 < 0.7 < share[128][any_month].sum()
    assert share[512][own].sum() > 0.8 > share[128][own].sum()


@says(
    "07",
    "KL(p‖q) is large where q gives little to what p thinks likely; it is not the same as KL(q‖p).",
)
def test_the_divergence_has_a_direction():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.05, 0.05])
    forward, back = (p * np.log(p / q)).sum(), (q * np.log(q / p)).sum()
    assert abs(forward - back) > 0.05
    bold = np.array([0.98, 0.01, 0.01])  # gives little to what p thinks likely
    assert (p * np.log(p / bold)).sum() > 2 * forward


@says("07", "5 documents in 100 pull at weights that the other 95 use as well")
def test_the_share_of_the_weather():
    made = [d.source for step in range(0, 6000, 200) for d in corpus.batch(step).documents]
    assert round(100 * made.count("weather") / len(made)) == 5


@says("07", "off by about (k − 1)/2n on average, after n sentences of a month that has k possible words")
def test_how_far_a_counter_is_off():
    p, n, draw = np.array([0.5, 0.25, 0.15, 0.1]), 2000, np.random.RandomState(0)
    counts = draw.multinomial(n, p, 4000) / n
    assert (p * np.log(p / counts)).sum(-1).mean() == pytest.approx(3 / (2 * n), rel=0.1)


@says("07", "Echoes are different: their words are unrelated, so counts hardly help.")
def test_counts_hardly_help_with_echoes():
    counted = NGrams(np.concatenate([corpus.batch(step).tokens for step in range(0, corpus.STEPS, 200)]), longest=3)
    loss = {}
    for source in ("echoes", "stories", "python"):
        rows = [[corpus.END_OF_TEXT, *corpus.encode(d.text.split("\n")[0])] for d in corpus.held_out(source, 30)]
        pairs = np.array([triple for row in rows for triple in zip(row, row[1:], row[2:])])
        said = counted.probabilities(pairs[:, :2], 3)
        loss[source] = -np.log(said[range(len(pairs)), pairs[:, 2]]).mean()
    assert loss["echoes"] > 1.4 * max(loss["stories"], loss["python"])


@says("07", "(The learning rate is near its highest then, so that every batch pushes hard")
def test_the_rate_is_near_its_peak():
    rates = [learning_rate(step) for step in range(corpus.STEPS)]
    assert min(rates[512:600]) > 0.95 * max(rates)


@says(
    "07",
    "That is 4 MB instead of 600 GB, in one request, or in two where a batch lies across two shards.",
    "since a batch has two million predictions, each over a vocabulary of 50,304",
)
def test_a_batch_is_four_megabytes_of_six_hundred_thousand():
    assert round(pile.BATCH_BYTES / 1e6) == 4 and round(143_000 * pile.BATCH_BYTES / 1e9) == 600
    shard, crossing = 30_000_000_000, 0
    for step in range(143_000):
        first, last = pile.first_byte(step) // shard, (pile.first_byte(step + 1) - 1) // shard
        assert last - first in (0, 1)
        crossing += last - first
    assert crossing == 20
    assert round(pile.ROWS * (pile.ROW - 1) / 1e6) == 2
