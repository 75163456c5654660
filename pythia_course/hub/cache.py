"""What is on this machine: checkpoints in the hub's cache, listed and freed; and the course's own folder of results."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pythia_course import suite
from pythia_course.errors import HubUnreachable
from pythia_course.hub.addresses import Place, find
from pythia_course.hub.snapshots import Snapshot, exists, of, repositories, root, snapshots, snapshots_at

CACHE_VARIABLE = "PYTHIA_COURSE_CACHE"
ALL = "all"


@dataclass(frozen=True)
class Cached:
    """One checkpoint in the hub's cache."""

    name: str  # the course's name, or owner/name
    step: int | None  # None: no training step, or a branch that the course does not read
    bytes: int  # on disk, files shared with other checkpoints included
    branches: tuple[str, ...]  # () once the hub has moved the branch on
    folder: Path


def own_folder() -> Path:
    """Where the course keeps what it has computed: PYTHIA_COURSE_CACHE, or the system's place for caches.

    On Linux that is `$XDG_CACHE_HOME/pythia-course`, or `~/.cache/pythia-course`.  It may not exist yet.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("pythia-course", appauthor=False)


def cached() -> list[Cached]:
    """Every checkpoint in the hub's cache that can be read, by name and step; `unreadable` has the others.

    Models that ship with the course are not in it: they are part of the course.
    """
    found = map(_described, _readable()[0])
    return sorted(found, key=lambda item: (item.name, -1 if item.step is None else item.step, item.branches))


def unreadable() -> list[str]:
    """A sentence for each model in the cache that this account may not read."""
    return _readable()[1]


def here(place: Place, every: bool = False) -> list[Cached]:
    """What the cache has of a checkpoint, or of every one of its model: what `free` deletes."""
    return [_described(one) for repository in of(place.hub_id) for one in _meant(place, repository, every)]


def _meant(place: Place, repository: Path, every: bool) -> list[Snapshot]:
    named = snapshots_at(place)
    return [one for one in snapshots(repository) if every or one.folder in named]


def _described(one: Snapshot) -> Cached:
    return Cached(suite.short_name(one.hub_id), _step(one), _size(one.blobs()), one.branches, one.folder)


def _readable() -> tuple[list[Snapshot], list[str]]:
    found, failed = [], []
    for repository in repositories():
        try:
            found += snapshots(repository)
        except HubUnreachable as error:
            failed.append(str(error))
    return found, failed


def free(name: str, step: int | str | None = None) -> int:
    """Delete a checkpoint's download from the hub's cache; back come the bytes freed, 0 where it was not there.

    name, step: as `pythia_course.load` takes them, so that without a step it is the last; "all" frees every one.
    Files that another checkpoint in the cache needs too, such as the tokenizer's, stay.
    Raises ValueError for a folder or a model that ships with the course, and where the cache leads outside itself;
    PermissionError where something could not be deleted, HubUnreachable where it cannot even be read.
    """
    place = find(name, None if step == ALL else step)
    if place.folder:
        shipped = place.tokenizer and place.name in suite.SHIPPED
        whose = "ships with the course" if shipped else "is a folder of your own"
        raise ValueError(f"{place} {whose} and is no download: free deletes only what was fetched from the hub.")
    gone = 0
    for repository in of(place.hub_id):
        chosen = _meant(place, repository, step == ALL)
        if chosen:
            kept = [one for one in snapshots(repository) if one not in chosen]
            gone += _delete(repository, chosen, kept, step == ALL)
    return gone


def _delete(repository: Path, chosen: list[Snapshot], kept: list[Snapshot], everything: bool) -> int:
    """Delete snapshots with what only they need, after making sure that all of it lies inside the cache."""
    blobs = set().union(*(one.blobs() for one in chosen)) - set().union(*(one.blobs() for one in kept))
    size, inside = _size(blobs), root().resolve()
    refs = [repository / "refs" / branch for one in chosen for branch in one.branches]
    paths = [repository] if everything else [*sorted(blobs), *(one.folder for one in chosen), *refs]
    for path in (*paths, *blobs):
        if not path.resolve().is_relative_to(inside):
            raise ValueError(f"{path} leads out of the hub's cache {inside}; nothing was deleted: delete it by hand.")
    for path in paths:
        _remove(path)
    if not kept and not any((repository / "blobs").glob("*")):
        _remove(repository)
    return size


def _remove(path: Path) -> None:
    """Delete a file or a folder; PermissionError where it stays."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        pass  # said below, as where a disk keeps it without a word
    if path.exists():
        raise PermissionError(f"{path} could not be deleted: is the cache read-only, or in use by someone else?")


def _size(paths: set[Path]) -> int:
    return sum(path.stat().st_size for path in paths if exists(path))


def _step(one: Snapshot) -> int | None:
    """The training step that a snapshot holds: main is the last one, as in `addresses`."""
    available = suite.steps(one.hub_id)
    if "main" in one.branches:
        return available[-1] if available else None
    numbers = [int(branch[4:]) for branch in one.branches if branch.startswith("step") and branch[4:].isdecimal()]
    return min(numbers, default=None)
