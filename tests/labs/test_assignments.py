"""Lessons and labs as assignments: every exercise is there, its answer is right, and students are given none."""

import ast
import contextlib
import io
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pythia_course import checks
from pythia_course.labs import assignments, course, exercises, own_numbers, parts
from pythia_course.labs.assignments import Lesson
from pythia_course.lessons import shipped

ROOT = Path(__file__).resolve().parents[2]
ANSWERED = re.compile("exercise-.*-(answer|check)")
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SHIPPED = course.Lessons(shipped.lessons())
NAMES = [*(page.stem for page in course.PAGES), *SHIPPED.paths]

STAND_ON_THE_LESSON = ("00_start_here", "08_memorisation")  # all of their exercises, on models and traces


@cache
def assignment(name):
    """The instructor's version."""
    return dict(course.notebooks(SHIPPED, [name]))[name]


def lesson(path):
    return Lesson(path, path.parent / "solutions" / path.name)


def value(source, names):
    """What the last line of a check's cell gives, when it is run with these names."""
    *before, last = ast.parse(source).body
    exec(compile(ast.Module(before, []), "check", "exec"), names)
    return eval(compile(ast.Expression(last.value), "check", "eval"), names)


def before_the_answers(cells, exercise_cells):
    """Those statements of a notebook's other cells that its exercises stand on."""
    code = [cell.source for cell in cells if cell.cell_type == "code" and not ANSWERED.match(cell.id)]
    wanted = {name for cell in exercise_cells for name in exercises._read(ast.parse(cell.source))}
    return "\n".join(exercises._leading_to(wanted, [ast.parse(source).body for source in code], code))


def marks(answer, check, names):
    """(points of the three dots, points of the right answer, nothing on stderr) of one exercise."""
    names |= {"display": lambda verdict: None}
    dots = answer.source.partition("### BEGIN SOLUTION")[0]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as warnings:
        found = []
        for source in (dots, answer.source):
            exec(source, names)
            found.append(value(check.source, names))
    return (*found, warnings.getvalue())


def pairs(notebook):
    """(cell of the answer, cell of the check) of each exercise."""
    cells = {cell.id: cell for cell in notebook.cells}
    graded = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    return [(cells[cell.id.replace("check", "answer")], cell) for cell in graded]


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_with_a_check_is_in_the_assignment_once(name):
    found = pairs(assignment(name))
    ids = [cell.metadata["nbgrader"]["grade_id"] for cell in assignment(name).cells if "nbgrader" in cell.metadata]
    assert len(ids) == len(set(ids))
    if name.startswith("lab_"):
        assert len(found) in (7, 8)
        return
    path = ROOT / "notebooks" / f"{name}.ipynb"
    asked = [cell.source for cell in lesson(path).notebook.cells if exercises.is_exercise(cell.source)]
    checked = [re.findall(r"checks\.\w+\.\w+", source)[-1] for source in asked]
    assert checked == [re.findall(r"checks\.\w+\.\w+", check.source)[-1] for _, check in found]
    assert len(found) >= 3


def free(notebook):
    """Exercises that stand on nothing but what is imported.  Those of the labs are run whole, here and in nbgrader."""
    lines = [line for cell in notebook.cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    names = {}
    exec("\n".join(line for line in lines if re.match("(from|import) ", line)), names)
    for answer, check in pairs(notebook):
        given = set(exercises._read(ast.parse(check.source))) - {"display", "verdict", "float"}
        made = set().union(*map(exercises._binds, ast.parse(answer.source).body))
        if given <= names.keys() | made:
            yield answer, check, dict(names)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("lab_")])
def test_the_right_answer_has_all_points_and_the_three_dots_have_none(name):
    tried = 0
    for answer, check, names in free(assignment(name)):
        assert marks(answer, check, names) == (0, check.metadata["nbgrader"]["points"], ""), check.source
        tried += 1
    assert tried or name in STAND_ON_THE_LESSON


def test_lab_1_right_and_empty():
    notebook = assignment("lab_1_attention_and_induction")
    names = {"display": lambda verdict: None}
    total = 0
    before = before_the_answers(notebook.cells, [cell for pair in pairs(notebook) for cell in pair])
    with contextlib.redirect_stdout(io.StringIO()):
        exec(before.replace("student = ...", "student = 4711"), names)
    for answer, check in pairs(notebook):
        assert marks(answer, check, names) == (0, check.metadata["nbgrader"]["points"], ""), check.source
        total += check.metadata["nbgrader"]["points"]
    assert total == 16


@pytest.mark.parametrize("name", NAMES)
def test_students_are_given_no_answer(name):
    """As nbgrader does it: what stands between the marks goes.  What is left says nothing of the solutions."""
    for cell in assignment(name).cells:
        left = re.sub(r"### BEGIN SOLUTION.*### END SOLUTION", "", cell.source, flags=re.S)
        assert "solution()" not in left and "solutions/" not in left and "SOLUTION" not in left
        assert cell.cell_type == "markdown" or not cell.outputs
        if cell.id.endswith("-answer"):
            assert exercises.asks(left)
    text = "\n".join(cell.source for cell in assignment(name).cells if cell.cell_type == "markdown")
    assert not re.search(r"\]\((?!https?:)", text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<!-- cells of 11_interpretability_lab: nowhere -->", "no cell nowhere"),
        ("<!-- exercise 9 of 11_interpretability_lab -->", "no exercise 9"),
        ("<!-- something -->", "cannot take"),
    ],
)
def test_a_page_that_asks_for_what_is_not_there_is_refused(line, said):
    with pytest.raises(LookupError, match=said):
        parts.of_page(line, {"11_interpretability_lab": lesson(ROOT / "notebooks/11_interpretability_lab.ipynb")})


def test_a_lesson_without_its_solution_is_refused():
    with pytest.raises(LookupError, match="checks.start.surprise"):
        exercises.solutions(["answer = ...\nchecks.start.surprise(answer, 0.5)"], ["checks.start.best_head(1, 2)"])


def test_numbers_are_a_student_s_own_and_the_same_in_every_run(capsys, monkeypatch, tmp_path):
    whose = ((4711, 1), (" 4711 ", 1), (4712, 1), (4711, 2))
    first, again, other, next_one = (own_numbers(*one).randint(10**6, size=9) for one in whose)
    assert np.array_equal(first, again) and not np.array_equal(first, other) and not np.array_equal(first, next_one)
    assert first[0] == 138008  # whatever the machine: what was handed out last year must be marked alike
    own_numbers(...)
    assert "Put your student number" in capsys.readouterr().out
    folder = tmp_path / "4711" / "lab"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert np.array_equal(own_numbers("4712", 1).randint(10**6, size=9), first)
    assert capsys.readouterr().out == ""
    own_numbers("4712")
    assert capsys.readouterr().out == "Marked with the numbers of 4711; typed was 4712.\n"


def test_a_verdict_alone_would_be_marked_as_full():
    """Why each check's cell ends with a number (docs/hosting.md)."""
    assert all("* float(verdict)" in check.source for n in map(assignment, NAMES) for _, check in pairs(n))
    assert repr(checks.start.surprise(0.5, 0.1)).startswith("✗")
    assert assignments.STUB.startswith("#")
