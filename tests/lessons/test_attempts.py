"""The file of attempts: several writers, a kill at any moment, a full disk, lines that are damaged or of the future."""

import errno
import json
import multiprocessing
import os
import random
from time import sleep

import pytest

from pythia_course.lessons import attempts
from pythia_course.lessons.attempts import PASSED, RESET, TRIED

POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="Windows has no fork, no SIGKILL, no limit of a file's size")


@pytest.fixture
def path(tmp_path):
    return tmp_path / attempts.FILE


def write(path, name, times):
    for number in range(times):
        attempts.add(path, attempts.now(TRIED, f"{name}.{number}", "a_lesson", "c" * 64))


def started(function, *arguments):
    """A process of its own that does this; its exit code is 1 if it ends with an error."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def test_a_line_is_small_readable_and_has_no_name_of_a_person(path):
    attempts.add(path, attempts.now(PASSED, "versus.sink", "pythia_vs_gpt2", "cell-65"))
    (line,) = path.read_text(encoding="utf-8").splitlines()
    said = json.loads(line)
    assert said.keys() == {"v", "at", "did", "check", "lesson", "cell", "course"} and len(line) < 200
    assert said["at"].endswith("+00:00") and said["v"] == attempts.FORMAT
    for own in (os.environ.get("USER", ""), os.environ.get("HOME", "")):
        assert not own.strip("/") or own not in line.replace('"lesson"', "")


def test_what_was_added_is_read_and_of_no_file_nothing(path):
    assert attempts.read(path) == attempts.Record() and not path.exists()
    added = [attempts.now(did, "versus.sink", "pythia_vs_gpt2", "cell-65") for did in (TRIED, PASSED, RESET)]
    for attempt in added:
        attempts.add(path, attempt)
    assert attempts.read(path) == attempts.Record(added)


@POSIX_ONLY
def test_several_kernels_at_once_lose_no_line(path):
    writers = [started(write, path, name, 300) for name in "abcd"]
    for process in writers:
        process.join()
        assert process.exitcode == 0
    record = attempts.read(path)
    assert record.damaged == 0 and len(record.attempts) == 1200
    for name in "abcd":
        own = [attempt.check for attempt in record.attempts if attempt.check.startswith(name)]
        assert own == [f"{name}.{number}" for number in range(300)]
    assert len({attempt.check[0] for attempt in record.attempts[:900]}) > 1, "they did not write at once"


@POSIX_ONLY
def test_killed_at_any_moment_the_file_reads_and_goes_on(path):
    dice = random.Random(12)
    for turn in range(3):
        writers = [started(write, path, f"{turn}{name}", 10**9) for name in "ab"]
        while not path.exists() or not all(f"{turn}{name}.9".encode() in path.read_bytes() for name in "ab"):
            sleep(0.01)
        for process in writers:
            sleep(dice.uniform(0, 0.03))
            process.kill()
            process.join()
    record = attempts.read(path)
    assert record.damaged <= 6  # at most the line that each was at
    for name in (f"{turn}{letter}" for turn in range(3) for letter in "ab"):
        own = [attempt.check for attempt in record.attempts if attempt.check.startswith(name)]
        assert own == [f"{name}.{number}" for number in range(len(own))] and len(own) >= 10
    attempts.add(path, last := attempts.now(PASSED, "versus.sink"))
    assert attempts.read(path).attempts == [*record.attempts, last]


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_after_a_torn_line_the_next_is_whole(path, cut):
    first, second, third = (attempts.now(TRIED, name) for name in ("a.a", "b.b", "c.c"))
    attempts.add(path, first)
    attempts.add(path, second)
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 1 - cut)
    attempts.add(path, third)
    assert attempts.read(path) == attempts.Record([first, third], damaged=1)


def write_with_limit(path, most):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        write(path, "b", 1)
    except OSError as error:
        os._exit(3 if error.errno in (errno.EFBIG, errno.ENOSPC) and error.strerror else 4)


@POSIX_ONLY
@pytest.mark.parametrize("room", [0, 50])
def test_on_a_full_disk_the_system_s_word_comes_through_and_nothing_before_is_lost(path, room):
    attempts.add(path, first := attempts.now(PASSED, "a.a"))
    most = path.stat().st_size + room
    process = started(write_with_limit, path, most)
    process.join()
    assert process.exitcode == 3
    assert attempts.read(path) == attempts.Record([first], damaged=int(room > 0))
    attempts.add(path, third := attempts.now(PASSED, "c.c"))
    assert attempts.read(path).attempts == [first, third]


NOON = "2026-11-28T12:00:00+00:00"
GOOD = {"v": 1, "at": NOON, "did": "tried", "check": "a.a", "lesson": "", "cell": "", "course": ""}


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"[]", b"3", b"null", b'"v"', b"\xff\xfe\x00", b"\0" * 300, b"[" * 100_000, b"{}", b'{"v": "1"}',
        json.dumps(without("check")).encode(), json.dumps(GOOD | {"check": 3}).encode(),
        json.dumps(GOOD | {"at": "yesterday"}).encode(), json.dumps(GOOD | {"at": "2026-11-28T09:15:02"}).encode(),
        json.dumps(GOOD | {"did": "bribed"}).encode(), json.dumps(GOOD | {"lesson": ["a"]}).encode(),
    ],
    ids=range(16),
)  # fmt: skip
def test_a_damaged_line_is_skipped_and_counted_and_those_around_it_count(path, line):
    good = json.dumps(GOOD).encode()
    path.write_bytes(good + b"\n\n" + line + b"\r\n" + good)
    record = attempts.read(path)
    assert len(record.attempts) == 2 and (record.damaged, record.newer) == (1, 0)


def test_a_file_of_a_later_version_is_read_as_far_as_it_is_understood_and_added_to(path):
    more = json.dumps(GOOD | {"mood": "cheerful"})
    path.write_text(f'{more}\n{{"v": 2, "task": 7}}\n', encoding="utf-8")
    attempts.add(path, attempts.now(PASSED, "b.b"))
    record = attempts.read(path)
    assert [attempt.check for attempt in record.attempts] == ["a.a", "b.b"]
    assert (record.damaged, record.newer) == (0, 1) and '"task": 7' in path.read_text(encoding="utf-8")
