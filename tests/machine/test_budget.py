"""Memory and disk: said before anything is fetched or opened, and refused in a sentence that names what does fit."""

import subprocess
import sys

import pytest
import torch
from support.hub_folders import PYTHIA_160M, write_pythia
from support.hub_server import hub_fixture  # noqa: F401
from support.limits import memory_cgroups, memory_limit, run

from pythia_course import errors, load, suite
from pythia_course.hub.fetching import Plan, download_plan
from pythia_course.machine import budget, devices
from pythia_course.widgets import picker

MB, GB = 10**6, 10**9
PYTHIA = suite.SUITE["pythia-160m"]


# --------------------------------------------------------------------------------------------- the rules


@pytest.fixture(params=[True, False], ids=["fast bfloat16", "slow bfloat16"])
def fast(request, monkeypatch):
    """A processor of either kind."""
    monkeypatch.setattr(budget, "fast_bfloat16", lambda: request.param)
    return request.param


@pytest.mark.parametrize(
    ("name", "room", "dtype", "where_slow"),
    [
        ("pythia-160m", 1300 * MB, "float32", "float32"),
        ("pythia-160m", 1280 * MB, "bfloat16", "float32"),  # it would fit, and leave nothing for a second model
        ("pythia-160m", 1090 * MB, "bfloat16", "float32"),
        ("pythia-160m", 1080 * MB, "bfloat16", "bfloat16"),
        ("pythia-160m", 330 * MB, "bfloat16", "bfloat16"),
        ("pythia-12b", 60 * GB, "bfloat16", "bfloat16"),
        ("pythia-12b", 100 * GB, "float32", "float32"),
    ],
)
def test_auto_takes_float32_where_it_leaves_room(name, room, dtype, where_slow, fast):
    dtype = dtype if fast else where_slow
    assert budget.choose_dtype(suite.SUITE[name], "auto", room) == dtype
    budget.check_memory(suite.SUITE[name], dtype, room, name)


@pytest.mark.parametrize("dtype", budget.BYTES_PER_PARAMETER)
def test_what_was_asked_for_is_not_changed(dtype):
    assert budget.choose_dtype(PYTHIA, dtype, 0) == dtype


def test_what_cannot_fit_is_refused_by_a_byte_and_names_what_can():
    needed = 4 * suite.total(PYTHIA)
    budget.check_memory(PYTHIA, "float32", needed, "pythia-160m")
    with pytest.raises(errors.ModelTooLarge) as caught:
        budget.check_memory(PYTHIA, "float32", needed - 1, "pythia-160m")
    assert str(caught.value) == (
        "pythia-160m takes 649 MB of memory in float32, and there is room for 649 MB here: "
        'dtype="auto" opens it in half of that.'
    )
    with pytest.raises(MemoryError, match="room for 300 MB here: the largest Pythia that fits is pythia-70m"):
        budget.check_memory(PYTHIA, "bfloat16", 300 * MB, "pythia-160m")


def test_the_largest_that_fits_is_the_largest():
    for name, larger in zip(suite.PYTHIAS, suite.PYTHIAS[1:]):
        half = budget.weights(suite.SUITE[larger], "bfloat16")
        assert budget.what_fits(half - 1) == f"the largest Pythia that fits is {name}"
    assert budget.what_fits(10**12).endswith("pythia-12b")
    assert budget.what_fits(MB) == "tiny-pythia still fits"


def test_libraries_that_are_still_to_come_are_counted(monkeypatch):
    monkeypatch.setattr(budget, "available_memory", lambda: GB)
    before = budget.memory_for_weights()
    assert GB - 300 * MB < before < GB
    monkeypatch.setitem(budget._IMPORTS, "not_imported_yet", 7 * MB)
    assert budget.memory_for_weights() == before - 7 * MB
    monkeypatch.setattr(budget, "available_memory", lambda: MB)
    assert budget.memory_for_weights() == 0


def test_the_disk_is_the_one_that_the_cache_will_be_on(tmp_path):
    import shutil

    free = budget.free_disk(tmp_path / "not" / "there" / "yet")
    assert 0 <= shutil.disk_usage(tmp_path).free - free < GB
    budget.check_disk(0, tmp_path, "it")
    with pytest.raises(errors.DiskFull, match="^it takes .* GB more of the disk, and there is room for"):
        budget.check_disk(free + GB, tmp_path, "it")


# --------------------------------------------------------------------------------------------- opening


@pytest.fixture
def memory(monkeypatch):
    """Sets the memory that the system says is left for weights; no model counts as too small to look."""
    monkeypatch.setattr(budget, "_ALWAYS_FITS", 0)

    def leave(room):
        for module in (budget, devices):
            monkeypatch.setattr(module, "memory_for_weights", lambda: room)

    return leave


def test_the_card_says_that_memory_chose_and_where_it_is_slow(memory, tmp_path, fast):
    write_pythia(tmp_path / "pythia")
    size = 4 * suite.total(load(tmp_path / "pythia").spec)
    share = 0.5 if fast else 0.6
    memory(int(size / share) + 2)
    lm = load(tmp_path / "pythia")
    assert lm.model.dtype == torch.float32 and "too little" not in lm._repr_html_() and "float" not in repr(lm)
    memory(int(size / share) - 2)
    lm = load(tmp_path / "pythia")
    assert lm.model.dtype == torch.bfloat16
    slow = "" if fast else " (slow: this processor has no arithmetic for 16 bits)"
    assert f"bfloat16 on cpu, since float32 would leave too little memory{slow}<" in lm._repr_html_()
    assert repr(lm).endswith(f"bfloat16 on cpu, since float32 would leave too little memory{slow}>")
    chosen = load(tmp_path / "pythia", dtype="bfloat16")
    assert f"bfloat16 on cpu{slow}<" in chosen._repr_html_()  # nothing forced it
    memory(size // 2 - 1)
    with pytest.raises(errors.ModelTooLarge, match="tiny-pythia still fits"):
        load(tmp_path / "pythia")


def test_a_tiny_model_is_float32_and_the_same_whatever_is_left(monkeypatch):
    monkeypatch.setattr(budget, "available_memory", lambda: 0)
    asked, automatic = load("tiny-pythia", dtype="float32"), load("tiny-pythia")
    assert automatic.note == "" and automatic._repr_html_() == asked._repr_html_()
    for a, b in zip(asked.model.parameters(), automatic.model.parameters(), strict=True):
        assert a.dtype == torch.float32 and torch.equal(a, b)


@pytest.fixture
def pythia(hub, tmp_path):  # noqa: F811
    write_pythia(tmp_path / "main")
    hub.repositories["EleutherAI/pythia-160m"] = {"main": tmp_path / "main"}
    return hub


def weights_fetched(server):
    return [request for request in server.requests if request.startswith("GET") and "model.safetensors" in request]


def test_too_large_costs_no_download(pythia, memory):
    memory(1000)
    with pytest.raises(errors.ModelTooLarge):
        load("pythia-160m")
    assert weights_fetched(pythia) == []
    memory(GB)
    assert load("pythia-160m").model.dtype == torch.float32


def test_a_disk_too_small_costs_no_download(pythia, monkeypatch):
    monkeypatch.setattr(budget, "free_disk", lambda folder: 1000)
    with pytest.raises(errors.DiskFull):
        load("pythia-160m")
    assert weights_fetched(pythia) == []


# --------------------------------------------------------------------------------------------- plans


def test_a_plan_says_what_load_will_do(pythia, memory):
    memory(GB)
    plan, size = download_plan("pythia-160m"), suite.total(load("pythia-160m").spec)
    assert (plan.dtype, plan.memory_needed, plan.note) == ("float32", 4 * size, "")
    assert abs(plan.disk_free - budget.free_disk(pythia.cache)) < GB  # others write meanwhile
    memory(4 * size)
    plan = download_plan("pythia-160m")
    assert (plan.dtype, plan.memory_needed) == ("bfloat16", 2 * size)
    assert load("pythia-160m").model.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "375 MB to download. It takes 649 MB of memory; 2.0 GB are free here."),
        (
            {"dtype": "bfloat16", "memory_needed": 325 * MB},
            "It takes 325 MB of memory in bfloat16, since float32 would leave too little; 2.0 GB are free here.",
        ),
        ({"memory_needed": 5 * GB}, "That is too much: the largest Pythia that fits is pythia-410m."),
        ({"disk_free": 100 * MB}, "The disk has room for 100 MB only."),
        ({"note": "Its weights are in a pickle."}, "are free here. Its weights are in a pickle."),
    ],
)
def test_the_picker_says_it_before(changes, said, monkeypatch):
    monkeypatch.setattr(picker.described, "available_memory", lambda: 2 * GB)
    fields = {"bytes_to_download": 375 * MB, "bytes_cached": 0, "memory_needed": 649 * MB}
    assert said in picker.describe("it", Plan("it", "main", {}, **(fields | changes)))


# ------------------------------------------------------------------------------------- under a real limit

OPEN = """
import sys
from pathlib import Path
from pythia_course import load
folder, limit, *asked = sys.argv[1:]
for words in asked:
    dtype, megabytes = words.split()
    Path(limit).write_text(megabytes + "000000")
    try:
        lm = load(folder, dtype=dtype)
        lm.trace("The cat sat on the mat")
        print(lm.model.dtype, flush=True)
    except MemoryError as error:
        print(type(error).__name__, flush=True)
"""


@pytest.mark.skipif(memory_cgroups() is None, reason="making a memory cgroup, as a container has it, takes root")
def test_the_refusal_comes_where_the_kernel_would_kill(tmp_path):
    """Pythia-160M, in full size: float32 fits from 950 MB on (measured), so less is refused and nobody is killed.

    A refusal leaves nothing in memory, so the process that heard it has the same room for what it asks next.
    """
    write_pythia(tmp_path / "pythia-160m", **PYTHIA_160M)
    assert opened_under(tmp_path / "pythia-160m", "float32 800", "auto 800") == ["ModelTooLarge", "torch.bfloat16"]
    assert opened_under(tmp_path / "pythia-160m", "auto 500", "float32 1000") == ["ModelTooLarge", "torch.float32"]


def opened_under(folder, *asked):
    """What one process was given, or refused with: asked for a dtype under so many megabytes, one after another."""
    _, file = memory_cgroups()
    with memory_limit(int(asked[0].split()[1])) as cgroup:
        done = run(["-c", OPEN, str(folder), str(cgroup / file), *asked], cgroup)
    assert done.returncode == 0, f"exit code {done.returncode} after {done.stdout}: {done.stderr[-500:]}"
    return done.stdout.splitlines()


def test_deciding_takes_no_library():
    code = "import sys; from pythia_course.machine import budget, devices; "
    code += "budget.memory_for_weights(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "transformers", "huggingface_hub"}.isdisjoint(modules)
