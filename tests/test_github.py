"""What stands in .github and beside it names only what is there: paths, targets, versions, commands."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from pythia_course.__main__ import _parser
from pythia_course.machine import versions

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / ".github/workflows").glob("*.yml")}
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*_*.yml"))


def runs(text):
    """Every `run` of a workflow, a step each."""
    return [step["run"] for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_name_paths_targets_and_commands_that_are_there(name):
    lines = "\n".join(runs(WORKFLOWS[name]))
    paths = re.findall(r"\b(?:tests|notebooks)(?:/[\w/.]+)?(?= |$)", lines, re.M)
    assert len(paths) > 1 and [path for path in paths if not (ROOT / path).exists()] == []
    targets = re.findall(r"\bmake (\w+)", lines)
    assert set(targets) <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for command in re.findall(r"^(?:python -m pythia_course|pythia-course) (\w+)$", lines, re.M):
        assert _parser().parse_args([command]).command == command


def matrix(name, job):
    return yaml.safe_load(WORKFLOWS[name])["jobs"][job]["strategy"]["matrix"]


def test_three_systems_are_tried_with_the_oldest_and_the_newest_python():
    for job in ("systems", "wheel"):
        assert {os.partition("-")[0] for os in matrix("tests.yml", job)["os"]} == {"ubuntu", "macos", "windows"}
    weekly = [Version(one["python"]) for one in matrix("weekly.yml", "versions")["include"] if not one.get("may_fail")]
    oldest, newest = map(Version, versions.TRIED["Python"])
    assert min(weekly) == oldest and max(weekly) >= newest
    assert {"lowest-direct", "highest"} == {one["resolution"] for one in matrix("weekly.yml", "versions")["include"]}


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_forms_ask_what_the_doctor_says(form):
    fields = yaml.safe_load(form.read_text(encoding="utf-8"))["body"]
    (doctor,) = (field for field in fields if field.get("id") == "doctor")
    assert "`pythia-course doctor`" in doctor["attributes"]["label"]


def test_the_citation_is_of_this_version_and_place():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"]["text"])
    owner = re.search(r"mybinder\.org/v2/gh/([\w-]+/[\w-]+)/", (ROOT / "README.md").read_text(encoding="utf-8"))[1]
    assert citation["url"] == f"https://github.com/{owner}"
