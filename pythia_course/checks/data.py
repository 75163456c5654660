"""Checks of lesson 07, open training data."""

import numpy as np

from pythia_course.checks.answers import as_array, is_missing, kind
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered


def tokens_seen(answer, step, rows, context):
    """How many predictions the checkpoint at a step has learned from.  rows, context: of one batch."""
    right = step * rows * context
    mistakes = [
        ((step + 1) * rows * context, "You counted batch N as well: the checkpoint at step N has seen 0 … N - 1."),
        (step * rows * (context + 1), "A row has one token more than it has predictions: its first is only read."),
        (step * rows, "That is the number of rows; each holds many predictions."),
        (rows * context, "That is one batch."),
    ]
    return judge(answer, right, "Right: so many tokens were predicted until then, each of them once.", mistakes, 1e-9)


def where(answer, step, shard_size, rows=1024, row=2049):
    """(shard, byte in it) at which a step's batch of the real Pile begins.  shard_size: bytes."""
    start = step * rows * row * 2
    mistakes = [
        (divmod(step * rows * (row - 1) * 2, shard_size), "Rows are one token longer than the context: 2,049."),
        (divmod(start // 2, shard_size), "That counts tokens; each of them takes two bytes."),
        (divmod((step + 1) * rows * row * 2, shard_size), "That is where the batch ends: steps count from 0."),
        (divmod(step * row * 2, shard_size), "That is one row a step; a step has 1,024 of them."),
        (divmod(start, shard_size)[::-1], "The right two numbers the other way round: the shard first, then the byte."),
        ((start // shard_size + 1, start % shard_size), "The byte is right; shards count from 0."),
        ((start // shard_size, start), "The shard is right; count the byte from the shard's own beginning."),
    ]
    praise = "Right: one range request from there, and no download of 600 GB."
    return judge(answer, divmod(start, shard_size), praise, mistakes, 0)


def extra_fall(function):
    """A learner's extra_fall(seen_before, seen_after, new_before, new_after), each an array of losses, a batch each."""
    draws = np.random.RandomState(0)
    seen_before, new_before = draws.uniform(2, 3, 5), draws.uniform(2, 3, 7)  # not equally many, on purpose
    seen_after, new_after = seen_before - draws.uniform(0.3, 0.5, 5), new_before - draws.uniform(0.1, 0.2, 7)
    result, trouble = run(function, *(losses.copy() for losses in (seen_before, seen_after, new_before, new_after)))
    if trouble is not None:
        return trouble
    seen, new = (seen_before - seen_after).mean(), (new_before - new_after).mean()
    mistakes = [
        (new - seen, "The sign: a loss falls by before minus after, and more on the seen should come out positive."),
        (seen, "That is the fall on the seen batches alone: take away what fell on the new ones too."),
        (new, "That is the fall on the new batches alone."),
        (
            new_after.mean() - seen_after.mean(),
            "That compares the two after training only; one kind may have been easier before it.",
        ),
        (seen + new, "You added the two falls; their difference is wanted."),
        (seen / new, "That is how many times more it fell; the difference in nats is wanted."),
    ]
    return judge(result, seen - new, "Right: what fell on the seen beyond what fell on everything.", mistakes, 1e-6)


def divergence(function):
    """A learner's divergence(p, q): KL(p‖q) in nats, of probabilities some of which are 0 in p."""
    p, q = np.array([0.5, 0.25, 0.25, 0.0]), np.array([0.2, 0.4, 0.1, 0.3])
    result, trouble = run(function, p.copy(), q.copy())
    if trouble is not None:
        return trouble
    some = p > 0
    right = (p[some] * np.log(p[some] / q[some])).sum()
    values = as_array(result)
    if values is not None and np.isnan(values).any():
        return Verdict(0, "It is not a number: where p is 0, 0 · log 0 counts as 0. Leave those places out.")
    mistakes = [
        (right / np.log(2), "That is in bits; np.log, and not np.log2, gives nats."),
        ((q[some] * np.log(q[some] / p[some])).sum(), "The other way round: weigh by p, what is true."),
        (-right, "The sign: a divergence is never negative."),
        (-(p[some] * np.log(q[some])).sum(), "That is the cross-entropy; take the entropy of p off it."),
        (-(p[some] * np.log(p[some])).sum(), "That is the entropy of p; q does not come in yet."),
        (right / 4, "That is a mean; add the terms up."),
        (right / 3, "That is a mean; add the terms up."),
        (np.abs(p - q).sum() / 2, "That is the total variation distance, another way to compare the two."),
    ]
    return judge(result, right, "Right: 0 only where the two agree.", mistakes, 1e-6)


def bigram(function, vocabulary=5):
    """A learner's bigram(rows, vocabulary): (token, next token), how often in 100 the second follows the first."""
    rows = np.array([[0, 1, 2, 1], [3, 1, 2, 0], [1, 1, 3, 2], [2, 0, 4, 1]])
    result, trouble = run(function, rows.copy(), vocabulary)
    if trouble is not None:
        return trouble
    counts, line = (_pairs(some, vocabulary) for some in (rows, rows.reshape(1, -1)))
    right = _each_row_to_one(counts)
    mistakes = [
        (counts, "Those are counts: divide each row by its sum."),
        (right.T, "Rows and columns are the wrong way round: the first token chooses the row."),
        (counts / counts.sum(), "You divided by the sum of all; each row, one first token, adds up to 1."),
        (counts / counts.sum(0, keepdims=True), "You made the columns add up to 1; the rows should."),
        (_each_row_to_one(line), "You counted a pair across the end of a row, where the text was cut."),
        (_each_row_to_one(np.minimum(counts, 1)), "Each pair counted once: `counts[a, b] += 1` adds 1 to a place that "
         "comes twice in a and b only once. `np.add.at` adds each time."),
    ]  # fmt: skip
    return judge(result, right, "Right: a language model of one line, and each row adds up to 1.", mistakes, 1e-6)


def _pairs(rows, vocabulary):
    counts = np.zeros((vocabulary, vocabulary))
    np.add.at(counts, (rows[:, :-1], rows[:, 1:]), 1)
    return counts


def _each_row_to_one(counts):
    return counts / counts.sum(1, keepdims=True)


def recited(prompt, lm, sentences, at_most=4):
    """A beginning of at most so many tokens after which a model, always taking its likeliest token, ends a sentence.

    sentences: those that were planted in its training.
    """
    if is_missing(prompt):
        return unanswered()
    if not isinstance(prompt, str):
        return Verdict(0, f"A beginning is a text in quotation marks; {kind(prompt)} came.")
    begun = [sentence for sentence in sentences if prompt and sentence.startswith(prompt)]
    if not begun:
        return Verdict(0, "No planted sentence begins like this, to the letter: corpus.planting() lists them.")
    size = len(lm.tokenizer(prompt)["input_ids"])
    if size > at_most:
        return Verdict(0, f"That gives {size} tokens away, and {at_most} are allowed: the model should do the work.")
    said = prompt + _continued(lm, prompt)
    if said in begun:
        return Verdict(1, f"Right: {size} tokens are enough for “{said}”")
    same = max(_same(said, sentence) for sentence in begun)
    return Verdict(0, f"It goes another way: “{said[: same + 20]} …” Was this sentence seen often, and lately?")


def _continued(lm, prompt, longest=60):
    """What the model writes after `<|endoftext|>` and the prompt, up to the next `<|endoftext|>`."""
    import torch

    end = lm.tokenizer.eos_token_id
    ids = torch.tensor([[end, *lm.tokenizer(prompt)["input_ids"]]])
    written = lm.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=longest, do_sample=False, pad_token_id=end
    )
    new = written[0, ids.shape[1] :].tolist()
    return lm.tokenizer.decode(new[: new.index(end)] if end in new else new)


def _same(a, b):
    """How many characters two texts have in common from their beginning on."""
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
