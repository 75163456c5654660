"""Caches as other people and systems leave them: strays, lost branches, closed folders; and proxies that cannot be."""

import ctypes
import os
import shutil

import pytest
from support.hub_folders import write_pythia
from support.hub_server import hub_fixture  # noqa: F401
from support.shell import (  # noqa: F401
    PYTHIA,
    QUICK_DOCTOR,
    failed,
    folders_fixture,
    here_fixture,
    no_more_than_others,
    served_fixture,
    shell,
)

from pythia_course import errors, load
from pythia_course.hub.cache import ALL, cached, free

PARTS = ("blobs", "refs", "snapshots")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Where the first test leaves a copy of its cache for those after it; each of them spoils one of its own."""
    return tmp_path_factory.mktemp("template") / "hub-cache"


@pytest.fixture
def filled(served, template):
    """A cache with two steps of a small model under Pythia-160M's id, and one under GPT-2's."""
    if template.exists():
        shutil.copytree(template, served.cache, symlinks=True)
    else:
        for name, step in ((PYTHIA, 3000), (PYTHIA, None), ("gpt2", None)):
            load(name, step)
        shutil.copytree(served.cache, template, symlinks=True)
    served.model = served.cache / "models--EleutherAI--pythia-160m"
    return served


def apple_double(folder):
    """What macOS leaves beside each file on a disk that is not its own."""
    (folder / "._main").write_bytes(b"\x00\x05\x16\x07\xff")


STRAYS = {
    "broken link in a snapshot": lambda model: next(model.glob("snapshots/*")).joinpath("README.md").symlink_to("gone"),
    "broken link among snapshots": lambda model: (model / "snapshots/gone").symlink_to("nowhere"),
    "a file among snapshots": lambda model: (model / "snapshots/notes.txt").write_text("mine"),
    "._main in refs": lambda model: apple_double(model / "refs"),
    "._main in snapshots": lambda model: apple_double(model / "snapshots"),
    "._main in a snapshot": lambda model: apple_double(next(model.glob("snapshots/*"))),
    "._main in the model": lambda model: apple_double(model),
    "._main in the cache": lambda model: apple_double(model.parent),
    "a file called like a model": lambda model: (model.parent / "models--a--b").write_text(""),
    "a link to nowhere called like a model": lambda model: (model.parent / "models--a--b").symlink_to("nowhere"),
    "an empty ref": lambda model: (model / "refs/step7").write_text(""),
    "a ref that is no text": lambda model: (model / "refs/step7").write_bytes(b"\xff\xfe\x00"),
    "a ref to nothing": lambda model: (model / "refs/step7").write_text("f" * 40),
    "newlines after refs": lambda model: [path.write_text(path.read_text() + "\n") for path in model.glob("refs/*")],
    "a folder in refs": lambda model: (model / "refs/refs/pr").mkdir(parents=True),
}


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_hides_no_model_and_stops_no_command(stray, filled, here):
    STRAYS[stray](filled.model)
    named = [(item.name, item.step) for item in cached()]
    assert named == [("gpt2", None), ("pythia-160m", 3000), ("pythia-160m", 143_000)]
    assert ": step 3000, step 143000\n" in here("list").stdout
    done = here("prefetch", PYTHIA, "gpt2", "--steps", "3000", "last")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("was here") == 3
    filled.close()
    assert load(PYTHIA, 3000).step == 3000 and load(PYTHIA, local_only=True).step == 143_000
    assert here("free", PYTHIA, "--step", "3000", "--yes").returncode == 0
    assert [item.step for item in cached()] == [None, 143_000] and load(PYTHIA).step == 143_000
    done = here("free", PYTHIA, "--all", "--yes")
    assert done.returncode == 0 and not filled.model.exists() and load("gpt2").name == "gpt2"


def test_without_refs_a_model_of_one_checkpoint_opens_and_of_others_no_step_is_guessed(filled, here):
    for refs in filled.cache.glob("models--*/refs"):
        shutil.rmtree(refs)
    assert len(cached()) == 3
    url = filled.requests.clear()
    assert load("gpt2", local_only=True).name == "gpt2" and filled.requests == []
    assert free("gpt2") > 0
    with pytest.raises(errors.ModelNotFound, match="not on this machine yet"):
        load(PYTHIA, 3000, local_only=True)
    assert load(PYTHIA, 3000).step == 3000 and url is None
    assert not any("resolve" in request for request in filled.requests)  # the hub said which it is; nothing came again


def test_an_old_folder_without_an_owner_is_opened_listed_and_freed(filled, here):
    (filled.cache / "models--openai-community--gpt2").rename(filled.cache / "models--gpt2")
    filled.close()
    assert load("gpt2").name == load("openai-community/gpt2").name == "gpt2"
    assert "gpt2 " in here("list").stdout and "incomplete" not in here("list").stdout
    done = here("free", "openai-community/gpt2", "--yes")
    assert done.returncode == 0 and done.stdout.count("0.9 MB") == 2
    assert not (filled.cache / "models--gpt2").exists()


def test_freeing_a_step_leaves_what_has_come_of_another(filled):
    part = filled.model / "blobs" / f"{'a' * 64}.incomplete"
    part.write_bytes(b"half")
    free(PYTHIA, 3000)
    free(PYTHIA)
    assert part.read_bytes() == b"half"
    assert free(PYTHIA, ALL) == 0


MODEL = "models--EleutherAI--pythia-160m"


@pytest.mark.parametrize("name", [".locks", f".locks/{MODEL}", MODEL, *(f"{MODEL}/{part}" for part in PARTS)])
def test_a_file_where_the_hub_s_library_makes_a_folder_is_named(hub, tmp_path, name):
    write_pythia(tmp_path / "main", 0)
    hub.repositories[PYTHIA] = {"main": tmp_path / "main"}
    file = hub.cache / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    with pytest.raises(errors.HubUnreachable) as said:
        load(PYTHIA)
    assert f"because {file} is a file, and a folder belongs there: delete it" in str(said.value)
    file.unlink()
    assert load(PYTHIA).step == 143_000


# ------------------------------------------------------------------------------------------ closed to this account


LOAD = "from pythia_course import load\ntry: load('pythia-160m', 3000)\nexcept OSError as e: print(type(e).__name__, e)"


@pytest.fixture
def closed(filled):
    """Somebody else filled the shared cache with umask 077.  Gives what runs a command there."""
    os.chown(filled.model, 65534, 65534)
    filled.model.chmod(0o700)
    yield lambda *words, **more: shell(filled, *words, preexec_fn=like_others, **more)
    os.chown(filled.model, 0, 0)


def like_others():
    """Root may read everything, unless it gives up CAP_DAC_READ_SEARCH too."""
    no_more_than_others()
    ctypes.CDLL(None).prctl(24, 2, 0, 0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_cache_that_may_not_be_read_is_said_to_be_so(closed, filled):
    said = closed(module=("-c", LOAD)).stdout
    assert (
        said.startswith("HubUnreachable The cache of models has something that cannot be read here")
        and "written" not in said
    )
    done = closed("list")
    assert done.returncode == 0 and "cannot be read here" in done.stdout and "gpt2 " in done.stdout
    assert "cannot be read here" in failed(closed("free", PYTHIA, "--yes"))
    done = closed("doctor", module=("-c", QUICK_DOCTOR))
    assert done.returncode == 1 and "Ready" not in done.stdout and "BROKEN   cache" in done.stdout


def test_a_cache_that_is_a_file(hub, here):
    hub.cache.write_text("")
    with pytest.raises(errors.HubUnreachable, match="is no folder: set HF_HUB_CACHE to a folder"):
        load(PYTHIA, 3000)
    for words in (("list",), ("prefetch", "gpt2"), ("free", "gpt2", "--yes")):
        assert "is no folder: set HF_HUB_CACHE" in failed(here(*words))
    assert hub.cache.read_text() == ""


# ------------------------------------------------------------------------------------------------------ proxies


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://127.0.0.1:1", "ALL_PROXY names a SOCKS proxy, which takes one more package"),
        ("http://[::bad", "is no web address"),
        ("foo://proxy:1", "is no web address"),
    ],
)
def test_a_proxy_that_cannot_be_is_named(proxy, said, filled, here, monkeypatch):
    from huggingface_hub.utils import close_session

    from pythia_course.audit import audit
    from pythia_course.pile import training_batch

    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    close_session()
    try:
        for ask in (
            lambda: load(PYTHIA, 4000),
            lambda: audit("pythia-70m"),
            lambda: training_batch("pythia-160m", 0),
        ):
            with pytest.raises(errors.HubUnreachable) as caught:
                ask()
            assert said in str(caught.value) and "ALL_PROXY" in str(caught.value) and "\n" not in str(caught.value)
        assert said in failed(here("prefetch", PYTHIA, "--steps", "4000"))
        assert load(PYTHIA, 3000).step == 3000
    finally:
        close_session()
