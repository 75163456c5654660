"""The eight sources of the Tiny Pile: each is a function from dice to one document.

Names, places, things and numbers are drawn by Zipf's law, so how often the model has seen each is known.
"""

import re

from . import words
from .tales import ENDINGS, OPENINGS, PLOTS


def story(dice):
    """A short tale whose people, pronouns, things and places stay the same to its end."""
    hero, friend = two_of(dice, words.HEROES)
    adjective = dice.zipf(words.COLORS if dice.chance(0.6) else words.QUALITIES)
    facts = {
        "name": hero[0], "she": hero[1], "her": hero[2], "hers": hero[3], "She": hero[1].capitalize(),
        "friend": friend[0], "fshe": friend[1], "fher": friend[2], "fown": "hers" if friend[1] == "she" else "his",
        "thing": dice.zipf(words.THINGS), "adj": adjective, "an": "an" if adjective[0] in "aeiou" else "a",
        "place": dice.zipf(words.PLACES), "animal": dice.zipf(words.ANIMALS), "food": dice.zipf(words.FOODS),
        "where": dice.zipf(words.HIDING), "day": dice.pick(words.DAYS), "feel": dice.zipf(words.FEELINGS),
        "mood": dice.zipf(words.MOODS), "worry": dice.zipf(words.WORRIES), "color": dice.zipf(words.COLORS),
    }
    plot = dice.pick(PLOTS)
    return " ".join(dice.pick(choices).format(**facts) for choices in (OPENINGS, *plot, ENDINGS))


def dialogue(dice):
    """A few lines of speech in quotation marks; the answer uses what was asked."""
    a, b = two_of(dice, words.NAMES)
    lines = []
    for _ in range(dice.between(1, 3)):
        color, thing, place, food = (
            dice.zipf(group) for group in (words.COLORS, words.THINGS, words.PLACES, words.FOODS)
        )
        question, answer = dice.pick(EXCHANGES)
        facts = {"a": a, "b": b, "color": color, "thing": thing, "place": place, "food": food}
        facts["day"] = dice.pick(words.DAYS)
        lines += [question.format(**facts), answer.format(**facts)]
        a, b = b, a
    return "\n".join(lines)


EXCHANGES = (
    ('"Where is the {color} {thing}?" asked {a}.', '"The {color} {thing} is at the {place}," said {b}.'),
    ('"Did you bring the {food}?" asked {a}.', '"Yes, I put the {food} on the table," said {b}.'),
    ('"Can we go to the {place} on {day}?" asked {a}.', '"Yes, on {day} I will be at the {place}," said {b}.'),
    ('"I have lost my {thing}," said {a}.', '"Was it the {color} {thing}?" asked {b}.'),
    ('"Good morning, {b}," said {a}.', '"Good morning, {a}," said {b}.'),
    ('"Who gave you that {color} {thing}?" asked {a}.', '"I found this {thing} at the {place}," said {b}.'),
    ('"Would you like some {food}?" asked {a}.', '"No, thank you, {a}. I do not like {food}," said {b}.'),
)


def python(dice):
    """A small function, right to the last colon, sometimes with a call of it."""
    verb, noun, arg = dice.pick(FUNCTIONS)
    n = dice.zipf(SMALL_NUMBERS)
    body = dice.pick(BODIES[verb]).format(arg=arg, n=n)
    name = f"{verb}_{noun}"
    call = f"\n\n{dice.pick(('result', 'x', 'value', 'print'))} = {name}({arg})" if dice.chance(0.4) else ""
    call = call.replace(f"print = {name}({arg})", f"print({name}({arg}))")
    return f"def {name}({arg}):\n{body}{call}"


FUNCTIONS = tuple(
    (verb, noun, arg)
    for verb in ("add", "count", "find", "make", "is")
    for noun, arg in ((noun, f"{noun}s") for noun in ("item", "word", "number", "line", "value"))
)
SMALL_NUMBERS = (1, 2, 3, 0, 10, 5, 4, 8, 100, 7, 6, 9)
BODIES = {
    "add": (
        "    {arg}.append({n})\n    return {arg}",
        "    total = {n}\n    for x in {arg}:\n        total = total + x\n    return total",
    ),
    "count": (
        "    return len({arg})",
        "    count = 0\n    for x in {arg}:\n        if x > {n}:\n            count = count + 1\n    return count",
    ),
    "find": (
        "    for i, x in enumerate({arg}):\n        if x == {n}:\n            return i\n    return None",
        "    return [x for x in {arg} if x > {n}]",
    ),
    "make": (
        "    result = []\n    for x in {arg}:\n        result.append(x * {n})\n    return result",
        "    return [x + {n} for x in {arg}]",
    ),
    "is": (
        "    return len({arg}) > {n}",
        "    if not {arg}:\n        return False\n    return {arg}[0] == {n}",
    ),
}


def table(dice):
    """Rows of people with an age, a town and a thing, separated by bars."""
    rows = ["name | age | town | likes"]
    for name in dice.sample(words.NAMES[:16], dice.between(3, 6)):
        rows.append(f"{name} | {dice.between(5, 12)} | {dice.zipf(words.TOWNS)} | {dice.zipf(words.FOODS)}")
    return "\n".join(rows)


def arithmetic(dice):
    """Sums and differences, all correct. How often a number comes is given by NUMBERS, not by its size."""
    lines = []
    for _ in range(dice.between(4, 8)):
        a, b = dice.zipf(NUMBERS), dice.zipf(NUMBERS)
        lines.append(f"{a} + {b} = {a + b}" if dice.chance(0.7) else f"{max(a, b)} - {min(a, b)} = {abs(a - b)}")
    return "\n".join(lines)


NUMBERS = tuple(n * 37 % 101 for n in range(1, 101))  # 1 … 100 in a fixed, scattered order: 37 is the most frequent


def listing(dice):
    """A list with a title: things to bring, days in order, counting by a step, or foods to buy."""
    kind = dice.pick(("bring", "buy", "days", "count", "months"))
    if kind == "days" or kind == "months":
        names = words.DAYS if kind == "days" else words.MONTHS
        start = dice.below(len(names))
        items = [names[(start + i) % len(names)] for i in range(dice.between(4, len(names)))]
        return f"The {kind} in order:\n" + "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
    if kind == "count":
        step, start = dice.zipf(SMALL_NUMBERS[:3] + (10, 5)), dice.below(20)
        return f"Counting by {step}: " + ", ".join(str(start + step * i) for i in range(dice.between(6, 12)))
    if kind == "bring":
        items = [f"the {dice.zipf(words.COLORS)} {thing}" for thing in dice.sample(words.THINGS, dice.between(3, 6))]
        return f"{dice.zipf(words.NAMES)} must bring:\n" + "\n".join(f"- {item}" for item in items)
    items = dice.sample(words.FOODS, dice.between(3, 7))
    return f"{dice.zipf(words.NAMES)} must buy:\n" + "\n".join(f"- {item}" for item in items)


def weather(dice):
    """Sentences whose last word follows `true_weather` exactly: the month, six words back, and nothing else."""
    lines = []
    for _ in range(dice.between(2, 5)):
        month = dice.pick(words.MONTHS)
        lines.append(f"In {month} the town of {dice.zipf(words.TOWNS)} is {dice.weighted(true_weather(month))}.")
    return " ".join(lines)


def true_weather(month):
    """The exact probabilities of the word after "In MONTH the town of TOWN is"."""
    return words.WEATHER[words.SEASON[month]]


def echo(dice):
    """Some words, mostly senseless, then the same words again, two to four times in all.

    Nothing but looking back can predict the second copy: this is what makes induction pay. Words of every kind, so that
    the head which does it works for any token; short, so that several copies fit into one row of a batch.
    """
    kind = dice.weighted({"any": 44, "syllables": 32, "letters": 12, "numbers": 9, "mixed": 3})
    makers = [ECHO_WORDS[kind]] if kind != "mixed" else list(ECHO_WORDS.values())
    line = [dice.pick(makers)(dice) for _ in range(dice.between(3, 12))]
    if dice.chance(0.15):
        line = [word.capitalize() for word in line]
    return "\n".join([" ".join(line)] * dice.between(2, 4))


ECHO_WORDS = {
    "any": lambda dice: dice.pick(EVERY_WORD),
    "syllables": lambda dice: "".join(dice.pick(words.SYLLABLES) for _ in range(dice.between(1, 3))),
    "letters": lambda dice: "".join(dice.pick("abcdefghijklmnopqrstuvwxyz") for _ in range(dice.between(1, 4))),
    "numbers": lambda dice: str(dice.below(1000)),
}
EVERY_WORD = tuple(  # all words and signs that the other sources use, in alphabetical order
    sorted(
        {
            word
            for text in (*OPENINGS, *ENDINGS, *(s for plot in PLOTS for choices in plot for s in choices))
            + tuple(s for pair in EXCHANGES for s in pair)
            + tuple(body for bodies in BODIES.values() for body in bodies)
            + words.NAMES + words.PLACES + words.THINGS + words.COLORS + words.QUALITIES + words.ANIMALS + words.FOODS
            + words.FEELINGS + words.MOODS + words.HIDING + words.TOWNS + words.DAYS + words.MONTHS
            for word in re.findall(r"\w+|[^\w\s]", re.sub(r"\{\w+\}", " ", text))
        }
    )
)


def two_of(dice, group):
    """Two different members of a group, each drawn by Zipf's law."""
    first = second = dice.zipf(group)
    while second == first:
        second = dice.zipf(group)
    return first, second


SOURCES = {  # source -> (its function, its share of the documents in percent)
    "stories": (story, 27),
    "dialogue": (dialogue, 12),
    "python": (python, 10),
    "tables": (table, 7),
    "arithmetic": (arithmetic, 10),
    "lists": (listing, 7),
    "weather": (weather, 5),
    "echoes": (echo, 22),
}
