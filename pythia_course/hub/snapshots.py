"""The hub's cache as it lies on the disk: models, their branches, snapshots and files.

huggingface_hub's own scan hides a whole model where one stray file lies in it (a broken link, macOS' `._main`), so the
course reads the folders itself.  What does not belong to the layout is passed over.  HubUnreachable says, in one
sentence, that the cache is there but cannot be read.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pythia_course import suite
from pythia_course.errors import HubUnreachable
from pythia_course.hub.addresses import Place

_MODEL = "models--"


@dataclass(frozen=True)
class Snapshot:
    """The files of one commit of a model."""

    folder: Path  # CACHE/models--OWNER--NAME/snapshots/COMMIT
    branches: tuple[str, ...]  # those that are at this commit; () once the hub has moved them on

    @property
    def repository(self) -> Path:
        """The folder of its model."""
        return self.folder.parents[1]

    @property
    def hub_id(self) -> str:
        """ "owner/name", or only "gpt2", as old models were called."""
        return self.repository.name.removeprefix(_MODEL).replace("--", "/")

    def blobs(self) -> set[Path]:
        """The files that hold its content: what it links to, or its own where the disk knows no links."""
        return {path.resolve() for path in files(self.folder).values()}


def root() -> Path:
    """The folder of downloaded models, HF_HUB_CACHE, whether it exists yet or not."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def check_root() -> None:
    """Raises HubUnreachable where the cache is something other than a folder."""
    if exists(root()) and not os.path.isdir(root()):
        raise HubUnreachable(
            f"{root()} should hold the downloaded models but is no folder: set HF_HUB_CACHE to a folder."
        )


def repositories() -> list[Path]:
    """The folders of models in the cache, whether they can be read or not."""
    check_root()
    return [path for path in _entries(root()) if path.name.startswith(_MODEL) and os.path.isdir(path)]


def of(hub_id: str) -> list[Path]:
    """The folders of one model: under its id, and under the one it had before models had owners ("gpt2")."""
    check_root()
    names = dict.fromkeys((hub_id, suite.short_name(hub_id)))
    folders = (root() / f"{_MODEL}{name.replace('/', '--')}" for name in names)
    return [folder for folder in folders if exists(folder)]


def snapshots(repository: Path) -> list[Snapshot]:
    """Every snapshot of a model in the cache."""
    at = _branches(repository)
    return [
        Snapshot(folder, tuple(sorted(branch for branch, commit in at.items() if commit == folder.name)))
        for folder in _entries(repository / "snapshots")
        if os.path.isdir(folder)
    ]


def snapshots_at(place: Place) -> list[Path]:
    """The folders that the cache has for a place.

    Where it does not tell which branch a snapshot is (its folder refs/ was lost on the way), a snapshot that is alone
    is taken for a model that has only one checkpoint; of others it could be any step.
    """
    found = []
    for repository in of(place.hub_id):
        if commit := read_branch(repository / "refs" / place.revision):
            found.append(repository / "snapshots" / commit)
        elif place.name in suite.HUB_IDS and not suite.steps(place.name) and not _branches(repository):
            found += alone if len(alone := _entries(repository / "snapshots")) == 1 else []
    return [folder for folder in found if exists(folder)]


def read_branch(ref: Path) -> str:
    """The commit that a file below refs/ names; "" where there is none, or it names none."""
    try:
        commit = ref.read_text("ascii").strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, UnicodeDecodeError):
        return ""
    except OSError as error:
        raise unreadable(ref, error) from None
    return commit if commit.isalnum() else ""


def files(folder: Path) -> dict[str, Path]:
    """File name -> path of what a snapshot holds; broken links and hidden files are left out."""
    return {path.name: path for path in _entries(folder) if os.path.isfile(path)}


def exists(path: Path) -> bool:
    """Whether there is something; HubUnreachable where this account may not even look."""
    try:
        path.stat()
    except PermissionError as error:
        raise unreadable(path, error) from None
    except (OSError, ValueError):  # not there, a broken link, a circle of links, a name that cannot be
        return False
    return True


def check_readable(paths) -> None:
    """Raises HubUnreachable for the first file that this account may not read."""
    for path in paths:
        try:
            path.open("rb").close()
        except OSError as error:
            raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> HubUnreachable:
    """One sentence about what is in the cache and cannot be read."""
    return HubUnreachable(
        f"The cache of models has something that cannot be read here ({path}: {error.strerror or error}): ask whoever "
        "keeps it to let others read it, or set HF_HUB_CACHE to a folder of your own."
    )


def _branches(repository: Path) -> dict[str, str]:
    """Branch -> commit."""

    def refuse(error: OSError):
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise unreadable(Path(error.filename or repository), error)

    refs = repository / "refs"
    found = {}
    for folder, _, names in os.walk(refs, onerror=refuse):
        paths = [Path(folder, name) for name in names if not name.startswith(".")]
        found |= {path.relative_to(refs).as_posix(): read_branch(path) for path in paths}
    return found


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, hidden files left out; nothing where there is no folder."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(folder, error) from None
