"""One file of the hub -> the hub's cache on this machine, whatever the network does meanwhile.

huggingface_hub (2.4: `file_download._download_to_tmp_and_move`) gives each attempt a file of its own, deletes it when
something goes wrong, and compares no hash. Here what has come stays, as `blobs/HASH.incomplete`: the next attempt, of
this kernel or another, asks for the rest, and only what has the hub's own hash enters the cache. Layout and locks are
the library's, so that its tools and other programs find what they know.
"""

import hashlib
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pythia_course.errors import HubUnreachable, ModelDamaged
from pythia_course.hub.patience import patiently
from pythia_course.hub.reports import Report
from pythia_course.machine.memory import in_words

_BLOCK = 1 << 20  # bytes read from the disk at a time


@dataclass(frozen=True)
class Remote:
    """A file of a repository at one commit, and where it goes.  size: bytes."""

    title: str  # as "model.safetensors of pythia-160m"
    url: str
    size: int
    digest: str  # sha256 in hexadecimal; git's blob id, a sha1, of what the hub keeps as a small file
    blob: Path  # its content, named by the digest, whatever branches have it
    pointer: Path  # its name in the snapshot of the commit: a link to the blob
    lock: Path

    @property
    def partial(self) -> Path:
        """What has come so far."""
        return self.blob.with_name(f"{self.digest}.incomplete")

    def here(self) -> int:
        """How many of its bytes are on this machine."""
        if self.pointer.exists() or self.blob.exists():
            return self.size
        try:
            return min(self.size, self.partial.stat().st_size)
        except OSError:
            return 0


def fetch(file: Remote, report: Report) -> Path:
    """Bring a file into the cache and give its path there.

    What has come when this fails or is interrupted stays and is not fetched again.  Raises HubUnreachable for a
    connection that does not bring all, ModelDamaged for content that is not what the hub lists, and whatever the
    hub's library or the disk says of the rest.
    """
    if not file.pointer.exists():
        for path in (file.blob, file.pointer, file.lock):
            path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file, report):
            if not file.pointer.exists() and not file.blob.exists():
                _complete(file, report)
            _link(file)
    return file.pointer


@contextmanager
def _alone(file: Remote, report: Report):
    """Hold the file's lock; while another kernel has it, count what that one brings."""
    from huggingface_hub.utils import WeakFileLock

    seen = file.here()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(WeakFileLock(file.lock, timeout=0.3))
                break
            except TimeoutError:
                pass
            finally:
                here = file.here()
                report.add(here - seen)
                seen = max(seen, here)
        yield


def _complete(file: Remote, report: Report) -> None:
    """Fetch what is missing, compare the hash, and give the file its name."""
    with _Partial(file) as partial:
        _fill(partial, report)
    if partial.hexdigest() != file.digest:
        file.partial.unlink(missing_ok=True)
        raise ModelDamaged(
            f"What came as {file.title} is not what the hub lists (its hash differs) and was thrown away: try again, "
            "and over another network if it happens twice."
        )
    try:
        file.partial.replace(file.blob)
    except FileNotFoundError:
        # Another kernel did the same work: some shared disks grant a lock to all who ask.
        if not file.blob.exists():
            raise


class _Partial:
    """What has come of a file: its bytes on the disk and their hash.

    Bytes are written where they belong and not merely appended, so that two kernels on a disk without locks write
    the same into the same places.
    """

    def __init__(self, file: Remote):
        self.file, self.size = file, 0

    def __enter__(self):
        there = self.file.here()
        self.file.partial.touch()
        self._handle = self.file.partial.open("r+b")
        self._digest = _new_digest(self.file)
        while self.size < there and (block := self._handle.read(min(_BLOCK, there - self.size))):
            self._digest.update(block)
            self.size += len(block)
        return self

    def __exit__(self, *_):
        try:
            if self.size == self.file.size:  # what gets its name must not be lost when the power is
                os.fsync(self._handle.fileno())
        finally:
            self._handle.close()
            if self.size == 0:
                self.file.partial.unlink(missing_ok=True)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def add(self, offset: int, chunk: bytes) -> int:
        """Write a chunk that starts at `offset`, less what is beyond the file's end; gives the bytes written."""
        if offset != self.size:  # a server that knows no ranges begins anew
            self._handle.seek(0)
            self._handle.truncate()
            self._digest, self.size = _new_digest(self.file), 0
        chunk = chunk[: self.file.size - self.size]
        self._handle.write(chunk)
        self._handle.flush()  # so that nothing is lost with a kernel that is killed
        self._digest.update(chunk)
        self.size += len(chunk)
        return len(chunk)


def _new_digest(file: Remote):
    if len(file.digest) == 40:
        return hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    return hashlib.sha256()


def _fill(partial: _Partial, report: Report) -> None:
    """Ask for the rest until all is there; a connection that brought something before it broke is taken up again."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    file = partial.file
    while partial.size < file.size:
        before, reason = partial.size, "the hub sends no more"
        try:
            patiently(lambda: _receive(partial, report), report.waiting)
        except HfHubHTTPError:
            raise
        except HTTPError as error:
            reason = str(error) or type(error).__name__
        if partial.size <= before:
            raise HubUnreachable(
                f"Fetching {file.title} broke off ({reason}): {in_words(partial.size)} of {in_words(file.size)} are "
                "here, so try again to get the rest."
            )


def _receive(partial: _Partial, report: Report) -> None:
    """Take what one connection brings."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT  # seconds between two pieces, not for the whole
    with get_session().stream("GET", partial.file.url, headers=headers, timeout=timeout) as reply:
        if reply.status_code == 416:  # the server's file ends where ours does
            return
        hf_raise_for_status(reply)
        offset = partial.size if reply.status_code == 206 else 0
        for chunk in reply.iter_bytes():
            if not (written := partial.add(offset, chunk)):
                break
            report.add(written)
            offset += written


def _link(file: Remote) -> None:
    """Give the blob its name in the snapshot; where no links can be made (Windows, most sticks) it moves there."""
    if file.pointer.exists():
        return
    try:
        file.pointer.symlink_to(os.path.relpath(file.blob, file.pointer.parent))
    except FileExistsError:
        pass  # a link whose blob was missing until now
    except OSError:
        file.blob.replace(file.pointer)
