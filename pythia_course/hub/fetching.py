"""Models on the Hugging Face hub: what opening one takes, and bringing it here.

Checkpoints do not change once published, so one that is complete in the cache is opened from there and
the hub is not asked.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_course import suite
from pythia_course.errors import HubUnreachable, ModelDamaged, ModelNotFound, ModelRefused
from pythia_course.hub import downloads, model_files, snapshots
from pythia_course.hub.addresses import Place, find
from pythia_course.hub.downloads import Remote
from pythia_course.hub.failures import plain_errors
from pythia_course.hub.patience import SECONDS_TO_ANSWER, patiently, within
from pythia_course.hub.proof import mending
from pythia_course.hub.reports import Progress, Report, reporting
from pythia_course.machine import budget

__all__ = ["Plan", "Progress", "cached_folder", "download_plan", "fetch", "mending", "opened", "plain_errors"]


@dataclass(frozen=True)
class Plan:
    """What opening a model takes; all sizes in bytes.

    memory_needed counts the weights alone: Python, torch and transformers need some 350 MB besides.
    """

    hub_id: str | None  # None: already a folder on this machine
    revision: str | None
    files: dict[str, int]
    bytes_to_download: int
    bytes_cached: int
    memory_needed: int
    dtype: str = "float32"
    disk_free: int = sys.maxsize
    note: str = ""  # what else one should know before, in a sentence


def download_plan(name: str | None = None, step: int | None = None, *, dtype: str = budget.AUTO) -> Plan:
    """What `pythia_course.load` would fetch and need, from the hub's metadata; no weights are fetched.

    Raises what `load` would raise for a name, a step or a model that cannot be opened, but none for one that is too
    large: the plan is there to say so.
    """
    place = find(name, step)
    folder, files, missing = _look(place)
    disk = budget.free_disk(snapshots.root()) if missing else sys.maxsize
    with mending(place, folder):
        spec = model_files.read_spec(model_files.read_config(folder, str(place)), place)
    dtype = budget.choose_dtype(spec, dtype, budget.memory_for_weights())
    memory, note = budget.weights(spec, dtype), model_files.pickle_note(files, place.name)
    return Plan(place.hub_id, place.revision, files, missing, sum(files.values()) - missing, memory, dtype, disk, note)


def bytes_to_fetch(place: Place) -> int:
    """What the hub would have to send; quicker than `download_plan`, because only the kind of model is looked at."""
    folder, _, missing = _look(place)
    with mending(place, folder):
        model_files.read_fields(folder, str(place))
    return missing


def _look(place: Place) -> tuple[Path, dict[str, int], int]:
    """(its folder, with config.json in it; the bytes of each file that it takes; those that are not here yet)."""
    if folder := place.folder or cached_folder(place):
        there = (snapshots.files(place.tokenizer) if place.tokenizer else {}) | snapshots.files(folder)
        return folder, {f: there[f].stat().st_size for f in model_files.needed_files(there, str(place))}, 0
    with plain_errors(place):
        remotes = _remotes(place, Report())
        missing = sum(remote.size - remote.here() for remote in remotes.values())
        files = {file: remote.size for file, remote in remotes.items()}
        return _fetch_config(place, remotes, Report()), files, missing


def cached_folder(place: Place) -> Path | None:
    """The folder in the hub's cache that holds all of a model, or None.

    Raises HubUnreachable where it is there and this account may not read it.
    """
    for folder in snapshots.snapshots_at(place):
        there = snapshots.files(folder)
        if _complete(there, place):
            snapshots.check_readable(there[file] for file in model_files.needed_files(there, str(place)))
            return folder
    return None


def _complete(there: dict[str, Path], place: Place) -> bool:
    """Whether these files are all that opening a model takes, every shard that an index lists among them."""
    try:
        needed = model_files.needed_files(there, str(place))
        indexes = [there[file] for file in needed if file.endswith(".index.json")]
        return all(model_files.shards(index, place.name) <= there.keys() for index in indexes)
    except (ModelNotFound, ModelDamaged):  # said when the model is opened
        return False


def fetch(
    place: Place,
    *,
    local_only: bool = False,
    progress: Progress | None = None,
    check: Callable[[suite.Spec], object] | None = None,
    ask: bool = False,
) -> Path:
    """The folder of a hub model, fetching what the cache lacks: config, tokenizer and weights only.

    ask: ask the hub what is newest, even where the cache has all of the model.

    The config comes first, so a model that cannot be opened costs a kilobyte; `check` is called with what it says
    of the model, and may raise before the weights are fetched.  Interrupted, it keeps what has come.
    """
    folder = cached_folder(place)
    if folder and not ask:
        return folder
    if local_only:
        raise ModelNotFound(f"{place} is not on this machine yet: leave out local_only=True to fetch it.")
    try:
        with reporting(progress, str(place)) as report:
            return _fetch_all(place, report, check)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped; what has come of {place} is kept, and the next try fetches only the rest."
        ) from None


def _fetch_all(place: Place, report: Report, check) -> Path:
    with plain_errors(place):
        remotes = _remotes(place, report)
        missing = sum(remote.size - remote.here() for remote in remotes.values())
        report.expect(missing)
        folder = _fetch_config(place, remotes, report)
    with mending(place, folder):
        model_files.read_fields(folder, str(place))
        spec = check and model_files.read_spec(model_files.read_config(folder, str(place)), place)
    if check:
        check(spec)
    budget.check_disk(missing, snapshots.root(), str(place))
    with plain_errors(place):
        for remote in remotes.values():
            downloads.fetch(remote, report)
    return folder


def _fetch_config(place: Place, remotes: dict[str, Remote], report: Report) -> Path:
    """Fetch config.json and have the cache remember the branch's commit; gives the commit's folder."""
    folder = downloads.fetch(remotes["config.json"], report).parent
    ref = _ref(place)
    ref.parent.mkdir(parents=True, exist_ok=True)
    if snapshots.read_branch(ref) != folder.name:
        ref.write_text(folder.name)
    return folder


def _remotes(place: Place, report: Report) -> dict[str, Remote]:
    """The files that opening a model takes, by name, config first and weights last."""
    from huggingface_hub import HfApi

    def ask():
        patience = 2 * SECONDS_TO_ANSWER  # the thread's own end; `within` is the one that is waited for
        return HfApi().model_info(place.hub_id, revision=place.revision, files_metadata=True, timeout=patience)

    info = patiently(lambda: within(SECONDS_TO_ANSWER, ask), report.waiting)
    listing = {file.rfilename: file for file in info.siblings or ()}
    return {file: _remote(place, info.sha, listing[file]) for file in model_files.needed_files(listing, str(place))}


def _remote(place: Place, commit: str, file) -> Remote:
    from huggingface_hub import hf_hub_url

    digest = file.lfs.sha256 if file.lfs else file.blob_id
    if not digest or file.size is None:
        raise HubUnreachable(f"The hub asked for {place} lists no sizes and hashes: set HF_ENDPOINT to one that does.")
    return Remote(
        title=f"{file.rfilename} of {place}",
        url=hf_hub_url(place.hub_id, file.rfilename, revision=commit),
        size=file.size,
        digest=digest,
        blob=_repository(place) / "blobs" / digest,
        pointer=_repository(place) / "snapshots" / commit / file.rfilename,
        lock=snapshots.root() / ".locks" / _repository(place).name / f"{digest}.lock",
    )


def _repository(place: Place) -> Path:
    from huggingface_hub.file_download import repo_folder_name

    return snapshots.root() / repo_folder_name(repo_id=place.hub_id, repo_type="model")


def _ref(place: Place) -> Path:
    """The file in which the cache remembers which commit a branch was at."""
    return _repository(place) / "refs" / place.revision


def opened(place: Place, read: Callable[[Path], Any], *, local_only: bool = False, check, progress=None):
    """What `read(folder)` makes of a model, which is fetched first where it is not here.

    Where it cannot be read, and what is here is what the hub had, the hub is asked whether it has something better by
    now.  Nothing that is not shown to be damaged is forgotten.  Raises what `read`, `fetch` and `mending` raise.
    """
    if place.folder:
        return read(place.folder)
    folder = fetch(place, local_only=local_only, progress=progress, check=check)
    there = snapshots.files(folder).keys()
    try:
        with mending(place, folder, ask=not local_only):
            return read(folder)
    except (ModelRefused, ModelDamaged):
        removed = there != snapshots.files(folder).keys()  # then the next try is for what is missing
        newer = None if local_only or removed else _newer(place, folder, check, progress)
        if newer is None:
            raise
    with mending(place, newer):
        return read(newer)


def _newer(place: Place, folder: Path, check, progress) -> Path | None:
    """The folder of what the hub has now; None where that is the same, or cannot be had."""
    try:
        newest = fetch(place, check=check, progress=progress, ask=True)
    except (OSError, ValueError):
        return None
    return newest if newest != folder else None
