"""The floor is the program's: it agrees with the dice, with full counts and with formulas, and no model is below it."""

import math
from functools import cache

import numpy as np
import pytest

from pythia_course import load
from pythia_course.tiny import corpus, entropy, evaluate, likelihood, readings, sources, words
from pythia_course.tiny.dice import Dice
from pythia_course.tiny.likelihood import log_probability
from pythia_course.tiny.outcomes import every_outcome
from pythia_course.tiny.train import training_log

pytestmark = pytest.mark.usefixtures("one_thread")


class Counting(Dice):
    """Dice that add up how unlikely their throws were: nats of this one way to write a text."""

    nats = 0.0

    def below(self, n):
        self.nats += math.log(n)
        return super().below(n)

    def chance(self, p):
        fell = super().chance(p)
        self.nats -= math.log(p if fell else 1 - p)
        return fell

    def zipf(self, options):
        fell = super().zipf(options)
        self.nats += math.log(sum(1 / rank for rank in range(1, len(options) + 1))) + math.log(options.index(fell) + 1)
        return fell

    def weighted(self, shares):
        fell = super().weighted(shares)
        self.nats -= math.log(shares[fell] / sum(shares.values()))
        return fell


def drawn(source, n):
    """n documents and how unlikely the throws were that wrote them."""
    found, dice = [], Counting("floor", source)
    for _ in range(n):
        dice.nats = 0.0
        found.append((sources.SOURCES[source][0](dice), dice.nats))
    return found


@pytest.mark.parametrize("source", ["weather", "tables", "lists"])
def test_where_a_text_shows_every_throw_its_probability_is_theirs(source):
    for text, nats in drawn(source, 150):
        assert log_probability(source, text) == pytest.approx(-nats)


@pytest.mark.parametrize("source", ["stories", "dialogue", "python", "arithmetic", "echoes"])
def test_elsewhere_it_is_that_of_this_way_to_write_it_and_of_all_others(source):
    more = [log_probability(source, text) + nats for text, nats in drawn(source, 80)]
    assert min(more) > -1e-9 and max(more) > 0.1
    assert all(log_probability(source, text) < -0.1 for text, _ in drawn(source, 80))


@pytest.mark.parametrize("source", ["weather", "tables", "lists", "python", "arithmetic"])
def test_the_mean_over_documents_is_the_entropy_of_the_formula(source):
    nats = np.array([-log_probability(source, text) for text, _ in drawn(source, 600)])
    assert abs(nats.mean() - entropy.entropies()[source]) < 3.5 * nats.std() / 600**0.5


def small_world(monkeypatch):
    """A program so small that all it can write is counted: two heroes, few words, one plot."""
    for group, size in (("HEROES", 3), ("THINGS", 2), ("COLORS", 2), ("QUALITIES", 1), ("PLACES", 2), ("FOODS", 1),
                        ("ANIMALS", 1), ("HIDING", 1), ("DAYS", 1), ("FEELINGS", 1), ("MOODS", 1), ("WORRIES", 1)):
        monkeypatch.setattr(words, group, getattr(words, group)[:size])
    monkeypatch.setattr(words, "NAMES", words.NAMES[:3])

    def two_of(dice, group):
        first = dice.zipf(group)
        left = {other: 1 / rank for rank, other in enumerate(group, 1) if other != first}
        return first, dice.weighted(left)

    tale = (("{She} had {an} {adj} {thing}.", "{name} saw the {color} {thing}."), ("{friend} gave {fher} {food}.",))
    for module in (sources, readings):
        monkeypatch.setattr(module, "PLOTS", (tale, (("Now {friend} had it.",),)))
        monkeypatch.setattr(module, "OPENINGS", ("{name} went to the {place}.", "It was {name}."))
        monkeypatch.setattr(module, "ENDINGS", ("It was {fown}.", "{name} went home."))
    monkeypatch.setattr(sources, "EXCHANGES", sources.EXCHANGES[2:4])
    monkeypatch.setattr(sources, "two_of", two_of)
    for cached in (readings._groups, readings._options):
        monkeypatch.setattr(readings, cached.__name__, cache(cached.__wrapped__))


def test_a_small_world_is_counted_whole(monkeypatch):
    small_world(monkeypatch)
    counted = every_outcome(sources.story)
    assert 100 < len(counted) < 2000 and sum(counted.values()) == pytest.approx(1)
    for text, p in list(counted.items())[::7]:
        assert math.exp(log_probability("stories", text)) == pytest.approx(p), text


def test_a_dialogue_of_a_small_world_too(monkeypatch):
    small_world(monkeypatch)
    monkeypatch.setattr(Dice, "between", lambda dice, low, high: 1 + dice.below(1))
    for text, p in every_outcome(sources.dialogue).items():
        assert math.exp(log_probability("dialogue", text)) == pytest.approx(p / 3), text


def test_words_of_echoes_add_up_to_one():
    kinds = [likelihood._kind_of(word, False) for word in sources.EVERY_WORD]
    assert sum(kind["any"] for kind in kinds) == pytest.approx(1)
    assert sum(likelihood._kind_of(str(n), True)["numbers"] for n in range(1000)) == pytest.approx(1)
    syllables = [a + b for a in ("", *words.SYLLABLES) for b in words.SYLLABLES]
    assert sum(likelihood._kind_of(word, False)["syllables"] for word in syllables) == pytest.approx(2 / 3)
    capitals = {word.capitalize() for word in sources.EVERY_WORD}
    assert sum(likelihood._kind_of(word, True)["any"] for word in capitals) == pytest.approx(1)
    assert sum(likelihood._kind_of(chr(n), False)["letters"] for n in range(97, 123)) == pytest.approx(1 / 4)


def test_the_beginning_of_an_echo_is_as_likely_as_all_its_ends():
    line = "red bo 7 nami"
    ends = [math.exp(log_probability("echoes", "\n".join([line] * n))) for n in (2, 3, 4)]
    for copies, likely in ((1, sum(ends)), (2, sum(ends[1:])), (3, ends[2])):
        beginning = "\n".join([line] * copies) + "\nred bo"
        assert math.exp(log_probability("echoes", beginning, whole=False)) == pytest.approx(likely)
    with pytest.raises(ValueError, match="more than its first line is wanted"):
        log_probability("echoes", "red bo", whole=False)


@pytest.mark.parametrize("source, text", [
    ("weather", "In May the town of Glen is cold. In May the town of Glen is wet."),
    ("arithmetic", "1 + 1 = 2\n1 + 2 = 3\n2 + 2 = 4\n2 + 3 = 6"), ("stories", "Mia went home."),
    ("dialogue", '"Where is Mia?" asked Tom.'), ("python", "def f(x):\n    return x"), ("echoes", "red\nred"),
])  # fmt: skip
def test_what_the_program_never_writes_has_no_probability(source, text):
    assert log_probability(source, text) == -math.inf


def test_shares_are_those_of_the_batches():
    count = {}
    for step in range(0, 6200, 100):
        for document in corpus.batch(step).documents:
            count[document.source] = count.get(document.source, 0) + 1
    planted = count.pop("planted", 0)
    total, shares = sum(count.values()), entropy.document_shares()
    assert sum(shares.values()) == pytest.approx(1) and planted < 0.01 * total
    for source, share in shares.items():
        assert abs(count[source] / total - share) < 4 * (share / total) ** 0.5


def test_the_floor_is_of_the_very_tokens_of_the_logs():
    for source, found in entropy.floor().items():
        ids = evaluate.evaluation_documents()[source]
        assert found.tokens.sum() == (ids[:, 1:] >= 0).sum()
        assert (found.nats > 0).all() and found.loss == pytest.approx(found.nats.sum() / found.tokens.sum())


# ------------------------------------------------------------------------------------------ models above it


@pytest.mark.parametrize("name, seed", [("tiny-pythia-91k", 0), ("tiny-pythia", 1), ("tiny-pythia-5m", 0)])
def test_no_model_is_below_it(name, seed):
    above = entropy.above_floor(load(name, seed=seed).model, seed)
    log = training_log(name if seed == 0 else f"{name}-seed{seed}")
    for source, (loss, stderr) in above.items():
        assert loss > -3 * stderr, source
        assert loss == pytest.approx(log[f"loss_{source}"][-1] - entropy.floor(seed)[source].loss, abs=0.01)


def logged(name, seed, source):
    return training_log(name, seed)[f"loss_{source}"][-1] - entropy.floor(seed)[source].loss


BIG = [("tiny-pythia-26m", 0), *(("tiny-pythia-5m", seed) for seed in (0, 1, 2))]


@pytest.mark.parametrize("name, seed", BIG)
def test_nor_are_those_of_which_only_the_log_ships(name, seed):
    assert all(-0.002 < logged(name, seed, source) < 0.05 for source in sources.SOURCES)


def test_a_floor_that_is_wrong_would_be_found_out(monkeypatch):
    """Were the program thought to draw its towns and foods evenly, every large model would be below the least."""
    monkeypatch.setattr(likelihood, "zipf", lambda options: dict.fromkeys(options, 1 / len(options)))
    entropy.floor.cache_clear()
    try:
        below = [logged(name, seed, source) for name, seed in BIG for source in ("weather", "tables")]
        assert max(below) < -0.015
    finally:
        entropy.floor.cache_clear()


def test_the_whole_corpus_is_the_mean_by_tokens():
    shares = {source: entropy.together({s: float(s == source) for s in sources.SOURCES}) for source in sources.SOURCES}
    assert sum(shares.values()) == pytest.approx(1)
    count = np.zeros(len(corpus.SOURCE_NAMES))
    for step in range(0, 6200, 200):
        count += np.bincount(corpus.batch(step).sources.ravel(), minlength=len(count))
    for source, share in shares.items():
        assert share == pytest.approx(count[corpus.SOURCE_NAMES.index(source)] / count.sum(), abs=0.04)
