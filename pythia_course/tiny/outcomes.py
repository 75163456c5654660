"""All that a function of dice can return, and how likely each is, by trying every throw: for what has few outcomes."""

from .dice import Dice, zipf_probabilities


def every_outcome(function):
    """All that a function of dice can return: {outcome: probability}, by trying every throw in turn."""
    found, throws = {}, []
    while throws is not None:
        dice = _Scripted(throws)
        outcome = function(dice)
        found[outcome] = found.get(outcome, 0) + dice.probability
        throws = dice.following()
    return found


class _Scripted(Dice):
    """Dice that fall as they are told, then always on their first side; they know how likely all of it was."""

    def __init__(self, throws):
        self.told, self.fell, self.sides, self.probability = throws, [], [], 1.0

    def _fall(self, probabilities):
        side = self.told[len(self.fell)] if len(self.fell) < len(self.told) else 0
        self.fell.append(side)
        self.sides.append(len(probabilities))
        self.probability *= probabilities[side]
        return side

    def below(self, n):
        return self._fall([1 / n] * n)

    def chance(self, p):
        return self._fall([p, 1 - p]) == 0

    def zipf(self, options):
        return options[self._fall(zipf_probabilities(len(options)))]

    def weighted(self, shares):
        return list(shares)[self._fall([share / sum(shares.values()) for share in shares.values()])]

    def following(self):
        """The throws to try next, None after the last."""
        for place in reversed(range(len(self.fell))):
            if self.fell[place] + 1 < self.sides[place]:
                return [*self.fell[:place], self.fell[place] + 1]
        return None
