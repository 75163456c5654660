"""Prompts that nobody planned for, each with the token ids that should be read from it, or None: to be refused."""

import random
import warnings
from array import array

import numpy as np
import torch

PLANES = [(plane << 16, (plane << 16) + 0xFFFF) for plane in range(17)]
PIECES = (
    "<|endoftext|>", "<|padding|>", "<|endoftext", "<|im_start|>", "<s>", "[MASK]", "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>', "$\\frac{1}{2}$", "{0}%s%n", "\\x00\\u2028", "../../etc/passwd",
    "Mia had a red ball",
    "שלום עולם", "\u202eevil\u202c", "مرحبا", "👩‍👩‍👧‍👦", "🇬🇧🏴\U000e0067\U000e007f", "❤️", "e\u0301", "é", "한국", "각",
    "\u0344\u0f73\u1112\u1161", "A\u030a" * 3, "Z" + "\u0335" * 40, "\r\n", "\r", "\n\n\n", "\t", " " * 9, "\u00a0",
    "\u2028", "\u200b", "\ufeff",
    "\x00", "\x1b[31m", "\x7f\x80\x9f", "\ufffe\uffff", "\U0010ffff", "\ufffd", "İıſß", "１２３",
    "10000000000000000000000", "Ġthe", "▁the",
)  # fmt: skip
HALVES = ("\ud800", "\udfff", "\ud83e", "a\udc80b", "\udce9")
WHOLE = [getattr(np, f"{sign}int{size}") for sign in ("", "u") for size in (8, 16, 32, 64)]


def _going_away():
    """Kinds of tensor that torch warns about whenever one is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.quantize_per_tensor(torch.tensor([1.0]), 0.1, 0, torch.qint8)
        return quantized, torch.nested.nested_tensor([torch.tensor([1, 2])])


NO_PROMPT = (
    None, 5, -1, 2.5, True, b"Mia", bytearray(b"Mia"), memoryview(b"Mia"), object(), {}, {"input_ids": [1]}, {1, 2},
    frozenset(),
    print, str, iter([1, 2]), slice(3), Ellipsis, 1j, ["Mia"], ["Mia", "Tom"], ("Mia", 3), [3, "Mia"], [None], [1,
    None], [[]],
    [[1], [2]], [[1, 2], [3]], [[[1]]], [1, [2]], [object()], [print], [{}], [b"a"], [1.0], [1, 2.0], [float("nan")],
    [float("inf")],
    [1j], [True, False], [True, 3], [2**31], [2**63], [10**30], [-(10**30)], [10**5000], [2**63, -1], [-1], array("i",
    [1, 2]),
    np.array(5), np.int64(5), np.float32(1), np.array("Mia"), np.array(["Mia"]), np.array([b"x"]), np.array([None]),
    np.array([1, 2], object),
    np.array([1.0]), np.array([1j]), np.array([True]), np.array(["2026-01-01"], "datetime64[D]"), np.array([3],
    "timedelta64[s]"),
    np.zeros((0, 3), int), np.zeros((2, 3), int), np.zeros((1, 1, 3), int), np.zeros(3, [("a", int)]),
    np.array([2**64 - 1], np.uint64),
    np.ma.masked_array([3, 4, 5], mask=[0, 1, 0]), torch.tensor(5), torch.tensor([1.0], requires_grad=True),
    torch.tensor([1j]),
    torch.tensor([True]), torch.zeros(2, 3, dtype=torch.int64), torch.tensor([1, 2]).to_sparse(),
    torch.tensor([1, 2], device="meta"), *_going_away(),
    torch.tensor([1, 2], dtype=torch.bfloat16), torch.zeros(2).to(torch.float8_e4m3fn),
    torch.zeros(1, 0, 2, dtype=torch.int64),
)  # fmt: skip


def prompts(lm, seed, count):
    """So many pairs (prompt, token ids (position) or None)."""
    dice = random.Random(seed)
    for _ in range(count):
        kind = dice.random()
        if kind < 0.6:
            yield _text(lm, dice)
        elif kind < 0.85:
            yield _numbers(lm, dice)
        else:
            yield dice.choice(NO_PROMPT), None


def _text(lm, dice):
    text = "".join(piece(dice) for _ in range(dice.choice((0, 1, 1, 2, 3, 5, 8, 13))))
    if dice.random() < 0.04:
        text = (text or "a ") * dice.randrange(1, 60)
    if dice.random() < 0.03:
        text = _at_the_end_of_the_context(lm, dice)
    if dice.random() < 0.05:
        return text + dice.choice(HALVES), None
    ids = lm.tokenizer(text, verbose=False)["input_ids"]
    kind = dice.choice((str, str, str, np.str_)) if "\0" not in text[-1:] else str  # numpy drops a NUL at the end
    return kind(text), ids if 0 < len(ids) <= lm.spec.context else None


def _at_the_end_of_the_context(lm, dice):
    """As many tokens as the context has, one fewer or one more."""
    return "\x00" * (lm.spec.context + dice.choice((-1, 0, 1)))


def piece(dice):
    """A few characters: of one of the sixteen planes, control characters, or something known for making trouble."""
    kind = dice.random()
    if kind < 0.5:
        return dice.choice(PIECES)
    if kind < 0.6:
        return "".join(chr(dice.choice((dice.randrange(32), dice.randrange(127, 160)))) for _ in range(3))
    first, last = dice.choice(PLANES)
    characters = (chr(dice.randint(first, last)) for _ in range(dice.randrange(1, 5)))
    return "".join(c for c in characters if not "\ud800" <= c <= "\udfff")


def _numbers(lm, dice):
    """Token ids in one of the forms that ids come in."""
    length = dice.choice((0, 1, 1, 2, 3, 7, 20, 40, 40, lm.spec.context - 1, lm.spec.context, lm.spec.context + 1,
    3000))
    ids = [dice.randrange(lm.spec.vocab) for _ in range(length)]
    if ids and dice.random() < 0.15:
        ids[dice.randrange(length)] = dice.choice((-1, lm.spec.vocab, lm.spec.vocab + 5, -(2**40), 2**40, 2**62))
    right = 0 < length <= lm.spec.context and all(0 <= i < lm.spec.vocab for i in ids)
    form, keeps = dice.choice(FORMS)
    if isinstance(keeps, type) and not all(np.iinfo(keeps).min <= i <= np.iinfo(keeps).max for i in ids):
        ids = [i % 100 for i in ids]
        right = 0 < length <= lm.spec.context
    return form(ids), ids if right and keeps else None


def _read_only(ids):
    numbers = np.array(ids, np.int64)
    numbers.flags.writeable = False
    return numbers


class _OnlyArray:
    """Has nothing but what numpy asks for, like a column of a table."""

    def __init__(self, ids):
        self.ids = ids

    def __array__(self, dtype=None, copy=None):
        return np.array(self.ids, dtype or np.int64)


# (how, the dtype that holds them, True where any does, or False: to be refused)
FORMS = [
    (list, True), (tuple, True), (lambda ids: [ids], True), (lambda ids: (tuple(ids),), True),
    (lambda ids: [np.int64(i) for i in ids], np.int64), (lambda ids: [torch.tensor(i) for i in ids], np.int64),
    (lambda ids: np.array(ids[::-1], np.int64)[::-1], np.int64), (_read_only, np.int64), (_OnlyArray, np.int64),
    (lambda ids: np.array([ids], np.int64), np.int64), (lambda ids: np.array(ids, ">i4"), np.int32),
    (lambda ids: np.repeat(np.array(ids, np.int64), 2)[::2], np.int64),
    (lambda ids: torch.tensor([ids], dtype=torch.int64), np.int64), (lambda ids: torch.tensor(ids, dtype=torch.int64),
    np.int64),
    (lambda ids: torch.tensor(ids, dtype=torch.int64).repeat_interleave(2)[::2], np.int64),
    (lambda ids: torch.nn.Parameter(torch.tensor(ids, dtype=torch.int64), requires_grad=False), np.int64),
    (lambda ids: np.array(ids, float), False), (lambda ids: torch.tensor(ids, dtype=torch.float64), False),
    (lambda ids: [[i] for i in ids] * 2, False), (lambda ids: {i: i for i in ids}, False), (iter, False),
    *((lambda ids, kind=kind: np.array(ids, kind), kind) for kind in WHOLE),
    *((lambda ids, kind=kind: torch.tensor(ids, dtype=getattr(torch, kind.__name__)), kind) for kind in WHOLE),
]  # fmt: skip
