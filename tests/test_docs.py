"""The pages about the package say what the package is: public names, rooms, files, commands."""

import importlib
import inspect
import json
import re
from pathlib import Path

import api
import pytest
import rooms

from pythia_course import load, suite

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


def rows_of_the_tiny_suite():
    """Name -> the other cells, of the README's table of the models that ship."""
    rows = re.findall(r"^\| `(tiny-[\w-]+)` \|(.*)\|$", text_of("README.md"), re.M)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_the_readme_s_table_names_every_model_that_ships_its_size_steps_and_seeds():
    table, logs_of = rows_of_the_tiny_suite(), rooms.PACKAGE / "tiny" / "logs"
    assert sorted(table) == sorted({name.partition("-seed")[0] for name in suite.SHIPPED})
    for name, (parameters, positions, block, checkpoints, seeds) in table.items():
        spec, steps = load(name).spec, suite.steps(name)
        assert parameters == f"{suite.total(spec):,}" and block == ("parallel" if spec.parallel else "sequential")
        assert positions.startswith("rotary, 25%" if spec.positions == "rotary" else "a learned table")
        assert re.match(r"\d+|the last", checkpoints)[0] == ("the last" if steps == (6200,) else str(len(steps)))
        weights = {len(suite.steps(f"{name}-seed{seed}")) for seed in (1, 2)}
        assert weights == ({0} if seeds == "logs" else {int(seeds.removesuffix(" each"))})
        assert seeds != "logs" or all((logs_of / f"{name}-seed{seed}.csv").exists() for seed in (1, 2))


def test_the_readme_counts_what_ships():
    names = rows_of_the_tiny_suite()
    counts = [suite.total(load(name).spec) for name in names]
    seeds = sum(f"{name}-seed2" in suite.SHIPPED for name in names)
    words = {3: "three", 7: "seven"}
    first = re.sub(r"\s+", " ", text_of("README.md"))
    sizes = f"{min(counts) // 1000} thousand to {max(counts) // 10**6} million parameters"
    assert f"{words[len(names)]} tiny ones of {sizes}, {words[seeds]} of them from three seeds each" in first
    assert (rooms.PACKAGE / "tiny" / "logs" / "tiny-pythia-26m.csv").exists()
    assert "`tiny-pythia-26m`, the log ships" in first and "tiny-pythia-26m" not in suite.SHIPPED


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
