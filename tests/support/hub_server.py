"""A model hub on this machine: real HTTP, the part of the hub's interface that `huggingface_hub` asks for.

A test file takes the fixture `hub` with `from hub_server import hub_fixture  # noqa: F401` and fills it:

    hub.repositories["EleutherAI/pythia-160m"] = {"main": folder, "step3000": other_folder}

`hub.requests` lists what was asked, as "METHOD path".  `hub.fault`, when set, sees each request first: it is
called with the handler and answers itself (returning True) or lets it pass.
"""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

LARGE = (".safetensors", ".bin", ".pt")  # what the hub keeps as LFS, named by sha256
_CHUNK = 1 << 20


@pytest.fixture(name="hub")
def hub_fixture(tmp_path, monkeypatch):
    """A running, empty hub that huggingface_hub asks, with an empty cache of its own."""
    from huggingface_hub import constants

    with Hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        server.cache = tmp_path / "hub-cache"
        yield server


class Hub(ThreadingHTTPServer):
    """Serves `repositories`: hub id -> branch -> folder.  Use it as a context manager."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, Path]] = {}
        self.requests: list[str] = []
        self.fault = None
        self.cache: Path | None = None
        self._digests: dict[tuple, tuple[str, str]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stop answering, as if the network were gone."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that hangs up is no error of the server's."""

    def branch(self, repository: str, revision: str) -> Path | None:
        """The folder of a branch, or of a commit."""
        branches = self.repositories[repository]
        commits = {self.commit(folder): folder for folder in branches.values()}
        return branches.get(revision) or commits.get(revision)

    def commit(self, folder: Path) -> str:
        """40 hex digits that stand for a folder's whole content."""
        content = [(name, entry["oid"]) for name, entry in self.files(folder).items()]
        return hashlib.sha1(json.dumps(content).encode()).hexdigest()

    def files(self, folder: Path) -> dict[str, dict]:
        """File name -> its entry as the hub's tree listing gives it."""
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): self._entry(path, folder) for path in paths}

    def _entry(self, path: Path, folder: Path) -> dict:
        size, (sha1, sha256) = path.stat().st_size, self._digest(path)
        entry = {"type": "file", "path": path.relative_to(folder).as_posix(), "size": size, "oid": sha1}
        if path.name.endswith(LARGE):
            entry["lfs"] = {"oid": sha256, "size": size, "pointerSize": 134}
        return entry

    def hash_all(self):
        """Hash every file now, so that no request waits for it: large ones take seconds on a busy machine."""
        for folder in {folder for branches in self.repositories.values() for folder in branches.values()}:
            for path in filter(Path.is_file, folder.rglob("*")):
                self._digest(path)

    def _digest(self, path: Path) -> tuple[str, str]:
        """(git's blob id, sha256), computed once for each version of a file."""
        stat = path.stat()
        key = (path, stat.st_size, stat.st_mtime_ns)
        if key not in self._digests:
            git, sha256 = hashlib.sha1(b"blob %d\0" % stat.st_size), hashlib.sha256()
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    git.update(chunk)
                    sha256.update(chunk)
            self._digests[key] = git.hexdigest(), sha256.hexdigest()
        return self._digests[key]


class Handler(BaseHTTPRequestHandler):
    """One request.  Every reply closes its connection, so a closed server is gone at once."""

    protocol_version = "HTTP/1.1"
    server: Hub

    ROUTES = (
        (r"/api/models/(?P<repository>[^/]+/[^/]+?)/refs", "refs"),
        (r"/api/models/(?P<repository>[^/]+/[^/]+?)/tree/(?P<revision>[^/]+)", "tree"),
        (r"/api/models/(?P<repository>[^/]+/[^/]+?)/paths-info/(?P<revision>[^/]+)", "paths_info"),
        (r"/api/models/(?P<repository>[^/]+/[^/]+?)(/revision/(?P<revision>[^/]+))?", "info"),
        (r"/(?P<repository>[^/]+/[^/]+?)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", "resolve"),
    )

    def do_GET(self):
        self.server.requests.append(f"{self.command} {self.path}")
        if self.server.fault and self.server.fault(self):
            return
        for pattern, action in self.ROUTES:
            if match := re.fullmatch(pattern, urlsplit(self.path).path):
                self._answer(action, {key: unquote(value) for key, value in match.groupdict("main").items()})
                return
        self.refuse(404, "NotFound", "No such page")

    do_HEAD = do_POST = do_GET

    def _answer(self, action: str, where: dict):
        repository, revision = where["repository"], where.get("revision", "main")
        if repository not in self.server.repositories:
            self.refuse(401, "RepoNotFound", "Invalid username or password.")
            return
        folder = self.server.branch(repository, revision)
        if folder is None and action != "refs":
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        getattr(self, action)(**where | {"revision": revision, "folder": folder})

    def info(self, repository, revision, folder):
        files = self.server.files(folder)
        siblings = [{"rfilename": name, **self._sibling(entry)} for name, entry in files.items()]
        about = {"id": repository, "modelId": repository, "sha": self.server.commit(folder), "tags": []}
        self.json(about | {"private": False, "gated": False, "disabled": False, "siblings": siblings})

    def _sibling(self, entry):
        """Sizes and hashes, which the hub gives only when asked with ?blobs=true."""
        if "blobs" not in parse_qs(urlsplit(self.path).query):
            return {}
        found = {"size": entry["size"], "blobId": entry["oid"]}
        if lfs := entry.get("lfs"):
            found["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
        return found

    def tree(self, repository, revision, folder):
        self.json(list(self.server.files(folder).values()))

    def paths_info(self, repository, revision, folder):
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        files = self.server.files(folder)
        self.json([files[path] for path in form.get("paths", ()) if path in files])

    def refs(self, repository, revision, folder):
        branches = self.server.repositories[repository].items()
        named = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": self.server.commit(folder)}
                 for name, folder in branches]  # fmt: skip
        self.json({"branches": named, "converts": [], "tags": []})

    def resolve(self, repository, revision, folder, file):
        commit, entry = self.server.commit(folder), self.server.files(folder).get(file)
        if entry is None:
            self.refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        etag = entry.get("lfs", entry)["oid"]
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-ETag": f'"{etag}"', "X-Linked-Size": str(entry["size"])}
        self.file(Path(folder, file), entry["size"], headers)

    def file(self, path: Path, size: int, headers: dict):
        """The bytes of a file, or the range of them that was asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2] or size), size - 1)) if asked else (0, size - 1)
        if asked and first >= size:
            self.begin(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        if asked:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self.begin(206 if asked else 200, headers | {"Content-Length": str(last - first + 1)})
        if self.command != "HEAD":
            with path.open("rb") as source:
                source.seek(first)
                for start in range(first, last + 1, _CHUNK):
                    self.wfile.write(source.read(min(_CHUNK, last + 1 - start)))

    def json(self, content):
        body = json.dumps(content).encode()
        self.begin(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str, headers: dict | None = None):
        """An error as the hub says it: in headers."""
        said = {"X-Error-Code": code, "X-Error-Message": message, "Content-Length": "0"}
        self.begin(status, said | (headers or {}))

    def begin(self, status: int, headers: dict):
        self.send_response(status)
        for name, value in (headers | {"Connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_):
        """Nothing on stderr: tests look at it."""
