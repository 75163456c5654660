"""docs/teaching.md says what is so: goals, misconceptions, minutes, points, limits, commands."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest
from support.grader import nbgrader_here  # noqa: F401  (a fixture)

from pythia_course.__main__ import main
from pythia_course.labs import cage, course
from pythia_course.lessons import shipped

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/teaching.md").read_text(encoding="utf-8")
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LABS = dict(course.notebooks(course.Lessons(shipped.lessons()), [page.stem for page in course.PAGES]))


def section(title):
    """The text below a heading, to the next of its rank."""
    mark, _, _ = title.partition(" ")
    return re.search(rf"^{re.escape(title)}\n(.*?)(?=^{mark} |\Z)", TEXT, re.M | re.S)[1]


def cells(path):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [("".join(cell["source"]), cell["cell_type"]) for cell in found]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_s_goals_and_misconceptions_are_its_own(path):
    opening = cells(path)[0][0]
    title = re.search(r"^# (?:\d\d · )?(.*)$", opening, re.M)[1]
    found = section(f"### {path.stem[:2]} · {title}")
    goals = [goal.rstrip(",.") for goal in re.findall(r"^- (.*)$", opening, re.M)]
    assert re.findall(r"^- (.*)$", found, re.M) == goals
    code = "\n".join(source for source, kind in cells(path) if kind == "code")
    said = {node.value for name in set(re.findall(r"checks\.(\w+)\.\w+\(", code)) for node in constants(name)}
    quoted = re.findall(r"^> (.+)$", found, re.M)
    assert len(quoted) >= 3 and [quote for quote in quoted if quote not in said] == []


def constants(name):
    """The texts in a module of checks."""
    tree = ast.parse((ROOT / f"pythia_course/checks/{name}.py").read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("number", [1, 2])
def test_a_lab_s_plan_has_ninety_minutes_and_its_exercises_and_points(number):
    (head, table) = re.search(rf"^\*\*Lab {number}, (.*?)\n\n(.*?)\n\n", TEXT, re.M | re.S).groups()
    times = [(int(a), int(b)) for a, b in re.findall(r"^\| (\d+)–(\d+) \|", table, re.M)]
    assert times[0][0] == 0 and times[-1][1] == 90 and all(a[1] == b[0] for a, b in zip(times, times[1:]))
    (lab,) = (notebook for name, notebook in LABS.items() if name.startswith(f"lab_{number}"))
    points = [cell.metadata["nbgrader"]["points"] for cell in lab.cells if cell.id.endswith("-check")]
    assert f"({len(points)} exercises, {sum(points)} points)" in head
    assert f"{sum(points)} points" in "".join(cell.source for cell in lab.cells)


def test_so_many_exercises_have_numbers_of_one_s_own():
    """In lab 1 also those on the text, which is made of numbers before the first exercise."""
    own = {}
    for name, notebook in LABS.items():
        shared = any("own_numbers(student)\nname" in cell.source for cell in notebook.cells)
        code = {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}
        numbers = [int(id_.split("-")[1]) for id_ in code if id_.endswith("-check")]
        given = {n for n in numbers if "own_numbers" in code.get(f"exercise-{n}-given", "")}
        text = re.compile(r"\btext\b|trace|predictions|repeats")
        on_text = {n for n in numbers if shared and text.search(code[f"exercise-{n}-check"])}
        own[name] = len(given | on_text)
    assert [*own.values()] == [7, 4] and "Seven of lab 1's\neight exercises and four of lab 2's seven" in TEXT


def test_the_limits_are_those_that_are_set(nbgrader_here):  # noqa: F811
    from pythia_course.labs import marking

    run = marking.Run
    cell, whole, memory = (run.class_traits()[name].default_value for name in ("timeout", "whole", "memory"))
    assert f"c.Run.timeout = {cell} " in course.CONFIG and f"c.Run.whole = {whole} " in course.CONFIG
    assert f"c.Run.memory = {memory:_} " in course.CONFIG
    assert f"after {cell} seconds a cell, {whole // 60} minutes a submission" in TEXT
    assert f"| {memory // 10**9} GB; the exercise is lost" in TEXT and f"up to {2 * cage.SCRATCH // 10**9} GB" in TEXT
    assert f"in files of {cage.LARGEST_FILE // 10**6} MB" in TEXT and f"it has {'six'} variables" in TEXT
    assert f"{marking.LOUDEST // 10**6} million characters" in TEXT
    assert len(cage.KEPT) == 6


def test_nbgrader_has_the_one_exporter_that_is_named(nbgrader_here):  # noqa: F811
    from nbgrader.plugins import export

    exporters = [name for name, thing in vars(export).items() if isinstance(thing, type) and hasattr(thing, "export")]
    assert sorted(exporters) == ["CsvExportPlugin", "ExportPlugin"] and "`CsvExportPlugin`" in TEXT


def test_the_commands_are_understood(monkeypatch):
    called = []
    monkeypatch.setattr("pythia_course.commands.labs.run", lambda options: called.append(options.names) or 0)
    lines = re.findall(r"`?(?:^|`)pythia-course (labs [^`\n]+)", TEXT, re.M)
    assert {main(shlex.split(line)) for line in lines} == {0} and ["lab_1_attention_and_induction"] in called
    assert re.search(r"^labs: ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https:)([^)\s]+)\)", TEXT))))
def test_links_lead_somewhere(target):
    file, _, anchor = target.partition("#")
    path = ROOT / "docs" / (file or "teaching.md")
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}
