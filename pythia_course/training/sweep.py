"""Any measure over any checkpoints of any model: `sweep(name, steps, measure)`.

    def best_previous_token_head(lm):
        attention = lm.trace("the cat sat on the mat", keep=["attention"]).attention
        return measures.previous_token_scores(attention).max()

    scores = sweep("tiny-pythia", None, best_previous_token_head)
    by_size = sweep(["tiny-pythia-91k", "tiny-pythia-281k"], [600, 6200], best_previous_token_head)    # name -> Sweep

Each result is on the disk as soon as it is there: stop a sweep, or have it killed, and the same call goes on where it
was.  It measures anew where the measure's code, or a value or function that it reads, has changed; and where it cannot
tell, as with a module or an object of your own, it says so and keeps nothing (`fingerprint` has the rule).
"""

import functools
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pythia_course.errors import shown
from pythia_course.hub import cache, fetching
from pythia_course.hub.addresses import Place
from pythia_course.inside.tracing import LanguageModel
from pythia_course.training import audit
from pythia_course.training.fingerprint import NotKnown, fingerprint
from pythia_course.training.store import Store, folder_name
from pythia_course.training.workers import Job, run


def sweep(
    name: str | os.PathLike | list | tuple | None = None,
    steps: Iterable[int] | int | None = None,
    measure: Callable[[LanguageModel], Any] | None = None,
    *,
    label: str | None = None,
    version: int | str | None = None,
    keep: str | os.PathLike | bool = True,
    workers: int | None = None,
    free: bool = False,
    duplicates: str = "refuse",
    dtype: str = "float32",
    device: str = "cpu",
    progress: bool = True,
) -> "Sweep | dict[str, Sweep]":
    """Measure a model at each of these steps of its training: {step: what `measure(lm)` returned}.

    name: as `pythia_course.load` takes it; or a list of such names, sizes or seeds, for {name: its Sweep}.
    steps: which ones; None for all that there are.
    measure: is given an opened model; returns a number, an array (numpy, torch, list) or a dict of these by name.
    label: a name for what is measured, in place of the measure's code: results under it are used again whatever the
        code is now.
    version: your word for what the measure reads and a sweep cannot compare: with one, results are kept all the same,
        and used again while the rest of the code, and the version, are what they were.
    keep: a folder for the results, in place of the course's own (`cache.own_folder()`/sweeps); False for none.
    workers: so many processes, each with one model in memory, on their share of the processors; 1 or None for
        none besides this one.  Without it, joblib's own settings count, so that a cluster takes part with
        `with joblib.parallel_config(backend="dask"): sweep(...)`.
    free: delete each download once it was measured (not what was here before).
    duplicates: "keep" for checkpoints that are known to be equal; see `audit.refuse_duplicates`.
    dtype: "float32", or "bfloat16" for half the memory.  device: as for `load`.
    progress: show a bar with the remaining time where it takes more than two seconds.

    Raises, before anything is measured, what `load` raises for a name or a step, and DuplicateCheckpoints; then
    MeasureFailed, which names the step.  What was measured before an error or an interrupt is kept.
    """
    if isinstance(name, (list, tuple)):
        options = {"label": label, "version": version, "keep": keep, "workers": workers, "free": free}
        options |= {"duplicates": duplicates, "dtype": dtype, "device": device, "progress": progress}
        return _several(name, steps, measure, options)
    _check(measure, duplicates, workers, dtype, label, version, keep)
    places = audit.checkpoint_places(name, steps)
    weights = audit.check(places, duplicates, progress=progress)
    known = None if keep is False else _known(measure, label, version)
    store = _store(keep, places[0], measure, [label, known, version, dtype, str(device)]) if known is not None else None
    kept = {place.step: store.read(place.step, weights[place.step]) for place in places} if store else {}
    todo = [place for place in places if kept.get(place.step) is None]
    fetched = [place for place in todo if free and place.hub_id and not fetching.cached_folder(place)]
    try:
        job = Job(measure, store, dtype, device, free)
        for step, value in run(job, todo, weights, workers, progress):
            kept[step] = value
            if store and not store.path(step).exists():  # measured on a machine with another disk
                store.write(step, value, weights[step])
    finally:
        _free_leftovers(fetched)
    return Sweep(places[0].name, kept)


def _several(names, steps, measure, options) -> "dict[str, Sweep]":
    """One sweep after another; a name or a step that is not there is told before any of them begins."""
    if not names:
        raise ValueError("sweep needs at least one name, as in ['tiny-pythia-91k', 'tiny-pythia'], but none came.")
    checked = ("duplicates", "workers", "dtype", "label", "version", "keep")
    _check(measure, *(options[key] for key in checked))
    steps = list(steps) if hasattr(steps, "__next__") else steps  # each name reads them anew
    steps = {name: [place.step for place in audit.checkpoint_places(name, steps)] for name in names}
    return {name: sweep(name, steps[name], measure, **options) for name in names}


def _check(measure, duplicates, workers, dtype, label, version, keep):
    if not callable(measure):
        raise TypeError(
            "sweep needs a measure, a function of a model, in the third place, as in "
            f"sweep('tiny-pythia', None, measure), but {shown(measure)} came."
        )
    if duplicates not in audit.DUPLICATES:
        raise ValueError(f"duplicates is one of {', '.join(audit.DUPLICATES)}, but {shown(duplicates)} came.")
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers is a number of processes, 1 or more, but {shown(workers)} came.")
    if label is not None and not (isinstance(label, str) and label):
        raise TypeError(f"label is a name for what is measured, as in label='induction', but {shown(label)} came.")
    if version is not None and not isinstance(version, (int, str)):
        raise TypeError(f"version is a number or a text, as in version=1, but {shown(version)} came.")
    if not isinstance(keep, (bool, str, os.PathLike)) or keep == "":
        raise TypeError(f"keep is a folder for the results, or False for none, but {shown(keep)} came.")
    if dtype == "auto":
        raise ValueError(
            "A sweep measures every checkpoint in the same numbers: dtype is float32 or bfloat16, not auto."
        )


def _known(measure, label, version) -> str | None:
    """What stands for the measure's code, "" where a label does; None, and a warning why, where nothing can."""
    if label:
        return ""
    try:
        return fingerprint(measure, vouched=version is not None)
    except NotKnown as reason:
        warnings.warn(
            f"Measured anew, and not kept: whether {_name(measure)} is what it was the last time cannot be told, since "
            f"{reason}. Make that inside the measure; or say version=1, and version=2 once it is another.",
            stacklevel=3,
        )
        return None


def _store(keep, place: Place, measure, key: list) -> Store:
    """Where the results of this measure of this model are kept.  key: the label, and all that they depend on."""
    root = cache.own_folder() / "sweeps" if keep is True else Path(keep).expanduser()
    name = folder_name(key[0] or _name(measure))[-60:]
    name = f"{name}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}"
    store = Store(root / folder_name(place.name) / name)
    try:
        store.prepare()
    except (OSError, ValueError) as error:  # ValueError: no system can have a folder of that name
        reason = getattr(error, "strerror", "no such name is possible")
        raise OSError(
            f"No results can be kept in {str(store.folder)!a} ({reason}): name another folder with keep=, or none "
            "with keep=False."
        ) from None
    return store


def _name(measure) -> str:
    """What a person would call it: the function's name, also where arguments were filled in."""
    while isinstance(measure, functools.partial):
        measure = measure.func
    return getattr(measure, "__qualname__", type(measure).__name__)


def _free_leftovers(places: list[Place]) -> None:
    """Free what an error, or a file shared with another worker's checkpoint, left in the cache."""
    for place in places:
        if fetching.cached_folder(place):
            cache.free(place.name, place.step)


class Sweep(Mapping):
    """What was measured: step -> number, array or dict of these, in order of the steps."""

    def __init__(self, name: str, results: Mapping[int, Any]):
        self.name = name
        self._results = dict(sorted(results.items()))

    def __getitem__(self, step):
        return self._results[step]

    def __iter__(self):
        return iter(self._results)

    def __len__(self):
        return len(self._results)

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps, ascending."""
        return tuple(self._results)

    def array(self, key: str | None = None) -> np.ndarray:
        """All results in one array, the steps first: (step, ...).

        key: which of the values, where the measure returned a dict.
        Raises ValueError where there is no such key, or where the shapes differ between steps.
        """
        values = list(self._results.values())
        if isinstance(values[0], dict):
            if key not in values[0]:
                raise ValueError(
                    f"Each result has {', '.join(values[0])}: name one, as in array({next(iter(values[0]))!r})."
                )
            values = [value[key] for value in values]
        elif key is not None:
            raise ValueError(f"Each result is one value without a name, so there is no {key!r}: leave it out.")
        shapes = {np.shape(value) for value in values}
        if len(shapes) > 1:
            raise ValueError(f"The results have different shapes, {sorted(shapes)}: take them one by one, by step.")
        return np.array(values)

    def __repr__(self):
        first = next(iter(self._results.values()))
        each = ", ".join(f"{key}: {_kind(v)}" for key, v in first.items()) if isinstance(first, dict) else _kind(first)
        count = len(self)
        where = f"{count} steps, {self.steps[0]} to {self.steps[-1]}" if count > 1 else f"step {self.steps[0]}"
        return f"Sweep of {self.name}: {where}; each {each}"


def _kind(value) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}"
    return "text" if isinstance(value, str) else "a number"
