"""How likely the program that writes the Tiny Pile makes a text: for each source, exactly, and without a model.

    log_probability("weather", "In May the town of Glen is wet. In June the town of Inver is hot.")

A source is a function from dice to a document, so the probability of a text is the sum over all throws that write it.
Where a text shows every throw there is one to count; where it does not (a story's animal that is never named, a word
that may be of two kinds), those that are not seen add up to 1, and those that look alike are added.
"""

import math
import re
from functools import cache

from . import sources, words
from .dice import Dice
from .outcomes import every_outcome
from .readings import dialogue, story, zipf


def log_probability(source, text, whole=True):
    """ln of the probability that this source writes this text; -inf where it does not.

    whole: False for the beginning of an echo, which a row of the evaluation may cut behind its first line.
    """
    p = _echo(text, whole) if source == "echoes" else _PROBABILITY[source](text)
    return math.log(p) if p > 0 else -math.inf


def _weather(text):
    towns, p, found = zipf(words.TOWNS), 1 / 4, _lines(r"In (\w+) the town of (\w+) is (\w+)\. ", text + " ")
    for month, town, word in found:
        p *= towns.get(town, 0) / 12 * (sources.true_weather(month).get(word, 0) if month in words.SEASON else 0)
    return p if 2 <= len(found) <= 5 else 0


def _lines(form, text):
    """What stands in the brackets of this form, line by line; nothing where a text is not all of this form."""
    return re.findall(form, text) if re.fullmatch(f"({form})+", text) else []


def _arithmetic(text):
    number, p, found = zipf(sources.NUMBERS), 1 / 5, _lines(r"(\d+) ([+-]) (\d+) = (\d+)\n", text + "\n")
    for a, sign, b, result in found:
        a, b, plus = int(a), int(b), sign == "+"
        orders = 1 if plus or a == b else 2  # the larger comes first, whichever was drawn first
        p *= (0.7 if plus else 0.3) * number.get(a, 0) * number.get(b, 0) * orders
        p *= int(result) == (a + b if plus else a - b)
    return p if 4 <= len(found) <= 8 else 0


def _table(text):
    towns, foods, p, (title, *rows) = zipf(words.TOWNS), zipf(words.FOODS), 1 / 4, text.split("\n")
    found = _lines(r"(\w+) \| (\d+) \| (\w+) \| (\w+)\n", "".join(row + "\n" for row in rows))
    names = {name for name, *_ in found} & set(words.NAMES[:16])
    for place, (_, age, town, food) in enumerate(found):
        p *= (5 <= int(age) <= 12) / (16 - place) / 8 * towns.get(town, 0) * foods.get(food, 0)
    return p if title == "name | age | town | likes" and 3 <= len(names) == len(found) <= 6 else 0


def _listing(text):
    if text in _orders():
        return _orders()[text]
    title = re.fullmatch(r"(\w+) must (bring|buy):\n((?:- .+\n)+)", text + "\n")
    if not title:
        return 0
    name, kind, items = title.groups()
    p, items = zipf(words.NAMES).get(name, 0) / 5, items.removeprefix("- ").removesuffix("\n").split("\n- ")
    if kind == "buy":
        return p * _sampled(items, words.FOODS, 7)
    colors, (shades, things) = zipf(words.COLORS), zip(*(item.removeprefix("the ").split(" ") for item in items))
    return p * _sampled(things, words.THINGS, 6) * math.prod(colors.get(shade, 0) for shade in shades)


def _sampled(items, group, most):
    """Of drawing these, three to `most`, one after another and none twice."""
    possible = 3 <= len(items) <= most and len(set(items) & set(group)) == len(items)
    return possible / (most - 2) / math.perm(len(group), len(items))


@cache
def _orders():
    """The lists that only count, or name days or months in order: {text: probability}."""
    kinds = [every_outcome(lambda dice, kind=kind: sources.listing(_Told(dice, kind))) for kind in ORDERED]
    return {text: p / 5 for kind in kinds for text, p in kind.items()}


ORDERED = ("days", "months", "count")


class _Told(Dice):
    """Dice whose first pick is known, and the rest as those underneath fall."""

    def __init__(self, dice, first):
        self.dice, self.first = dice, first

    def pick(self, options):
        first, self.first = self.first, None
        return first if first else self.dice.pick(options)

    def below(self, n):
        return self.dice.below(n)

    def zipf(self, options):
        return self.dice.zipf(options)


@cache
def _functions():
    return every_outcome(sources.python)


# ------------------------------------------------------------------------------------------------- echoes


def _echo(text, whole):
    """The first line is drawn word by word, the others are free but for their number, two to four."""
    line, *copies = text.split("\n")
    drawn, n = line.split(" "), len(copies) + 1
    if not whole:
        if len(copies) == 0 or any(copy != line for copy in copies[:-1]) or not line.startswith(copies[-1]):
            raise ValueError(f"Of an echo more than its first line is wanted, but {text!r} came.")
        return _line(drawn) * (5 - max(n, 2)) / 3  # so many copies or more
    return _line(drawn) / 3 if 2 <= n <= 4 and set(copies) == {line} else 0


def _line(drawn):
    if not 3 <= len(drawn) <= 12:
        return 0
    plain, capital = (math.prod(_kind_of(word, big)["mixed"] for word in drawn) * 0.03 for big in (False, True))
    for kind, share in (("any", 0.44), ("syllables", 0.32), ("letters", 0.12), ("numbers", 0.09)):
        plain += share * math.prod(_kind_of(word, False)[kind] for word in drawn)
        capital += share * math.prod(_kind_of(word, True)[kind] for word in drawn)
    return (0.85 * plain + 0.15 * capital) / 10


_SYLLABLES = f"({'|'.join(words.SYLLABLES)}){{1,3}}"


@cache
def _kind_of(word, capital):
    """kind -> how likely its next word is this one; capital: once its first letter was made large."""
    before = [word]
    if capital:
        before = [w for w in {word.lower(), *sources.EVERY_WORD} if w.capitalize() == word]
    kinds = {
        "any": sum(w in sources.EVERY_WORD for w in before) / len(sources.EVERY_WORD),
        "syllables": sum(1 / 3 / 70 ** (len(w) // 2) for w in before if re.fullmatch(_SYLLABLES, w)),
        "letters": sum(1 / 4 / 26 ** len(w) for w in before if re.fullmatch("[a-z]{1,4}", w)),
        "numbers": sum(1 / 1000 for w in before if re.fullmatch("0|[1-9][0-9]{0,2}", w)),
    }
    return kinds | {"mixed": sum(kinds.values()) / 4}


_PROBABILITY = {
    "stories": story, "dialogue": dialogue, "python": lambda text: _functions().get(text, 0), "tables": _table,
    "arithmetic": _arithmetic, "lists": _listing, "weather": _weather,
}  # fmt: skip
