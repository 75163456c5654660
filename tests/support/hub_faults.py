"""What can go wrong between a hub and a learner: each function gives a `fault` for the loopback hub of `hub_server`.

A fault sees every request first; it answers in the hub's place (and returns True), or lets it pass.
"""

import hashlib
import threading
from pathlib import Path

WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def is_weights(handler) -> bool:
    """Whether this request is for the bytes of a weight file."""
    return handler.command == "GET" and handler.path.endswith(WEIGHTS)


def first_byte(handler) -> int:
    """Where the asked range begins, 0 where the whole file is asked for."""
    return int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


def body(handler) -> bytes:
    """The whole file that is asked for."""
    repository, _, rest = handler.path.removeprefix("/").partition("/resolve/")
    revision, _, file = rest.partition("/")
    return Path(handler.server.branch(repository, revision), file).read_bytes()


def ranges(server, fault=None):
    """Lets pass (or hands on to `fault`); gives the list in which it notes where each request for weights begins."""
    seen = []

    def watch(handler):
        if is_weights(handler):
            seen.append(first_byte(handler))
        return fault and fault(handler)

    server.fault = watch
    return seen


def refusing(status, code="", message="", headers=None, *, only=lambda handler: True, times=None):
    """Answers with an error, always or so many times."""
    left = [times]

    def fault(handler):
        if not only(handler) or left[0] == 0:
            return False
        if left[0]:
            left[0] -= 1
        handler.refuse(status, code, message, headers)
        return True

    return fault


def cutting(*pieces):
    """Sends so many bytes to the first request for weights, to the second, …, and cuts the connection each time.

    Later requests find a connection that is cut at once.
    """
    pieces = list(pieces)

    def fault(handler):
        if not is_weights(handler):
            return False
        content, start = body(handler), first_byte(handler)
        _promise(handler, content, start, len(content) - start)
        handler.wfile.write(content[start : start + (pieces.pop(0) if pieces else 0)])
        return True

    return fault


class Stalling:
    """Sends `count` bytes of the weights and then nothing, until `go_on` is set; `stalled` is set meanwhile."""

    def __init__(self, count):
        self.count, self.stalled, self.go_on = count, threading.Event(), threading.Event()

    def __call__(self, handler):
        if not is_weights(handler):
            return False
        content, start = body(handler), first_byte(handler)
        _promise(handler, content, start, len(content) - start)
        handler.wfile.write(content[start : self.count])
        self.stalled.set()
        self.go_on.wait(30)
        handler.wfile.write(content[max(start, self.count) :])
        return True


def shortening(size):
    """The server's copy of the weights ends after `size` bytes, and its replies are in order."""

    def fault(handler):
        if not is_weights(handler):
            return False
        content, start = body(handler)[:size], first_byte(handler)
        if start >= size:
            handler.begin(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
        else:
            _promise(handler, content, start, size - start)
            handler.wfile.write(content[start:])
        return True

    return fault


def flipping(where):
    """One bit of the weights is another on its way."""

    def fault(handler):
        if not is_weights(handler):
            return False
        content, start = bytearray(body(handler)), first_byte(handler)
        content[where] ^= 1
        _promise(handler, content, start, len(content) - start)
        handler.wfile.write(content[start:])
        return True

    return fault


def without_ranges(handler):
    """A server, or a proxy before it, that always sends the whole file."""
    if is_weights(handler):
        del handler.headers["Range"]
    return False


def login_page(handler):
    """What a hotel's or a school's network says to everything until one has logged in."""
    page = b"<!doctype html><title>Welcome</title>"
    handler.begin(200, {"Content-Type": "text/html", "Content-Length": str(len(page))})
    if handler.command != "HEAD":
        handler.wfile.write(page)
    return True


def elsewhere(url):
    """Large files are on another machine, as the hub's are, and that one is at `url`."""

    def fault(handler):
        if is_weights(handler):
            handler.begin(302, {"Location": url + handler.path, "Content-Length": "0"})
        return is_weights(handler)

    return fault


def silent(handler):
    """A network that swallows what is sent."""
    threading.Event().wait(3)
    return True


def _promise(handler, content, start, length):
    headers = {"Content-Length": str(length), "Accept-Ranges": "bytes"}
    if start:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{len(content)}"
    handler.begin(206 if start else 200, headers)


def unsound(server) -> list[str]:
    """What in the hub's cache would harm the next try: a blob without its own hash, a part that is no beginning of
    the hub's file, a stray file, an empty folder of a model that does not exist."""
    folders = [folder for branches in server.repositories.values() for folder in branches.values()]
    files = {path.read_bytes() for folder in folders for path in folder.iterdir()}
    contents = {digest: content for content in files for digest in _digests(content)}
    wrong = []
    for path in server.cache.glob("models--*/blobs/*"):
        digest, _, rest = path.name.partition(".")
        content = path.read_bytes()
        whole = rest == "" and digest in _digests(content)
        resumable = rest == "incomplete" and content and contents.get(digest, b"").startswith(content)
        if not whole and not resumable:
            wrong.append(path.name)
    links = [path for path in server.cache.glob("models--*/snapshots/*/*") if not path.exists()]
    return wrong + [str(path) for path in links]


def _digests(content: bytes) -> tuple[str, str]:
    """A blob's two possible names: sha256, and git's."""
    return hashlib.sha256(content).hexdigest(), hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
