"""A version that nobody tried is said once, in one sentence, and stops nothing."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pythia_course.machine import versions

ROOT = Path(__file__).resolve().parents[2]
TRIED = {"Python": "3.11.7", "torch": "2.13.0+cpu", "transformers": "5.23.0"}


def said(monkeypatch, **others):
    monkeypatch.setattr(versions, "_here", lambda: TRIED | others)
    with pytest.warns(versions.UntriedVersion) as caught:
        versions.warn_of_untried()
    (warning,) = caught
    return str(warning.message)


@pytest.mark.parametrize("other", [{"torch": "2.5.1"}, {"torch": "2.99.0.dev1"}, {"Python": "3.99.0rc1"}])
def test_an_untried_version_is_said(monkeypatch, other):
    ((name, number),) = other.items()
    sentence = said(monkeypatch, **other)
    oldest, newest = versions.TRIED[name]
    assert f"{name} {oldest} to {newest}" in sentence and f"not with {name} {number}: " in sentence
    assert sentence.endswith(".") and "\n" not in sentence


def test_several_are_said_in_one_sentence(monkeypatch):
    assert "not with torch 3.0.0 and transformers 6.1: " in said(monkeypatch, torch="3.0.0", transformers="6.1")


@pytest.mark.parametrize("others", [{}, {"torch": None}, *({n: limits[0]} for n, limits in versions.TRIED.items())])
def test_what_was_tried_and_what_is_missing_is_not(monkeypatch, recwarn, others):
    monkeypatch.setattr(versions, "_here", lambda: TRIED | others)
    versions.warn_of_untried()
    assert not recwarn.list


def imports_with(torch, folder, *before, switches=""):
    """What importing the course twice says on stderr where torch has this version.  switches: PYTHONWARNINGS."""
    (folder / "torch-0.dist-info").mkdir()
    (folder / "torch-0.dist-info/METADATA").write_text(f"Name: torch\nVersion: {torch}\n")
    code = "; ".join([*before, "import pythia_course", "import pythia_course.inside", "from pythia_course import load"])
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONWARNINGS": switches}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    return done.stderr


def test_importing_says_it_once_and_goes_on(tmp_path):
    words = imports_with("99.1", tmp_path)
    assert words.count("UntriedVersion") == 1 and "not with torch 99.1: look twice" in words


def test_a_worker_does_not_say_it_again(tmp_path):
    worker = "import multiprocessing.process as p; p.current_process().name = 'LokyProcess-1'"
    assert imports_with("99.1", tmp_path, worker) == ""


def test_the_workflows_can_switch_it_off_for_the_notebooks(tmp_path):
    """Stored outputs hold no such warning.  Python reads this variable before there is a course to name a class of."""
    weekly = (ROOT / ".github/workflows/weekly.yml").read_text(encoding="utf-8")
    assert imports_with("99.1", tmp_path, switches=re.search(r'PYTHONWARNINGS: "(.+)"', weekly)[1]) == ""


def test_what_pip_may_install_begins_with_what_was_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    for name in ("torch", "transformers"):
        assert str(wanted[name]) == f">={versions.TRIED[name][0]}"
    assert project["requires-python"] == f">={versions.TRIED['Python'][0]}"
