"""What a check returns, and how an answer is compared with the right one and with the mistakes one knows."""

import html

import numpy as np


class Verdict(float):
    """1.0 for a right answer, 0.0 for one that is not right yet: a sentence to read, a number to grade with."""

    def __new__(cls, mark, message):
        """mark: 0 to 1.  message: one sentence for the learner."""
        self = super().__new__(cls, mark)
        self.message = message
        return self

    def __repr__(self):
        return ("✓ " if self == 1 else "✗ ") + self.message

    __str__ = __repr__

    def _repr_html_(self):
        color = "#009E73" if self == 1 else "#D55E00"
        return (
            f'<div role="status" style="border-left:4px solid {color};padding:2px 8px">{html.escape(repr(self))}</div>'
        )


NOT_YET = "Not answered yet: put your answer where the three dots are and run the cell again."


def compare(guess, answer, tolerance=0.05):
    """Put a prediction beside what came out. An unmade guess is no error.

    guess: a number, a text, or `...` for none.  answer: what the notebook computed.
    tolerance: how far off, as a share of the answer, still counts as close.
    """
    shown = _shown(answer)
    if _is_missing(guess):
        return Verdict(0, f"No guess yet. It is {shown}.")
    if _same(guess, answer):
        return Verdict(1, f"You said {_shown(guess)}, and so it is.")
    numbers = [_number(guess), _number(answer)]
    if None in numbers:
        return Verdict(0, f"You said {_shown(guess)}; it is {shown}.")
    if abs(numbers[0] - numbers[1]) <= tolerance * abs(numbers[1]):
        return Verdict(1, f"You said {_shown(guess)}; it is {shown}: very close.")
    return Verdict(
        0, f"You said {_shown(guess)}; it is {shown}, {'less' if numbers[1] < numbers[0] else 'more'} than you said."
    )


def judge(answer, right, praise, mistakes=(), tolerance=1e-3):
    """Compare an answer (number, list, array or tensor) with the right one and with known mistakes.

    right, and the first of each mistake: numbers or arrays.  mistakes: (value, sentence) pairs, the likeliest first.
    tolerance: relative, to the largest entry of what is compared with.
    """
    if _is_missing(answer):
        return Verdict(0, NOT_YET)
    values = as_array(answer)
    if values is None:
        kind = type(answer).__name__
        return Verdict(
            0, f"This check wants {_wanted(right)}; what came is of type {kind}, which is no number or array."
        )
    if _close(values, right, tolerance):
        return Verdict(1, praise)
    for value, sentence in mistakes:
        if _close(values, value, tolerance):
            return Verdict(0, sentence)
    wanted = np.squeeze(as_array(right))
    if np.squeeze(values).shape != wanted.shape:
        return Verdict(0, f"This check wants {_wanted(right)}; what came has shape {values.shape}.")
    return Verdict(0, "Not yet. " + _direction(np.squeeze(values), wanted))


def run(function, *arguments):
    """(result, None) of a learner's function, or (None, Verdict) where there is none or it stops with an error."""
    if _is_missing(function):
        return None, Verdict(0, NOT_YET)
    if not callable(function):
        return None, Verdict(
            0, f"This check wants the function itself, without brackets; a {type(function).__name__} came."
        )
    try:
        result = function(*arguments)
    except Exception as error:  # whatever the learner's code does, the check says it in words
        return None, Verdict(0, f"Your function stopped with {type(error).__name__}: {error}")
    if _is_missing(result):
        return None, Verdict(0, "Your function returns nothing yet: replace its three dots, and end it with return.")
    return result, None


def as_array(answer):
    """An answer as a float64 array, or None where it cannot be one."""
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu()
        answer = answer.float() if answer.is_floating_point() else answer
    if isinstance(answer, str):
        answer = answer.replace(",", "").replace("_", "")
    try:
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        return None


def _close(values, target, tolerance):
    values, target = np.squeeze(values), np.squeeze(as_array(target))
    if values.shape != target.shape or not np.isfinite(values).all():
        return False
    return bool(np.abs(values - target).max(initial=0) <= tolerance * max(np.abs(target).max(initial=0), 1e-12))


def _direction(values, wanted):
    if not np.isfinite(values).all():
        return "There is an infinite number, or one that is not a number, in it."
    if wanted.ndim:
        return "The shape is right, the numbers are not."
    return "It should be larger." if values < wanted else "It should be smaller."


def _wanted(right):
    shape = np.squeeze(as_array(right)).shape
    return f"an array of shape {shape}" if shape else "one number"


def _is_missing(answer):
    return answer is ... or answer is None


def _same(guess, answer):
    if isinstance(guess, str) and isinstance(answer, str):
        return guess.strip(" ␣").casefold() == answer.strip(" ␣").casefold()
    try:
        return bool(guess == answer)
    except (TypeError, ValueError, RuntimeError):  # arrays, whose comparison is an array
        return False


def _number(value):
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _shown(value):
    if isinstance(value, str):
        return repr(value)
    number = _number(value)
    if number is None or isinstance(value, bool) or not np.isfinite(number):
        return str(value)
    return f"{int(number):,}" if number == int(number) and abs(number) >= 1 else f"{number:.3g}"
