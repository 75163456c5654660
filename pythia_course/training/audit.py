"""Are a model's checkpoints what their names say?  `audit(name)` compares the files behind them, without fetching any.

    audit("pythia-2.8b").duplicates        # groups of steps that serve the very same bytes

The hub tells the sha256 of each large file.  An audit asks it once for the list of branches and once for each branch,
and remembers the answers, which a commit fixes for good: a second audit costs one request.
"""

import html
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

from pythia_course import suite
from pythia_course.errors import DuplicateCheckpoints, StepNotFound, shown
from pythia_course.hub.addresses import Place, find
from pythia_course.suite.defects import Defect, known_defects
from pythia_course.training import inventory

DUPLICATES = ("refuse", "keep")


@dataclass(frozen=True, repr=False)
class Audit:
    """What is behind a model's checkpoints.  Shown in a notebook it is a table; every finding is a list of steps."""

    name: str
    checkpoints: tuple[inventory.Checkpoint, ...]  # by step

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps asked about."""
        return tuple(checkpoint.step for checkpoint in self.checkpoints)

    @cached_property
    def duplicates(self) -> list[tuple[int, ...]]:
        """Groups of two or more steps whose weight files are the same, byte for byte."""
        return _groups(self.checkpoints, lambda checkpoint: [frozenset(checkpoint.weights.items())])

    @cached_property
    def shared(self) -> list[tuple[str, tuple[int, ...]]]:
        """(file, steps): a weight file that these steps have in common while they differ in another."""
        whole = [set(group) for group in self.duplicates]
        groups = _groups(self.checkpoints, lambda checkpoint: checkpoint.weights.items(), named=True)
        return [(file, steps) for (file, _), steps in groups if not any(same.issuperset(steps) for same in whole)]

    @property
    def missing(self) -> tuple[int, ...]:
        """Steps that should be there and have no branch."""
        return self._with_problem("missing")

    @property
    def without_weights(self) -> tuple[int, ...]:
        """Steps whose branch lacks the weights, or something else that a model needs."""
        return self._with_problem("incomplete")

    @property
    def pickle_only(self) -> tuple[int, ...]:
        """Steps whose weights are only in a pickle, a kind of file that can hold code."""
        return tuple(checkpoint.step for checkpoint in self.checkpoints if checkpoint.pickle)

    @property
    def known(self) -> tuple[Defect, ...]:
        """What people have reported of this model; see `defects`."""
        return known_defects(self.name)

    @property
    def trustworthy(self) -> tuple[int, ...]:
        """Steps that can be opened, share no weight file with another step, and of which nobody reported otherwise."""
        doubtful = {step for group in self.duplicates for step in group}
        doubtful.update(step for _, steps in self.shared for step in steps)
        return tuple(step for step in self._openable() if step not in doubtful)

    @property
    def distinct(self) -> tuple[int, ...]:
        """Steps to sweep over: the trustworthy ones, and of each group of duplicates one.

        That is the last step of training where it is in the group, since there the weights belong, else the first.
        """
        last = max(suite.steps(self.name) or self.steps)
        left_out = {step for group in self.duplicates for step in group if step != _kept(group, last)}
        left_out.update(step for _, steps in self.shared for step in steps if step != last)
        return tuple(step for step in self._openable() if step not in left_out)

    def _openable(self):
        wrong = {step for defect in self.known for step in defect.wrong}
        return [c.step for c in self.checkpoints if not c.problem and c.step not in wrong]

    def _with_problem(self, problem):
        return tuple(checkpoint.step for checkpoint in self.checkpoints if checkpoint.problem == problem)

    def _findings(self):
        """(what, which steps) for everything found, in sentences' order."""
        yield from (("the same bytes", listed(group)) for group in self.duplicates)
        yield from ((f"the same {file}", listed(steps)) for file, steps in self.shared)
        for what, steps in (
            ("no such branch", self.missing),
            ("no complete model", self.without_weights),
            ("weights only in a pickle", self.pickle_only),
        ):
            if steps:
                yield what, listed(steps)

    def _headline(self):
        own = len(self.trustworthy)
        return f"{self.name}: {own} of {len(self.steps)} checkpoints have weights of their own"

    def __repr__(self):
        lines = [f"  {what}: {which}" for what, which in self._findings()]
        lines += [f"  reported: {defect.what} {defect.source}" for defect in self.known]
        return "\n".join([self._headline(), *lines])

    def _repr_html_(self):
        """The headline and, where something was found, a table below: a caption would be no wider than its table."""
        rows = [(html.escape(what), html.escape(which)) for what, which in self._findings()]
        rows += [(f'<a href="{defect.source}">reported</a>', html.escape(defect.what)) for defect in self.known]
        headline = f"<p>{html.escape(self._headline())}</p>"
        if not rows:
            return headline
        body = "".join(f"<tr><td>{what}</td><td>{which}</td></tr>" for what, which in rows)
        table = f"<table><thead><tr><th>finding</th><th>where</th></tr></thead><tbody>{body}</tbody></table>"
        return headline + re.sub("<(t[hd])>", r'<\1 style="text-align:left">', table)


def audit(name: str | os.PathLike | None = None, steps=None, *, progress: bool = True) -> Audit:
    """Compare the weight files of a model's checkpoints by their hashes; nothing is downloaded.

    name: as `pythia_course.load` takes it.  steps: which to look at; without them, all that the model should have.
    progress: show a bar where it takes more than two seconds.
    Same bytes are the same weights; the reverse need not hold, since a file can be written in another way.
    Raises what `load` raises for a name or a step, and HubUnreachable where the hub is needed and does not answer.
    """
    places = checkpoint_places(name, steps)
    return Audit(places[0].name, tuple(inventory.take(places, progress=progress)))


def refuse_duplicates(name: str | os.PathLike | None, steps=None, *, progress: bool = True) -> None:
    """Raise DuplicateCheckpoints where one of these steps serves the same bytes as another, or as the last of all.

    Steps that are in the hub's cache are compared here; only about others is the hub asked, before any download.
    name, steps, progress, and what else is raised: as for `audit`.
    """
    check(checkpoint_places(name, steps), "refuse", progress=progress)


def check(places: list[Place], duplicates: str = "refuse", *, progress: bool = True) -> dict[int, str]:
    """Make sure that checkpoints can be shown as training; {step: a hash of its weights}.

    duplicates: "refuse" raises DuplicateCheckpoints as `refuse_duplicates` does, "keep" does not.
    Raises StepNotFound where a step is missing on the hub or has no weights.
    """
    last = find(places[0].name)
    # one question more, where the hub is asked anyway: early steps have been known to serve the final weights
    asking = last.step is not None and not all(map(inventory.is_here, places))
    more = [last] if asking and last not in places else []
    found = Audit(places[0].name, tuple(inventory.take([*places, *more], ask=False, progress=progress)))
    asked = {place.step for place in places}
    if lost := asked.intersection(found.missing + found.without_weights):
        raise StepNotFound(
            f"{found.name} has no weights on the hub at step {listed(sorted(lost))}: leave such steps out with "
            f"steps=audit({found.name!r}).distinct."
        )
    if found.duplicates and duplicates == "refuse":
        raise DuplicateCheckpoints(_refusal(found))
    return {checkpoint.step: checkpoint.digest for checkpoint in found.checkpoints}


def checkpoint_places(name: str | os.PathLike | None, steps=None) -> list[Place]:
    """Where these checkpoints of a model are, by step and each once; without steps, all that it should have.

    Raises what `load` raises for a name or a step, and StepNotFound for a model that has no checkpoints.
    """
    last = find(name)
    if last.folder and not last.tokenizer:
        raise StepNotFound(f"The folder {last.folder} holds one model and no checkpoints of its training.")
    if steps is None:
        steps = suite.steps(last.name) or (() if last.name in suite.HUB_IDS else inventory.branch_steps(last))
        if not steps:
            raise StepNotFound(f'{last.name} has no training checkpoints: take a Pythia, for example "pythia-160m".')
    steps = [steps] if isinstance(steps, Integral) else _listed_steps(steps)
    wanted = {place.step: place for place in (find(name, step) for step in steps)}
    if not wanted:
        raise StepNotFound(f"No step of {last.name} was asked for: name some, or leave steps out for all.")
    return [wanted[step] for step in sorted(wanted)]


def _listed_steps(steps) -> list:
    try:
        return list(steps)
    except TypeError:
        if getattr(steps, "ndim", None) == 0:  # one number of numpy's or torch's
            return [steps]
        raise StepNotFound(f"steps are whole numbers, as in [0, 512], or None: all; but {shown(steps)} came.") from None


def listed(steps, longest: int = 8) -> str:
    """Steps as a text of bounded length: "0, 1, 2, 4, 8, 16 … 53000 (64 steps)"."""
    if len(steps) <= longest:
        return ", ".join(map(str, steps))
    return f"{', '.join(map(str, steps[: longest - 2]))} … {steps[-1]} ({len(steps)} steps)"


def _refusal(found: Audit) -> str:
    groups = "; ".join(listed(group) for group in found.duplicates[:3])
    more = len(found.duplicates) - 3
    groups += f"; and {more} groups more" if more > 0 else ""
    asked = {step for group in found.duplicates for step in group}
    sources = [defect.source for defect in found.known if len(asked.intersection(defect.steps)) > 1]
    reported = f" (reported: {', '.join(sources)})" if sources else ""
    return (
        f"{found.name} serves the same weights at steps {groups}{reported}, so what differs between them is not "
        f"training. Leave them out with steps=audit({found.name!r}).distinct, or show them all the same with "
        "duplicates='keep'."
    )


def _groups(checkpoints, keys, named=False) -> list:
    """Steps that share a key, two or more; with the key where named."""
    steps = defaultdict(list)
    for checkpoint in checkpoints:
        for key in keys(checkpoint) if checkpoint.weights else ():
            steps[key].append(checkpoint.step)
    groups = [(key, tuple(group)) for key, group in steps.items() if len(group) > 1]
    return groups if named else [group for _, group in groups]


def _kept(group: tuple[int, ...], last: int) -> int:
    return last if last in group else group[0]
