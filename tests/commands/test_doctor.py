"""`pythia-course doctor`: what it finds on a healthy machine, and on one with each of its troubles."""

import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError

import pytest
from support.hub_server import hub_fixture  # noqa: F401
from support.shell import environment, folders_fixture, here_fixture, served_fixture, shell  # noqa: F401

from pythia_course import suite
from pythia_course.commands import doctor, health, running


def level(check, what=None):
    """The level and the words of a check that finds one thing."""
    (finding,) = check()
    assert bool(finding.todo) == (finding.level != health.OK)
    return finding.level, f"{finding.text} -> {finding.todo}"


def test_a_healthy_machine(served):
    start = time.perf_counter()
    done = shell(served, "doctor")
    assert done.returncode == 0 and done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if re.match(r"(OK|warning|BROKEN) ", line)]
    assert [line[9:20].strip() for line in lines] == list(doctor.CHECKS)
    # a memory or a disk that is short, or a torch for cards, is a warning, not the test's business
    troubles = {line[9:20].strip() for line in lines if not line.startswith("OK")}
    assert troubles <= {"memory", "disk", "torch"}, done.stdout
    assert done.stdout.splitlines()[-1].startswith("Ready")
    assert time.perf_counter() - start < 60


def test_packages_out_of_range_and_missing(monkeypatch):
    real = health.version

    def version(name):
        if name == "transformers":
            raise PackageNotFoundError(name)
        return {"torch": "2.1.0+cu121", "matplotlib": "99.0"}.get(name) or real(name)

    monkeypatch.setattr(health, "version", version)
    found = list(health.packages())
    assert [finding.level for finding in found] == [health.BROKEN] * 2
    texts = {finding.text: finding.todo for finding in found}
    assert texts["torch is 2.1.0+cu121; the course needs >=2.6"] == 'python -m pip install "torch>=2.6"'
    assert texts["transformers is missing"].startswith('python -m pip install "transformers>=')


def test_versions_other_than_tested_are_said_and_no_fault(monkeypatch):
    real = health.version
    monkeypatch.setattr(health, "version", lambda name: {"torch": "9.0.1+cpu"}.get(name) or real(name))
    found, said = level(health.packages)
    assert found == health.OK and "other than tested: torch 9.0.1+cpu (2.13.0)" in said


def test_without_the_course_installed(monkeypatch):
    def requires(_):
        raise PackageNotFoundError

    monkeypatch.setattr(health, "requires", requires)
    assert level(health.packages)[0] == health.BROKEN


def test_little_memory(monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", str(900_000_000))
    found, said = level(health.memory)
    assert found == health.WARNING and "(MEM_LIMIT 900 MB)" in said and "close other notebooks" in said


def test_little_disk(monkeypatch):
    monkeypatch.setattr("pythia_course.machine.budget.free_disk", lambda folder: 300_000_000)
    found, said = level(health.disk)
    assert found == health.WARNING and said.startswith("300 MB free")


def test_a_cache_that_cannot_be_written_while_online(hub, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found, said = level(health.cache)
    assert found == health.WARNING and "cannot be written" in said and "HF_HUB_OFFLINE=1" in said


def answering(status, body, kind="text/html"):
    def fault(handler):
        handler.begin(status, {"Content-Type": kind, "Content-Length": str(len(body))})
        handler.wfile.write(body)
        return True

    return fault


@pytest.mark.parametrize(
    ("fault", "found", "said"),
    [
        (None, health.OK, "answers"),
        (answering(200, b"<html>Welcome to our guest network</html>"), health.WARNING, "login page of this network"),
        (answering(200, b"[]", "application/json"), health.WARNING, "login page"),
        (answering(503, b""), health.WARNING, "status 503"),
        (answering(429, b""), health.WARNING, "status 429"),
        (lambda handler: time.sleep(1) or True, health.WARNING, "does not answer"),
    ],
    ids=["hub", "portal", "other", "down", "busy", "silent"],
)
def test_the_hub_as_the_doctor_sees_it(served, monkeypatch, fault, found, said):
    monkeypatch.setattr(health, "ANSWER_WITHIN", 0.5)
    served.fault = fault
    assert level(health.hub)[0] == found and said in level(health.hub)[1]


def test_no_hub(served):
    served.close()
    found, said = level(health.hub)
    assert found == health.WARNING and "does not answer" in said and "ship with the course need none" in said


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The shipped weights, as a folder in which single files can be spoilt."""
    for path in suite.TINY_WEIGHTS.rglob("*"):
        copy = tmp_path / "weights" / path.relative_to(suite.TINY_WEIGHTS)
        if path.is_dir():
            copy.mkdir(parents=True)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    monkeypatch.setattr(suite, "TINY_WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def spoil(path, change):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(change(content))


def test_a_shipped_checkpoint_that_is_cut_off(tiny):
    spoil(tiny / "tiny-pythia/step512/model.safetensors", lambda content: content[:-1000])
    found, said = level(running.weights)
    assert found == health.BROKEN and "step512" in said and "install the course again" in said


def test_a_shipped_model_that_says_something_else(tiny):
    (step,) = (tiny / "tiny-gpt2").glob("step*")
    header = 8 + int.from_bytes((step / "model.safetensors").read_bytes()[:8], "little")
    spoil(step / "model.safetensors", lambda content: content[:header] + bytes(len(content) - header))
    found, said = level(running.weights)
    assert found == health.BROKEN and "tiny-gpt2 goes on with" in said


def extension(folder, name, version):
    path = folder / "labextensions" / name
    path.mkdir(parents=True)
    (path / "package.json").write_text(json.dumps({"name": name, "version": version}))


def test_a_widget_extension_of_another_time(tmp_path, monkeypatch):
    """An older one in the user's own folder goes before the environment's."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert level(running.widgets)[0] == health.OK
    extension(tmp_path, "anywidget", "0.3.0")
    extension(tmp_path, "@jupyter-widgets/jupyterlab-manager", "3.1.1")
    found = list(running.widgets())
    assert [finding.level for finding in found] == [health.BROKEN] * 2
    assert "but its half in JupyterLab is 0.3.0" in found[0].text and "is 3.1.1" in found[1].text


def test_widgets_without_their_extension(monkeypatch):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [])
    assert [finding.level for finding in running.widgets()] == [health.BROKEN] * 2


def kernelspec(folder, *argv):
    path = folder / "kernels/python3"
    path.mkdir(parents=True)
    spec = {"argv": [sys.executable, *argv], "display_name": "Python 3", "language": "python"}
    (path / "kernel.json").write_text(json.dumps(spec))


def test_a_kernel_that_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    kernelspec(tmp_path, "-c", "raise SystemExit(1)", "{connection_file}")
    found, said = level(running.kernel)
    assert found == health.BROKEN and "does not start" in said and "ipykernel install" in said


def test_a_kernel_without_the_course(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    hide = "--IPKernelApp.exec_lines=import importlib.util as u; u.find_spec = lambda name: None"
    kernelspec(tmp_path, "-m", "ipykernel_launcher", "-f", "{connection_file}", hide)
    found, said = level(running.kernel)
    assert found == health.BROKEN and "without the course" in said


@pytest.mark.parametrize(
    ("name", "offline", "found", "said"),
    [
        (None, False, health.OK, "load() opens tiny-pythia"),
        ("tiny-gpt2", True, health.OK, "which is on this machine"),
        ("gpt2", True, health.OK, "which is on this machine"),
        ("pythia-160m", False, health.WARNING, "not on this machine yet -> with a network: pythia-course prefetch"),
        ("pythia-160m", True, health.BROKEN, "HF_HUB_OFFLINE is set"),
        ("pythia-161m", False, health.BROKEN, 'did you mean "pythia-160m"?'),
        ("/no/such/folder", False, health.BROKEN, "is not a folder here"),
        ("pythia-12b", False, health.WARNING, "choose a smaller one: this takes 23.7 GB even in bfloat16"),
    ],
    ids=lambda value: str(value)[:20].replace("/", "_"),
)
def test_the_model_that_was_asked_for(served, here, monkeypatch, name, offline, found, said):
    here("prefetch", "gpt2")
    monkeypatch.setattr("pythia_course.machine.budget.available_memory", lambda: 4_000_000_000)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.delenv("PYTHIA_COURSE_MODEL", raising=False)
    if name:
        monkeypatch.setenv("PYTHIA_COURSE_MODEL", name)
    assert level(running.chosen_model)[0] == found and said in level(running.chosen_model)[1]


def fine():
    yield health.Finding(health.OK, "fine", "it is")


def doubtful():
    yield health.Finding(health.WARNING, "doubtful", "perhaps", "look")


def broken():
    yield health.Finding(health.BROKEN, "broken", "it is", "mend it")


def faint():
    yield from fine()
    raise RuntimeError("oh")


@pytest.mark.parametrize(
    ("checks", "code", "said"),
    [
        ([fine], 0, "Ready."),
        ([fine, doubtful], 0, "Ready, with 1 warning."),
        ([doubtful, doubtful], 0, "Ready, with 2 warnings."),
        ([broken, fine], 1, "1 broken: do what stands beside it, then run this again."),
        ([faint], 1, "1 broken"),
        ([lambda: time.sleep(5) or []], 0, "Ready, with 1 warning."),
    ],
    ids=["fine", "doubtful", "twice", "broken", "faint", "slow"],
)
def test_the_doctor_s_verdict(here, monkeypatch, checks, code, said):
    monkeypatch.setattr(doctor, "CHECKS", {f"check {number}": check for number, check in enumerate(checks)})
    monkeypatch.setattr(doctor, "LONGEST", 0.2)
    done = here("doctor")
    assert done.returncode == code and done.stdout.splitlines()[-1].startswith(said) and done.stderr == ""
    if checks == [faint]:
        assert "RuntimeError: oh (test_doctor.py, line " in done.stdout


def test_a_reader_who_leaves_early_does_not_make_the_doctor_abort(served):
    """Checks are still at work then, in threads that Python would stop in the middle of an import."""
    for _ in range(3):
        command = f"{sys.executable} -m pythia_course doctor | head -1; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command], env=environment(served), capture_output=True, text=True, timeout=90
        )
        assert (done.returncode, done.stderr) == (1, "") and done.stdout.startswith("OK       Python")
