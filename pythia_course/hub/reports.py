"""How a download says how far it is: to a function of the caller's, or by a bar that leaves nothing behind."""

import sys
from collections.abc import Callable
from contextlib import contextmanager

from pythia_course.machine.bars import bar

Progress = Callable[[int, int], None]  # bytes done, bytes in all


class Report:
    """Counts bytes, and tells nobody; the others tell."""

    def __init__(self):
        self.done = self.total = 0

    def expect(self, total: int) -> None:
        """Say how many bytes will come."""
        self.total = total

    def add(self, count: int) -> None:
        """Say that so many more bytes have come."""
        if count > 0:
            self.done = min(self.done + count, self.total)
            self.show()

    def show(self) -> None:
        """Tell how far it is."""

    def waiting(self, seconds: int) -> None:
        """Tell that the hub asks for patience, and for how long still; called once a second."""

    def close(self) -> None:
        """Leave no trace on the screen."""


@contextmanager
def reporting(progress: Progress | None, title: str):
    """The Report of a download: to `progress` where that is given, else to the terminal or notebook one looks at."""
    report = _Told(progress) if progress else _Shown(title)
    try:
        yield report
    finally:
        report.close()


def in_patience(seconds: int) -> str:
    """What to say while a busy hub makes one wait."""
    return f"the hub is busy and asks to wait, going on in {seconds} s"


class _Told(Report):
    """Calls the function of the caller; if that has a method `waiting`, it hears of the seconds to wait."""

    def __init__(self, progress: Progress):
        super().__init__()
        self._progress = progress

    def show(self):
        self._progress(self.done, self.total)

    def waiting(self, seconds):
        if tell := getattr(self._progress, "waiting", None):
            tell(seconds)


class _Shown(Report):
    """A bar; where nobody looks at one, as in a log file, a line when there is a wait."""

    def __init__(self, title: str):
        from huggingface_hub.utils import are_progress_bars_disabled

        super().__init__()
        self._title, self._waited = title, False
        self._bar = bar(0, title, show=not are_progress_bars_disabled())
        self._bar.unit, self._bar.unit_scale = "B", True

    def expect(self, total):
        super().expect(total)
        self._bar.reset(total)

    def show(self):
        if self._waited:
            self._waited = False
            self._bar.tell("")
        self._bar.update(self.done - self._bar.n)

    def waiting(self, seconds):
        if self._bar.disable and not self._waited:
            print(f"{self._title}: {in_patience(seconds)}", file=sys.stderr)
        self._waited = True
        self._bar.tell(in_patience(seconds))

    def close(self):
        self._bar.close()
