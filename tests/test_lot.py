"""As much of `make browser` as there is time for: drawn alike by every worker, in whole parts, nothing begun late."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from support import lot


def item(file, group=None):
    mark = SimpleNamespace(args=[group]) if group else None
    return SimpleNamespace(path=Path(file), get_closest_marker=lambda _: mark)


GROUPS = [item("a", f"a{part}") for _ in range(3) for part in range(6)]
ITEMS = [*GROUPS, *(item(name) for name in "bcd" for _ in range(2))]


def drawn(until):
    items = ITEMS.copy()
    lot.Lot(until).pytest_collection_modifyitems(items)
    return [lot.part_of(one) for one in items]


def test_the_same_lot_gives_the_same_order_and_another_another():
    assert drawn(1) == drawn(1) and len({tuple(drawn(until)) for until in range(20)}) > 15
    assert {drawn(until)[0][0] for until in range(40)} == set("abcd")


def test_no_part_and_no_file_is_torn_apart():
    for until in range(20):
        for seen in (drawn(until), [part[0] for part in drawn(until)]):
            changes = sum(one != other for one, other in zip(seen, seen[1:]))
            assert changes == len(set(seen)) - 1


def test_what_is_begun_in_time_is_gone_through_and_nothing_is_begun_late(monkeypatch):
    plugin, clock = lot.Lot(100), iter([99, 101, 101])
    monkeypatch.setattr(lot, "time", lambda: next(clock))
    plugin.pytest_runtest_setup(item("a", "a0"))
    plugin.pytest_runtest_setup(item("a", "a0"))
    for late in (item("a", "a1"), item("b")):
        with pytest.raises(pytest.skip.Exception, match="no time was left for it: `make browser`"):
            plugin.pytest_runtest_setup(late)
