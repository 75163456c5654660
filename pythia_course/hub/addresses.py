"""Where a model lives: a name and a step -> a folder on this machine or a branch on the hub.

Nothing here asks the network or imports torch; it only reads names.
"""

import difflib
import operator
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pythia_course import suite
from pythia_course.errors import ModelNotFound, StepNotFound, shown
from pythia_course.suite.runs import run_folder, run_names

DEFAULT_MODEL = "tiny-pythia"
MODEL_VARIABLE = "PYTHIA_COURSE_MODEL"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_LONGEST = 200  # the hub allows 96 for owner and name together; a file name may have 255


@dataclass(frozen=True)
class Place:
    """A model's name and where its files are: either `folder`, or `hub_id` and `revision` (a branch)."""

    name: str
    step: int | None
    folder: Path | None = None
    tokenizer: Path | None = None  # a folder; None: beside the weights
    hub_id: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        if self.folder and not self.tokenizer:
            return str(self.folder)
        return self.name if self.step is None else f"{self.name} at step {self.step}"


def find(name: str | os.PathLike | None = None, step: int | None = None, seed: int | None = None) -> Place:
    """Read a name, a step and a seed as `pythia_course.load` takes them.

    A name the course knows, or of a training of one's own (`suite.runs`), wins over a folder of that name.

    Raises ModelNotFound or StepNotFound.
    """
    if name is None:
        name = os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL
    if seed is not None:
        name = of_seed(name, seed)
    step, text = _whole_number(step), _text(name)
    known = suite.short_name(text) if isinstance(name, str) else ""
    if known in suite.SHIPPED:
        return _tiny(known, step)
    if known in suite.HUB_IDS:
        return _published(known, step)
    if known and run_folder(known):
        return _own(known, run_folder(known), step)
    if text.strip() and os.path.isdir(folder := os.path.expanduser(text)):
        return _folder(Path(folder), step)
    if len(text) > _LONGEST:
        raise ModelNotFound(f"A model's name has at most {_LONGEST} letters, and {len(text):,} came: {text[:30]!r} ….")
    if isinstance(name, str) and _HUB_ID.fullmatch(text) and not re.search(r"\.\.|--", text):
        return Place(text, step, hub_id=text, revision="main" if step is None else f"step{step}")
    raise ModelNotFound(_not_a_name(text))


def of_seed(name: str | os.PathLike, seed: int) -> str:
    """The name of the same model from another seed: ("tiny-pythia", 1) -> "tiny-pythia-seed1"; seed 0 is the first.

    Trainings of one's own count: ("tiny-gpt2", 7) -> "my-tiny-gpt2-seed7", if there is one.
    Raises ModelNotFound where there is no such seed.
    """
    try:
        number = operator.index(seed)
    except (TypeError, RuntimeError):  # the latter of a tensor without numbers
        number = -1
    if not 0 <= number < 2**32:
        raise ModelNotFound(f"A seed is a whole number such as 1, but {shown(seed)} came.")
    model = suite.short_name(_text(name))
    own = run_names()
    if number == 0 and (model in suite.SHIPPED or model in own):
        return model
    known = (*suite.SHIPPED, *suite.HUB_IDS, *own)
    for one in (f"{model}-seed{number}", f"my-{model}-seed{number}"):
        if one in known:
            return one
    there = sorted(suite.seed_of(one) for one in known if re.fullmatch(rf"(my-)?{re.escape(model)}-seed\d+", one))
    have = f"; it has {', '.join(map(str, there))}." if there else "; `pythia-course list` says what there is."
    raise ModelNotFound(f"{shown(model)} has no seed {number}{have}")


def _text(name) -> str:
    text = os.fspath(name) if isinstance(name, (str, os.PathLike)) else None
    if not isinstance(text, str) or "\0" in text or not text.isprintable() or len(text) > 1000:
        raise ModelNotFound(f"{shown(name)} is neither a model's name, such as pythia-160m, nor a folder.")
    return text


def _whole_number(step) -> int | None:
    try:
        number = None if step is None else operator.index(step)
    except (TypeError, RuntimeError):  # the latter of a tensor without numbers
        number = sys.maxsize
    if number is not None and abs(number) >= sys.maxsize:
        raise StepNotFound(f"A step is a whole number such as 3000, but {shown(step)} came.")
    return number


def _tiny(name: str, step: int | None) -> Place:
    available = suite.steps(name)
    if not available:
        raise ModelNotFound(
            f"{name} ships with the course, but its weights are missing from {suite.TINY_WEIGHTS / name}: "
            "install the course again."
        )
    step = available[-1] if step is None else step
    if step not in available:
        raise StepNotFound(no_step(name, step, available))
    return Place(name, step, suite.TINY_WEIGHTS / name / f"step{step}", suite.TINY_TOKENIZER)


def _own(name: str, folder: Path, step: int | None) -> Place:
    """A checkpoint of a training of one's own."""
    available = suite.steps(name)
    if not available:
        raise ModelNotFound(f"{name} has no checkpoint yet in {folder}: give it a moment, or start it again.")
    step = available[-1] if step is None else step
    if step not in available:
        raise StepNotFound(no_step(name, step, available))
    return Place(name, step, folder / f"step{step}", suite.TINY_TOKENIZER)


def _published(name: str, step: int | None) -> Place:
    available = suite.steps(name)
    if not available and step is not None:
        raise StepNotFound(
            f"{name} was published only once trained, so it has no step {step}: leave step out, or take a "
            'Pythia, as in load("pythia-160m", step=3000).'
        )
    step = available[-1] if available and step is None else step
    if available and step not in available:
        raise StepNotFound(no_step("Pythia", step, available))
    # The last step is the main branch: one copy in the cache serves both names.
    last = step is None or step == available[-1]
    return Place(name, step, hub_id=suite.HUB_IDS[name], revision="main" if last else f"step{step}")


def _folder(folder: Path, step: int | None) -> Place:
    if step is not None:
        raise StepNotFound(f"The folder {folder} holds one model and so has no step {step}: leave step out.")
    return Place(folder.resolve().name, None, folder)


def no_step(kind: str, step: int, available: tuple[int, ...]) -> str:
    """One sentence: "No Pythia checkpoint at step 1500; the nearest are 1000 and 2000."."""
    nearest = suite.nearest_steps(step, available)
    return (
        f"No {kind} checkpoint at step {step}; the nearest {'is' if len(nearest) == 1 else 'are'} "
        f"{' and '.join(map(str, nearest))}."
    )


def similar(name: str) -> str:
    """ "; did you mean pythia-160m?" for the nearest name the course knows, or nothing."""
    known = [*suite.SHIPPED, *suite.HUB_IDS, *run_names()]
    near = difflib.get_close_matches(name.rsplit("/")[-1].lower(), known, n=2, cutoff=0.7)
    return f'; did you mean "{near[0]}"?' if near else "."


def _not_a_name(text: str) -> str:
    """Say what is wrong with a name that is neither known, nor a folder, nor a hub id."""
    if not text.strip():
        return 'A model needs a name, as in load("pythia-160m"); load() alone opens tiny-pythia.'
    if "://" in text:
        return f'{text!r} is a web address: give the last two parts, as in load("EleutherAI/pythia-160m").'
    if "/" in text or "\\" in text:
        return f"{text!r} is not a folder here, nor a model's name on the hub, which looks like owner/name."
    return f"The course has no model called {shown(text)}{similar(text)} Others need their owner: owner/name."
