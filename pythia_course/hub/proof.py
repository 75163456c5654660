"""Is what lies in a snapshot, bit for bit, what the hub has?  Only what is shown to be damaged is ever removed.

Shown is: its hash differs from the one the hub gives (in a cache with links, the name of the blob), or what begins a
safetensors file cannot be read, or does not fit the file's length.
"""

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

from pythia_course.errors import HubUnreachable, ModelDamaged, ModelNotFound, ModelRefused, StepNotFound
from pythia_course.hub.addresses import Place
from pythia_course.hub.failures import plain_errors
from pythia_course.hub.model_files import FETCH_AGAIN, unreadable_header
from pythia_course.hub.patience import SECONDS_TO_ANSWER, patiently, within
from pythia_course.hub.snapshots import files, read_branch, root

_BLOCK = 1 << 22  # bytes read from the disk at a time
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def published(place: Place, folder: Path, waiting: Callable[[int], None]) -> dict[str, str]:
    """File name -> the hash that the hub gives for it: sha256 of a large file, git's blob id of a small one.

    folder: a snapshot in the hub's cache, whose name is the commit.  waiting: called with the seconds for which a busy
    hub makes one wait.  Raises what `plain_errors` raises.
    """
    from huggingface_hub import HfApi

    def ask():
        names = sorted(path.name for path in folder.iterdir())
        return HfApi().get_paths_info(place.hub_id, names, revision=folder.name)

    with plain_errors(place):
        listed = patiently(lambda: within(SECONDS_TO_ANSWER, ask), waiting)
    return {file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in listed if hasattr(file, "blob_id")}


def recorded(folder: Path) -> dict[str, str]:
    """The same without asking: in a cache with links, the name of a blob is the hash that the hub gave for it."""
    links = {path.name: Path(os.readlink(path)).name for path in folder.iterdir() if path.is_symlink()}
    return {name: target for name, target in links.items() if _HASH.fullmatch(target)}


def damaged(folder: Path, expected: dict[str, str], progress: Callable[[int], None] = lambda _: None) -> list[Path]:
    """The files whose content is not what their hash says.  progress: called with the bytes of each block read."""
    return [folder / name for name, digest in expected.items() if _hash(folder / name, len(digest), progress) != digest]


def shown(place: Place, folder: Path, *, ask: bool = True) -> list[Path] | None:
    """The files of a snapshot that are shown to be damaged; None where nothing tells whether others are whole.

    ask: ask the hub for the hashes of files that are no links.
    """
    expected, there = recorded(folder), files(folder)
    if ask and not there.keys() <= expected.keys():
        with suppress(HubUnreachable, ModelNotFound, StepNotFound):
            hub = published(place, folder, lambda seconds: None)
            expected |= {name: digest for name, digest in hub.items() if name in there}
    bad = damaged(folder, {name: digest for name, digest in expected.items() if name in there})
    bad += [path for name, path in there.items() if path not in bad and unreadable_header(path)]
    return bad if bad or there.keys() <= expected.keys() else None


def remove(place: Place, bad: list[Path]) -> None:
    """Take files that are shown to be damaged out of the cache, so that the next try asks the hub for them.

    Raises ModelDamaged where this account may not.
    """
    try:
        for ref in {path.parents[2] / "refs" / place.revision for path in bad}:
            if read_branch(ref) in {path.parent.name for path in bad}:
                ref.unlink()
        for path in bad:
            if path.is_symlink() and path.resolve().is_relative_to(root().resolve()):
                path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
    except OSError:
        raise ModelDamaged(
            f"{in_words(place, bad, 'is damaged')} and cannot be removed: ask whoever keeps {root()}."
        ) from None


def in_words(place: Place, paths: list[Path], what: str) -> str:
    """ "config.json of pythia-160m is damaged (/where/it/lies)"."""
    return f"{', '.join(path.name for path in paths)} of {place} {what} ({', '.join(map(str, paths))})"


@contextmanager
def mending(place: Place, folder: Path, *, ask: bool = True):
    """Where a model in the cache cannot be read, remove the files that are shown to be damaged, and only those.

    ask: ask the hub for hashes where the cache has none.  Raises ModelDamaged, which names the files, or what came.
    """
    try:
        yield
    except (ModelRefused, ModelDamaged) as error:
        if place.hub_id is None:
            raise
        found = shown(place, folder, ask=ask)
        if found:
            remove(place, found)
            said = in_words(place, found, "was damaged on this disk")
            raise ModelDamaged(f"{said}, so it was removed: run this again to fetch it anew.") from error.__cause__
        if isinstance(error, ModelRefused):
            raise
        raise ModelDamaged(_not_shown(folder, found, str(error))) from error.__cause__


def _not_shown(folder: Path, found: list[Path] | None, said: str) -> str:
    """The sentence for files that cannot be read and yet are not shown to be damaged."""
    advice = "the hub has it so, and another step or model may be better"
    if found is None:
        advice = f"run this again where the hub can be asked, to compare {folder} with what it has"
    return said.replace(FETCH_AGAIN, advice)


def _hash(path: Path, digits: int, progress: Callable[[int], None]) -> str:
    """The hash of a file in hexadecimal; "" of one that is not there."""
    git = digits == 40
    try:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False) if git else hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                progress(len(block))
    except FileNotFoundError:
        return ""
    return digest.hexdigest()
