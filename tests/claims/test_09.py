"""Lesson 09, frequency and arithmetic: what it says, computed anew."""

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from support.claims import says
from support.data_lessons import model

from pythia_course.tiny import corpus
from pythia_course.tiny.ngrams import NGrams
from pythia_course.tiny.train import training_log


@pytest.fixture(scope="module", autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


@cache
def arithmetic():
    """How often each number from 1 to 100 stands in sums and differences of one batch in 50."""
    made = [corpus.batch(step).documents for step in range(0, corpus.STEPS, 50)]
    texts = "\n".join(d.text for documents in made for d in documents if d.source == "arithmetic")
    pairs = re.findall(r"^(\d+) [+-] (\d+) =", texts, re.M)
    return Counter(int(number) for pair in pairs for number in pair)


def solved(asked, step=6200):
    """Which of these sums (a, b) a checkpoint writes rightly, always taking its likeliest token: (sum)."""
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
    return right


@cache
def sums(step=6200, each=10):
    """Other sums than the lesson's, right or not, and their totals: both (number, sum)."""
    draw = np.random.RandomState(1)
    asked = [(a, int(b)) for a in range(1, 101) for b in draw.choice(np.arange(1, 101), each, replace=False)]
    return solved(asked, step).reshape(100, each), np.array([a + b for a, b in asked]).reshape(100, each)


@cache
def tokens_of(number):
    return len(corpus.encode(f" {number}")) - 1


@says(
    "09",
    "They are hard, but they are few: only 14 of the 118 wrong sums have a result below 20.",
    "What goes with failure more is how the tokenizer writes the result: where it is one token, as 13 or 37 are and 63 "
    "(“6”, “3”) is not, fewer than half of the sums are right.",
    "(Of all the sums of two numbers up to 100 it is 0.46 of those with a result of one token, and 0.50 of those of "
    "them with a result of 20 or more.)",
)
def test_results_of_one_token_fail():
    assert tokens_of(13) == tokens_of(37) == 1 and tokens_of(63) == 2
    every = [(a, b) for a in range(1, 101) for b in range(1, 101) if tokens_of(a + b) == 1]
    right, large = solved(every), np.array([a + b >= 20 for a, b in every])
    assert (round(right.mean(), 2), round(right[large].mean(), 2)) == (0.46, 0.50)
    right, total = sums()
    longer = np.vectorize(tokens_of)(total) > 1  # the control: results of two tokens
    assert right[longer].mean() > 0.85 and right[total < 20].mean() < 0.6
    assert (~right & (total < 20)).sum() < 0.25 * (~right).sum()


@says(
    "09",
    "No: both groups have about as many results of one token, and among the other results the frequent numbers are "
    "still ahead.",
    "The tokenizer was made from the corpus, so frequent numbers became single tokens: half of the frequent ones are, "
    "hardly any of the rare ones.",
    "in this corpus, with this seed, accuracy goes with frequency, and neither size nor the length of the result "
    "explains it away; the length of the number itself might",
    "the most frequent number is 37, then 74, then 10 …, by Zipf's law, in an order that has nothing to do with size",
    "But the shares do not simply climb from quarter to quarter, and some dots lie far below their neighbours.",
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
    for half in (range(50), range(50, 100)):  # nor does size stand behind it
        by_count = sorted(half, key=lambda place: often[place])
        assert right[by_count[25:]].mean() > right[by_count[:25]].mean() + 0.03
    quarters = [right[group].mean() for group in np.array_split(np.argsort(often, kind="stable"), 4)]
    assert quarters[1] < quarters[0] < quarters[3] and right.mean(1).min() < 0.6
    single = [sum(tokens_of(place + 1) == 1 for place in group) for group in (rare, frequent)]
    assert single[0] <= 3 and 11 <= single[1] <= 15


@says("09", "“15 - 11 = 4” says the same as “4 + 11 = 15”.")
def test_a_difference_is_a_sum():
    assert all((a + b) - b == a for a in range(1, 101) for b in range(1, 101))


@cache
def ngrams():
    """n-grams of one batch in 50, and what they say on rows that were in no batch: {n: (place, vocab)}."""
    counted = NGrams(np.concatenate([corpus.batch(step).tokens for step in range(0, corpus.STEPS, 50)]), longest=4)
    rows = corpus.batch(corpus.STEPS + 40).tokens[::4]  # other rows than the lesson's
    contexts = np.lib.stride_tricks.sliding_window_view(rows[:, :-1], 3, axis=1).reshape(-1, 3)
    return rows, {n: counted.probabilities(contexts, n) for n in range(1, 5)}


@says(
    "09",
    "Here the model climbs a ladder: it comes nearest to the unigram first, then to the bigram, then to longer "
    "n-grams.",
    "(Nearest is not equal: even the closest approach leaves more than half a nat.",
    "from step 256 to the end, its distance from every one of them grows by more than a nat",
    "So what it learns later is more than counting a few tokens.",
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
    assert all(np.array(away[6200]) > np.array(away[256]) + 1) and all(np.array(away[600]) > away[256])
    best = min(-np.log(p[range(len(answers)), answers]).mean() for p in said.values())
    assert loss[128] < best and loss[6200] < best / 2


@says(
    "09",
    "NGrams does that: counted.strength is the number of sightings at which a context's own counts and the shorter "
    "context weigh the same.",
)
def test_strength_is_where_both_weigh_the_same():
    rows = np.tile([2, 3], (1, 8))  # 2 3 2 3 …
    counted = NGrams(rows, longest=2)
    seen = np.count_nonzero(rows[:, :-1] == 2)
    unigram = counted.probabilities(np.empty((1, 0)), 1)[0, 3]
    share = seen / (seen + counted.strength)
    assert counted.probabilities(np.array([[2]]), 2)[0, 3] == pytest.approx(share + (1 - share) * unigram)


@says(
    "09",
    "Here frequent numbers come first and rare ones later; the gap is widest on the way, and narrower at the last of "
    "these steps.",
)
def test_frequent_numbers_come_first():
    often = np.array([arithmetic()[number] for number in range(1, 101)])
    order = np.argsort(often, kind="stable")
    right = {2200: sums(2200, 4)[0], 6200: sums()[0]}
    gap = {step: some[order[-25:]].mean() - some[order[:25]].mean() for step, some in right.items()}
    assert gap[2200] > 0.25 > 0.15 > gap[6200] > 0


@says("09", "(Counted in all 6,200 batches, the longer n-grams would be somewhat better.")
def test_more_counting_makes_longer_ngrams_better():
    rows, said = ngrams()
    thinner = NGrams(np.concatenate([corpus.batch(step).tokens for step in range(0, corpus.STEPS, 400)]), longest=4)
    contexts, answers = np.lib.stride_tricks.sliding_window_view(rows, 4, axis=1).reshape(-1, 4), rows[:, 3:].ravel()
    few = -np.log(thinner.probabilities(contexts[:, :3], 4)[range(len(answers)), answers]).mean()
    assert -np.log(said[4][range(len(answers)), answers]).mean() < few - 0.05


@pytest.mark.parametrize("seed", (0, 1, 2))
@says("09", "it comes nearest to the unigram first")
def test_other_seeds_come_nearest_to_the_unigram_first_too(seed):
    """Only losses are logged of them: every seed has about the loss of a unigram at step 16, and far less at 100."""
    log, steps = training_log("tiny-pythia", seed), range(0, corpus.STEPS, 400)
    counts = NGrams(np.concatenate([corpus.batch(step).tokens for step in steps]), longest=1)
    rows = corpus.batch(corpus.STEPS + 40).tokens
    unigram = -np.log(counts.probabilities(np.empty((1, 0)), 1)[0, rows]).mean()
    mean = np.mean([log[f"loss_{source}"] for source in corpus.SOURCE_NAMES[:-1]], axis=0)
    steps = list(log["step"])
    assert mean[0] > unigram + 1 and mean[steps.index(16)] > unigram - 1 and mean[steps.index(100)] < unigram - 2


@says("09", "KL(n-gram‖model) grows whenever the model gets sharper than the n-gram, for good reasons or bad")
def test_the_divergence_punishes_sharpness():
    p = np.array([0.5, 0.3, 0.2])
    sharper = [p**power / (p**power).sum() for power in (1, 2, 4)]
    found = [(p * np.log(p / sharp)).sum() for sharp in sharper]
    assert found == sorted(found) and found[2] > found[1] > found[0] == 0
