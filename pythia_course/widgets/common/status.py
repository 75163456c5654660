"""A line of text in which a widget says how things stand, and what went wrong."""

import html
import traceback
from contextlib import contextmanager

import ipywidgets

from pythia_course.plots.labels import escaped

# Failures that carry a sentence for the learner; anything else is a mistake of the course or of a callback.
EXPECTED = (ValueError, OSError, MemoryError)


class Status(ipywidgets.HTML):
    """One line; everything said is escaped, so a name with `<` in it is shown and not interpreted."""

    def say(self, text):
        """Replace the line."""
        self.value = f'<span role="status">{html.escape(escaped(text))}</span>'

    def fail(self, error, after=""):
        """Say what went wrong and, for an error nobody expected, where.  after: a sentence that follows."""
        expected = isinstance(error, EXPECTED)
        sentence = str(error) if expected else f"{type(error).__name__}: {error}"
        line = html.escape(escaped(f"⚠ {sentence} {after}".strip()))
        self.value = f'<span role="alert">{line}</span>' + ("" if expected else _where(error))

    @contextmanager
    def reporting(self):
        """Show an exception here that would otherwise vanish: nobody sees what a widget's handler raises."""
        try:
            yield
        except Exception as error:
            self.fail(error)


def _where(error):
    lines = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    return f"<details><summary>Details</summary><pre>{html.escape(lines)}</pre></details>"
