"""A prediction beside what came out: how far off it was and in which direction, and nothing before there is one."""

import re

import numpy as np

from pythia_course.checks.answers import as_array, candidates, is_missing, shown, shown_number
from pythia_course.checks.verdict import Verdict

NO_GUESS = "No guess yet: put yours where the three dots are and run the cell again."


def compare(guess, answer, tolerance=0.05):
    """Put a prediction beside what came out. Without a guess the answer stays folded; that is no error.

    guess: a number, a text, a list or array of these, or `...` for none.  answer: what the notebook computed.
    tolerance: how far off, as a share of the answer, still counts as close.
    """
    if is_missing(guess) or (isinstance(guess, str) and not guess.strip()):
        return Verdict(0, NO_GUESS, folded=f"It is {shown(answer)}.", waiting=True)
    close, how_far = _beside(guess, answer, tolerance)
    if how_far == SAME:
        return Verdict(1, f"You guessed {shown(guess)}, and so it is.")
    return Verdict(close, f"You guessed {shown(guess)}; it is {shown(answer)}{how_far}.")


SAME = "the same"


def _beside(guess, answer, tolerance):
    """(1 where it is close, what to say of the distance)."""
    if isinstance(answer, str):
        same = isinstance(guess, str) and _letters(guess) == _letters(answer)
        return same, SAME if same else ""
    target = as_array(answer)
    if target is None:
        return _things_beside(guess, answer)
    target = np.squeeze(target)
    given = [np.squeeze(values) for values in candidates(guess)]
    fitting = [values for values in given if values.shape == target.shape]
    if not fitting:
        wanted = "one number" if target.ndim == 0 else f"{target.size} numbers, of shape {target.shape}"
        return 0, f", which is {wanted}" if given else ""
    nearest = min(fitting, key=lambda values: np.abs(values - target).sum())
    return _number_beside(nearest, target, tolerance) if target.ndim == 0 else _array_beside(nearest, target, tolerance)


def _letters(text):
    """A text without what one may write either way: case, quotation marks, spaces, hyphens."""
    return re.sub(r"[\s_␣-]+", " ", text.casefold()).strip(" .'\"“”‘’")


def _number_beside(value, target, tolerance):
    if value == target:
        return 1, SAME
    if not (np.isfinite(value) and np.isfinite(target)):
        return 0, ""
    off = f"{shown_number(float(abs(value - target)))} too {'low' if value < target else 'high'}"
    if abs(value - target) <= tolerance * abs(target):
        return 1, f": very close, {off}"
    small, large = sorted((abs(value), abs(target)))
    factor = f", a factor of {shown_number(float(f'{large / small:.2g}'))}" if 0 < 2 * small <= large else ""
    return 0, f": {off}{factor if value * target > 0 else ''}"


def _array_beside(values, target, tolerance):
    off = np.abs(values - target)
    if not off.any():
        return 1, SAME
    right = off <= tolerance * np.abs(target)
    if right.all():
        return 1, f": very close, {shown_number(float(off.max()))} off at most"
    if not np.isfinite(off).all():
        return 0, f": {right.sum()} of {right.size} right, and some are no finite numbers"
    place = np.unravel_index(off.argmax(), off.shape)
    direction = "low" if values[place] < target[place] else "high"
    where = ", ".join(map(str, map(int, place)))
    return 0, (
        f": {right.sum()} of {right.size} right, and number {where}, counted from 0, is "
        f"{shown_number(float(off[place]))} too {direction}"
    )


def _things_beside(guess, answer):
    """Of what is no number: whether they are the same, and of two lists of words how many are."""
    words = _words(guess), _words(answer)
    if None in words:
        same = isinstance(guess, type(answer)) and _equal(guess, answer)
        return same, SAME if same else ""
    given, right = words
    if given == right:
        return 1, SAME
    found = len(set(given) & set(right))
    order = ", in another order" if sorted(given) == sorted(right) else ""
    return 0, f": {found} of {len(set(right))} right{order}"


def _words(value):
    if isinstance(value, list | tuple) and value and all(isinstance(word, str) for word in value):
        return [_letters(word) for word in value]
    return None


def _equal(a, b):
    try:
        return bool(a == b)
    except Exception:  # arrays, whose comparison is an array, and objects that will not be compared
        return False
