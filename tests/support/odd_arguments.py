"""Requests to change a model or to average over prompts: right ones in many forms, each with what it means, and wrong
ones, with None."""

import numpy as np
import torch
from support.by_hand import arrays_of, means_of
from support.odd_prompts import NO_PROMPT


class Unwritable:
    """Something that not even its repr can be had of."""

    def __repr__(self):
        raise RuntimeError("no repr")


LENGTH = 10  # tokens of the prompt into which is patched
FIELDS = {"heads": "z", "attn_out": "attn_out", "mlp_out": "mlp_out", "residual": "residual"}
ABLATED = {"heads": ["z"], "attention": ["attn_out"], "mlps": ["mlp_out"], "layers": ["attn_out", "mlp_out"]}
ODD = [
    None, 0, 1, -1, 7, 2.0, 1e400, float("nan"), "1", "z", "", b"1", True, (), [], [()], [[]], {}, {0: 1}, {1},
    "residual", (1,), (1, 2),
    (1, 2, 3), (1, 2, 3, 4), [(1, 2)], [(1, 2, 3)], [1, (1, 2)], [(0, "x")], [(0, None)], [(None, 0)], (0.5, 1),
    object(), print, int,
    np.array([1, 1]), np.array([[1, 1]]), np.array(1), np.array([]), np.zeros((2, 2, 2), int), np.array([[1.5, 0]]),
    np.int8(1), np.array("a"),
    torch.tensor(1), torch.tensor([0, 1]), torch.tensor([[0, 1]]), torch.tensor([1.0]), torch.tensor([1],
    device="meta"), torch.zeros(0),
    range(2), range(0), slice(1), 10**5000, [(0, 10**5000)], Unwritable(), iter([(0, 1)]), (i for i in ()), 10**30,
    [10**30], [(10**30, 0)], -(10**30), [(-1,
    -1)], [[0, 1]], [[[0, 1]]],
    np.ma.masked_array([0, 1], [1, 0]), np.array([1, 2], "datetime64[D]"), 1j, Ellipsis, ["attention"],
    np.array([None]), {"z": torch.zeros(2, 3, 8)},
    {"z": 5}, {"z": None}, {"z": "text"}, {"attn_out": [[1.0] * 24] * 2}, {"mlp_out": np.zeros((2, 24))},
    {"z": np.full((2, 3, 8), np.nan)},
    {"z": torch.zeros(2, 3, 8, device="meta")}, {"attn_out": torch.zeros(2, 24).to_sparse()}, {"z": torch.zeros(2, 3,
    8, dtype=torch.complex64)},
]  # fmt: skip
WORDS = ["Mia had a red ball.", "", "a" * 500, "\ud800", "é", "e\u0301", "👩‍👩‍👧‍👦", "\x00", "Mia"]
ANYTHING = [*ODD, *NO_PROMPT, *WORDS]
TAKES = {
    "trace": {"text": "prompt", "keep": "odd", "unrotated": "odd"},
    "predict": {"text": "prompt", "k": "odd"},
    "ablate": {"heads": "odd", "attention": "odd", "mlps": "odd", "layers": "odd", "by": "by", "over": "odd"},
    "patch": {"clean": "prompt", "heads": "odd", "attn_out": "odd", "mlp_out": "odd", "residual": "odd"},
    "means": {"over": "odd"},
    "tokens": {"text": "odd"},
}
NAMES = [
    Unwritable(),
    "tiny-pythia", "tiny-gpt2", "TINY-PYTHIA ", "gpt2", "pythia-160m", "pythia160m", "tiny-pythi", "", " ", ".", "..",
    "/", "a/b", "a/b/c",
    "../../etc", "a\0b", "\ud800", "ü" * 300, "x" * 5000, "https://hf.co/a/b", "~", "~nobody", "%s", "con", "a--b/c",
    5, 1.5, b"tiny-pythia", [], {},
    object(), np.array("tiny-pythia"), np.str_("tiny-pythia"), float("nan"), True, ("tiny-pythia",), int,
    "EleutherAI/pythia-70m", "/dev/null",
]  # fmt: skip
LOADED = {
    "step": [None, 0, 512, -1, 10**30, 10**5000, Unwritable(), 1.0, "512", "", b"0", True, float("nan"), np.int64(512),
    np.array(512),
    torch.tensor(512), [], [0], "all", 700],
    "seed": [None, 0, 1, 2, -1, 7, 10**30, 10**5000, Unwritable(), 1.0, "1", "", b"1", True, float("nan"),
    np.int64(1), []],
    "dtype": ["float32", "bfloat16", "float16", "auto", "int8", "", None, 5, [], {}, torch.float32, np.float32,
    ["float32"], b"float32"],
    "device": ["cpu", "tpu", "", "cuda", "cuda:99", "mps", "auto", "meta", None, 5, -1, {}, [], {"": "cpu"},
    {"x": "cpu"}, {5: 5}, {"": 99}, b"cpu",
               torch.device("cpu"), "cpu:0", "cpu:1", "\ud800"],
    "progress": [None, 5, "x", print, True],
}  # fmt: skip


def ids(lm, seed, length):
    """(position), none of them the token that rows are filled up with."""
    return np.random.RandomState(seed).randint(2, lm.spec.vocab, size=length).tolist()


def _places(dice, lm, axes):
    """A few places, each a tuple of whole numbers from 0 on."""
    sizes = {"layer": lm.spec.layers, "layer + 1": lm.spec.layers + 1, "head": lm.spec.heads, "position": LENGTH}
    return [tuple(dice.randrange(sizes[axis]) for axis in axes) for _ in range(dice.randrange(1, 4))]


def _written(dice, places, sizes):
    """The same places as somebody may write them: with numpy's numbers, from the end, alone, as an array."""
    kind = dice.choice((int, int, np.int64, np.uint8, torch.tensor))
    given = [tuple(kind(n) for n in place) for place in places]
    if dice.random() < 0.2:
        given = [tuple(n - size for n, size in zip(place, sizes, strict=False)) for place in places]
    if len(given) == 1 and dice.random() < 0.5:
        return given[0] if len(given[0]) > 1 or dice.random() < 0.5 else given[0][0]
    if dice.random() < 0.2:
        return np.array([[int(n) for n in place] for place in given])
    if len(given[0]) == 1 and dice.random() < 0.5:
        return [place[0] for place in given]
    return dice.choice((list, tuple, iter))(given) if len(given[0]) > 1 else given


def _wrong(dice, places, sizes):
    """One number too many, too few, too large, or none at all."""
    place = list(dice.choice(places))
    kind = dice.randrange(4)
    if kind == 0:
        place[dice.randrange(len(place))] = dice.choice((max(sizes) + 9, -max(sizes) - 9, 2**70))
    elif kind == 1:
        place += [0, 0, 0]
    elif kind == 2:
        place[dice.randrange(len(place))] = dice.choice((0.0, "0", None, 1j, np.float32(1), [0]))
    else:
        place = []
    return [*places, tuple(place)]


def ablations(lm, dice, count):
    means = means_of(lm, [ids(lm, 6, 9), ids(lm, 7, 4)])
    for _ in range(count):
        arguments, edits = {}, {}
        for name in dice.sample([*ABLATED], dice.randrange(1, 3)):
            axes = ("layer", "head") if name == "heads" else ("layer",)
            sizes, places = (lm.spec.layers, lm.spec.heads), _places(dice, lm, axes)
            if wrong := dice.random() < 0.2:
                arguments[name] = _wrong(dice, places, sizes)
            else:
                arguments[name] = _written(dice, places, sizes)
            edits = None if wrong or edits is None else edits | _silenced(ABLATED[name], places)
        if dice.random() < 0.4:
            arguments |= {"by": "mean", "over": [ids(lm, 6, 9), ids(lm, 7, 4)]}
            edits = edits and {place: _mean(lm, means, *place) for place in edits}
        yield arguments, edits


def _silenced(fields, places):
    return {(field, place[0], place[1] if len(place) > 1 else None, None): 0.0 for field in fields for place in places}


def _mean(lm, means, field, layer, head, position):
    mean = means[field][layer]
    return mean if head is None else mean.unflatten(0, (lm.spec.heads, -1))[head]


def patches(lm, dice, count):
    clean = ids(lm, 8, LENGTH)
    arrays = arrays_of(lm, clean)
    for _ in range(count):
        arguments, edits = {"clean": clean if dice.random() < 0.5 else lm.trace(clean, keep=FIELDS.values())}, {}
        for name in dice.sample([*FIELDS], dice.randrange(1, 4)):
            first = ("layer", "head") if name == "heads" else ("layer + 1",) if name == "residual" else ("layer",)
            axes = (*first, "position") if dice.random() < 0.7 else first
            layers = lm.spec.layers + (name == "residual")
            sizes = (layers, lm.spec.heads, LENGTH) if name == "heads" else (layers, LENGTH)
            places = _places(dice, lm, axes)
            if wrong := dice.random() < 0.15:
                arguments[name] = _wrong(dice, places, sizes)
            else:
                arguments[name] = _written(dice, places, sizes)
            edits = None if wrong or edits is None else edits | _put_in(lm, arrays, FIELDS[name], places)
        if dice.random() < 0.1:
            arguments["clean"], edits = ids(lm, 9, LENGTH + dice.choice((-1, 1))), None
        yield arguments, edits


def _put_in(lm, arrays, field, places):
    edits = {}
    for layer, *rest in places:
        head = rest.pop(0) if field == "z" else None
        position = rest[0] if rest else None
        value = arrays[field][layer]
        value = value if head is None else value.unflatten(-1, (lm.spec.heads, -1))[:, head]
        edits[field, layer, head, position] = value if position is None else value[position]
    return edits


def references(lm, dice, count):
    for _ in range(count):
        rows = [ids(lm, dice.randrange(10**6), dice.choice((1, 2, 5, 12))) for _ in range(dice.randrange(1, 4))]
        kind = dice.randrange(9)
        if kind == 0:
            yield rows[0], rows[:1]
        elif kind == 1:
            yield dice.choice((np.array, torch.tensor))([rows[0], rows[0][::-1]]), [rows[0], rows[0][::-1]]
        elif kind == 2:
            yield [dice.choice((list, tuple, np.array, torch.tensor))(row) for row in rows], rows
        elif kind == 3:
            texts = ["Mia had a red ball.", "Tom", "The cat is é"][: len(rows)]
            yield texts, [lm.tokenizer(text)["input_ids"] for text in texts]
        elif kind == 4:
            yield dice.choice((np.array, torch.tensor))([rows[0]]), rows[:1]
        elif kind == 5:
            length, side = max(map(len, rows)) + 1, dice.choice((0, 1))
            filled = [[row + [1] * (length - len(row)), [1] * (length - len(row)) + row][side] for row in rows]
            yield dice.choice((list, np.array, torch.tensor))(filled), None
        elif kind == 6:
            yield dice.choice((lm.tokenizer("Mia had"), [], [[]], "", [""], [rows[0], []], ["Mia", ""], ["Mia",
            [None]], None, 5, {}, [[1.0]])), None
        elif kind == 7:
            yield [*rows, [lm.spec.vocab]], None
        else:
            yield tuple(rows), rows


REQUESTS = {"ablate": ablations, "patch": patches, "means": references}


def anything(dice):
    """(the name of a method, arguments of any kind)."""
    name = dice.choice([*TAKES])
    options = {}
    for argument, kind in TAKES[name].items():
        if argument in ("text", "clean", "over") or dice.random() < 0.4:
            fitting = {"prompt": ["Mia had a red ball. Then Mia", list(range(2, 2 + LENGTH))], "by": ["zero", "mean",
            None, 5]}
            options[argument] = dice.choice(fitting.get(kind, ANYTHING) if dice.random() < 0.8 else ANYTHING)
    if name == "ablate":
        if dice.random() < 0.6:
            options |= {"by": "mean"}
        else:
            options.pop("over", None)
            options.pop("by", None)
    if name in ("ablate", "patch") and dice.random() < 0.4:
        options = {key: value for key, value in options.items() if key in ("by", "over", "clean")} | {"heads": (1, 2)}
    return name, options


def to_load(dice):
    options = {key: dice.choice(values) for key, values in LOADED.items() if dice.random() < 0.3}
    return {"name": "tiny-pythia" if dice.random() < 0.5 else dice.choice(NAMES), "local_only": True, **options}


def to_compare(dice, lm):
    """((a, b), text)."""
    pair = [lm if dice.random() < 0.8 else dice.choice(("tiny-gpt2", *NAMES)) for _ in "ab"]
    text = dice.choice(("Mia had a red ball.", "e\u0301 and é", "👩‍👩‍👧‍👦 <b>$x$", "a"))
    return pair, text if dice.random() < 0.7 else dice.choice(ANYTHING)
