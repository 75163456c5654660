"""`pythia-course list`: the models that the course knows, and which are here."""

import json
import math
import re
import sys
from pathlib import Path

from pythia_course import suite
from pythia_course.commands import add_command, cache_size, model_cache, opens_as
from pythia_course.errors import HubUnreachable, ModelNotFound, StepNotFound
from pythia_course.hub.addresses import find
from pythia_course.hub.model_files import ARCHITECTURES
from pythia_course.machine import budget
from pythia_course.machine.memory import available_memory, in_words
from pythia_course.suite.runs import run_names

ABOUT = """\
List the models that the course knows: how large each is, at how many steps of its training it can be opened, in which
numbers it fits into the memory that is free now, and what of it is on this machine; trainings of your own too. The
hub is not asked.
"""
EXAMPLES = """\
  pythia-course list
  pythia-course list --json
      for a script: every name the course knows, and every checkpoint in the cache, with bytes
"""
MANY = 6  # steps that are worth naming one by one


def add_to(commands) -> None:
    """Describe the command."""
    parser = add_command(commands, "list", run, about=ABOUT, examples=EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options) -> int:
    """Print the table, or the same as JSON; gives the exit code."""
    from pythia_course.hub.cache import unreadable

    free, room, here = available_memory(), budget.memory_for_weights(), _cached()
    own = [name for name in run_names() if suite.short_name(name) not in (*suite.SHIPPED, *suite.HUB_IDS)]
    models = [_model(name, room, here.pop(name, [])) for name in (*suite.SHIPPED, *own, *suite.HUB_IDS)]
    models += [_stranger(name, found) for name, found in here.items()]
    if options.json:
        folder = {"folder": str(model_cache()), "bytes": cache_size(), "unreadable": unreadable()}
        print(json.dumps({"memory_free": free, "cache": folder, "models": models}, indent=2))
        return 0
    named = {*suite.SHIPPED, *own, *suite.SUITE}
    print("\n".join(_table([one for one in models if one["name"] in named or one["cached"]])))
    known = "" if free == sys.maxsize else f"; {in_words(free)} of memory are free for this process"
    print(f"\nThe cache {model_cache()} holds {in_words(cache_size())}{known}.")
    print("".join(f"{sentence}\n" for sentence in unreadable()), end="")
    print("pythia-70m-deduped … 12b-deduped and pythia-14m-seed1 … 410m-seed9 are known too, and any owner/name.")
    return 0


def _model(name: str, room: int, found: list[dict]) -> dict:
    """What is known of one of the course's models, for people and for scripts.  room: bytes for its weights."""
    spec = suite.SUITE.get(re.sub(r"-(deduped|seed\d)$", "", name))  # those have the sizes of the others
    return {
        "name": name,
        "hub_id": suite.HUB_IDS.get(name),
        "parameters": suite.total(spec) if spec else _parameters_here(name),
        "checkpoints": len(suite.steps(name)) or 1,
        "shipped": name in suite.SHIPPED,
        "own": name not in (*suite.SHIPPED, *suite.HUB_IDS),
        "opens_as": opens_as(spec, room) if spec else "float32",
        "cached": found,
    }


def _stranger(name: str, found: list[dict]) -> dict:
    """The same of a model in the cache that the course can open but has no facts about."""
    unknown = dict.fromkeys(("parameters", "checkpoints", "opens_as"))
    return {"name": name, "hub_id": name, **unknown, "shipped": False, "own": False, "cached": found}


def _parameters_here(name: str) -> int | None:
    """Counted in the last checkpoint's file, of which only the header is read; None where that cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(find(name).folder / "model.safetensors", "np") as file:
            return sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())
    except (OSError, SafetensorError):
        return None


def _cached() -> dict[str, list[dict]]:
    """Model -> its checkpoints in the hub's cache; of other people's models, those that the course can open."""
    from pythia_course.hub.cache import cached

    found = {}
    for item in cached():
        folder = _folder(item)
        if item.name in suite.HUB_IDS or folder and _understood(folder):
            checkpoint = {"step": item.step, "bytes": item.bytes, "complete": folder is not None}
            found.setdefault(item.name, []).append(checkpoint | {"branches": item.branches})
    return found


def _folder(item) -> Path | None:
    """The folder of a cached checkpoint; None where something is missing, or it has no name by which to open it."""
    from pythia_course.hub.fetching import cached_folder

    try:
        place = find(item.name, item.step)
        return item.folder if place.hub_id and cached_folder(place) == item.folder else None
    except (ModelNotFound, StepNotFound, HubUnreachable):  # no name opens it, or this account may not read it
        return None


def _understood(folder: Path) -> bool:
    """Whether the course opens such models; not where the config cannot be read, whosever it is."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("model_type") in list(ARCHITECTURES)


def _table(models: list[dict]) -> list[str]:
    rows = [("model", "parameters", "checkpoints", "opens here in", "on this machine")]
    rows += [
        (one["name"], _count(one["parameters"]), str(one["checkpoints"] or "?"), _fit(one), _where(one))
        for one in models
    ]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:<{widths[3]}}  {e}".rstrip()
        for a, b, c, d, e in rows
    ]


def _count(parameters: int | None) -> str:
    return f"{parameters / 1e6:,.1f} M" if parameters else "?"


def _fit(model: dict) -> str:
    if model["parameters"] is None:
        return "?"
    return model["opens_as"] or f"too large: {in_words(2 * model['parameters'])}"


def _where(model: dict) -> str:
    """What of a model is here: "750 MB: step 3000, step 143000"."""
    if model["shipped"]:
        return "ships with the course"
    if model["own"]:
        return "a training of your own"
    if not model["cached"]:
        return ""
    held = in_words(sum(one["bytes"] for one in model["cached"]))
    named = list(filter(None, map(_checkpoint, model["cached"])))
    if len(named) > MANY:
        return f"{held}: {len(named)} checkpoints, {named[0]} … {named[-1]}"
    return f"{held}: {', '.join(named)}" if named else held


def _checkpoint(checkpoint: dict) -> str:
    """A checkpoint by its step, and whether one can open it."""
    if not checkpoint["branches"] and not checkpoint["complete"]:
        return "an older upload"  # the hub has moved the branch on since, and no name opens it any more
    step = "" if checkpoint["step"] is None else f"step {checkpoint['step']}"
    return step if checkpoint["complete"] else f"{step} (incomplete)".strip()
