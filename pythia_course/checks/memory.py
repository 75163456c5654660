"""Checks of lesson 08, memorisation."""

import numpy as np

from pythia_course.checks.answers import is_missing, kind
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered


def chance_of_reciting(answer, tokens, loss):
    """The probability of drawing so many tokens exactly.  loss: mean over these tokens, in nats per token."""
    right = np.exp(-tokens * loss)
    mistakes = [
        (np.exp(-loss), f"That is the probability of one token; {tokens} have to come."),
        (1 - right, "That is the probability that at least one of them is another."),
        (tokens * loss, "That is the loss of all the tokens together, in nats; which probability has this loss?"),
        (2.0 ** (-tokens * loss), "The loss is in nats: exp, and not a power of 2."),
        ((1 - loss) ** tokens, "Nearly: a loss of x nats is the probability exp(−x), and 1 − x is only its beginning."),
        (100 * right, "In 100; as a probability, it is between 0 and 1."),
    ]
    return judge(answer, right, "Right: losses add up, so that probabilities multiply.", mistakes, 2e-3)


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
