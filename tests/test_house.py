"""The shape of the project: imports point down, the environments agree, nothing leaks."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import rooms
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "pythia_course"

# ---------------------------------------------------------------------------------------- imports point down

# Each room of the package (docs/architecture.md) and the rooms it may import: none on its own floor or above.
MAY_IMPORT = {
    "errors": set(),
    "suite": set(),
    "measures": set(),
    "plots": set(),
    "machine": {"errors", "suite"},
    "lessons": {"errors"},
    "tiny": {"suite", "machine", "measures"},
    "hub": {"errors", "suite", "machine"},
    "live": {"suite"},
    "inside": {"errors", "suite", "measures", "plots", "machine", "tiny", "hub"},
    "training": {"errors", "suite", "plots", "machine", "tiny", "hub", "inside"},
    "checks": {"suite", "machine", "inside", "lessons"},
    rooms.FRONT_DOOR: {"suite", "machine", "inside"},
    "widgets": {
        "errors", "suite", "measures", "plots", "machine", "hub", "live", "inside", "training", rooms.FRONT_DOOR,
    },
    "labs": {"errors"},
    "site": {"errors", "suite", "plots", "live", "lessons", "widgets"},
    "commands": {"errors", "suite", "machine", "hub", "labs", "lessons", "site", rooms.FRONT_DOOR},
    "__main__": {"errors", "commands"},
}
# Rooms and modules that know arrays only, or nothing at all, and the libraries they may use beside Python's own.
MAY_USE = {
    "errors": set(),
    "suite": {"numpy", "platformdirs"},
    "suite/__init__": set(),
    "measures": {"numpy", "torch"},
    "plots": {"numpy", "matplotlib"},
    "lessons": set(),
    "checks": {"numpy", "torch"},
    "checks/two_by_two": {"numpy", "torch", "transformers"},  # one check asks a model of the library
}
MOST_LINES = 250
HEAVY = {"torch", "transformers", "matplotlib", "huggingface_hub", "tokenizers", "ipywidgets", "IPython"}
MODULES = rooms.modules()


def name_of(path):
    """ "suite/__init__" of pythia_course/suite/__init__.py."""
    return path.relative_to(rooms.PACKAGE).with_suffix("").as_posix()


@pytest.mark.parametrize("room", sorted({rooms.room_of(path) for path in MODULES}))
def test_imports_point_down(room):
    assert room in MAY_IMPORT, f"say in MAY_IMPORT what {room} may import"
    assert rooms.arrows()[room].keys() <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_uses_only_the_libraries_of_its_room(path):
    libraries = {name.split(".")[0] for name in rooms.imported(path)} - {PACKAGE} - sys.stdlib_module_names
    allowed = MAY_USE.get(name_of(path), MAY_USE.get(rooms.room_of(path)))  # its own, else the room's
    assert allowed is None or libraries <= allowed


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short_enough_to_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_neither_rooms_nor_modules_import_one_another_in_a_circle():
    assert_no_circle(MAY_IMPORT)
    assert_no_circle({path: below - {path} for path, below in rooms.module_arrows().items()})


def assert_no_circle(arrows):
    left = dict(arrows)
    while left:
        free = [part for part, below in left.items() if not below & left.keys()]
        assert free, f"these import one another: {sorted(map(str, left))}"
        for part in free:
            del left[part]


def test_a_circle_is_found():
    with pytest.raises(AssertionError, match="'a', 'b'"):
        assert_no_circle({"a": {"b"}, "b": {"a"}, "c": {"a"}})


def run_python(code):
    """What a fresh interpreter prints for this code."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_takes_under_three_tenths_of_a_second():
    # of processor time: others may be busy
    clock = "import time as t; s = t.process_time(); import pythia_course; print(t.process_time() - s)"
    assert min(float(run_python(clock)) for _ in range(3)) < 0.3


LIGHT = ("inside.loading", "inside.tracing", "training.pile", "tiny.logs")


def test_opening_the_door_imports_no_heavy_library():
    modules = ("pythia_course", *(f"pythia_course.{name}" for name in LIGHT))
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    assert HEAVY.isdisjoint(run_python(code).split())


# -------------------------------------------------------------------------------------- environments agree

CONDA_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


def requirements(*extras):
    """{canonical name: requirement} of the package in pyproject.toml, and of these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + [line for e in extras for line in project["optional-dependencies"][e]]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def pins():
    """{canonical name: version} of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def conda_packages():
    """{canonical pip name: range} of environment.yml."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    found = dict(re.findall(r"^  - ([\w-]+)([<>=].*)?$", text, flags=re.MULTILINE))
    return {canonicalize_name(CONDA_NAMES.get(name, name)): limits for name, limits in found.items()}


def test_every_dependency_is_pinned_within_its_range():
    for name, requirement in requirements("test").items():
        assert name in pins(), f"{name} is missing from constraints.txt"
        assert requirement.specifier.contains(pins()[name]), f"{requirement} excludes {pins()[name]}"


def test_pins_are_plain_releases():
    assert pins()["torch"] == "2.13.0"
    assert [version for version in pins().values() if not re.fullmatch(r"[\d.]+(post\d+)?", version)] == []


def test_conda_asks_for_the_same_ranges():
    wanted = {name: str(requirement.specifier) for name, requirement in requirements().items()}
    assert {name: limits for name, limits in conda_packages().items() if name in wanted} == wanted
    assert conda_packages().keys() - wanted == {"conda-forge", "nodefaults", "python", "pip"}
    listed = (ROOT / "environment.yml").read_text(encoding="utf-8").partition("dependencies:")[2]
    assert "-e ." not in listed


def test_binder_has_the_same_environment_and_installs_the_package():
    assert (ROOT / "binder/environment.yml").read_bytes() == (ROOT / "environment.yml").read_bytes()
    assert "python -m pip install --no-deps -e ." in (ROOT / "binder/postBuild").read_text(encoding="utf-8")
    assert os.access(ROOT / "binder/postBuild", os.X_OK)


@pytest.mark.parametrize("name", sorted(requirements("test")))
def test_the_readme_says_why_each_dependency_is_there(name):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first_cells = [line.split("|")[1] for line in readme.splitlines() if line.startswith("|")]
    named = {canonicalize_name(word) for cell in first_cells for word in re.findall(r"[\w-]+", cell)}
    assert name in named, f"README.md's table of dependencies has no row for {name}"


# ---------------------------------------------------------------------------------------- nothing leaks

# Paths of one machine and hosts of registries: a clone elsewhere has no use for them. Written in pieces,
# so that this file does not name them itself.
ONLY_HERE = [
    f"{ROOT}/",
    f"{Path.home()}/",
    *("/".join(["", folder, ""]) for folder in ("work", "root")),
    *("/".join(pieces) for pieces in (["..", "shared"], ["", "opt", "wheels"], ["", "opt", "pypi"])),
    *(".".join(pieces) for pieces in (["pypi", "org"], ["pythonhosted", "org"], ["npmjs", "org"])),
    *(".".join(pieces) for pieces in (["download", "pytorch", "org"], ["deb", "debian", "org"])),
]


def project_files():
    """Every file that is or would be committed; in a copy without git, every one outside .venv and caches."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True)
    if listed.returncode == 0:
        names = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [path for path in ROOT.rglob("*") if not {".venv", "__pycache__"} & set(path.parts)]
    return [path for path in names if path.is_file()]


def texts():
    for path in project_files():
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            yield path.relative_to(ROOT), content.decode("utf-8")


def test_no_text_names_a_place_that_only_one_machine_has():
    found = [(str(path), word) for path, text in texts() for word in ONLY_HERE if word in text]
    assert found == []


def test_ruff_finds_nothing():
    command = [sys.executable, "-m", "ruff", "check", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_shipped_folder_is_small_enough_to_clone():
    assert sum(path.stat().st_size for path in project_files()) < 102e6
