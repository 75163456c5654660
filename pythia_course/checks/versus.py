"""Checks of lesson 05, Pythia against GPT-2."""

import re

import numpy as np

from pythia_course import suite
from pythia_course.checks.answers import as_array, is_missing, kind
from pythia_course.checks.running import run
from pythia_course.checks.verdict import Verdict, judge, unanswered
from pythia_course.inside.module_paths import PARTS, part_of, translate


def untied(answer, name="gpt2"):
    """Parameters that a tied model would have with an unembedding of its own."""
    spec = suite.SUITE[name]
    now, table = suite.total(spec), spec.vocab * spec.width
    positions = spec.context * spec.width
    mistakes = [
        (now, "That is how many it has now, with one matrix for both ends."),
        (table, "That is the new matrix alone; add what is there already."),
        (now + 2 * table, "You added two matrices. One is there already, and it is counted."),
        (now - table, "You took a matrix away. Untied, it has one more."),
        (
            now + table - positions,
            "You took the position table away as well. How it writes its answer has nothing to do with positions.",
        ),
        (
            now + suite.SUITE["pythia-160m"].vocab * spec.width,
            "You took Pythia's number of rows. The new matrix has a row for each entry of this model's vocabulary.",
        ),
    ]
    return judge(answer, now + table, "Right: untied, the two totals are nearly the same.", mistakes, 1e-9)


def path(answer, of, family):
    """The path, in another architecture, of the part that is at `of` in its own."""
    if is_missing(answer):
        return unanswered()
    if not isinstance(answer, str):
        return Verdict(0, f"A path is a text in quotation marks; {kind(answer)} came.")
    given, right = answer.strip().removeprefix("model."), translate(of, family)
    if given == right:
        return Verdict(1, "Right: the same part, under its other name.")
    return Verdict(0, _wrong_path(given, of, right, family))


def _wrong_path(given, of, right, family):
    if given == of:
        return "That is the path you started from; the other architecture has another name for it."
    try:
        part, layer = part_of(given)
    except ValueError:
        return _no_path(given, right)
    if given != (PARTS[part][family] or "").replace("{N}", layer):
        return f"That path belongs to an architecture other than {family}."
    if layer != part_of(right)[1]:
        return "The part is right, its layer is not: layers count from 0 in both, so the number stays."
    return f"There is such a module, but it is the {part}. Look for the row of the table that has your path."


def _no_path(given, right):
    if "{N}" in given or "N" in given.split("."):
        return "Put the number of the layer where the table has {N}."
    if not re.search(r"\d", given):
        return "The number of the layer is missing from your path."
    if right.endswith("." + given):
        return "The beginning is missing: start from the whole model, as the table does."
    if re.sub(r"[\[\]]+", ".", given).replace("..", ".").strip(".") == right:
        return "Between brackets it is Python; a path has dots only, also around the number."
    return "No module of either architecture is called that. Look the part up in the table."


def split_qkv(function):
    """A learner's split(fused, heads), for the layout of GPT-2: fused (position, 3 * width) -> q, k, v."""
    position, heads, size = 5, 3, 4
    fused = np.random.RandomState(0).standard_normal((position, 3 * heads * size)).astype(np.float32)
    result, trouble = run(function, _tensor(fused), heads)
    if trouble is not None:
        return trouble
    pieces = [as_array(piece) for piece in result] if _has_three(result) else None
    if pieces is None:
        return Verdict(0, "Three things are wanted: return q, k, v.")
    by_part = fused.reshape(position, 3, heads, size)
    by_head = fused.reshape(position, heads, 3, size).swapaxes(1, 2)
    right = by_part.transpose(1, 2, 0, 3)  # (part, head, position, head_dim)
    mistakes = [
        (by_head.transpose(1, 2, 0, 3), "That is Pythia's layout, head by head. GPT-2 keeps all q first, then all k."),
        (by_part.transpose(1, 0, 2, 3), "The numbers are right; the head comes before the position: transpose them."),
        (by_part.transpose(1, 0, 2, 3).reshape(3, position, -1), "q, k and v are apart. Now cut each into its heads."),
        (right[[1, 2, 0]], "The order is different: queries come first, then keys, then values."),
        (right[[0, 2, 1]], "Keys and values are the wrong way round."),
        (
            fused.reshape(position, 3, size, heads).transpose(1, 3, 0, 2),
            "A head's dimensions lie side by side: cut into (heads, head_dim), not into (head_dim, heads).",
        ),
    ]
    if len({getattr(piece, "shape", None) for piece in pieces} - {None}) != 1 or any(piece is None for piece in pieces):
        return Verdict(0, "q, k and v should be three arrays of the same shape, (head, position, head_dim).")
    return judge(np.stack(pieces), right, "Right: all q, all k, all v, each cut into heads.", mistakes)


def _has_three(result):
    try:
        return len(result) == 3 and not isinstance(result, str | dict)
    except TypeError:  # one number, or nothing that has a length
        return False


def _tensor(array):
    import torch

    return torch.from_numpy(array.copy())


def sink(answer, attention):
    """The mean weight of each head on the first token. attention: (layer, head, query, key)."""
    attention = np.asarray(attention)
    first = attention[..., 0]  # (layer, head, query)
    right = first[..., 1:].mean(-1)
    mistakes = [
        (first.mean(-1), "You counted the first row too. The first token has nothing else to look at: leave it out."),
        (
            attention[..., 0, :].mean(-1),
            "That is the first row, where the first token looks. Its column is wanted: who looks at it.",
        ),
        (first[..., 1:].max(-1), "That is the largest weight in each column; the mean is wanted."),
        (first[..., -1], "That is the last row only. Take the mean over all rows but the first."),
        (first[..., 1:].sum(-1), "That is the sum; divide by the number of rows."),
        (attention[..., 1:, 1].mean(-1), "Positions count from 0: that is the second token's column."),
        (right.mean(), "That is the mean over all heads; one number per head is wanted, shape (layer, head)."),
        (right.max(), "That is the strongest head alone; one number per head is wanted, shape (layer, head)."),
    ]
    return judge(answer, right, "Right: one number per head, and they are far from equal.", mistakes)


def bits_per_byte(answer, losses, text, start):
    """Surprise per byte of what follows character `start`, in bits. losses: (position - 1), in nats."""
    nats, tail = float(np.sum(np.asarray(losses, np.float64))), text[start:]
    size, bits = len(tail.encode()), nats / np.log(2)
    mistakes = [
        (nats / size, "That is in nats. One bit is log(2) nats, so a loss is a larger number in bits."),
        (nats * np.log(2) / size, "You multiplied by log(2); a loss is a larger number in bits than in nats."),
        (bits / len(losses), "That is bits per token, and a token may be a letter or a word. Divide by bytes."),
        (nats / len(losses), "That is the usual loss, in nats per token. Bits per byte are wanted."),
        (
            bits / len(text.encode()),
            "You divided by all bytes. The first token has no loss, so its bytes do not count.",
        ),
        (bits, "That is the whole surprise; divide it by the number of bytes."),
        (size / bits, "Upside down: that is bytes per bit."),
    ]
    if len(tail) != size:
        characters = "You divided by characters, and some of them take several bytes: text.encode() has the bytes."
        mistakes.insert(0, (bits / len(tail), characters))
    return judge(answer, bits / size, "Right: so many bits per byte, whatever the tokenizer.", mistakes)


def disagreement(prompt, a, b, at_least=0.5):
    """A prompt after which two opened models are both sure, each of another token."""
    if is_missing(prompt):
        return unanswered()
    if not isinstance(prompt, str):
        return Verdict(0, f"A prompt is a text in quotation marks; {kind(prompt)} came.")
    try:
        answers = [lm.predict(prompt, k=1)[0] for lm in (a, b)]
    except (ValueError, MemoryError) as error:
        return Verdict(0, str(error))
    (first, p), (second, q) = answers
    said = f"{a.name} says {first!r} ({p:.2f}), {b.name} says {second!r} ({q:.2f})"
    if first == second:
        return Verdict(0, f"They agree: {said}. Take a prompt in which one of them must count or look far back.")
    if min(p, q) < at_least:
        return Verdict(0, f"They disagree, but not surely: {said}. Both should give {at_least:.2f} or more.")
    return Verdict(1, f"Right: {said}.")
