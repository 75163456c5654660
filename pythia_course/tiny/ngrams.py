"""The simplest language models: count how often each token followed the one, two, … tokens before it."""

import numpy as np


class NGrams:
    """Next-token probabilities from counts, for every n from 1 to `longest`; n counts the predicted token too.

    A context seen c times, `strength` against c, is mixed with what the context one token shorter says, and so on down
    to all tokens alike; so no token is ever impossible, and a context never seen says what the shorter one does.
    Source: MacKay and Peto 1995, "A hierarchical Dirichlet language model".
    """

    def __init__(self, rows, longest: int, vocabulary: int = 1024, strength: float = 2.0):
        """rows: (row, position), whole numbers below `vocabulary`; nothing is counted across the end of a row."""
        rows = np.asarray(rows, dtype=np.int64)
        if not 1 <= longest <= rows.shape[1] or longest * np.log2(vocabulary) > 62:
            raise ValueError(f"n goes from 1 to the length of a row and fits into 62 bits; {longest} does not.")
        self.longest, self.vocabulary, self.strength = longest, vocabulary, strength
        self._tables = [self._count(rows, n) for n in range(1, longest + 1)]

    def _count(self, rows, n):
        """Every run of n tokens as one number, ascending, and how often each comes."""
        return np.unique(self._numbers(np.lib.stride_tricks.sliding_window_view(rows, n, axis=1)), return_counts=True)

    def _numbers(self, runs):
        """Runs of tokens (…, n) as numbers in base `vocabulary`, so that runs with the same beginning lie together."""
        return runs @ self.vocabulary ** np.arange(runs.shape[-1], dtype=np.int64)[::-1]

    def probabilities(self, contexts, n: int):
        """What the n-gram says after each context: (context, at least n - 1 tokens) -> (context, vocab), float64."""
        contexts = np.asarray(contexts, dtype=np.int64)
        if not 1 <= n <= self.longest or contexts.ndim != 2 or contexts.shape[1] < n - 1:
            raise ValueError(
                f"An n-gram here has n from 1 to {self.longest} and reads n - 1 tokens; n is {n} and the contexts have "
                f"shape {contexts.shape}."
            )
        said = np.full((len(contexts), self.vocabulary), 1 / self.vocabulary)
        for length in range(n):
            said *= self.strength
            self._add_counts(said, contexts[:, contexts.shape[1] - length :])
            said /= said.sum(1, keepdims=True)
        return said

    def _add_counts(self, said, contexts):
        """Add to each row of `said` how often each token followed its context."""
        runs, counts = self._tables[contexts.shape[1]]
        first = self._numbers(contexts) * self.vocabulary
        starts, stops = np.searchsorted(runs, first), np.searchsorted(runs, first + self.vocabulary)
        lengths = stops - starts
        row = np.repeat(np.arange(len(contexts)), lengths)
        # the places starts[0] … stops[0] - 1, starts[1] … stops[1] - 1, and so on
        place = np.arange(len(row)) + np.repeat(starts - (lengths.cumsum() - lengths), lengths)
        said[row, runs[place] % self.vocabulary] += counts[place]  # a run is in the table once, so none is lost
