"""As many parts of a run as a time allows, drawn by lot, so that a run here and a run there look at everything.

    python -m pytest tests/browser --until 1795880000      nothing is begun after that second since 1970

A part is what one worker goes through at a stretch: an `xdist_group`, or a file.
"""

import random
from time import time

import pytest


def part_of(item):
    """The name of the part that a test belongs to."""
    mark = item.get_closest_marker("xdist_group")
    return mark.args[0] if mark else item.path.name


def file_of(item):
    return item.path.as_posix()


class Lot:
    """A pytest plugin.  until: seconds since 1970, which are the lot as well: all workers draw the same order."""

    def __init__(self, until):
        self.until, self.begun = until, set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        """Files by lot, and so the parts of a file: what they share is set up once."""
        ranks = [sorted({part(item) for item in items}) for part in (file_of, part_of)]
        for rank in ranks:
            random.Random(self.until).shuffle(rank)
        items.sort(key=lambda item: (ranks[0].index(file_of(item)), ranks[1].index(part_of(item))))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        part = part_of(item)
        if part not in self.begun and time() > self.until:
            pytest.skip("no time was left for it: `make browser` goes through everything")
        self.begun.add(part)

    def pytest_terminal_summary(self, terminalreporter):
        told = [report for kind in ("passed", "failed", "error") for report in terminalreporter.stats.get(kind, [])]
        gone_through = sorted({report.nodeid.rpartition("@")[2] for report in told})
        terminalreporter.write_line(f"Gone through in the time there was: {', '.join(gone_through) or 'nothing'}.")
