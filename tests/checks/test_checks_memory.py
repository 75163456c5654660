"""Lesson 08's checks: right answers in every form pass, and each known mistake is named."""

import numpy as np
import pytest
import torch

from pythia_course.checks import memory
from pythia_course.checks.verdict import NOT_YET

SENTENCES = ("The glass piano plays.", "The violet boat sinks.")


def says(verdict, mark, words):
    assert float(verdict) == mark and words in verdict.message, verdict
    return True


class Reciter:
    """A model that goes on with the first sentence wherever its beginning is read, a character a token."""

    def __init__(self, sentence=SENTENCES[0]):
        self.sentence, self.model = sentence, self

    class tokenizer:
        eos_token_id = 0

        def __new__(cls, text):
            return {"input_ids": [ord(letter) for letter in text]}

        @staticmethod
        def decode(ids):
            return "".join(map(chr, ids))

    def generate(self, ids, **options):
        read = len(ids[0]) - 1  # without the end of text in front
        said = [ord(letter) for letter in self.sentence[read:]][: options["max_new_tokens"]]
        return torch.tensor([[*ids[0].tolist(), *said, 0]])


CHECKS = {
    "chance_of_reciting": lambda answer: memory.chance_of_reciting(answer, 28, 0.05),
    "extra_fall": memory.extra_fall,
    "extra_fall, returned": lambda answer: memory.extra_fall(lambda a, b, c, d: answer),
    "recited": lambda answer: memory.recited(answer, Reciter(), SENTENCES),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    "answer",
    [..., None, "no idea", object(), [], {}, np.nan, [[1, 2], [3]], [1, 2, 3], "", (1, 2)],
    ids=lambda answer: repr(answer)[:10],
)
def test_no_check_raises_or_accepts_nonsense(check, answer):
    verdict = check(answer)
    assert verdict == 0 and verdict.message


# --------------------------------------------------------------------------------------- the chance of reciting


@pytest.mark.parametrize("form", [float, np.float32, torch.tensor, lambda x: [x], lambda x: f"{x:.3f}"])
def test_the_chance_of_reciting_takes_any_form(form):
    assert says(memory.chance_of_reciting(form(np.exp(-1.4)), 28, 0.05), 1, "probabilities multiply")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.exp(-0.05), "of one token"),
        (1 - np.exp(-1.4), "at least one of them is another"),
        (1.4, "loss of all the tokens together"),
        (2**-1.4, "in nats"),
        (0.95**28, "only its beginning"),
        (100 * np.exp(-1.4), "between 0 and 1"),
        (0.5, "should be smaller"),
        (..., NOT_YET),
    ],
)
def test_the_chance_of_reciting_names_the_mistake(answer, words):
    assert says(memory.chance_of_reciting(answer, 28, 0.05), 0, words)


# ------------------------------------------------------------------------------- the fall beyond that of others


@pytest.mark.parametrize("form", [float, torch.tensor, np.float32, lambda x: [x]])
def test_extra_fall_takes_any_form(form):
    assert says(memory.extra_fall(lambda a, b, c, d: form((a - b).mean() - (c - d).mean())), 1, "Right")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda a, b, c, d: (c - d).mean() - (a - b).mean(), "The sign"),
        (lambda a, b, c, d: (a - b).mean(), "seen batches alone"),
        (lambda a, b, c, d: (c - d).mean(), "new batches alone"),
        (lambda a, b, c, d: d.mean() - b.mean(), "after training only"),
        (lambda a, b, c, d: (a - b).mean() + (c - d).mean(), "added the two falls"),
        (lambda a, b, c, d: (a - b).mean() / (c - d).mean(), "how many times more"),
        (lambda a, b, c, d: (a - b) - (c - d), "stopped with ValueError"),
        (lambda a, b, c, d: a - b, "one number"),
        (lambda a, b: 0, "stopped with TypeError"),
        (lambda a, b, c, d: None, "returns nothing yet"),
        (3.0, "wants the function itself"),
    ],
)
def test_extra_fall_names_the_mistake(wrong, words):
    assert says(memory.extra_fall(wrong), 0, words)


# ----------------------------------------------------------------------------------------------------- recited


def test_a_beginning_after_which_the_sentence_comes_is_right():
    assert says(memory.recited("The", Reciter(), SENTENCES), 1, "3 tokens are enough for “The glass piano plays.”")


@pytest.mark.parametrize(
    ("prompt", "lm", "words"),
    [
        ("A glass", Reciter(), "No planted sentence begins"),
        ("the", Reciter(), "No planted sentence begins"),
        ("", Reciter(), "No planted sentence begins"),
        ("The glass", Reciter(), "9 tokens away, and 4 are allowed"),
        ("The ", Reciter("The glass piano is out of tune."), "goes another way: “The glass piano is out of tune"),
        ("The ", Reciter(SENTENCES[0] + " Again"), "goes another way"),
        (7, Reciter(), "quotation marks"),
        (..., Reciter(), NOT_YET),
    ],
)
def test_recited_names_the_mistake(prompt, lm, words):
    assert says(memory.recited(prompt, lm, SENTENCES), 0, words)


def test_recited_with_a_real_model():
    from pythia_course import load
    from pythia_course.tiny import corpus

    lm, plan = load("tiny-pythia"), corpus.planting()
    often = next(sentence for sentence, steps in plan.items() if len(steps) == 256 and steps[-1] > 6000)
    start = corpus.decode(corpus.encode(often)[:3])
    assert says(memory.recited(start, lm, plan), 1, often)
    rare = next(sentence for sentence, steps in plan.items() if len(steps) == 1 and sentence.startswith("Professor"))
    assert says(memory.recited(rare[:6], lm, plan), 0, "goes another way")
