"""What installations get wrong, as `pythia-course doctor` finds it: each trouble by a fake, and each false alarm."""

import os
import subprocess
import sys
import sysconfig
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.shell import no_more_than_others, read_only

from pythia_course.commands import health, installed
from pythia_course.commands.health import BROKEN, OK, WARNING
from pythia_course.machine import budget


def found(check):
    """(level, text -> what to do) of a check that finds one thing."""
    (finding,) = check()
    assert bool(finding.todo) == (finding.level != OK)
    return finding.level, f"{finding.text} -> {finding.todo}"


# Where a Python lies on Windows: of python.org, of the Microsoft Store, in a folder of somebody's own.
USER = r"C:\Users\A. Learner\AppData\Local"
STORE = USER + r"\Packages\PythonSoftwareFoundation.Python.3.12_qbz5n2kfra8p0\LocalCache\local-packages"
PLACES = {
    r"C:\course\.venv\Lib\site-packages": OK,
    USER + r"\Programs\Python\Python312\Lib\site-packages": OK,
    STORE + r"\Python312\site-packages": BROKEN,
}


@pytest.mark.parametrize("place", PLACES)
def test_paths_that_windows_cannot_open(monkeypatch, place):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: place)
    monkeypatch.setattr(installed, "model_cache", lambda: r"C:\Users\A. Learner\.cache\huggingface\hub")
    monkeypatch.setattr(installed, "_long_paths_allowed", lambda: False)
    level, said = found(installed.paths)
    assert level == PLACES[place]
    if level == BROKEN:
        assert place in said and r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem /v LongPathsEnabled" in said
    monkeypatch.setattr(installed, "_long_paths_allowed", lambda: True)
    assert found(installed.paths)[0] == OK


def test_a_cache_too_deep_for_windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: r"C:\course")
    monkeypatch.setattr(installed, "model_cache", lambda: "C:\\" + "deep\\" * 30)
    monkeypatch.setattr(installed, "_long_paths_allowed", lambda: False)
    assert found(installed.paths)[0] == BROKEN


@pytest.mark.parametrize(("value", "allowed"), [(1, True), (0, False), (None, False)])
def test_windows_says_whether_the_limit_is_lifted(monkeypatch, value, allowed):
    def query(key, name):
        if value is None:
            raise FileNotFoundError(2, "no such value")
        return value, 4

    fake = SimpleNamespace(HKEY_LOCAL_MACHINE=0, OpenKey=lambda *_: nullcontext(), QueryValueEx=query)
    monkeypatch.setitem(sys.modules, "winreg", fake)
    assert installed._long_paths_allowed() is allowed


def test_what_packages_and_models_take_of_260_letters_is_what_they_take_here():
    here = Path(sysconfig.get_path("purelib"))
    longest = max((len(str(path.relative_to(here))) for path in (here).glob("torch-*/**/*")), default=0)
    assert longest <= installed.IN_PACKAGES + 10  # another torch may have another licence
    lock = f".locks/models--EleutherAI--pythia-1.4b-deduped/{'0' * 64}.lock"
    assert len(lock) <= installed.IN_CACHE


def test_two_pythons(monkeypatch, tmp_path):
    other = tmp_path / "pythia-course"
    monkeypatch.setattr(installed.shutil, "which", lambda name: str(other))
    level, said = found(installed.pythons)
    assert level == WARNING and str(other) in said and "python -m pythia_course" in said
    monkeypatch.setattr(installed.shutil, "which", lambda name: f"{sysconfig.get_path('scripts')}/pythia-course")
    assert found(installed.pythons)[0] == OK


@pytest.mark.skipif(os.name == "nt", reason="there pipx copies the command")
def test_the_link_that_pipx_makes_is_no_other_python(monkeypatch, tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/pythia-course").touch()
    (tmp_path / "pythia-course").symlink_to(tmp_path / "scripts/pythia-course")
    monkeypatch.setattr(installed.shutil, "which", lambda name: str(tmp_path / "pythia-course"))
    assert found(installed.pythons)[0] == WARNING
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    assert found(installed.pythons)[0] == OK


def test_the_command_that_was_typed_is_this_python_s(monkeypatch, tmp_path):
    """On Windows, pipx and uv copy it to a folder of theirs."""
    monkeypatch.setattr(installed.shutil, "which", lambda name: str(tmp_path / "pythia-course"))
    assert found(installed.pythons)[0] == WARNING
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "pythia-course"), "doctor"])
    assert found(installed.pythons)[0] == OK


def test_libraries_of_another_python(monkeypatch, tmp_path):
    """As PYTHONPATH brings them: a torch beyond the environment goes before its own."""
    monkeypatch.setattr(installed.shutil, "which", lambda name: None)
    (tmp_path / "torch-2.6.0.dist-info").mkdir()
    (tmp_path / "torch-2.6.0.dist-info/METADATA").write_text("Name: torch\nVersion: 2.6.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    level, said = found(installed.pythons)
    assert level == WARNING and f"torch in {tmp_path} from outside" in said and "PYTHONPATH" in said
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)  # a system's may lie in several places
    assert found(installed.pythons)[0] == OK


@pytest.mark.parametrize(("number", "level"), [("22.2.2", WARNING), ("9.0", WARNING), ("22.3", OK), ("26.0.1", OK)])
def test_an_old_pip(monkeypatch, number, level):
    monkeypatch.setattr(installed, "version", lambda name: number)
    assert found(installed.pip)[0] == level and number in found(installed.pip)[1]


def test_no_pip_is_no_trouble(monkeypatch):
    def missing(name):
        raise installed.PackageNotFoundError(name)

    monkeypatch.setattr(installed, "version", missing)
    assert found(installed.pip)[0] == OK


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights, and no fork")
def test_a_home_that_cannot_be_written(tmp_path):
    """In a process that gives up root's right to write everywhere."""
    read_only(tmp_path, True)
    code = "from pythia_course.commands.installed import home\nfor one in home(): print(one.level, one.text, one.todo)"
    own = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    options = {"capture_output": True, "text": True, "timeout": 60, "preexec_fn": no_more_than_others}
    closed = subprocess.run([sys.executable, "-c", code], env=own, **options).stdout
    read_only(tmp_path, False)
    assert closed.startswith("broken Jupyter cannot write to ") and str(tmp_path / ".ipython") in closed
    assert "JUPYTER_RUNTIME_DIR, JUPYTER_CONFIG_DIR, IPYTHONDIR" in closed
    assert subprocess.run([sys.executable, "-c", code], env=own, **options).stdout.startswith("ok ")


@pytest.mark.parametrize(
    ("number", "cuda", "card", "mps", "level", "said"),
    [
        ("2.13.0+cpu", None, False, False, OK, "for this machine"),
        ("2.13.0", "13.0", True, False, OK, "for CUDA 13.0"),
        ("2.13.0", "13.0", False, False, WARNING, "it works, and takes gigabytes"),
        ("2.8.0", None, False, True, WARNING, 'torch>=2.9"; until then keep to device="cpu"'),
        ("2.8.0", None, False, False, OK, "for this machine"),
        ("2.13.0", None, False, True, OK, "for this machine"),
    ],
    ids=["cpu", "card", "cuda without a card", "2.8 on a Mac", "2.8 elsewhere", "a Mac"],
)
def test_torch_and_the_machine(monkeypatch, number, cuda, card, mps, level, said):
    import torch

    monkeypatch.setattr(torch, "__version__", number)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert found(installed.torch)[0] == level and said in found(installed.torch)[1]


def test_no_room_on_the_disk_of_the_home(monkeypatch):
    monkeypatch.setattr(budget, "free_disk", lambda folder: 0 if folder == Path.home() else 5e9)
    level, said = found(health.disk)
    assert level == BROKEN and "no notebook can be saved" in said and "pythia-course lab E:/lessons" in said
