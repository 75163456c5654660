"""The pages about the package say what the package is: public names, rooms, files, commands."""

import importlib
import inspect
import json
import re
from pathlib import Path

import api
import pytest
import rooms

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md")
ROOMS = sorted(path.parent for path in rooms.modules() if path.name == "__init__.py" and path.parent != rooms.PACKAGE)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def test_the_page_of_public_names_is_what_the_docstrings_say():
    assert text_of("docs/api.md") == api.page(), "run make api"


@pytest.mark.parametrize("module", api.PUBLIC)
def test_every_public_name_says_what_it_is(module):
    for name in api.PUBLIC[module]:
        thing = getattr(importlib.import_module(module), name)
        assert not callable(thing) or len((inspect.getdoc(thing) or "").split()) >= 5, f"{module}.{name}"


def imported_by_lessons():
    """(module, name) of every import from the course in a notebook."""
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            code = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
            for module, names in re.findall(r"^from (pythia_course[\w.]*) import ([\w, ]+)", code, re.M):
                yield from ((module, name.strip()) for name in names.split(","))


@pytest.mark.parametrize(("module", "name"), sorted(set(imported_by_lessons())))
def test_what_lessons_import_is_public(module, name):
    assert name in api.PUBLIC.get(module, []) or f"{module}.{name}" in api.PUBLIC


def test_the_picture_of_the_rooms_has_just_the_arrows_that_there_are():
    drawn = set(re.findall(r'id="(\w+)-(?:>|&gt;)(\w+)"', text_of("docs/images/rooms.svg")))
    there = {(room, below) for room, all_below in rooms.arrows().items() for below in all_below}
    assert drawn == there, "run make rooms"


def test_the_page_of_rooms_names_each_of_them():
    named = set(re.findall(r"^\| `(\w+)(?:/|\.py)` \|", text_of("docs/architecture.md"), re.M))
    assert named == rooms.arrows().keys() - {rooms.FRONT_DOOR, "__main__"}


@pytest.mark.parametrize("folder", ROOMS, ids=lambda folder: folder.relative_to(rooms.PACKAGE).as_posix())
def test_a_room_offers_what_its_first_lines_name(folder):
    dotted = ".".join(folder.relative_to(ROOT).parts)
    doc = importlib.import_module(dotted).__doc__
    assert doc and len(doc.split()) >= 6
    for module, name in re.findall(r"^    (\w+)\.(\w+)", doc, re.M):
        assert hasattr(importlib.import_module(f"{dotted}.{module}"), name), f"{dotted}.{module} has no {name}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(page))
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_named_are_there(page):
    named = re.findall(r"`([a-z_]+/[\w/]+\.(?:py|js|ipynb|md))`", text_of(page))
    there = [ROOT / name if (ROOT / name.split("/")[0]).exists() else rooms.PACKAGE / name for name in named]
    assert [str(path) for path in there if not path.exists() and not re.search("N(N|OUN)", path.name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_named_are_there(page):
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.M))
    assert set(re.findall(r"`make ([a-z]+)\b(?! it)", text_of(page))) <= targets
