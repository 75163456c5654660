"""Which weight files a checkpoint has, by their sha256: from the course's folder, the hub's cache or the hub itself.

What the hub said of a commit stays true, so it is remembered on disk, in `cache.own_folder()`/audits.
"""

import contextlib
import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pythia_course.errors import HubUnreachable, ModelNotFound
from pythia_course.hub import cache, fetching, model_files
from pythia_course.hub.addresses import Place
from pythia_course.hub.failures import plain_errors
from pythia_course.hub.patience import SECONDS_TO_ANSWER, patiently, within
from pythia_course.hub.reports import in_patience
from pythia_course.machine.bars import bar
from pythia_course.machine.files import whole_file
from pythia_course.training.store import folder_name

QUESTIONS_AT_ONCE = 8
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True)
class Checkpoint:
    """The weight files of one step."""

    step: int
    weights: dict[str, str]  # file name -> sha256
    problem: str = ""  # "missing": no such branch; "incomplete": no model in it
    pickle: bool = False  # the weights are only in files that can hold code

    @property
    def digest(self) -> str:
        """One hash for all the files; "" where there are none."""
        text = json.dumps(sorted(self.weights.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:32] if self.weights else ""


def take(places: list[Place], *, ask: bool = True, progress: bool = True) -> list[Checkpoint]:
    """The checkpoint at each place.  All are of one model, and each has a step.

    ask: ask the hub about every place; otherwise only about those that are not in its cache here.
    Raises HubUnreachable where the hub is needed, does not answer, and never told before; what `load` raises for a
    repository that is not there.
    """
    found = {} if ask and places[0].hub_id else {place: here(place) for place in places}
    unknown = [place for place in places if not found.get(place)]
    if unknown:
        try:
            found |= _ask_hub(unknown, progress)
        except HubUnreachable:
            found |= {place: here(place) or _remembered(place) for place in unknown}
            if not all(found.values()):
                raise
    return [found[place] for place in places]


def branch_steps(place: Place) -> tuple[int, ...]:
    """The training steps for which the hub has a branch, ascending."""
    numbers = (name[4:] for name in _branches(place) if name.startswith("step"))
    return tuple(sorted(int(number) for number in numbers if number.isdecimal()))


def here(place: Place) -> Checkpoint | None:
    """What is on this machine, None where it is not: the course's own files, or complete ones in the hub's cache."""
    folder = place.folder or fetching.cached_folder(place)
    if folder is None:
        return None
    files = {path.name: path for root in (place.tokenizer, folder) if root for path in root.iterdir()}
    return _checkpoint(place, files, lambda name: _content(files[name]))


def is_here(place: Place) -> bool:
    """Whether opening it takes nothing from the hub."""
    return bool(place.folder or fetching.cached_folder(place))


def _checkpoint(place: Place, files, content) -> Checkpoint:
    """What these files of a model make.  content: file name -> sha256."""
    try:
        needed = model_files.needed_files(files, str(place))
    except ModelNotFound:
        return Checkpoint(place.step, {}, "incomplete")
    weights = {name: content(name) for name in needed if name.endswith(_WEIGHTS)}
    return Checkpoint(place.step, weights, pickle=model_files.only_pickle(files))


def _content(path: Path) -> str:
    """sha256 of a file; the hub's cache has it as the name of the file that it links to."""
    target = path.resolve()
    if target.parent.name == "blobs" and _SHA256.fullmatch(target.name):
        return target.name
    stat = target.stat()
    return _sha256(target, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, changed: int) -> str:
    """Read once for each version of a file, which its size and time of change stand for."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ask_hub(places: list[Place], progress: bool) -> dict[Place, Checkpoint]:
    """One request for the branches, and one for each commit about which the hub was not asked before."""
    memory = _Memory(places[0])
    memory.branches = _branches(places[0])
    commits = {memory.branches[p.revision]: p for p in places if p.revision in memory.branches}
    new = {commit: place for commit, place in commits.items() if commit not in memory.commits}
    try:
        with (
            ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool,
            bar(len(new), f"Asking about {places[0].name}", show=progress) as shown,
        ):
            questions = {
                pool.submit(_files, place, commit, lambda seconds: shown.tell(in_patience(seconds))): commit
                for commit, place in new.items()
            }
            try:
                for answer in as_completed(questions):
                    memory.commits[questions[answer]] = answer.result()
                    shown.update()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    finally:
        memory.save()
    return {place: memory.checkpoint(place) for place in places}


def _branches(place: Place) -> dict[str, str]:
    """Branch -> commit."""
    from huggingface_hub import HfApi

    with plain_errors(place):
        refs = _asked(lambda: HfApi().list_repo_refs(place.hub_id))
    return {branch.name: branch.target_commit for branch in refs.branches}


def _files(place: Place, commit: str, waiting=lambda seconds: None) -> dict[str, str]:
    """File name -> what its content is: the sha256 of a large file, git's id of a small one."""
    from huggingface_hub import HfApi

    with plain_errors(place):
        info = _asked(lambda: HfApi().model_info(place.hub_id, revision=commit, files_metadata=True), waiting)
    return {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in info.siblings or ()}


def _asked(question, waiting=lambda seconds: None):
    """The hub's answer, waited for as long as `patience` says."""
    return patiently(lambda: within(SECONDS_TO_ANSWER, question), waiting)


def _remembered(place: Place) -> Checkpoint | None:
    """What the hub said when it last answered, if it was ever asked about this place."""
    memory = _Memory(place)
    commit = memory.branches.get(place.revision)
    return memory.checkpoint(place) if commit in memory.commits else None


class _Memory:
    """What the hub said of one repository."""

    def __init__(self, place: Place):
        self.file = cache.own_folder() / "audits" / f"{folder_name(place.hub_id)}.json"
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            self.branches, self.commits = dict(content["branches"]), dict(content["commits"])
        except (OSError, ValueError, KeyError, TypeError):  # never asked, or damaged: ask again
            self.branches, self.commits = {}, {}

    def save(self):
        """Keep it where that can be: an audit is worth its while without a memory too."""
        content = json.dumps({"branches": self.branches, "commits": self.commits})
        with contextlib.suppress(OSError), whole_file(self.file) as file:
            file.write(content.encode())

    def checkpoint(self, place: Place) -> Checkpoint:
        if place.revision not in self.branches:
            return Checkpoint(place.step, {}, "missing")
        files = self.commits[self.branches[place.revision]]
        return _checkpoint(place, files, files.get)
