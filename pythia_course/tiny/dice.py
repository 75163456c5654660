"""Chance that is the same on every machine.

Only `random.Random(str)` and its `.random()` are used: the one stream that Python promises to keep between versions.
"""

import random
from bisect import bisect
from functools import cache
from itertools import accumulate


class Dice:
    """Reproducible choices. The key (any strings and numbers) is the whole state: same key, same choices."""

    def __init__(self, *key):
        self.random = random.Random("/".join(map(str, key))).random

    def below(self, n):
        """A whole number from 0 to n - 1, all alike."""
        return int(self.random() * n)

    def between(self, low, high):
        """A whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, p):
        """True with probability p."""
        return self.random() < p

    def pick(self, options):
        """One of the options, all alike."""
        return options[self.below(len(options))]

    def zipf(self, options):
        """One of the options; the r-th comes with probability proportional to 1 / r (Zipf's law)."""
        return options[bisect(_zipf_table(len(options)), self.random())]

    def weighted(self, shares):
        """A key of the dict `shares`, with probability proportional to its value."""
        table = list(accumulate(shares.values()))
        return list(shares)[bisect(table, self.random() * table[-1])]

    def sample(self, options, n):
        """n different options, in random order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(n)]


def zipf_probabilities(n):
    """The n probabilities behind `Dice.zipf`, most frequent first."""
    weights = [1 / rank for rank in range(1, n + 1)]
    total = sum(weights)
    return [w / total for w in weights]


@cache
def _zipf_table(n):
    table = list(accumulate(zipf_probabilities(n)))
    table[-1] = 1.0  # rounding must not leave a gap at the end
    return table
