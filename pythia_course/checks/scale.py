"""Checks of lesson 13, what size buys."""

import numpy as np

from pythia_course import suite
from pythia_course.checks.answers import as_array, is_missing
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered


def without_embeddings(answer, name):
    """How many parameters a model of the suite has in its layers and its last LayerNorm."""
    spec = suite.SUITE[name]
    counts, total = suite.parameters(spec), suite.total(spec)
    right = suite.without_embeddings(spec)
    mistakes = [
        (total, "Those are all of them, both tables included."),
        (total - counts["embedding"], "One table is still in it: the output matrix is another of the same size."),
        (total - right, "Those are the embeddings. The others are asked for."),
        (right / total, "That is the share. How many are they?"),
        (right - counts["layernorms"], "The LayerNorms are no embeddings: count them in."),
    ]
    return judge(answer, right, f"Right: {right / total:.0%} of its {total:,} parameters.", mistakes, 1e-6)


def last_word(answer, probabilities):
    """The least mean loss on a word with these probabilities, word -> p: their entropy, in nats."""
    p = np.array(list(probabilities.values()))
    right = -(p * np.log(p)).sum()
    mistakes = [
        (-right, "The sign is the other way round: ln p is negative, and a loss is not."),
        (right / np.log(2), "That is in bits; np.log gives nats."),
        (-np.log(p.max()), "That is the surprise at the likeliest word alone. The others come too, and surprise more."),
        (-np.log(p).mean(), "You took the plain mean of −ln p. Weigh each by its p: likely words come more often."),
        (np.log(len(p)), "That would be so if all were alike. They are not, which makes the next word easier."),
        (np.exp(right), "That is e to the entropy, a perplexity."),
        (0, "Nobody knows which word comes, so no model can have a loss of 0."),
    ]
    return judge(answer, right, "Right: the entropy of the true probabilities; none can be below it.", mistakes, 0.01)


# Made-up pairs: (two sizes, two losses, the floor).
_PAIRS = (((1e5, 1e6), (2.0, 1.25), 1.0), ((3e6, 1.2e7), (0.9, 0.6), 0.5))


def exponent(function):
    """A learner's exponent(sizes, losses, floor): α of loss = floor + A / size ** α, from two sizes."""
    given = [run(function, *(np.array(part) for part in pair)) for pair in _PAIRS]
    trouble = next((verdict for _, verdict in given if verdict is not None), None)
    if trouble is not None:
        return trouble
    found = [as_array(answer) for answer, _ in given]
    if any(answer is None or answer.size != 1 for answer in found):
        return Verdict(0, "One number is wanted, α.")
    right = _of_pairs(lambda n, loss, floor: -_slope(n, loss - floor))
    mistakes = [
        (-right, "The sign is the other way round: the loss falls with size, and α is what stands below the line."),
        (_of_pairs(lambda n, loss, floor: -_slope(n, loss)), "You left the floor in. Take it off the losses first."),
        (_of_pairs(lambda n, loss, floor: -1 / _slope(n, loss - floor)), "Upside down: losses above, sizes below."),
        (_of_pairs(lambda n, loss, floor: (loss - floor)[0] / (loss - floor)[1]), "That ratio still has to be laid on "
         "logarithms, and divided by that of the sizes."),
        (_of_pairs(lambda n, loss, floor: np.exp(np.log(loss[0] - floor) - _slope(n, loss - floor) * np.log(n[0]))),
         "That is A. α is asked for."),
    ]  # fmt: skip
    answers = np.array([answer.item() for answer in found])
    return judge(answers, right, "Right: a straight line through two points, in logarithms.", mistakes, 1e-6)


def _of_pairs(value):
    return np.array([value(np.array(sizes), np.array(losses), floor) for sizes, losses, floor in _PAIRS])


def _slope(sizes, excess):
    return np.diff(np.log(excess))[0] / np.diff(np.log(sizes))[0]


def same_cost(answer, cheap, dear, steps=6200):
    """The step at which a model of `dear` parameters has cost as much as `steps` of one of `cheap`."""
    right = steps * cheap / dear
    mistakes = [
        (steps * dear / cheap, "The other way round: a larger model costs more for each step, so it gets fewer."),
        (steps, "At the same number of steps the larger one has cost more, by as much as it is larger."),
        (steps * (cheap / dear) ** 0.5, "The cost is proportional to the size, not to its square root."),
        (cheap / dear, "That is the share. Of how many steps?"),
    ]
    praise = "Right: the same product of parameters and tokens."
    return judge(answer, right, praise, mistakes, 0.005)


def below(answer, function, lm, program):
    """A document, (source, number), on which a model has a lower loss than the program.

    function: a learner's nats(lm, source), the model's nats of each document.  program: source -> nats, arrays.
    """
    if is_missing(answer):
        return unanswered()
    source, number = answer if isinstance(answer, tuple | list) and len(answer) == 2 else (None, None)
    if source not in program:
        return Verdict(0, f"A source and a number are wanted, as in ('lists', 7); sources are {', '.join(program)}.")
    found, trouble = run(function, lm, source)
    if trouble is not None:
        return trouble
    found, right = as_array(found), np.asarray(program[source])
    if found is None or found.shape != right.shape:
        return Verdict(0, f"nats(lm, source) should give {right.size} numbers, one a document.")
    if not isinstance(number, int | np.integer) or not 0 <= number < right.size:
        return Verdict(0, f"Documents are counted from 0 to {right.size - 1}.")
    if not np.isfinite(found).all() or (found.sum() < 0.98 * right.sum()):
        return Verdict(0, "By your numbers it is below the program on the whole source, which cannot be: are they sums "
                          "over all tokens of a document, and is the padding left out?")  # fmt: skip
    said = f"{found[number]:.2f} nats, the program {right[number]:.2f}"
    if found[number] >= right[number]:
        return Verdict(0, f"On that one it is above: {said}.")
    mean = f"on all {right.size} together it needs {found.sum() - right.sum():.1f} nats more"
    return Verdict(1, f"Right: {said}; and {mean}. What it wins here it pays elsewhere.")
