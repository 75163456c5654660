"""The course's own work against the least that it could take: sweeps, training, growth."""

import statistics
import tempfile
from pathlib import Path

from bench.turns import contender, in_turns, judged, one, spread, table, why
from support import hub_folders

from pythia_course import suite
from pythia_course.tiny.sizes import LADDER

STEPS = suite.steps("tiny-pythia")
FEW = (0, 1, 2)  # steps of Pythia-160M that the hub of this machine has
WHY = (
    "a tiny model's pass takes milliseconds, most of the time is `from_pretrained`, which builds every module anew, "
    "so that a measure may do what it likes with its model; with Pythia-160M that hardly counts."
)


def sweeps(quick, rounds):
    """Checkpoints a second, against a plain loop and against reading and forward passes alone."""
    tasks = [("tiny-pythia", STEPS, 128)] if quick else [("tiny-pythia", STEPS, 128), ("pythia-160m", FEW, 256)]
    yield "`sweep` of one attention score; plain is a loop over `from_pretrained`, the floor reads each file and runs"
    yield "each forward pass and does no more. Counted once the libraries are there and a checkpoint was measured;"
    yield f"medians of {rounds} processes each, in turns (least–most)."
    yield ""
    rows = []
    for name, steps, tokens in tasks:
        asked = (name, ",".join(map(str, steps)), tokens)
        figures = in_turns({who: contender("sweeping.py", who, *asked) for who in ("floor", "plain", "ours")}, rounds)
        if figures["ours"]["found"] != figures["plain"]["found"]:
            raise RuntimeError(f"The sweep of {name} finds other numbers than a plain loop.")
        each = {who: [len(steps) / seconds for seconds in found["seconds"]] for who, found in figures.items()}
        times = {who: statistics.median(found["seconds"]) for who, found in figures.items()}
        reached = judged(times["ours"] / times["floor"], "floor", 1.15)
        reached += f"; {times['ours'] / times['plain']:.2f} × plain"
        what = f"{name}, {len(steps)} checkpoints, {tokens} tokens"
        rows.append([what, *(spread(each[who], "a second") for who in ("floor", "plain", "ours")), reached])
    yield from table(["", "floor", "plain", "ours", "seconds of ours"], rows)
    yield from why(rows, WHY)


def training(quick, rounds):
    """Tokens a second of the trainer at each size, and of its matrix products alone."""
    sizes = [*LADDER][:3] if quick else [*LADDER]
    yield "Steps of 4,096 tokens by the recipe, one thread, and the floor: the matrix products of such a step alone,"
    yield "forwards and backwards, in the same numbers. In turns in one process; medians."
    yield ""
    rows = []
    for name in sizes:
        took = one(contender("training.py", name, 1 if quick else 3))
        ours, floor = (took["tokens"] / took[what] for what in ("step", "products"))
        cells = (took["numbers"], f"{ours:,.0f}", f"{floor:,.0f}", f"{floor / ours:.2f}")
        rows.append([name, f"{took['parameters']:,}", *cells])
    yield from table(["model", "parameters", "products in", "tokens a second", "floor", "time ÷ floor"], rows)
    yield ""
    yield "Between the two stand the softmax over the vocabulary and over each head's scores, the LayerNorms, GELU,"
    yield "rotation, copies between layouts, Adam, and the making of the batch."


LENGTHS = (32, 64, 128, 256, 512, 1024, 2048)
LAYERS = (6, 12, 24)


def growth(quick, rounds):
    """Seconds and memory of a trace as prompts and models grow."""
    lengths = LENGTHS[:4] if quick else LENGTHS
    with tempfile.TemporaryDirectory() as folder:
        took = {}
        for layers in LAYERS:
            sizes = hub_folders.PYTHIA_160M | {"num_hidden_layers": layers}
            hub_folders.write_pythia(Path(folder), spread=0.07, **sizes)
            asked = ",".join(map(str, lengths)) if layers == 12 else "256"
            took[layers] = one(contender("growing.py", folder, asked))
    yield "One trace of everything, Pythia-160M: seconds, the most memory that it adds, and its attention alone."
    yield ""
    yield from table(
        ["tokens", "time", "a token", "memory", "attention"], [grown(took[12], length) for length in lengths]
    )
    yield ""
    yield bend(took[12], lengths)
    yield ""
    yield "The same block in fewer and more layers, 256 tokens:"
    yield ""
    yield from table(["layers", "time", "a token", "memory", "attention"], [grown(took[n], 256, n) for n in LAYERS])


def bend(took, lengths):
    """Where the attention, which grows with the square of the length, takes over."""
    cheapest = min(lengths, key=lambda length: took[f"{length} seconds"] / length)
    longest = lengths[-1]
    times = took[f"{longest} seconds"] / took[f"{longest // 2} seconds"]
    share = 4 * 12 * 12 * longest**2 / took[f"{longest} bytes"]
    return (
        f"It bends at {cheapest:,} tokens, where a token costs least: before, each pass costs something whatever its "
        f"length; after, attention grows with its square. From {longest // 2:,} to {longest:,} tokens time grows "
        f"{times:.1f}-fold, and of the memory at {longest:,} the attention matrices are {share:.0%}."
    )


def grown(took, length, layers=None):
    """A row of either table."""
    seconds, most = took[f"{length} seconds"], took[f"{length} bytes"]
    attention = 4 * (layers or 12) * 12 * length**2
    times = (f"{seconds:.2f} s", f"{1e3 * seconds / length:.1f} ms")
    return [f"{layers or length:,}", *times, *(f"{size / 1e6:,.0f} MB" for size in (most, attention))]
