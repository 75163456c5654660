"""The training written anew without tokens holds every document of the real batches, in order."""

import re

import pytest

from pythia_course.tiny import corpus, sums


@pytest.mark.parametrize("step", [0, 700, 2065, 4620, 6199])
def test_a_batch_is_the_beginning_of_what_is_written_anew(step):
    made = [document for document in corpus.batch(step).documents if document.source != "planted"]
    anew = list(sums._documents(step, corpus.SEED))
    assert anew[: len(made)] == made and len(anew) == sums.MOST_DOCUMENTS


def test_some_of_those_steps_have_planted_sentences_and_some_have_none():
    assert {bool(corpus.planted_at(step)) for step in (0, 700, 2065, 4620, 6199)} == {True, False}


def test_every_sum_of_the_batches_is_found_and_nothing_is_invented():
    steps = 40
    texts = [d.text for step in range(steps) for d in corpus.batch(step).documents if d.source == "arithmetic"]
    lines = [line for text in texts for line in text.split("\n") if "+" in line]
    in_batches = {tuple(map(int, re.split(r" [+=] ", line)[:2])) for line in lines}
    found = sums.readable_sums(steps)
    assert in_batches <= found and len(found) < 1.3 * len(in_batches)
    assert all(1 <= a <= 100 and 1 <= b <= 100 for a, b in found)
    assert found > sums.readable_sums(10)


def test_differences_are_found_too():
    found = sums.readable_sums(10, sign="-")
    assert found and all(a >= b for a, b in found)
    assert any(f"{a} - {b} = {a - b}" in d.text for a, b in found for d in corpus.batch(0).documents)
