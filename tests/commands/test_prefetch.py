"""`pythia-course prefetch`, over real HTTP against a hub on this machine: a stick for a room, and what can go wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from support.hub_server import hub_fixture  # noqa: F401
from support.shell import (  # noqa: F401
    PYTHIA,
    QUICK_DOCTOR,
    environment,
    failed,
    fetched,
    folders_fixture,
    here_fixture,
    no_more_than_others,
    read_only,
    served_fixture,
    shell,
)

from pythia_course import load
from pythia_course.commands import prefetch

IDS = torch.tensor([[5, 17, 42]])


def flip(path):
    """Turn one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.resolve().write_bytes(content)


# ------------------------------------------------------------------------------------------ a stick for a room

STUDENT = """
import os, sys, torch
try:
    open(os.path.join(os.environ["HF_HUB_CACHE"], "mine"), "w")
except PermissionError:
    print("read-only")
from pythia_course import load
for name, step in (("pythia-160m", 0), ("pythia-160m", 3000), ("gpt2", None)):
    print(load(name, step).model(torch.tensor([[5, 17, 42]])).logits.double().sum().item())
"""


def what_a_student_types(done):
    """The two lines at the end of what prefetch says, as an environment."""
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  export ")]
    assert len(lines) == 2 and done.stdout.splitlines()[-2:] == [f"  {line}" for line in lines]
    shown = subprocess.run(["sh", "-c", "; ".join([*lines, "env"])], capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in shown.stdout.splitlines() if line.startswith("HF_HUB_"))


def logit_sums(folders):
    return [load(folders[name]).model(IDS).logits.double().sum().item() for name in ("step0", "step3000", "gpt2")]


def test_a_folder_filled_once_serves_a_room_without_a_network(served, folders, tmp_path):
    stick = tmp_path / "a stick's folder"
    done = shell(served, "prefetch", "pythia-160m", "gpt2", "--steps", "0", "3000", "--to", stick)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"[\d.]+ MB to fetch into .*stick's folder, where there is room for [\d.]+ GB\.\n", done.stdout)
    assert done.stdout.count("fetched, ") == done.stdout.count("every hash as published") == 3
    assert not served.cache.exists()
    settings = what_a_student_types(done)
    assert settings["HF_HUB_CACHE"] == str(stick) and settings["HF_HUB_OFFLINE"] == "1"
    served.requests.clear()
    read_only(stick, True)
    try:
        student = shell(served, module=("-c", STUDENT), preexec_fn=no_more_than_others, **settings)
        settings["PYTHIA_COURSE_MODEL"] = "EleutherAI/pythia-160m"
        report = shell(served, "doctor", module=("-c", QUICK_DOCTOR), preexec_fn=no_more_than_others, **settings)
    finally:
        read_only(stick, False)
    said, *sums = student.stdout.split()
    assert said == "read-only", student.stderr
    assert [float(value) for value in sums] == pytest.approx(logit_sums(folders), rel=1e-6)
    assert served.requests == []
    # The doctor of such a machine: Pythia-160M is there at two steps, but its last one was not fetched.
    assert report.returncode == 1 and report.stderr == ""
    assert f"{stick}: " in report.stdout and "read-only" in report.stdout
    assert "HF_HUB_OFFLINE is set, so only models in the cache open" in report.stdout
    broken = [line for line in report.stdout.splitlines() if line.startswith("BROKEN")]
    assert len(broken) == 1 and "pythia-160m at step 143000" in broken[0], report.stdout


@pytest.fixture
def stick(tmp_path, monkeypatch):
    """A folder on a disk without links, as FAT and exFAT are."""

    def symlink(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", symlink)
    return tmp_path / "stick"


def test_a_stick_that_knows_no_links(here, served, folders, stick):
    """There the files themselves lie in the snapshots."""
    done = here("prefetch", "pythia-160m", "--steps", "0", "3000", "--to", stick)
    assert (done.returncode, done.stderr) == (0, "")
    assert not [path for path in stick.rglob("*") if path.is_symlink() or path.suffix == ".incomplete"]
    for folder in (folders["step0"], folders["step3000"]):
        snapshot = next(stick.glob(f"models--*/snapshots/{served.commit(folder)}"))
        assert (snapshot / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    served.close()
    for step in (0, 3000):
        by_folder = load(folders[f"step{step}"]).model(IDS).logits
        assert torch.equal(load("pythia-160m", step).model(IDS).logits, by_folder)
    listed = re.search(r"pythia-160m .*", here("list").stdout)[0]
    assert listed.endswith("MB: step 0, step 3000")
    assert here("free", "pythia-160m", "--step", "0", "--yes").returncode == 0
    assert re.search(r"pythia-160m .*", here("list").stdout)[0].endswith("MB: step 3000")
    assert load("pythia-160m", 3000).step == 3000


def test_what_was_flipped_on_a_stick_without_links_is_found(here, served, folders, stick):
    assert here("prefetch", "pythia-160m", "--to", stick).returncode == 0
    weights = next(stick.glob("models--*/snapshots/*/model.safetensors"))
    flip(weights)
    done = here("prefetch", "pythia-160m", "--to", stick)
    assert done.returncode == 0 and "was damaged and is fetched anew" in done.stdout
    assert weights.read_bytes() == (folders["main"] / "model.safetensors").read_bytes()


def test_without_links_or_a_hub_nothing_is_claimed(here, served, stick):
    here("prefetch", "pythia-160m", "--to", stick)
    served.close()
    done = here("prefetch", "pythia-160m", "--to", stick)
    assert done.returncode == 0 and "not compared with the hub, which cannot be reached" in done.stdout


def test_settings_for_each_kind_of_shell():
    assert prefetch.settings(Path("/media/my stick"), windows=False)[0] == "export HF_HUB_CACHE='/media/my stick'"
    assert prefetch.settings(Path("E:/models"), windows=True)[1] == '$env:HF_HUB_OFFLINE = "1"'


# ------------------------------------------------------------------------------------------------ prefetch


def test_what_is_there_is_not_fetched_again(here, served):
    assert here("prefetch", "pythia-160m", "gpt2", "tiny-pythia").returncode == 0
    served.requests.clear()
    done = here("prefetch", "gpt2", "pythia-160m", "--steps", "last", "0")
    assert done.returncode == 0 and done.stderr == ""
    assert fetched(served) == ["model.safetensors"]  # of step 0; the rest of it is what the last step has too
    assert "gpt2: was here" in done.stdout and "pythia-160m at step 143000: was here" in done.stdout
    assert "pythia-160m at step 0: fetched" in done.stdout


def test_what_ships_with_the_course_needs_no_fetching(here, hub):
    done = here("prefetch", "tiny-pythia", "tiny-gpt2")
    assert done.returncode == 0 and done.stdout.count("is on this machine already: nothing to fetch.") == 2
    assert hub.requests == []


def test_a_dead_hub(served):
    served.close()
    done = shell(served, "prefetch", "pythia-160m", "gpt2")
    assert re.match("pythia-160m at step 143000 is not on this machine yet, .*the hub cannot be reached", failed(done))
    assert done.stdout == "" and not list(served.cache.rglob("*.safetensors"))


def test_a_dead_hub_is_not_missed_for_what_is_there(here, served):
    here("prefetch", "pythia-160m")
    served.close()
    done = here("prefetch", "pythia-160m")
    assert done.returncode == 0 and "was here, " in done.stdout and "every hash as published" in done.stdout
    weights = next(served.cache.rglob("model.safetensors"))
    flip(weights)  # the hash that the hub gave is remembered, but there is nobody to mend it
    assert "the hub cannot be reached" in failed(here("prefetch", "pythia-160m"))


def test_offline_mode_is_named(here, served, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in failed(here("prefetch", "pythia-160m"))


class HalfOf:
    """A fault: half of the weights come, then nothing, until the client is gone; `ranges` has what was asked for."""

    def __init__(self):
        self.half, self.ranges = threading.Event(), []

    def __call__(self, handler):
        if handler.command != "GET" or not handler.path.endswith("model.safetensors"):
            return False
        self.ranges.append(handler.headers.get("Range"))
        if self.half.is_set():
            return False
        content = (handler.server.repositories[PYTHIA]["main"] / "model.safetensors").read_bytes()
        handler.begin(200, {"Content-Length": str(len(content))})
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        self.half.set()
        time.sleep(60)
        return True


def test_stopped_with_ctrl_c_it_goes_on_where_it_was(here, served, folders):
    served.fault = fault = HalfOf()
    command = [sys.executable, "-m", "pythia_course", "prefetch", "pythia-160m"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment(served), **pipes) as process:
        assert fault.half.wait(60)
        time.sleep(0.5)  # what was sent must arrive
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)
    done = SimpleNamespace(returncode=process.returncode, stdout=said[0], stderr=said[1])
    assert "what has come of pythia-160m at step 143000 is kept" in failed(done, code=130)
    served.requests.clear()
    done = here("prefetch", "pythia-160m")
    assert done.returncode == 0 and "every hash as published" in done.stdout
    assert fetched(served) == ["model.safetensors"]
    first, then = fault.ranges
    came = int(re.fullmatch(r"bytes=(\d+)-", then)[1])
    assert first is None and 0 < came <= (folders["main"] / "model.safetensors").stat().st_size // 2


def test_flipped_bytes_in_the_cache_are_mended(here, served, folders):
    here("prefetch", "pythia-160m")
    weights = next(served.cache.rglob("model.safetensors"))
    flip(weights)
    served.requests.clear()
    done = here("prefetch", "pythia-160m")
    assert done.returncode == 0 and "was damaged and is fetched anew" in done.stdout
    assert fetched(served) == ["model.safetensors"]
    assert weights.read_bytes() == (folders["main"] / "model.safetensors").read_bytes()


def test_flipped_bytes_on_the_way_do_not_get_in(here, served, folders):
    damaged = bytearray((folders["main"] / "model.safetensors").read_bytes())
    damaged[1000] ^= 1

    def flipping(handler):
        if handler.command != "GET" or not re.search("pythia-160m/.*/model.safetensors", handler.path):
            return False
        handler.begin(200, {"Content-Length": str(len(damaged))})
        handler.wfile.write(damaged)
        return True

    served.fault = flipping
    done = here("prefetch", "pythia-160m", "gpt2")
    assert "its hash differs" in failed(done) and "gpt2: fetched" in done.stdout
    assert not list(served.cache.glob("models--EleutherAI--*/**/model.safetensors"))
    served.fault = None
    assert here("prefetch", "pythia-160m").returncode == 0


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(here, served):
    def huge(handler):
        """The hub lists 10 PB of weights."""
        if "/api/models/" not in handler.path:
            return False
        folder = handler.server.repositories[PYTHIA]["main"]
        files = {name: dict(entry) for name, entry in handler.server.files(folder).items()}
        files["model.safetensors"]["size"] = 10**16
        listed = [{"rfilename": name, **handler._sibling(entry)} for name, entry in files.items()]
        handler.json({"id": PYTHIA, "sha": handler.server.commit(folder), "siblings": listed})
        return True

    served.fault = huge
    done = here("prefetch", "pythia-160m", "--steps", "last", "0")
    assert done.stdout.startswith("20000000.0 GB to fetch into ")
    sentence = failed(done)
    assert sentence.startswith("What was asked for takes 20000000.0 GB more of the disk, and there is room for ")
    assert "model.safetensors" not in fetched(served)


def test_one_model_that_cannot_be_had_does_not_keep_the_others(here, served, tmp_path, folders):
    llama = shutil.copytree(folders["main"], tmp_path / "llama")
    config = json.loads((llama / "config.json").read_text()) | {"model_type": "llama"}
    (llama / "config.json").write_text(json.dumps(config))
    served.repositories["somebody/llama"] = {"step3000": llama}
    done = here("prefetch", "somebody/llama", "gpt2", "pythia-160m", "--steps", "3000", "4000")
    assert done.returncode == 1 and done.stdout.count("every hash as published") == 2
    assert "export" not in done.stdout
    assert [line.removeprefix("pythia-course: ") for line in done.stderr.splitlines()] == [
        "somebody/llama at step 3000 is a model of type 'llama', and the course understands gpt_neox, gpt2, gpt_neo.",
        "No somebody/llama checkpoint at step 4000; the nearest is 3000.",
        "No pythia-160m checkpoint at step 4000; the nearest is 3000.",
    ]
    assert load("gpt2", local_only=True).name == "gpt2"


def test_a_folder_that_cannot_be(here, served, tmp_path):
    (tmp_path / "file").write_text("")
    done = here("prefetch", "gpt2", "--to", tmp_path / "file" / "models")
    assert "cannot be made into a folder for models: " in failed(done)
    assert served.requests == []
