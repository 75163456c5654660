"""Names and steps as a command line gives them -> the checkpoints that are meant.  Nothing here asks the network."""

import re
from collections.abc import Iterable

from pythia_course import suite
from pythia_course.commands import UsageError
from pythia_course.errors import ModelNotFound, StepNotFound
from pythia_course.hub.addresses import Place, find

_RANGE = re.compile(r"(\d+)-(\d+)(?:/([1-9]\d*))?", re.ASCII)


def chosen(names: Iterable[str], words: Iterable[str] | None = None) -> list[Place]:
    """The checkpoints that names and steps mean, each once, in the order of the names.

    words: as in `--steps 0 512 1000-20000`; they apply to every model that has a training history on the hub.
    Raises UsageError for a name or a step that cannot be.
    """
    try:
        found = [find(name, step) for name in names for step in _steps_of(name, words)]
    except (ModelNotFound, StepNotFound) as error:
        raise UsageError(str(error)) from None
    return list({(place.hub_id, place.revision, place.folder): place for place in found}.values())


def _steps_of(name: str, words: Iterable[str] | None) -> list[int | None]:
    """The steps to take of one model; [None] is the only one, or the last."""
    place = find(name)
    if words is None or place.folder or place.name in suite.HUB_IDS and not suite.steps(place.name):
        return [None]  # what ships with the course is here, and GPT-2 was published only once trained
    return [step for word in words for step in _steps(word, suite.steps(place.name), place.name)]


def _steps(word: str, available: tuple[int, ...], name: str) -> list[int | None]:
    """The steps that one word means: "3000", "last", "all", "1000-20000" or "1000-143000/10000"."""
    if word == "last":
        return [None]
    if word.isdecimal():
        return [int(word)]  # whether there is such a step is for `find` to say
    asked = _RANGE.fullmatch(word)
    if word != "all" and not asked:
        raise UsageError(
            f"{word!r} is no step: give numbers such as 3000, ranges such as 1000-20000 or 0-143000/10000, last, or "
            "all; the models' names come before --steps."
        )
    if not available:
        raise UsageError(f"The course does not know which steps {name} has: give each by its number.")
    return list(available) if word == "all" else _within(asked, available, word)


def _within(asked: re.Match, available: tuple[int, ...], word: str) -> list[int]:
    first, last, every = int(asked[1]), int(asked[2]), int(asked[3] or 1)
    steps = [step for step in available if first <= step <= last and step % every == 0]
    if not steps:
        raise UsageError(f"No checkpoint lies in {word}: there are 0, 1, 2, 4 … 512 and every 1,000 to 143,000.")
    return steps
