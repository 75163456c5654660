"""Looking inside Pythia-160M, against what people would use instead: time, arrays, memory, waits for a card."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from bench.turns import PEERS, Goal, contender, in_turns, judged, spread, table, why
from support import limits
from support.card import Card

from pythia_course import load

CONTENDERS = {
    "plain": ("plain.py", {}),
    "TransformerLens": ("with_transformer_lens.py", {"python": PEERS}),
    "nnsight": ("with_nnsight.py", {"python": PEERS}),
    "ours": ("ours.py", {}),
    "ours, whole": ("ours_whole.py", {}),
}
LENGTHS = (41, 501)
GOALS = {
    "start": [Goal("plain", 1.0), Goal("TransformerLens", 0.8)],
    "warm 41": [Goal("plain", 1.05)],
    "warm 501": [Goal("plain", 1.05)],
}
WHAT = {
    "start": "start of the process → arrays of 41 tokens",
    "warm 41": "once more, 41 tokens",
    "warm 501": "once more, 501 tokens",
}
WHY_TIME = (
    "the course's own modules and the tokenizer are 0.2 of the 9 seconds that a busy machine took for a start, and a "
    "trace copies every array into one with an axis for the layers, where plain hands over lists."
)
WHY_MEMORY = "the course and its tokenizer are open too, and arrays are copied into ones with an axis for the layers."


def commands(*arguments):
    return {name: contender(script, *arguments, **how) for name, (script, how) in CONTENDERS.items()}


def looking(quick, rounds):
    """Attention of all heads, residual stream, outputs of both halves and logits."""
    lengths, repeats = (LENGTHS[:1] if quick else LENGTHS), 5
    numbers = ",".join(map(str, lengths))
    with tempfile.TemporaryDirectory() as folder:
        folders = {name: Path(folder) / name for name in CONTENDERS}
        for path in folders.values():
            path.mkdir()
        keeping = {name: command + [str(folders[name])] for name, command in commands(numbers, 1).items()}
        figures = in_turns(commands(numbers, repeats), rounds, first=keeping)
        apart = {name: {length: difference(folders, name, length) for length in lengths} for name in CONTENDERS}
    yield "From the cache on the disk to every layer's attention, residual stream, outputs of attention and MLP, and"
    yield f"the logits; float32, one thread. Medians of {rounds} processes each, in turns (least–most)."
    yield ""
    yield from table(["", *CONTENDERS, "ours"], found := list(rows(figures)))
    yield from why(found, WHY_TIME)
    yield ""
    yield "“ours, whole” is `lm.trace(ids)` as a learner writes it: queries, keys and values too."
    worst = {name: max(by_length.values()) for name, by_length in apart.items() if name != "ours"}
    said = ", ".join(f"{name} {value:.1g}" for name, value in worst.items())
    yield f"Largest difference from our arrays, as a part of an array's largest number: {said}."


def rows(figures):
    for figure, what in WHAT.items():
        if figure in figures["ours"]:
            reached = "; ".join(goal.said(figures, figure) for goal in GOALS[figure])
            yield [what, *(spread(figures[name][figure]) for name in CONTENDERS), reached]


def difference(folders, name, length):
    """The largest difference between a contender's arrays and ours, as a part of each array's largest number."""
    ours, theirs = (np.load(folders[who] / f"{length}.npz") for who in ("ours", name))
    if {key: ours[key].shape for key in ours} != {key: theirs[key].shape for key in theirs}:
        raise RuntimeError(f"{name} and the course see arrays of different shapes.")
    return max(float(np.abs(ours[key] - theirs[key]).max() / np.abs(ours[key]).max()) for key in ours)


def memory(quick, rounds):
    """The smallest limit under which each contender completes."""
    if limits.memory_cgroups() is None:
        yield "Not measured: this user may not make memory cgroups."
        return
    step, lengths = (100, LENGTHS[:1]) if quick else (25, LENGTHS)
    asked = [(name, length) for length in lengths for name in CONTENDERS]
    with ThreadPoolExecutor(2) as pool:  # what a limit allows does not depend on what else runs
        least = dict(zip(asked, pool.map(lambda who: smallest(*who, step), asked)))
    yield "The smallest limit of a memory cgroup, file pages inside, under which a process looks once, to within"
    yield f"{step} MB."
    yield ""
    table_rows = []
    for length in lengths:
        found = {name: least[name, length] for name in CONTENDERS}
        reached = judged(found["ours"] / found["plain"], "plain", 1.0)
        if length == 501:
            reached += "; " + judged(found["ours"] / found["TransformerLens"], "TransformerLens", 0.7)
        table_rows.append([f"{length} tokens", *(f"{value:,} MB" for value in found.values()), reached])
    yield from table(["", *CONTENDERS, "ours"], table_rows)
    yield from why(table_rows, WHY_MEMORY)


def smallest(name, length, step):
    script, how = CONTENDERS[name]
    python, *command = contender(script, length, 0, **how)
    return limits.smallest_limit(command, 600, 3800, step, python=python)


def card(quick, rounds):
    """Waits for a graphics card, counted on a stand-in for one."""
    lm = load("pythia-160m", dtype="float32")
    lm.model.to("meta")
    ids = torch.arange(2, 43)

    def plain():
        out = lm.model(ids[None].to("meta"), output_attentions=True, output_hidden_states=True, use_cache=False)
        return [array.cpu() for array in (*out.attentions, *out.hidden_states, out.logits)]

    waits = {}
    with patch.object(type(lm), "input_device", torch.device("meta")), torch.no_grad():
        for name, run in (("plain", plain), ("ours", lambda: lm.trace(ids))):
            with Card() as seen:
                run()
            waits[name] = seen.seen.count("wait")
    yield "No card was there: what a pass over Pythia-160M asks of one was counted. plain is a pass with attentions and"
    yield "hidden states, each copied to memory; ours is `lm.trace(ids)`, which keeps queries, keys, values and the"
    yield "outputs of both halves too."
    yield ""
    reached = judged(waits["ours"] / waits["plain"], "plain", 1.05)
    yield from table(["", *waits, "ours"], [["waits for the card", *map(str, waits.values()), reached]])
