"""What the lessons ask, and by which names an attempt is still found when lessons have moved."""

import json
import re

import pytest

from pythia_course import checks
from pythia_course.lessons import attempts, shipped, tasks
from pythia_course.lessons.progress import task_of
from pythia_course.lessons.tasks import EXERCISE, PREDICTION

COURSE = tasks.course()
EVERY = [task for lesson in COURSE for task in lesson.tasks]


def cells(lesson):
    return json.loads(shipped.lessons()[f"notebooks/{lesson.file}"].read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


@pytest.mark.parametrize("lesson", COURSE, ids=lambda lesson: lesson.name)
def test_every_check_of_a_lesson_is_the_last_line_of_its_cell_and_so_a_task(lesson):
    code = "\n".join(source(cell) for cell in cells(lesson) if cell["cell_type"] == "code")
    called = re.findall(r"\bchecks\.(?!environment)\w+(?:\.\w+)?\(", code)
    assert len(called) == len(lesson.tasks) > 0
    prose = "\n".join(source(cell) for cell in cells(lesson) if cell["cell_type"] == "markdown")
    asked = len(re.findall(r"^\*\*Exercise \d+\*\*", prose, re.MULTILINE))
    assert 0 <= asked - len(lesson.of(EXERCISE)) <= 1  # the last may be too open for a check


def test_names_of_tasks_are_unique_and_name_checks_that_are_there():
    assert len({task.name for task in EVERY}) == len(EVERY)
    for task in EVERY:
        module, _, name = task.check.rpartition(".")
        assert callable(getattr(getattr(checks, module) if module else checks, name))
    shared = {task.check for task in EVERY if "/" in task.name}
    assert shared == {"compare", "rotary.stretched_base"}


def test_titles_are_those_of_the_lessons():
    assert COURSE[0].title == "Start here" and COURSE[5].title == "Pythia against GPT-2"
    files = [name.removeprefix("notebooks/") for name in shipped.lessons() if tasks.LESSON.match(name)]
    assert [lesson.file for lesson in COURSE] == files


@pytest.mark.parametrize(
    ("file", "lesson"),
    [
        ("05_pythia_vs_gpt2.ipynb", "pythia_vs_gpt2"), ("05_pythia_vs_gpt2-Copy1.ipynb", "pythia_vs_gpt2"),
        ("00_start_here_new_in_0.2.0.ipynb", "start_here"), ("17_start_here.ipynb", "start_here"),
        ("Untitled.ipynb", ""), ("", ""), ("00_.ipynb", ""),
    ],
)  # fmt: skip
def test_the_lesson_of_a_copy_is_known_by_its_name(file, lesson):
    assert tasks.lesson_of(file) == lesson


def cell(id, text):
    return {"cell_type": "code", "id": id, "source": text}


def course_of(tmp_path, **lessons):
    """A course of these lessons, file name without its ending -> cells."""
    for name, own in lessons.items():
        title = {"cell_type": "markdown", "id": "title", "source": f"# {name[1:3]} · Lesson\n\nmore"}
        (tmp_path / f"{name[1:]}.ipynb").write_text(json.dumps({"cells": [title, *own]}), encoding="utf-8")
    return tasks.read({f"notebooks/{name[1:]}.ipynb": tmp_path / f"{name[1:]}.ipynb" for name in lessons})


FIRST = [cell("a", "guess = ...\n\nchecks.compare(guess, 1)"), cell("b", "answer = 3\nchecks.versus.sink(answer, x)")]
OTHER = [cell("a", "guess = ...\nchecks.compare(guess, 2)"), cell("c", "checks.rotary.base(answer)"),
         cell("d", "checks.rotary.base(answer, 8)"), cell("e", "answer = 1\nchecks.compare(answer, 2)")]  # fmt: skip
NONE = [cell("f", ""), cell("g", "%time 3"), cell("h", "v = checks.versus.sink(1)"), cell("i", "checks.environment()"),
        cell("j", "print(checks.versus.sink(1))"), cell("k", "1 + 1"), cell("l", "(lambda: 1)()")]  # fmt: skip


def test_tasks_are_read_in_order_each_with_its_kind(tmp_path):
    course = course_of(tmp_path, _00_one=FIRST, _01_two=NONE + OTHER)
    found = [(task.name, task.kind) for lesson in course for task in lesson.tasks]
    assert found == [
        ("one/a", PREDICTION), ("versus.sink", EXERCISE), ("two/a", PREDICTION), ("two/c", EXERCISE),
        ("two/d", EXERCISE), ("two/e", EXERCISE),
    ]  # fmt: skip
    assert [lesson.title for lesson in course] == ["Lesson", "Lesson"]


def found(course, *attempt):
    task = task_of(attempts.now("tried", *attempt), course)
    return task and task.name


def test_renumbered_moved_and_split_lessons_keep_what_was_solved(tmp_path):
    old = course_of(tmp_path, _00_one=FIRST, _01_two=OTHER)
    new = course_of(tmp_path, _02_two=[*OTHER, FIRST[1]], _03_one=FIRST[:1])  # an exercise went to the other lesson
    for task in (task for lesson in old for task in lesson.tasks):
        assert found(old, task.check, task.lesson, task.cell) == task.name
        assert found(new, task.check, task.lesson, task.cell) == task.name


def test_an_exercise_counts_in_whichever_cell_and_a_prediction_only_in_its_own(tmp_path):
    course = course_of(tmp_path, _00_one=FIRST, _01_two=OTHER)
    assert found(course, "versus.sink", "", "") == found(course, "versus.sink", "two", "x") == "versus.sink"
    assert found(course, "compare", "one", "x") is None and found(course, "compare", "", "a") is None
    assert found(course, "rotary.base", "two", "x") is None and found(course, "gone.check", "one", "a") is None
