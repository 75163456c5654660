"""What is on this machine: checkpoints in the hub's cache, listed and freed; and the course's own folder of results."""

import os
from dataclasses import dataclass
from pathlib import Path

from pythia_course import suite
from pythia_course.hub.addresses import find

CACHE_VARIABLE = "PYTHIA_COURSE_CACHE"
ALL = "all"


@dataclass(frozen=True)
class Cached:
    """One checkpoint in the hub's cache."""

    name: str  # the course's name, or owner/name
    step: int | None  # None: no training step, or a branch that the course does not read
    bytes: int  # on disk, files shared with other checkpoints included
    branches: tuple[str, ...]  # () once the hub has moved the branch on


def own_folder() -> Path:
    """Where the course keeps what it has computed: PYTHIA_COURSE_CACHE, or the system's place for caches.

    On Linux that is `$XDG_CACHE_HOME/pythia-course`, or `~/.cache/pythia-course`.  It may not exist yet.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("pythia-course", appauthor=False)


def cached() -> list[Cached]:
    """Every checkpoint in the hub's cache, by name and step.

    Models that ship with the course are not in it: they are part of the course.
    """
    found = [
        Cached(suite.short_name(repo.repo_id), _step(repo, revision), revision.size_on_disk, _branches(revision))
        for repo in _models()
        for revision in repo.revisions
    ]
    return sorted(found, key=lambda item: (item.name, -1 if item.step is None else item.step, item.branches))


def free(name: str, step: int | str | None = None) -> int:
    """Delete a checkpoint's download from the hub's cache; back come the bytes freed, 0 where it was not there.

    name, step: as `pythia_course.load` takes them, so that without a step it is the last; "all" frees every one.
    Files that another checkpoint in the cache needs too, such as the tokenizer's, stay.
    Raises ValueError for a folder or a model that ships with the course, and where the cache leads outside itself;
    PermissionError where something could not be deleted.
    """
    place = find(name, None if step == ALL else step)
    if place.folder:
        shipped = place.tokenizer and place.name in suite.TINY
        whose = "ships with the course" if shipped else "is a folder of your own"
        raise ValueError(f"{place} {whose} and is no download: free deletes only what was fetched from the hub.")
    info = _scan()
    chosen = [
        revision.commit_hash
        for repo in _models(info)
        if suite.short_name(repo.repo_id) == suite.short_name(place.hub_id)  # "gpt2", too, as it once was called
        for revision in repo.revisions
        if step == ALL or place.revision in revision.refs
    ]
    return _delete(info, chosen) if chosen else 0


def _delete(info, commits) -> int:
    """Delete these commits, after making sure that everything to delete lies inside the cache."""
    strategy = info.delete_revisions(*commits)
    root = _root()
    for path in (*strategy.blobs, *strategy.refs, *strategy.repos, *strategy.snapshots):
        if not path.resolve().is_relative_to(root):
            raise ValueError(f"{path} leads out of the hub's cache {root}, so nothing was deleted: delete it by hand.")
    strategy.execute()  # it only logs what it cannot delete
    left = [path for path in (*strategy.repos, *strategy.snapshots, *strategy.blobs) if path.exists()]
    if left:
        raise PermissionError(f"{left[0]} could not be deleted: is the cache read-only, or in use by someone else?")
    return strategy.expected_freed_size


def _root() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser().resolve()


def _scan():
    """What huggingface_hub finds in its cache, None where there is no cache yet."""
    from huggingface_hub import scan_cache_dir

    return scan_cache_dir(_root()) if _root().is_dir() else None


def _models(info=None) -> list:
    info = info or _scan()
    return [repo for repo in info.repos if repo.repo_type == "model"] if info else []


def _branches(revision) -> tuple[str, ...]:
    return tuple(sorted(revision.refs))


def _step(repo, revision) -> int | None:
    """The training step that a revision holds: main is the last one, as in `places`."""
    available = suite.steps(repo.repo_id)
    if "main" in revision.refs:
        return available[-1] if available else None
    numbers = [int(ref[4:]) for ref in revision.refs if ref.startswith("step") and ref[4:].isdecimal()]
    return min(numbers, default=None)
