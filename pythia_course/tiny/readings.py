"""How likely a story or a dialogue is: all ways to read it as the program's sentences, their chances added up.

What a text does not show, such as a story's animal that is never named, counts in full: all it could have been.
"""

import math
import re
from functools import cache
from itertools import permutations

from . import sources, words
from .dice import zipf_probabilities
from .tales import ENDINGS, OPENINGS, PLOTS


def story(text):
    """The probability that `sources.story` writes this text."""
    total = 0
    for plot in PLOTS:
        slots = (OPENINGS, *plot, ENDINGS)
        ways = [(text + " ", {})]
        for choices in slots:
            ways = [way for left, facts in ways for choice in choices for way in read(choice + " ", left, facts)]
        total += sum(_weight(facts) for left, facts in ways if not left) / math.prod(map(len, (PLOTS, *slots)))
    return total


def read(template, text, facts):
    """All ways to read the beginning of a text as this sentence: [(what is left of the text, facts with the new)]."""
    literal, *more = re.split(r"\{(\w+)\}", template, maxsplit=1)
    if not text.startswith(literal):
        return []
    text = text[len(literal) :]
    if not more:
        return [(text, facts)]
    key, rest = more
    options = [facts[key]] if key in facts else _options()[key]
    fitting = [value for value in options if text.startswith(value)]
    return [end for value in fitting for end in read(rest, text[len(value) :], facts | {key: value})]


def dialogue(text):
    """The probability that `sources.dialogue` writes this text."""
    lines, share = text.split("\n"), zipf(words.NAMES)
    turns = ["\n".join(lines[place : place + 2]) for place in range(0, len(lines), 2)]
    if len(turns) > 3:
        return 0
    total = 0
    for pair in permutations([name for name in words.NAMES if name in text], 2):
        turn = [_turn(text, *(pair if place % 2 == 0 else pair[::-1])) for place, text in enumerate(turns)]
        total += share[pair[0]] * share[pair[1]] / (1 - share[pair[0]]) * math.prod(turn)
    return total / 3


def _turn(text, a, b):
    """A question and its answer between these two."""
    total = 0
    for exchange in sources.EXCHANGES:
        ways = read("\n".join(exchange), text, {"a": a, "b": b})
        total += sum(_weight(facts) for left, facts in ways if not left) / len(sources.EXCHANGES)
    return total


def _people():
    """Hero and friend, different, with their pronouns: [({what a sentence may name: text}, probability)]."""
    share, found = zipf(words.HEROES), []
    for hero, friend in permutations(words.HEROES, 2):
        facts = dict(zip(("name", "she", "her", "hers"), hero), She=hero[1].capitalize(), friend=friend[0])
        facts |= {"fshe": friend[1], "fher": friend[2], "fown": "hers" if friend[1] == "she" else "his"}
        found.append((facts, share[hero] * share[friend] / (1 - share[hero])))
    return found


@cache
def _groups():
    """What a story draws, each independent of the others: lists of (what a sentence may name, probability)."""
    adjectives = {a: 0.6 * p for a, p in zipf(words.COLORS).items()}
    adjectives |= {a: 0.4 * p for a, p in zipf(words.QUALITIES).items()}
    drawn = {
        "thing": zipf(words.THINGS), "place": zipf(words.PLACES), "animal": zipf(words.ANIMALS),
        "food": zipf(words.FOODS), "where": zipf(words.HIDING), "feel": zipf(words.FEELINGS),
        "mood": zipf(words.MOODS), "worry": zipf(words.WORRIES), "color": zipf(words.COLORS),
        "day": dict.fromkeys(words.DAYS, 1 / len(words.DAYS)),
    }  # fmt: skip
    groups = [[({key: value}, p) for value, p in options.items()] for key, options in drawn.items()]
    groups.append([({"adj": a, "an": "an" if a[0] in "aeiou" else "a"}, p) for a, p in adjectives.items()])
    return [*groups, _people()]


@cache
def _options():
    """What each name in braces may stand for."""
    found = {}
    for group in _groups():
        for facts, _ in group:
            for key, value in facts.items():
                found.setdefault(key, {})[value] = True
    return found


def _weight(facts):
    """The probability of all that was named."""
    return math.prod(
        sum(p for known, p in group if all(facts.get(key, value) == value for key, value in known.items()))
        for group in _groups()
        if any(key in facts for key in group[0][0])
    )


def zipf(options):
    """option -> the probability of `Dice.zipf`."""
    return dict(zip(options, zipf_probabilities(len(options))))
