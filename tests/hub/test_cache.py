"""The hub's cache on this machine: what is in it, and freeing it without touching anything else."""

import sys
from pathlib import Path

import pytest
from support.hub_folders import write_gpt2, write_pythia
from support.hub_server import hub_fixture  # noqa: F401

from pythia_course import errors, load, suite
from pythia_course.hub import addresses, cache, fetching
from pythia_course.hub.cache import ALL, Cached, cached, free

WEIGHTS = "model.safetensors"


@pytest.fixture
def filled(hub, tmp_path):
    """A cache with three checkpoints of a small model under Pythia-160M's id, and one of somebody's."""
    for seed, branch in enumerate(("main", "step0", "step3000")):
        write_pythia(tmp_path / branch, seed)
    hub.repositories["EleutherAI/pythia-160m"] = {b: tmp_path / b for b in ("main", "step0", "step3000")}
    write_gpt2(tmp_path / "other")
    hub.repositories["somebody/gpt2-in-french"] = {"main": tmp_path / "other"}
    for step in (0, 3000, None):
        load("pythia-160m", step)
    load("somebody/gpt2-in-french")
    return hub


def on_disk(folder):
    """Bytes of the files below, each once."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def here(*steps):
    return [step for step in steps if fetching.cached_folder(addresses.find("pythia-160m", step))]


def test_what_is_cached_is_listed_by_name_and_step(filled, tmp_path):
    found = cached()
    assert [(item.name, item.step, item.branches) for item in found] == [
        ("pythia-160m", 0, ("step0",)),
        ("pythia-160m", 3000, ("step3000",)),
        ("pythia-160m", 143_000, ("main",)),
        ("somebody/gpt2-in-french", None, ("main",)),
    ]
    for item, folder in zip(found, ("step0", "step3000", "main", "other")):
        unneeded = ("README.md", "vocab.json", "merges.txt")
        needed = [path for path in (tmp_path / folder).iterdir() if path.name not in unneeded]
        assert item.bytes == sum(path.stat().st_size for path in needed)


def test_an_empty_or_absent_cache_holds_nothing(hub):
    assert cached() == [] and free("pythia-160m", 3000) == 0
    hub.cache.mkdir()
    assert cached() == [] and free("pythia-160m") == 0


def test_freeing_a_step_takes_its_weights_and_leaves_what_others_share(filled, tmp_path):
    before = on_disk(filled.cache)
    freed = free("pythia-160m", 3000)
    assert freed == (tmp_path / "step3000" / WEIGHTS).stat().st_size
    assert before - on_disk(filled.cache) == pytest.approx(freed, abs=100)  # and the branch's name
    assert here(0, 3000, None) == [0, None]
    filled.close()
    assert load("pythia-160m", 0).step == 0 and load("pythia-160m").step == 143_000
    assert load("somebody/gpt2-in-french").name == "somebody/gpt2-in-french"
    assert free("pythia-160m", 3000) == 0


def test_without_a_step_it_is_the_last_as_load_would_open_it(filled):
    assert free("EleutherAI/Pythia-160M") > 0 and here(0, 3000, None) == [0, 3000]


def test_all_of_a_model(filled):
    expected = sum(path.stat().st_size for path in filled.cache.glob("models--EleutherAI--pythia-160m/blobs/*"))
    assert free("pythia-160m", ALL) == expected
    assert [item.name for item in cached()] == ["somebody/gpt2-in-french"]
    assert not (filled.cache / "models--EleutherAI--pythia-160m").exists()


def test_the_last_one_leaves_an_empty_cache_that_can_be_filled_again(filled):
    for step in (0, 3000, None):
        free("pythia-160m", step)
    assert here(0, 3000, None) == []
    assert load("pythia-160m", 3000).step == 3000


@pytest.mark.parametrize("name", suite.SHIPPED)
def test_models_that_ship_with_the_course_are_never_deleted(name):
    for step in (None, ALL):
        with pytest.raises(ValueError, match="ships with the course and is no download"):
            free(name, step)
    assert load(name).name == name


def test_a_folder_of_one_s_own_is_never_deleted(filled, tmp_path):
    with pytest.raises(ValueError, match="is a folder of your own and is no download"):
        free(str(tmp_path / "main"))
    assert (tmp_path / "main" / WEIGHTS).exists()


def test_a_name_or_step_that_is_none_is_said(filled):
    with pytest.raises(errors.StepNotFound):
        free("pythia-160m", 5)
    with pytest.raises(errors.ModelNotFound):
        free("pythia-160mm")


def test_nothing_outside_the_cache_is_deleted_whatever_links_lead_there(filled, tmp_path):
    """Somebody moved the weights elsewhere, and left a link."""
    (blob,) = [
        path for path in filled.cache.glob("models--EleutherAI--pythia-160m/snapshots/*/model.safetensors")
        if path.parent.name == filled.commit(tmp_path / "step3000")
    ]  # fmt: skip
    target, elsewhere = blob.resolve(), tmp_path / "elsewhere" / "weights"
    elsewhere.parent.mkdir()
    target.rename(elsewhere)
    target.symlink_to(elsewhere)
    with pytest.raises(ValueError, match="leads out of the hub's cache .*; nothing was deleted"):
        free("pythia-160m", 3000)
    assert elsewhere.exists() and load("pythia-160m", 3000).step == 3000
    moved = tmp_path / "moved"
    (filled.cache / "models--EleutherAI--pythia-160m").rename(moved)
    (filled.cache / "models--EleutherAI--pythia-160m").symlink_to(moved)
    for step in (0, ALL):
        with pytest.raises(ValueError, match="leads out of the hub's cache"):
            free("pythia-160m", step)
    assert (moved / "snapshots").exists()


def test_a_revision_whose_branch_has_moved_on_is_listed_without_a_step(filled):
    """The hub changed the branch, and a newer commit was fetched since."""
    (filled.cache / "models--EleutherAI--pythia-160m/refs/step3000").unlink()
    lost = [item for item in cached() if item.branches == ()]
    assert len(lost) == 1 and lost[0].step is None and isinstance(lost[0], Cached)
    assert free("pythia-160m", ALL) > 0 and here(0, None) == []


def test_where_the_course_keeps_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHIA_COURSE_CACHE", "~/kept")
    assert cache.own_folder() == Path.home() / "kept"
    monkeypatch.delenv("PYTHIA_COURSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":  # macOS and Windows have places of their own
        assert cache.own_folder() == tmp_path / "pythia-course"


def test_what_cannot_be_deleted_is_an_error_and_not_a_number(filled, monkeypatch):
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # a disk that keeps everything
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(PermissionError, match="could not be deleted"):
        free("pythia-160m", 3000)


def test_a_model_cached_under_the_name_it_once_had_is_listed_and_freed(hub, tmp_path):
    write_gpt2(tmp_path / "gpt2")
    hub.repositories["openai-community/gpt2"] = {"main": tmp_path / "gpt2"}
    load("gpt2")
    (hub.cache / "models--openai-community--gpt2").rename(hub.cache / "models--gpt2")
    assert [item.name for item in cached()] == ["gpt2"]
    assert free("gpt2") > 0 and cached() == []
