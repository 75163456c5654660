"""`pythia-course prefetch`: fill a cache folder before the lesson, for one machine or for thirty."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_course.commands import add_command, model_cache
from pythia_course.commands.choosing import chosen
from pythia_course.errors import HubUnreachable, ModelDamaged
from pythia_course.hub.addresses import Place
from pythia_course.machine import budget
from pythia_course.machine.memory import in_words

if TYPE_CHECKING:
    from pythia_course.commands.download_bars import Bars

ABOUT = """\
Fetch models ahead of a lesson. Everything that opening them takes goes into the hub's cache, or into a folder that
many machines share or that travels on a stick; each file is then compared with the hash that the hub gives for it.
What is there already is kept, and what is damaged is fetched anew. Stop it at any moment: the same command goes on.
"""
USAGE = "pythia-course prefetch NAME [NAME ...] [--steps STEP [STEP ...]] [--to FOLDER]"
EXAMPLES = """\
  pythia-course prefetch pythia-160m gpt2
      the two that the lessons open when they are asked for real models: 0.9 GB
  pythia-course prefetch pythia-160m gpt2 --to /media/stick/models
      the same for a room without a network; at the end it says what the other machines need
  pythia-course prefetch pythia-70m --steps 0 512 1000-5000 last
      some moments of the training; a range takes every published checkpoint from the first to the last number
  pythia-course prefetch pythia-70m --steps 0-143000/10000
      one checkpoint every 10,000 steps
  pythia-course prefetch pythia-14m --steps all
      all 154 of them
"""


def add_to(commands) -> None:
    """Describe the command."""
    parser = add_command(commands, "prefetch", run, about=ABOUT, examples=EXAMPLES, usage=USAGE)
    parser.add_argument("names", nargs="+", metavar="NAME", help="pythia-14m … pythia-12b, gpt2, or owner/name")
    parser.add_argument(
        "--steps", nargs="+", metavar="STEP", help="training steps: numbers, ranges, last, all (default: last)"
    )
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="fill this folder (default: HF_HUB_CACHE)")


def run(options) -> int:
    """Ask the hub, look at the disk, fetch, check; gives the exit code."""
    wanted = chosen(options.names, options.steps)
    if options.to:
        _use_cache(options.to)
    for place in wanted:
        if place.folder:
            print(f"{place} is on this machine already: nothing to fetch.")
    sizes = _ask([place for place in wanted if not place.folder])
    fetched = _fetch_all(sizes) if sizes else 0
    complete = fetched + sum(bool(place.folder) for place in wanted) == len(wanted)
    if complete and sizes:
        print("A machine that is to open these without a network needs two lines (put its own path to the folder):")
        print("\n".join(f"  {line}" for line in settings(model_cache())))
    return 0 if complete else 1


def settings(folder: Path, windows: bool = os.name == "nt") -> tuple[str, str]:
    """The lines by which another machine's shell opens models from `folder` and never asks the network."""
    if windows:
        return f'$env:HF_HUB_CACHE = "{folder}"', '$env:HF_HUB_OFFLINE = "1"'
    return f"export HF_HUB_CACHE={shlex.quote(str(folder))}", "export HF_HUB_OFFLINE=1"


def _use_cache(folder: Path) -> None:
    """Have the hub's library use this folder from now on, in this process."""
    from huggingface_hub import constants

    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{folder} cannot be made into a folder for models: {error.strerror}.") from None
    constants.HF_HUB_CACHE = str(folder)


def _ask(places: list[Place]) -> dict[Place, int]:
    """Bytes to download for each model; one that cannot be had is said and left out.

    Raises HubUnreachable, and DiskFull when they would not fit.
    """
    from pythia_course.commands.download_bars import asking, going_on

    sizes = {}
    for place in asking(places):
        with going_on():
            sizes[place] = _bytes_to_fetch(place)
    folder, missing = model_cache(), sum(sizes.values())
    if missing:
        free = in_words(budget.free_disk(folder))
        print(f"{in_words(missing)} to fetch into {folder}, where there is room for {free}.", flush=True)
    budget.check_disk(missing, folder, "What was asked for")
    return sizes


def _bytes_to_fetch(place: Place) -> int:
    """What the hub has to send of a model.  A file that is shown to be damaged is removed, and then counts too."""
    from pythia_course.hub.fetching import bytes_to_fetch

    try:
        return bytes_to_fetch(place)
    except ModelDamaged:
        return bytes_to_fetch(place)


def _fetch_all(sizes: dict[Place, int]) -> int:
    """Fetch and check each model; gives how many are now here and whole."""
    from pythia_course.commands.download_bars import Bars, going_on

    whole = 0
    with Bars(sum(sizes.values())) as bars:
        for place, missing in sizes.items():
            with going_on():
                bars.say(_fetch(place, missing, bars))
                whole += 1
            bars.done(missing)
    return whole


def _fetch(place: Place, missing: int, bars: "Bars") -> str:
    """Fetch one model and check it; gives the line that says so."""
    from pythia_course.hub import fetching, proof

    folder = fetching.fetch(place, progress=bars.fetching(place))
    how, expected = ("fetched" if missing else "was here"), _hashes(place, folder, missing, bars)
    if bad := proof.damaged(folder, expected, bars.checking(place, folder)):
        how = "was damaged and is fetched anew"
        proof.remove(place, bad)
        folder = fetching.fetch(place, progress=bars.fetching(place), ask=True)
        if bad := proof.damaged(folder, _hashes(place, folder, 1, bars), bars.checking(place, folder)):
            raise ModelDamaged(f"Twice {proof.in_words(place, bad, 'came damaged')}: try another network or disk.")
    compared = "every hash as published" if expected else "not compared with the hub, which cannot be reached"
    return f"{place}: {how}, {in_words(_size(folder))}, {compared}"


def _size(folder: Path) -> int:
    from pythia_course.hub.snapshots import files

    return sum(path.stat().st_size for path in files(folder).values())


def _hashes(place: Place, folder: Path, missing: int, bars: "Bars") -> dict[str, str]:
    """What each file must be; from the names in the cache when nothing was fetched and the hub is away."""
    from pythia_course.hub import proof

    try:
        return proof.published(place, folder, bars.waiting)
    except HubUnreachable:
        if missing:
            raise
        return proof.recorded(folder)
