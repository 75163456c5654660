"""Arrays in, numbers out. Attention is (..., query, key): any layers, heads or batches in front stay in front."""

import numpy as np


def previous_token_scores(attention):
    """Mean weight on the token just before, over every position that has one. (..., query, key) -> (...)."""
    attention = np.asarray(attention)
    return np.diagonal(attention, offset=-1, axis1=-2, axis2=-1).mean(-1)


def induction_scores(attention, period):
    """Mean weight from a token's second occurrence to the token after its first. (..., query, key) -> (...).

    The prompt is `period` tokens and then the same again: position i of the second copy should look at i - period + 1.
    Source: Olsson et al. 2022, "In-context learning and induction heads".
    """
    attention = np.asarray(attention)
    length = attention.shape[-1]
    if not 1 < period <= length // 2:
        raise ValueError(
            f"A sequence of {length} tokens cannot hold two copies of {period}; give the length of one copy."
        )
    stripe = np.diagonal(attention, offset=1 - period, axis1=-2, axis2=-1)  # entry k is (query k + period - 1, key k)
    return stripe[..., 1 : period + 1].mean(-1)


def first_token_scores(attention):
    """Mean weight on the first token ("attention sink"), over every later position. (..., query, key) -> (...)."""
    return np.asarray(attention)[..., 1:, 0].mean(-1)


def best_head(scores):
    """The (layer, head) with the highest score, and that score. scores: (layer, head); ValueError where one is nan."""
    scores = np.asarray(scores)
    if np.isnan(scores).any():
        layer, head = np.argwhere(np.isnan(scores))[0]
        raise ValueError(
            f"The score of head ({layer}, {head}) is nan, so there is no best head: look at what it was computed from; "
            "a prompt of one token gives a head nothing to look back at."
        )
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    return int(layer), int(head), float(scores[layer, head])


def repeated_random_tokens(vocabulary, period=32, copies=2, rows=16, seed=0, first=2):
    """Random token ids, then the same again: (rows, period * copies). Ids below `first`, special ones, are left out."""
    row = np.random.RandomState(seed).randint(first, vocabulary, (rows, period))
    return np.tile(row, copies)


def token_losses(logits, ids):
    """Loss in nats of each token given those before it. logits (position, vocab), ids (position) -> (position - 1)."""
    logits, ids = np.asarray(logits, np.float64)[:-1], np.asarray(ids)[1:]
    top = logits.max(-1, keepdims=True)
    log_sums = top[..., 0] + np.log(np.exp(logits - top).sum(-1))
    return log_sums - np.take_along_axis(logits, ids[:, None], -1)[:, 0]


def divergences(log_p, log_q):
    """KL divergence of q from p, nats: what it costs to expect q where p is true. Logarithms (..., vocab) -> (...)."""
    log_p, log_q = np.asarray(log_p), np.asarray(log_q)
    if log_p.shape != log_q.shape:
        raise ValueError(f"Both need one shape, the vocabulary last; {log_p.shape} and {log_q.shape} came.")
    found = np.empty(log_p.shape[:-1])
    for place in np.ndindex(found.shape):  # one distribution at a time stays in the processor's cache
        p, q = log_p[place].astype(np.float64), log_q[place].astype(np.float64)
        found[place] = np.exp(p) @ (p - q)
    return found[()]


def probe_accuracies(features, labels, learned, judged, ridge=1.0):
    """Share of the judged examples that linear probes get right, one probe for each column of labels.

    features: (example, width).  labels: (example, task), true or false.  learned, judged: (example), which examples the
    probes are fitted to and which they are judged on.  ridge: penalty on the weights.  Back: (task).
    The probe is least squares on ±1 after each feature was brought to mean 0 and variance 1.
    """
    features, signs = np.asarray(features, np.float64), 2.0 * np.asarray(labels, bool) - 1
    learned, judged = np.asarray(learned, bool), np.asarray(judged, bool)
    if not learned.any() or not judged.any() or (learned & judged).any():
        raise ValueError("A probe needs examples to learn from and others to be judged on: none may be in both.")
    mean, spread = features[learned].mean(0), features[learned].std(0)
    features = np.c_[(features - mean) / np.where(spread > 1e-6, spread, 1), np.ones(len(features))]
    known = features[learned]
    penalty = ridge * np.eye(features.shape[1])
    weights = np.linalg.solve(known.T @ known + penalty, known.T @ signs[learned])
    return ((features[judged] @ weights > 0) == (signs[judged] > 0)).mean(0)
