"""Which sums a tiny model may have read: its whole training written anew, without cutting it into tokens."""

import re
from functools import cache

from pythia_course.machine.bars import bar

from .corpus import CONTEXT, ROWS, STEPS, planted_at, training_document
from .dice import Dice

# Documents of a batch, planted sentences aside. How many fit shows only when they are cut into tokens, which takes five
# times as long; the most in any of the 6,200 batches is 96.
MOST_DOCUMENTS = 100
_SUM = re.compile(r"^(\d+) ([+-]) (\d+) =", re.MULTILINE)


def readable_sums(steps: int = STEPS, seed: int = 0, sign: str = "+") -> set[tuple[int, int]]:
    """The pairs (a, b) whose "a + b" (or "a - b", by `sign`) may have been read before step `steps`; no other was.

    A few sums too many are in it: those of documents for which a batch had no room left.
    """
    return set(_readable(steps, seed)[sign])


@cache
def _readable(steps, seed):
    """The sums and the differences: {sign: pairs}."""
    found = {"+": set(), "-": set()}
    with bar(steps, "Writing the Tiny Pile anew") as shown:
        for step in range(steps):
            for document in _documents(step, seed):
                if document.source == "arithmetic":
                    for a, sign, b in _SUM.findall(document.text):
                        found[sign].add((int(a), int(b)))
            shown.update()
    return found


def _documents(step, seed):
    """The documents of a batch in order, without the planted ones, and some more that had no room."""
    dice = Dice("tiny pile", seed, step)
    for _ in planted_at(step, seed):
        dice.below(ROWS * CONTEXT // 2)  # as `corpus.batch` draws a place for each, before the first document
    for _ in range(MOST_DOCUMENTS):
        yield training_document(dice)
