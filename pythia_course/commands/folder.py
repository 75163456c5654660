"""A folder of lessons that the learner owns: what is new is brought, what the learner changed is never written over."""

import errno
import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from pythia_course.errors import FolderRefused
from pythia_course.lessons.shipped import FIRST
from pythia_course.machine.files import whole_file
from pythia_course.machine.memory import in_words

OWN = ".pythia-course"  # beside the lessons: what was brought, and which tabs were open
BROUGHT = "brought.json"
SPARE = 5_000_000  # bytes that must be left for the learner's own first save
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass
class Brought:
    """Names of the files that came, by what was there before."""

    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def bring(lessons: dict[str, Path], folder: Path, version: str) -> Brought:
    """Bring the lessons into a folder, which is made if need be.

    lessons: {name: file}.  A file that is there as it was brought last gives way to its new version.  One that is not
    stays, and what is new since comes beside it, once, with the version in its name.  A file that is gone comes again.

    Raises FolderRefused, which says what to do.  Each file is whole or not there, whatever happens.
    """
    with _refusals_in_words(folder):
        before = _read_brought(folder)
        contents = {name: path.read_bytes() for name, path in lessons.items()}
        _check_folder(folder, sum(map(len, contents.values())) if not before else 0)
        report = Brought()
        for name, content in contents.items():
            _bring_one(folder, name, content, before.get(name), version, report)
        after = before | {name: _hash(content) for name, content in contents.items()}
        if after != before:
            _write(folder / OWN / BROUGHT, json.dumps({"version": version, "files": after}, indent=1).encode())
        return report


def _bring_one(folder: Path, name: str, content: bytes, before: str | None, version: str, report: Brought) -> None:
    """before: the hash of what was last brought under this name."""
    path = folder / name
    there = _hash_of(path)
    if there is None:
        _write(path, content)
        report.new.append(name)
    elif there == _hash(content):
        return
    elif there == before:
        _write(path, content)
        report.updated.append(name)
    elif before == _hash(content):
        report.kept.append(name)
    else:
        report.kept.append(name)
        if other := _beside(path, content, version):
            _write(other, content)
            report.beside.append(other.relative_to(folder).as_posix())


def _beside(path: Path, content: bytes, version: str) -> Path | None:
    """A free name beside a file, or None if one like that already holds this."""
    number = 1
    while True:
        more = f".{number}" if number > 1 else ""
        other = path.with_name(f"{path.stem}_new_in_{version}{more}{path.suffix}")
        there = _hash_of(other)
        if there is None:
            return other
        if there == _hash(content):
            return None
        number += 1


def _check_folder(folder: Path, size: int) -> None:
    """Raises FolderRefused where a file is in the way, or there is no room for so many bytes."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise FolderRefused(
            f"{there} is a file, and the lessons need a folder: name another, as in `pythia-course lab lessons`."
        )
    free = shutil.disk_usage(there).free
    if size and free < size + SPARE:
        raise FolderRefused(_full(folder, f"they take {in_words(size + SPARE)}, and {in_words(free)} are free"))


@contextmanager
def _refusals_in_words(folder: Path):
    """Turn what the system says of files into a sentence for a learner."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # one of ours
            raise
        where = error.filename or folder
        if error.errno in FULL:
            raise FolderRefused(_full(folder, "the disk is full")) from error
        if isinstance(error, IsADirectoryError):
            raise FolderRefused(f"{where} is a folder, where a lesson should be: move it away.") from error
        raise FolderRefused(
            f"The lessons cannot be written to {folder} ({error.strerror}: {where}): name a folder of your own, "
            "as in `pythia-course lab lessons`."
        ) from error


def _full(folder: Path, why: str) -> str:
    return f"There is no room for the lessons in {folder} ({why}): free some, or name a folder on another disk."


def _read_brought(folder: Path) -> dict[str, str]:
    """{name: hash} of what was brought last; of a damaged record nothing, so that every file counts as changed."""
    try:
        files = json.loads((folder / OWN / BROUGHT).read_text(encoding="utf-8"))["files"]
        return {str(name): str(value) for name, value in files.items()}
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def open_first(folder: Path) -> str:
    """The address below the server's at which JupyterLab opens: the learner's own tabs, or the first lesson."""
    try:
        tabs = "".join(path.read_text(encoding="utf-8") for path in (folder / OWN / "workspaces").glob("*"))
    except (OSError, ValueError):
        tabs = ""
    return "/lab" if '"notebook:' in tabs else f"/lab/tree/{FIRST}"


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as file:
        file.write(content)


def _hash_of(path: Path) -> str | None:
    try:
        return _hash(path.read_bytes())
    except FileNotFoundError:
        return None


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
