"""Models on the Hugging Face hub: what opening one takes, and bringing it here.

Checkpoints do not change once published, so one that is complete in the cache is opened from there and
the hub is not asked.
"""

import sys
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pythia_course import suite
from pythia_course.errors import HubUnreachable, ModelDamaged, ModelNotFound, ModelRefused
from pythia_course.hub import downloads, model_files
from pythia_course.hub.addresses import Place, find
from pythia_course.hub.downloads import Remote
from pythia_course.hub.failures import plain_errors
from pythia_course.hub.patience import SECONDS_TO_ANSWER, patiently, within
from pythia_course.hub.reports import Progress, Report, reporting
from pythia_course.machine import budget

__all__ = ["Plan", "Progress", "cached_folder", "download_plan", "fetch", "mending", "plain_errors"]


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
    folder, disk = place.folder or cached_folder(place), sys.maxsize
    if folder:
        there = {path.name: path for root in (place.tokenizer, folder) if root for path in root.iterdir()}
        files = {file: there[file].stat().st_size for file in model_files.needed_files(there, str(place))}
        missing = 0
    else:
        with plain_errors(place):
            remotes = _remotes(place, Report())
            files = {file: remote.size for file, remote in remotes.items()}
            missing = sum(remote.size - remote.here() for remote in remotes.values())
            folder, disk = _fetch_config(place, remotes, Report()), budget.free_disk(_cache())
    spec = model_files.read_spec(model_files.read_config(folder, str(place)), place)
    dtype = budget.choose_dtype(spec, dtype, budget.memory_for_weights())
    memory, note = budget.weights(spec, dtype), model_files.pickle_note(files, place.name)
    return Plan(place.hub_id, place.revision, files, missing, sum(files.values()) - missing, memory, dtype, disk, note)


def cached_folder(place: Place) -> Path | None:
    """The folder in the hub's cache that holds all of a model, or None."""
    from huggingface_hub import try_to_load_from_cache

    def cached(file: str) -> str | None:
        path = try_to_load_from_cache(place.hub_id, file, revision=place.revision)
        return path if isinstance(path, str) else None

    def complete(index: str | None) -> bool:
        with suppress(ModelDamaged):  # said when the model is opened
            return index is not None and all(map(cached, model_files.shards(Path(index), place.name)))
        return False

    config = cached("config.json")
    tokenizer = cached("tokenizer.json") or (cached("vocab.json") and cached("merges.txt"))
    weights = any(cached(kind.file) or complete(cached(kind.index)) for kind in model_files.KINDS)
    return Path(config).parent if config and tokenizer and weights else None


def fetch(
    place: Place,
    *,
    local_only: bool = False,
    progress: Progress | None = None,
    check: Callable[[suite.Spec], object] = lambda spec: None,
) -> Path:
    """The folder of a hub model, fetching what the cache lacks: config, tokenizer and weights only.

    The config comes first, so a model that cannot be opened costs a kilobyte; `check` is called with what it says
    of the model, and may raise before the weights are fetched.  Interrupted, it keeps what has come.
    """
    if folder := cached_folder(place):
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
        spec = model_files.read_spec(model_files.read_config(folder, str(place)), place)
    check(spec)
    budget.check_disk(missing, _cache(), str(place))
    with plain_errors(place):
        for remote in remotes.values():
            downloads.fetch(remote, report)
    return folder


def _fetch_config(place: Place, remotes: dict[str, Remote], report: Report) -> Path:
    """Fetch config.json and have the cache remember the branch's commit; gives the commit's folder."""
    folder = downloads.fetch(remotes["config.json"], report).parent
    ref = _ref(place)
    ref.parent.mkdir(parents=True, exist_ok=True)
    if not ref.exists() or ref.read_text() != folder.name:
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
        lock=_cache() / ".locks" / _repository(place).name / f"{digest}.lock",
    )


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _repository(place: Place) -> Path:
    from huggingface_hub.file_download import repo_folder_name

    return _cache() / repo_folder_name(repo_id=place.hub_id, repo_type="model")


def _ref(place: Place) -> Path:
    """The file in which the cache remembers which commit a branch was at."""
    return _repository(place) / "refs" / place.revision


@contextmanager
def mending(place: Place, folder: Path):
    """Where a model in the cache cannot be read, remove what is damaged, so that the next try fetches it anew.

    Also where it is refused: the next try asks the hub whether it has something better by now.
    """
    try:
        yield
    except ModelRefused:
        if place.hub_id:
            _forget(place)
        raise
    except ModelDamaged as error:
        if place.hub_id is None:
            raise
        raise ModelDamaged(_mended(place, folder, str(error))) from error.__cause__


def _mended(place: Place, folder: Path, said: str) -> str:
    """Take the damaged files of a model out of the cache; gives the sentence to say."""
    _forget(place)
    found = downloads.damaged(folder)
    names = ", ".join(path.name for path in found)
    try:
        for path in found:
            path.resolve().unlink()
            path.unlink()
    except OSError:
        return f"{names} of {place} is damaged and cannot be removed: ask whoever keeps {_cache()}."
    if found:
        return f"{names} of {place} was damaged on this disk, so it was removed: run this again to fetch it anew."
    if all(path.is_symlink() for path in folder.iterdir()):  # each is what the hub has
        return said.replace(model_files.FETCH_AGAIN, "the hub has it so, and another step or model may be better")
    return said


def _forget(place: Place) -> None:
    """Have the next try ask the hub which commit is the newest; what was fetched stays."""
    with suppress(OSError):  # in a cache that may only be read, it stays as it is
        _ref(place).unlink(missing_ok=True)
