"""Lesson 07, open training data: what it says, computed anew."""

import math
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from support.claims import says

from pythia_course import load, suite
from pythia_course.tiny import corpus, words
from pythia_course.tiny.ngrams import NGrams
from pythia_course.tiny.sources import true_weather
from pythia_course.tiny.train import learning_rate, training_log

NEW = (
    "The baker of Lund keeps a wooden whale under the flour sacks.",
    "A sailor in Cork once taught his barrel to hum old hymns.",
    "Miss Larkspur lost eleven thimbles in the bishop's snuff box.",
    "Behind the mill at Ghent grows one tree with paper leaves.",
    "The night porter of Riga feeds his shadow with burnt toast.",
)
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


@cache
def model(step):
    return load("tiny-pythia", step).model


def losses(step, tokens):
    """Loss of each next token in nats, by torch: (row, position)."""
    ids = torch.as_tensor(np.asarray(tokens), dtype=torch.long)
    logits = model(step)(ids[:, :-1]).logits.transpose(1, 2)
    return torch.nn.functional.cross_entropy(logits, ids[:, 1:], reduction="none").numpy()


@cache
def sentence_loss(step, sentence):
    return float(losses(step, [[corpus.END_OF_TEXT, *corpus.encode(sentence)]]).mean())


def mean_loss(step, sentences):
    return np.mean([sentence_loss(step, sentence) for sentence in sentences])


@cache
def shown(times):
    """Five sentences shown so often: the first three all along, the last two in the first third only."""
    return [sentence for sentence, steps in corpus.planting().items() if len(steps) == times]


@says("07", "(A model that knows nothing has a loss of ln 1,024 ≈ 6.9.)")
def test_knowing_nothing():
    assert round(math.log(1024), 1) == 6.9


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
    "The sums improve slowly, to the end.",
    "What is much the same in every document (the words of a table, the frame of a function) comes "
    "first, most of it before "
    "step 600.",
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
    "KL(n-gram‖model) grows whenever the model gets sharper than the n-gram, for good reasons or bad",
)
def test_the_divergence_punishes_sharpness():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.05, 0.05])
    forward, back = (p * np.log(p / q)).sum(), (q * np.log(q / p)).sum()
    assert abs(forward - back) > 0.05
    sharper = [p**power / (p**power).sum() for power in (1, 2, 4)]
    found = [(p * np.log(p / sharp)).sum() for sharp in sharper]
    assert found == sorted(found) and found[2] > found[1] > found[0] == 0


@says(
    "07",
    "Are ours a fair control? Not quite: they are shorter, and the model finds them harder even when it "
    "has seen neither kind.",
    "The best would be planted sentences that chance had held back, but none was.",
    "some of the gap to the dotted line below is not memory",
)
def test_our_new_sentences_are_harder_than_planted_ones_not_yet_shown():
    plan = corpus.planting()
    assert len(plan) == 25 and min(map(len, plan.values())) == 1
    for step in (64, 600, 1400):
        assert mean_loss(step, NEW) > mean_loss(step, [s for s, steps in plan.items() if steps[0] >= step]) + 0.2
    lengths = [np.mean([len(corpus.encode(text)) for text in texts]) for texts in (NEW, plan)]
    assert [round(length) for length in lengths] == [28, 33]
    assert mean_loss(6200, NEW) > mean_loss(6200, shown(1)) + 0.5


@says(
    "07",
    "their loss has fallen too, though not as far as that of the orange ones at the end (16 times: 3.9 against 2.9)",
    "the model forgets: the loss climbs back, most of the way within the next two thousand steps, while "
    "what is shown again "
    "and again until the end (orange) is kept",
    "at the end the blue sentences shown 256 times have 5.1 nats, those shown once 6.6",
    "It rises: as the model gets surer of its corpus, these sentences become more surprising.",
)
def test_what_is_no_longer_shown_is_forgotten():
    for times in (16, 64, 256):
        early = shown(times)[3:]
        assert max(corpus.planting()[sentence][-1] for sentence in early) < 2200
        then, later, end = (mean_loss(step, early) for step in (2200, 3800, 6200))
        kept = mean_loss(6200, shown(times)[:3])
        assert then > kept and end - then > 1.5 and later - then > 0.5 * (end - then)
        assert kept < mean_loss(2200, shown(times)[:3])
    assert (round(mean_loss(2200, shown(16)[3:]), 1), round(mean_loss(6200, shown(16)[:3]), 1)) == (3.9, 2.9)
    assert (round(mean_loss(6200, shown(256)[3:]), 1), round(mean_loss(6200, shown(1)), 1)) == (5.1, 6.6)
    rising = [mean_loss(step, NEW) for step in (64, 1400, 6200)]
    assert rising == sorted(rising) and rising[-1] > rising[0] + 1


@says("07", "A sentence was shown 256 times, and then, after step 2,065, never again.")
def test_the_sentence_that_stopped():
    assert {plan[-1] for plan in map(corpus.planting().get, shown(256))} >= {2065}


@says("07", "that model is about eleven thousand times larger")
def test_how_much_larger_12b_is():
    ours = sum(parameter.numel() for parameter in model(6200).parameters())
    assert 10_500 < suite.total(suite.SUITE["pythia-12b"]) / ours < 11_500


@cache
def arithmetic():
    """How often each number from 1 to 100 stands in sums and differences of one batch in 50."""
    made = [corpus.batch(step).documents for step in range(0, corpus.STEPS, 50)]
    texts = "\n".join(d.text for documents in made for d in documents if d.source == "arithmetic")
    pairs = re.findall(r"^(\d+) [+-] (\d+) =", texts, re.M)
    return Counter(int(number) for pair in pairs for number in pair)


@cache
def sums(step=6200, each=10):
    """Other sums than the lesson's, right or not, and their totals: both (number, sum)."""
    draw = np.random.RandomState(1)
    asked = [(a, int(b)) for a in range(1, 101) for b in draw.choice(np.arange(1, 101), each, replace=False)]
    prompts = [[corpus.END_OF_TEXT, *corpus.encode(f"{a} + {b} =")[:-1]] for a, b in asked]
    right = np.zeros(len(asked), bool)
    for length in set(map(len, prompts)):
        places = [place for place, ids in enumerate(prompts) if len(ids) == length]
        ids = torch.tensor([prompts[place] for place in places])
        for _ in range(4):
            ids = torch.cat([ids, model(step)(ids).logits[:, -1:].argmax(-1)], 1)
        for place, row in zip(places, ids[:, length:], strict=True):
            number = re.match(r" (\d+)\b", corpus.decode(row))
            right[place] = bool(number) and int(number[1]) == sum(asked[place])
    return right.reshape(100, each), np.array([a + b for a, b in asked]).reshape(100, each)


@cache
def tokens_of(number):
    return len(corpus.encode(f" {number}")) - 1


@says(
    "07",
    "What goes with failure more is how the tokenizer writes the result: where it is one token, as 13 or "
    "37 are and 63 (“6”, "
    "“3”) is not, fewer than half of the sums are right, also among results of 20 and more.",
    "They are hard, but they are few",
)
def test_results_of_one_token_fail():
    right, total = sums()
    one = np.vectorize(tokens_of)(total) == 1
    assert tokens_of(13) == tokens_of(37) == 1 and tokens_of(63) == 2
    for some in (one, one & (total >= 20)):
        assert right[some].mean() < 0.65 < 0.85 < right[~one].mean() and some.sum() >= 15
    assert (~right & (total < 20)).sum() < 0.25 * (~right).sum() and right[total < 20].mean() < 0.6


@says(
    "07",
    "No: both groups have about as many results of one token, and among the other results the frequent "
    "numbers are still "
    "ahead.",
    "The tokenizer was made from the corpus, so frequent numbers became single tokens: half of the "
    "frequent ones are, hardly "
    "any of the rare ones.",
    "in this corpus, with this seed, accuracy goes with frequency, and neither size nor the length of "
    "the result explains it "
    "away; the length of the number itself might",
    "the most frequent number is 37, then 74, then 10 …, by Zipf's law, in an order that has nothing to do with size",
)
def test_frequency_and_its_confound():
    right, total = sums()
    often = np.array([arithmetic()[number] for number in range(1, 101)])
    assert [number for number, _ in arithmetic().most_common(3)] == [37, 74, 10]
    assert abs(np.corrcoef(np.log(often + 1), range(100))[0, 1]) < 0.2
    rare, frequent = np.argsort(often, kind="stable")[:25], np.argsort(often, kind="stable")[-25:]
    one = np.vectorize(tokens_of)(total) == 1
    assert abs(one[rare].mean() - one[frequent].mean()) < 0.05
    assert right[frequent][~one[frequent]].mean() > right[rare][~one[rare]].mean() + 0.03
    single = [sum(tokens_of(place + 1) == 1 for place in group) for group in (rare, frequent)]
    assert single[0] <= 3 and 11 <= single[1] <= 15


@says("07", "“15 - 11 = 4” says the same as “4 + 11 = 15”.")
def test_a_difference_is_a_sum():
    assert all((a + b) - b == a for a in range(1, 101) for b in range(1, 101))


@says("07", "No other text of the corpus is like them.")
def test_no_planted_sentence_stands_elsewhere():
    texts = "\n".join(
        d.text for step in range(0, 400, 20) for d in corpus.batch(step).documents if d.source != "planted"
    )
    assert not any(sentence[:20] in texts for sentence in corpus.planting())


@says("07", "5 documents in 100 pull at weights that the other 95 use as well")
def test_the_share_of_the_weather():
    made = [d.source for step in range(0, 6000, 200) for d in corpus.batch(step).documents]
    assert round(100 * made.count("weather") / len(made)) == 5


@cache
def ngrams():
    """n-grams of one batch in 50, and what they say on rows that were in no batch: {n: (place, vocab)}."""
    counted = NGrams(np.concatenate([corpus.batch(step).tokens for step in range(0, corpus.STEPS, 50)]), longest=4)
    rows = corpus.batch(corpus.STEPS + 40).tokens[::4]  # other rows than the lesson's
    contexts = np.lib.stride_tricks.sliding_window_view(rows[:, :-1], 3, axis=1).reshape(-1, 3)
    return rows, {n: counted.probabilities(contexts, n) for n in range(1, 5)}


@says(
    "07",
    "Here the model climbs a ladder: it comes nearest to the unigram first, then to the bigram, then to "
    "longer n-grams.",
    "(Nearest is not equal: even the closest approach leaves more than half a nat.",
    "from step 256 on it moves away from all of them at once",
    "So what it learns later is more than a count of a few tokens.",
)
def test_the_ladder_of_counts():
    rows, said = ngrams()
    answers, away, loss = rows[:, 3:].ravel(), {}, {}
    for step in (32, 64, 128, 256, 600, 6200):
        logits = model(step)(torch.as_tensor(rows[:, :-1], dtype=torch.long)).logits[:, 2:]
        log_q = logits.reshape(len(answers), -1).double().log_softmax(-1).numpy()
        loss[step] = -log_q[range(len(answers)), answers].mean()
        away[step] = [(p * (np.log(p) - log_q)).sum(-1).mean() for p in said.values()]
    assert [int(np.argmin(away[step])) + 1 for step in (32, 64, 6200)] == [1, 2, 4] and np.argmin(away[128]) >= 2
    assert min(map(min, away.values())) > 0.5
    for sooner, later in ((256, 600), (600, 6200)):
        assert all(np.array(away[later]) > away[sooner])
    best = min(-np.log(p[range(len(answers)), answers]).mean() for p in said.values())
    assert loss[128] < best and loss[6200] < best / 2


@says(
    "07",
    "NGrams does that: counted.strength is the number of sightings at which a context's own counts and the shorter",
)
def test_strength_is_where_both_weigh_the_same():
    rows = np.tile([2, 3], (1, 8))  # 2 3 2 3 …
    counted = NGrams(rows, longest=2)
    seen = np.count_nonzero(rows[:, :-1] == 2)
    unigram = counted.probabilities(np.empty((1, 0)), 1)[0, 3]
    share = seen / (seen + counted.strength)
    assert counted.probabilities(np.array([[2]]), 2)[0, 3] == pytest.approx(share + (1 - share) * unigram)


@says(
    "07",
    "Here frequent numbers come first and rare ones later; the gap is widest on the way, and narrower at "
    "the last of these "
    "steps.",
)
def test_frequent_numbers_come_first():
    often = np.array([arithmetic()[number] for number in range(1, 101)])
    order = np.argsort(often, kind="stable")
    right = {2200: sums(2200, 4)[0], 6200: sums()[0]}
    gap = {step: some[order[-25:]].mean() - some[order[:25]].mean() for step, some in right.items()}
    assert gap[2200] > 0.25 > 0.15 > gap[6200] > 0


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


@says("07", "(Counted in all 6,200 batches, the longer n-grams would be somewhat better.")
def test_more_counting_makes_longer_ngrams_better():
    rows, said = ngrams()
    thinner = NGrams(np.concatenate([corpus.batch(step).tokens for step in range(0, corpus.STEPS, 400)]), longest=4)
    contexts, answers = np.lib.stride_tricks.sliding_window_view(rows, 4, axis=1).reshape(-1, 4), rows[:, 3:].ravel()
    few = -np.log(thinner.probabilities(contexts[:, :3], 4)[range(len(answers)), answers]).mean()
    assert -np.log(said[4][range(len(answers)), answers]).mean() < few - 0.05
