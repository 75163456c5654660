"""Is what lies in a folder, bit for bit, what the hub has?"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from pythia_course.hub.addresses import Place
from pythia_course.hub.failures import plain_errors
from pythia_course.hub.patience import SECONDS_TO_ANSWER, patiently, within

_BLOCK = 1 << 22


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
        files = patiently(lambda: within(SECONDS_TO_ANSWER, ask), waiting)
    return {file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in files}


def recorded(folder: Path) -> dict[str, str]:
    """The same without asking: in a cache with links, the name of a blob is the hash that the hub gave for it."""
    return {path.name: path.resolve().name for path in folder.iterdir() if path.is_symlink()}


def damaged(folder: Path, expected: dict[str, str], progress: Callable[[int], None]) -> list[Path]:
    """The files whose content is not what their hash says.  progress: called with the bytes of each block read."""
    return [folder / name for name, digest in expected.items() if _hash(folder / name, len(digest), progress) != digest]


def _hash(path: Path, digits: int, progress: Callable[[int], None]) -> str:
    git = digits == 40
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size) if git else hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


def discard(path: Path) -> None:
    """Delete a file of a snapshot together with the blob it stands for, if it is a link to one."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
