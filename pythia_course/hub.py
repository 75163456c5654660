"""Models on the Hugging Face hub: what a download would fetch, the download, and its failures in plain words.

Checkpoints do not change once published, so one that is complete in the cache is opened from there and
the hub is not asked.
"""

import errno
import json
import re
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pythia_course import folders, suite
from pythia_course.places import (
    HubUnreachable,
    ModelDamaged,
    ModelNotFound,
    Place,
    StepNotFound,
    find,
    no_step,
    similar,
)

SECONDS_TO_ANSWER = 10
BYTES_PER_PARAMETER = {"float32": 4, "bfloat16": 2, "float16": 2}

Progress = Callable[[int, int], None]


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


def download_plan(name: str | None = None, step: int | None = None, *, dtype: str = "float32") -> Plan:
    """What `pythia_course.load` would fetch and need, from the hub's metadata; no weights are fetched.

    Raises what `load` would raise for a name, a step or a model that cannot be opened.
    """
    place = find(name, step)
    folder = place.folder or cached_folder(place)
    if folder:
        there = {path.name: path for root in (place.tokenizer, folder) if root for path in root.iterdir()}
        files = {file: there[file].stat().st_size for file in folders.needed_files(there, str(place))}
        missing = 0
    else:
        files, missing = _files_on_hub(place)
        folder = _fetch_config(place)
    spec = suite.spec_from_config(folders.read_config(folder, str(place)), place.name)
    memory = suite.total(spec) * BYTES_PER_PARAMETER[dtype]
    return Plan(place.hub_id, place.revision, files, missing, sum(files.values()) - missing, memory)


def _files_on_hub(place: Place) -> tuple[dict[str, int], int]:
    """The files that opening a model takes, with their sizes, and how many bytes of them are not here yet."""
    with plain_errors(place):
        listing = _listing(place)
    files = {file: listing[file].size for file in folders.needed_files(listing, str(place))}
    return files, sum(size for file, size in files.items() if not _have_blob(place, listing[file]))


def cached_folder(place: Place) -> Path | None:
    """The folder in the hub's cache that holds all of a model, or None."""
    from huggingface_hub import try_to_load_from_cache

    def cached(file: str) -> str | None:
        path = try_to_load_from_cache(place.hub_id, file, revision=place.revision)
        return path if isinstance(path, str) else None

    config, index = cached("config.json"), cached(folders.INDEX)
    tokenizer = cached("tokenizer.json") or (cached("vocab.json") and cached("merges.txt"))
    weights = cached(folders.WEIGHTS) or (index and all(map(cached, _shards(index))))
    return Path(config).parent if config and tokenizer and weights else None


def _shards(index: str) -> set[str]:
    return set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values())


def fetch(place: Place, *, local_only: bool = False, progress: Progress | None = None) -> Path:
    """The folder of a hub model, fetching what the cache lacks: config, tokenizer and safetensors only.

    The config comes first and is checked, so a model that cannot be opened costs a kilobyte.
    """
    if folder := cached_folder(place):
        return folder
    if local_only:
        raise ModelNotFound(f"{place} is not on this machine yet: leave out local_only=True to fetch it.")
    files, missing = _files_on_hub(place)
    options = {"tqdm_class": _counting_bar(progress, missing)} if progress else {}
    folder = _fetch_config(place, **options)
    folders.read_config(folder, str(place))
    with plain_errors(place):
        for file in list(files)[1:]:
            _fetch(place, file, folder.name, **options)
    return folder


def _fetch_config(place: Place, **options) -> Path:
    """Fetch config.json by branch, so that the cache remembers the branch's commit; gives its folder."""
    with plain_errors(place):
        return _fetch(place, "config.json", place.revision, **options).parent


def _listing(place: Place) -> dict:
    """Everything in a model's repository: file name -> its metadata, with size and hash."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(place.hub_id, revision=place.revision, files_metadata=True, timeout=SECONDS_TO_ANSWER)
    return {file.rfilename: file for file in info.siblings or ()}


def _fetch(place: Place, file: str, revision: str, **options) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(place.hub_id, file, revision=revision, **options))


def _have_blob(place: Place, file) -> bool:
    """Whether the cache holds this content, under whatever branch it came."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = repo_folder_name(repo_id=place.hub_id, repo_type="model")
    content = file.lfs.sha256 if file.lfs else file.blob_id
    return Path(constants.HF_HUB_CACHE, folder, "blobs", content).exists()


def _counting_bar(progress: Progress, total: int):
    """A progress bar class that draws nothing and reports the bytes of all its bars together."""
    from huggingface_hub.utils import tqdm

    done = 0

    class CountingBar(tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n=1):
            nonlocal done
            done += n or 0
            progress(min(done, total), total)

    return CountingBar


@contextmanager
def plain_errors(place: Place):
    """Say a failure of the hub, the network or the disk in one sentence, without the library's traceback."""
    from huggingface_hub import errors

    try:
        yield
    except (ModelDamaged, HubUnreachable):
        raise
    except (errors.HTTPError, errors.EntryNotFoundError, errors.HFValidationError, OSError) as error:
        raise _plain(error, place) from None


def _plain(error: Exception, place: Place) -> Exception:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return ModelNotFound(f"{place.hub_id} is gated: accept its terms on the hub and log in first.")
    if isinstance(error, (errors.RepositoryNotFoundError, errors.HFValidationError)):
        return ModelNotFound(f"The hub has no model {place.hub_id}, or it is private{similar(place.hub_id)}")
    if isinstance(error, errors.RevisionNotFoundError):
        return StepNotFound(_steps_there(place))
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return HubUnreachable(f"The hub answered {status} when asked for {place}: try again in a minute.")
    if isinstance(error, (errors.HTTPError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError)):
        return HubUnreachable(
            f"{place} is not on this machine yet, and the hub cannot be reached ({_reason(error)}): connect "
            "to the network and try again, or open tiny-pythia, which needs none."
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HubUnreachable(f"The disk is too full for {place}: free some space and try again.")
    return HubUnreachable(f"Fetching {place} was interrupted ({_reason(error)}): try again.")


def _reason(error: Exception) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    lines = str(error.__cause__ or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _steps_there(place: Place) -> str:
    """What checkpoints the hub does have of a model, when the one asked for is missing."""
    from huggingface_hub import HfApi

    branches = (branch.name for branch in HfApi().list_repo_refs(place.hub_id).branches)
    available = tuple(sorted(int(name[4:]) for name in branches if re.fullmatch(r"step\d+", name)))
    if not available:
        return f"{place.hub_id} has no training checkpoints on the hub: leave step out."
    return no_step(place.name, place.step, available)
