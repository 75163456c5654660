"""n-grams against counting in plain Python, one context at a time."""

from collections import Counter

import numpy as np
import pytest

from pythia_course.tiny.ngrams import NGrams

VOCABULARY, STRENGTH = 7, 1.5
ROWS = np.random.RandomState(0).randint(0, VOCABULARY - 1, (9, 12))  # the last token never comes


def by_hand(context, n):
    """The same probabilities, from the definition."""
    if n == 0:
        return np.full(VOCABULARY, 1 / VOCABULARY)
    tail = tuple(context[len(context) - (n - 1) :])
    followers = Counter()
    for row in ROWS.tolist():
        for end in range(n - 1, len(row)):
            if tuple(row[end - (n - 1) : end]) == tail:
                followers[row[end]] += 1
    counts = np.array([followers[token] for token in range(VOCABULARY)])
    return (counts + STRENGTH * by_hand(context, n - 1)) / (counts.sum() + STRENGTH)


@pytest.fixture(scope="module")
def ngrams():
    return NGrams(ROWS, 4, VOCABULARY, STRENGTH)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_probabilities_are_those_of_counting_by_hand(ngrams, n):
    contexts = np.random.RandomState(1).randint(0, VOCABULARY, (40, 5))
    said = ngrams.probabilities(contexts, n)
    np.testing.assert_allclose(said, [by_hand(context.tolist(), n) for context in contexts])
    np.testing.assert_allclose(said.sum(1), 1)
    assert said.min() > 0


def test_a_context_never_seen_says_what_the_shorter_one_does(ngrams):
    unseen = [[1, VOCABULARY - 1, 3]]
    np.testing.assert_allclose(ngrams.probabilities(unseen, 3), ngrams.probabilities(unseen, 2), rtol=1e-12)
    assert not np.allclose(ngrams.probabilities(unseen, 2), ngrams.probabilities(unseen, 1))


def test_nothing_is_counted_across_the_end_of_a_row():
    said = NGrams([[0, 1], [2, 3]], 2, 4, strength=1e-9).probabilities([[0], [1], [2]], 2)
    np.testing.assert_allclose(said, [[0, 1, 0, 0], [0.25] * 4, [0, 0, 0, 1]], atol=1e-6)


def test_runs_of_the_course_s_vocabulary_fit_up_to_six():
    rows = np.full((1, 8), 1023)
    assert NGrams(rows, 6).probabilities([[1023] * 5], 6)[0].argmax() == 1023
    with pytest.raises(ValueError, match="7 does not"):
        NGrams(rows, 7)


@pytest.mark.parametrize(("contexts", "n"), [([[1, 2]], 0), ([[1, 2]], 5), ([[1]], 3), ([1, 2], 2)])
def test_what_it_cannot_read_is_refused_in_words(ngrams, contexts, n):
    with pytest.raises(ValueError, match="n from 1 to 4"):
        ngrams.probabilities(contexts, n)
