"""What a check returns, and how an answer is compared with the right one and with the mistakes one knows."""

import html
import sys

import numpy as np

from pythia_course.checks.answers import MOST, as_array, candidates, is_missing, kind, shortened

LONGEST = 600  # characters of a sentence
NOT_YET = "Not answered yet: put your answer where the three dots are and run the cell again."


class Verdict(float):
    """1.0 for a right answer, 0.0 for one that is not right yet: a sentence to read, a number to grade with."""

    def __new__(cls, mark, message, *, code="", folded="", waiting=False):
        """mark: 0 to 1.  message: one sentence for the learner.  code: lines shown below it, in fixed width.

        folded: what a click shows and the plain text does not have.  waiting: nothing was judged, so no ✓ and no ✗.
        """
        self = super().__new__(cls, mark)
        self.message, self.code = shortened(str(message), LONGEST), code
        self.folded, self.waiting = folded, waiting
        self.check = _check_at_work()
        return self

    def __repr__(self):
        sign = "○" if self.waiting else "✓" if self == 1 else "✗"
        return f"{sign} {self.message}" + (f"\n{self.code}" if self.code else "")

    __str__ = __repr__

    def _repr_html_(self):
        color = "#888888" if self.waiting else "#009E73" if self == 1 else "#D55E00"
        style = f"border-left:4px solid {color};padding:2px 8px;max-width:60em;overflow-wrap:anywhere"
        return f'<div role="status" style="{style}">{self._inner_html()}</div>'

    def _inner_html(self):
        first, *lines = repr(self).split("\n")
        inner = html.escape(first)
        if lines:
            code = html.escape("\n".join(lines))
            inner += f'<pre style="white-space:pre-wrap;margin:4px 0 0 0">{code}</pre>'
        if self.folded:
            summary = '<summary style="cursor:pointer">Show the answer</summary>'
            inner += f"<details>{summary}{html.escape(self.folded)}</details>"
        return inner


def _check_at_work():
    """The check that makes a verdict, as a learner calls it: "versus.sink", "compare"; "" where none does."""
    frame, found = sys._getframe(2), ""
    while frame is not None and (module := str(frame.f_globals.get("__name__"))).startswith(ROOM):
        found = f"{module.removeprefix(ROOM)}.{frame.f_code.co_name}"
        frame = frame.f_back
    return found.removeprefix("guesses.")


ROOM = f"{__package__}."


def unanswered():
    """The verdict on three dots."""
    return Verdict(0, NOT_YET, waiting=True)


def judge(answer, right, praise, mistakes=(), tolerance=1e-3):
    """Compare an answer (number, list, array, tensor, or text of a number) with the right one and with known mistakes.

    right, and the first of each mistake: numbers or arrays.  mistakes: (value, sentence) pairs, the likeliest first.
    tolerance: relative, to the largest entry of what is compared with.
    """
    if is_missing(answer):
        return unanswered()
    wanted = np.squeeze(as_array(right))
    given = candidates(answer, MOST + wanted.size)
    if any(_close(values, wanted, tolerance) for values in given):
        return Verdict(1, praise)
    for value, sentence in mistakes:
        if any(_close(values, value, tolerance) for values in given):
            return Verdict(0, sentence)
    if not given:
        return Verdict(0, f"This check wants {_described(wanted.shape)}; {_what_came(answer)} came.")
    fitting = [np.squeeze(values) for values in given if np.squeeze(values).shape == wanted.shape]
    if not fitting:
        came = _described(np.squeeze(given[0]).shape)
        return Verdict(0, f"This check wants {_described(wanted.shape)}; {came} came.")
    return Verdict(0, "Not yet. " + _direction(fitting[0], wanted))


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


def _described(shape):
    return f"an array of shape {shape}" if shape else "one number"


def _what_came(answer):
    shape = getattr(answer, "shape", None)
    if kind(answer) in ("an array", "a tensor") and shape is not None and np.prod([float(n) for n in shape]) > MOST:
        return f"an array of shape {tuple(shape)}"
    return f"{kind(answer)}, which is no number or array,"
