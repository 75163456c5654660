"""The loopback hub with data sets: listings, sizes and byte ranges in the hub's layout, of files of any size.

A test file imports the fixtures `data_hub_fixture` from here and `hub_fixture` from `hub_server`, takes `data_hub` and
fills it:

    data_hub.data["EleutherAI/pile-standard-pythia-preshuffled"] = {"document-00000-of-00001.bin": Content(...), …}

Large files are answered as the hub does: by a redirect to another address, which serves the range. `data_hub.sent` has
(file name, bytes) of each body that went out; `data_hub.fault` works as that of `hub_server.Hub`.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import pytest
from support.hub_server import Handler


@dataclass(frozen=True)
class Content:
    """A file that need not exist: its size in bytes, and read(first, size) -> bytes."""

    size: int
    read: Callable[[int, int], bytes]

    @classmethod
    def of(cls, content: bytes):
        return cls(len(content), lambda first, size: content[first : first + size])


@pytest.fixture(name="data_hub")
def data_hub_fixture(hub):
    """The running hub of `hub_server`, serving `data` (data set -> file name -> Content) beside its models."""
    from huggingface_hub import HfFileSystem

    hub.RequestHandlerClass = DataHandler
    hub.data, hub.sent = {}, []
    HfFileSystem.clear_instance_cache()  # another test's hub may have had this one's address
    return hub


class DataHandler(Handler):
    """One request, about a data set or about a model."""

    DATA_ROUTES = (
        (r"/api/datasets/(?P<data>[^/]+/[^/]+)(/revision/(?P<revision>[^/]+))?", "data_info"),
        (r"/api/datasets/(?P<data>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)", "data_tree"),
        (r"/datasets/(?P<data>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", "data_resolve"),
        (r"/storage/(?P<data>[^/]+/[^/]+)/(?P<file>.+)", "data_storage"),
    )

    def do_GET(self):
        path = urlsplit(self.path).path
        for pattern, action in self.DATA_ROUTES:
            if match := re.fullmatch(pattern, path):
                self.server.requests.append(f"{self.command} {self.path}")
                if not (self.server.fault and self.server.fault(self)):
                    self._about_data(action, {key: unquote(value) for key, value in match.groupdict("main").items()})
                return
        super().do_GET()

    do_HEAD = do_POST = do_GET

    def _about_data(self, action, where):
        if where["data"] in self.server.data:
            getattr(self, action)(**where)
        else:
            self.refuse(401, "RepoNotFound", "Invalid username or password.")

    def data_info(self, data, revision):
        commit = hashlib.sha1(data.encode()).hexdigest()
        siblings = [{"rfilename": name} for name in self.server.data[data]]
        about = {"id": data, "author": data.partition("/")[0], "sha": commit, "tags": [], "siblings": siblings}
        self.json(about | {"private": False, "gated": False, "disabled": False, "downloads": 0, "likes": 0})

    def data_tree(self, data, revision):
        self.json([self._listed(name, content) for name, content in self.server.data[data].items()])

    def _listed(self, name, content):
        sha256 = hashlib.sha256(f"{name} {content.size}".encode()).hexdigest()
        entry = {"type": "file", "path": name, "size": content.size, "oid": sha256[:40]}
        return entry | {"lfs": {"oid": sha256, "size": content.size, "pointerSize": 137}, "xetHash": sha256}

    def data_resolve(self, data, revision, file):
        """Large files lie elsewhere: the hub sends there, and says here what is to be known of them."""
        content = self.server.data[data].get(file)
        if content is None:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        etag = self._listed(file, content)["lfs"]["oid"]
        headers = {"X-Linked-ETag": f'"{etag}"', "X-Linked-Size": str(content.size), "Content-Length": "0"}
        self.begin(302, headers | {"Location": f"{self.server.url}/storage/{data}/{file}"})

    def data_storage(self, data, file):
        content = self.server.data[data][file]
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked is None:
            return self.refuse(400, "NoRange", "This test serves ranges only.")
        first, last = int(asked[1]), min(int(asked[2]), content.size - 1)
        if first >= content.size:
            return self.begin(416, {"Content-Range": f"bytes */{content.size}", "Content-Length": "0"})
        body = content.read(first, last - first + 1)
        self.server.sent.append((file, len(body)))
        span = {"Content-Range": f"bytes {first}-{last}/{content.size}"}
        self.begin(206, span | {"Content-Length": str(last - first + 1), "Accept-Ranges": "bytes"})
        self.wfile.write(body)
