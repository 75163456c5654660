"""What a submission cannot do while it is marked: each is tried by a program inside."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pythia_course.errors import CageMissing
from pythia_course.labs import cage

CAGED = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
HOME = Path.home()


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Run lines of Python shut in; gives what they print.  tmp_path/course is what the lecturer has."""
    monkeypatch.setenv("A_SECRET", "hush")
    folder, sockets = tmp_path / "course" / "autograded" / "4711" / "lab", tmp_path / "sockets"
    folder.mkdir(parents=True)
    sockets.mkdir()
    (tmp_path / "course" / "gradebook.db").write_text("marks")
    (folder / "lab.ipynb").write_text("{}")

    def inside(code, memory=2_000_000_000, seconds=60):
        argv = cage.command([sys.executable, "-c", code], folder, sockets, memory, seconds)
        return subprocess.run(argv, capture_output=True, text=True, timeout=120)

    return inside


@CAGED
def test_it_sees_its_own_empty_folder_and_nothing_of_the_lecturer_s(inside, tmp_path):
    places = [str(tmp_path / "course" / "gradebook.db"), str(HOME / ".bashrc"), "/etc/shadow", "/run", "/var", "/srv"]
    code = f"""
import os
print(os.getcwd(), os.listdir("."))
for place in {places}:
    print(os.path.exists(place), end=" ")
print(sorted(os.environ.keys() - {set(cage.KEPT)!r} - {{"PWD", "LC_CTYPE"}}))
"""
    done = inside(code)
    first, second = done.stdout.splitlines()
    assert first == f"{tmp_path}/course/autograded/4711/lab []", done.stderr
    assert second == "False False False False False False ['HF_HUB_OFFLINE', 'HOME']"


@CAGED
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import socket; socket.create_connection(('127.0.0.1', 9), 2)", "Connection refused"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), 2)", "Network is unreachable"),
        ("import sys; open(sys.prefix + '/ours', 'w')", "Read-only file system"),
        ("import pythia_course as p; open(p.__file__, 'a')", "Read-only file system"),
        ("open('/ours', 'w')", "Read-only file system"),
        ("bytearray(3 * 10**9)", "MemoryError"),
        ("open('large', 'wb').write(bytes(2 * 10**8))", "File too large"),
    ],
)
def test_it_is_refused(inside, code, error):
    done = inside(code)
    assert done.returncode == 1 and error in done.stderr


@CAGED
def test_processor_time_ends(inside):
    assert inside("while True: pass", seconds=1).returncode not in (0, 1)


@CAGED
def test_it_sees_no_process_but_its_own_and_leaves_none(inside):
    done = inside("import os; print(sum(name.isdigit() for name in os.listdir('/proc')))")
    assert int(done.stdout) <= 3  # bubblewrap's two and this


@CAGED
def test_it_can_write_in_its_folder_and_what_it_wrote_is_forgotten(inside, tmp_path):
    assert inside("open('mine', 'w').write('x'); print(open('mine').read())").stdout == "x\n"
    assert not list(tmp_path.rglob("mine"))


def test_without_bubblewrap_one_sentence_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(CageMissing, match=r"no bubblewrap here to shut them in: install it .*caged = False"):
        cage.command(["true"], tmp_path, tmp_path, 1, 1)


def test_packages_that_a_submission_would_not_see_are_said(monkeypatch, tmp_path):
    """As `pip install --user` puts them into a home."""
    site = tmp_path / "site-packages"
    (site / "ipykernel").mkdir(parents=True)
    (site / "ipykernel/__init__.py").write_text("")
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    cage.command(["true"], tmp_path, tmp_path, 1, 1)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    with pytest.raises(CageMissing, match=r"would not see the packages in \S+site-packages: .*python -m venv"):
        cage.command(["true"], tmp_path, tmp_path, 1, 1)
