"""What the files of tests cost in processor time: recorded when asked for, and the dearest begun first.

    python -m pytest tests notebooks --nbval --nbval-current-env --costs      records, and lists the dearest

The last file that a worker begins is a cheap one then, so that the others do not wait long for it.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

RECORD = Path(__file__).with_suffix(".json")  # {file: seconds of all its processes}
UNKNOWN = 10  # seconds, of a file that was never recorded
QUICK = 5  # seconds: what `--quick` runs costs no more


def recorded():
    return json.loads(RECORD.read_text(encoding="utf-8"))


def file_of(nodeid):
    return nodeid.partition("::")[0]


def dearest_first(items):
    """Sort tests in place: files by what they cost, the order within a file as it is."""
    seconds = recorded()
    items.sort(key=lambda item: -seconds.get(file_of(item.nodeid), UNKNOWN))


def is_quick(nodeid):
    return recorded().get(nodeid, UNKNOWN) <= QUICK


class Recorder:
    """A pytest plugin: each worker measures its own tests, the session that hears of them all adds up."""

    def __init__(self, nursery):
        self.nursery, self.seconds, self.tests = nursery, Counter(), Counter()

    def spent(self):
        """Processor seconds of this process and of all that it has started and seen end."""
        return sum(os.times()[:4]) + self.nursery.seconds

    def pytest_runtest_logstart(self):
        self.before = self.spent()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if call.when == "teardown":
            report.processor_seconds = self.spent() - self.before
        return report

    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":
            self.tests[report.nodeid] += report.processor_seconds
            self.seconds[file_of(report.nodeid)] += report.processor_seconds

    def pytest_terminal_summary(self, terminalreporter):
        old = {name: cost for name, cost in recorded().items() if Path(name).exists()}
        costs = old | {name: round(cost, 1) for name, cost in self.seconds.items()}
        RECORD.write_text(json.dumps(dict(sorted(costs.items())), indent=1) + "\n", encoding="utf-8")
        terminalreporter.section(f"{sum(self.seconds.values()):.0f} processor seconds; the dearest files and tests")
        for counted in (self.seconds, self.tests):
            for name, cost in counted.most_common(20):
                terminalreporter.write_line(f"{cost:7.1f} s  {name}")
