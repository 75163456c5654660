"""`pythia-course free`: delete downloads that are no longer needed."""

import sys

from pythia_course.commands import UsageError, add_command, model_cache, say
from pythia_course.errors import ModelNotFound, StepNotFound
from pythia_course.hub.addresses import Place, find
from pythia_course.machine.memory import in_words

ABOUT = """\
Delete a downloaded checkpoint from this machine. It says first how much that is, and asks. A checkpoint that was
deleted is fetched again when it is next opened; files that another one needs too, such as the tokenizer, stay.
"""
EXAMPLES = """\
  pythia-course free pythia-160m --step 3000
      one checkpoint
  pythia-course free pythia-160m
      the last one: what load("pythia-160m") opens
  pythia-course free pythia-160m --all --yes
      every one of this model, without asking
"""


def add_to(commands) -> None:
    """Describe the command."""
    parser = add_command(commands, "free", run, about=ABOUT, examples=EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="as `pythia-course list` gives it")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--step", type=int, metavar="N", help="the training step (default: the last)")
    which.add_argument("--all", action="store_true", help="every checkpoint of this model")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options) -> int:
    """Say what would go, ask, and delete it; gives the exit code."""
    from pythia_course.hub import cache

    try:
        place = find(options.name, options.step)
    except (ModelNotFound, StepNotFound) as error:
        raise UsageError(str(error)) from None
    what = place.name if options.all else str(place)
    here = _here(place, options.all)
    if here:
        print(f"{what} in {model_cache()}: {in_words(sum(item.bytes for item in here))} in {_checkpoints(len(here))}.")
        if not options.yes and not _agreed():
            print("Nothing was freed.")
            return 1
    try:
        freed = cache.free(options.name, cache.ALL if options.all else options.step)
    except ValueError as error:  # it ships with the course, is a folder, or the cache leads elsewhere
        say(str(error))
        return 1
    print(f"Freed {in_words(freed)}." if here else f"{what} is not in {model_cache()}: nothing to free.")
    return 0


def _here(place: Place, every: bool) -> list:
    """What the cache holds of a checkpoint, or of every checkpoint of its model: just what would be freed."""
    from pythia_course.hub.cache import here

    return [] if place.folder else here(place, every)


def _checkpoints(number: int) -> str:
    return "one checkpoint" if number == 1 else f"{number} checkpoints"


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("There is nobody to ask: add --yes.")
    try:
        return input("Free it? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
