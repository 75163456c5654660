"""Bytes out of a data set that the hub keeps in numbered shards, read from where they lie.

What there is and where comes from huggingface_hub's file system. Its own `open` takes whatever answers into memory
(2.4: `HfFileSystemFile._fetch_range`), a shard of 30 GB where something on the way ignores the range; so the range is
read here, and only once the answer says that it is the range. Nothing is written to the disk.
"""

import re
from dataclasses import dataclass

from pythia_course.errors import HubUnreachable, ModelDamaged, ModelNotFound
from pythia_course.hub.addresses import Place
from pythia_course.hub.failures import plain_errors
from pythia_course.hub.patience import SECONDS_TO_ANSWER, patiently, within
from pythia_course.hub.reports import Progress, Report, reporting
from pythia_course.machine.memory import in_words

_SHARD = re.compile(r"document-(\d{5})-of-(\d{5})\.bin")


@dataclass(frozen=True)
class Shard:
    """One file of a data set.  size: bytes."""

    name: str
    url: str
    size: int


@dataclass(frozen=True)
class Span:
    """`size` bytes of a shard, from byte `first` on."""

    shard: Shard
    first: int
    size: int


def read(data: str, start: int, size: int, title: str, *, total: int, progress: Progress | None = None) -> bytes:
    """`size` bytes from byte `start` of the data set's shards laid end to end: one request for each shard they touch.

    data: "owner/name".  title: what the bytes are, for errors and the progress bar.  total: bytes that all shards
    together have at least; with fewer, one is incomplete and what lies where is not certain.
    Raises ModelNotFound, ModelDamaged or HubUnreachable, one sentence each.
    """
    place = Place(title, None, hub_id=data, revision="main")
    with plain_errors(place), reporting(progress, title) as report:
        shards = _list(place, report)
        if (there := sum(shard.size for shard in shards)) < total:
            raise ModelDamaged(f"The shards of {data} are incomplete: {there:,} of {total:,} bytes are there.")
        report.expect(size)
        return b"".join(_fetch(span, data, report) for span in spans(shards, start, size))


def spans(shards: list[Shard], start: int, size: int) -> list[Span]:
    """Where the bytes from `start` to `start + size` of the shards laid end to end are, in order."""
    found = []
    for shard in shards:
        first, last = max(start, 0), min(start + size, shard.size)
        if first < last:
            found.append(Span(shard, first, last - first))
        start -= shard.size  # counted from the next shard's beginning
    return found


def _list(place: Place, report: Report) -> list[Shard]:
    """The shards in order, with their sizes, as the hub lists them.  huggingface_hub remembers what it was told."""
    from huggingface_hub import HfFileSystem

    files, folder = HfFileSystem(), f"datasets/{place.hub_id}"
    try:
        entries = patiently(lambda: within(SECONDS_TO_ANSWER, lambda: files.ls(folder)), report.waiting)
    except FileNotFoundError:
        raise ModelNotFound(f"The hub has no data set {place.hub_id}, or it is private.") from None
    sizes = {entry["name"].rpartition("/")[2]: entry["size"] for entry in entries}
    return [Shard(name, files.url(f"{folder}/{name}"), sizes[name]) for name in _in_order(sizes, place.hub_id)]


def _in_order(names, data: str) -> list[str]:
    """The names of shards, 0, 1, 2, …; ModelDamaged where one is missing or there are two sets of them."""
    matches = sorted(filter(None, map(_SHARD.fullmatch, names)), key=lambda match: (match[2], match[1]))
    if not matches:
        raise ModelDamaged(f"{data} holds no shards: it has no file named like document-00000-of-00020.bin.")
    endings = sorted({match[2] for match in matches})
    if len(endings) > 1:
        raise ModelDamaged(f"{data} holds two sets of shards, of {endings[0]} and of {endings[1]}: which count?")
    for number, match in enumerate(matches):
        if int(match[1]) != number:
            raise ModelDamaged(f"Shard {number:05} of {data} is missing, so what lies where is not certain.")
    return [match[0] for match in matches]


def _fetch(span: Span, data: str, report: Report) -> bytes:
    """The bytes of a span; a connection that brought something before it broke is taken up again."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    got = bytearray()
    while len(got) < span.size:
        before, reason = len(got), "the hub sends no more"
        try:
            patiently(lambda: _receive(span, data, got, report), report.waiting)
        except HfHubHTTPError:
            raise
        except HTTPError as error:
            reason = str(error) or type(error).__name__
        if len(got) == before:
            here, wanted = in_words(before), in_words(span.size)
            raise HubUnreachable(f"Reading {span.shard.name} broke off ({reason}) after {here} of {wanted}: try again.")
    return bytes(got)


def _receive(span: Span, data: str, got: bytearray, report: Report) -> None:
    """Add to `got` what one connection brings."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    first, last = span.first + len(got), span.first + span.size - 1
    headers = build_hf_headers() | {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT  # seconds between two pieces, not for the whole
    with get_session().stream("GET", span.shard.url, headers=headers, timeout=timeout) as reply:
        if reply.status_code == 416:
            raise ModelDamaged(f"{span.shard.name} of {data} is shorter than the hub lists it: try another step.")
        hf_raise_for_status(reply)
        if not reply.headers.get("Content-Range", "").startswith(f"bytes {first}-"):
            raise HubUnreachable(
                f"Asked for a part of {span.shard.name}, the hub, or a proxy on the way, sends another ("
                f"{reply.status_code}): it does not know range requests, so try another network."
            )
        for chunk in reply.iter_bytes():
            chunk = chunk[: span.size - len(got)]
            got += chunk
            report.add(len(chunk))
            if len(got) == span.size:
                break
