"""Models by name and step in the page: fetched when first asked for, one at a time, and the oldest forgotten."""

import json
import subprocess

import pytest
from support.live import NODE, ROOT


@pytest.fixture(scope="module")
def found():
    done = subprocess.run([NODE, str(ROOT / "tests/live/shelf.mjs")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_slider_fetches_the_first_and_the_last_of_what_it_passes(found):
    assert found["slid"] == [None, None, None, None, "m@8  p"]
    assert found["fetched"] == ["fetch m@0", "load m@0", "fetch m@8", "load m@8"]
    assert found["again"] == "m@8  p"


def test_two_channels_do_not_wait_for_each_other_and_the_oldest_is_forgotten(found):
    assert found["others"] == ["m@0 left p", "m@16 right p"]
    assert found["forgot"].count("forget m@8") == 1 and "fetch m@16" in found["forgot"]


def test_what_could_not_be_fetched_is_tried_again(found):
    assert found["error"] == "no such model" and found["retried"] == "gone@1  p"
