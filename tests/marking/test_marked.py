"""What students hand in, through the real nbgrader: collected, marked, given back and exported, each as it deserves.

`make marking` runs these, since eight submissions, each in a process of its own, take minutes.  Those of `cage` need
bubblewrap; where it is missing, submissions are run in the open, and the one that eats memory is left out.
"""

import csv
import shutil
import subprocess
import sys

import nbformat
import pytest
from support.grader import nbgrader_here  # noqa: F401  (a fixture)

from pythia_course.labs import course, own_numbers
from pythia_course.lessons import shipped

LAB = "lab_2_training_and_data"
CAGED = shutil.which("bwrap") is not None
TIMEOUT = 45  # seconds for a cell: the imports are one, on a machine that does much else
FOR_ANOTHER = own_numbers("another", 1).randint(2, 143) * 1000 * 1024 * 2048  # right, for somebody else's step
# What stands in the cells for the answers of each student: the exercise's number -> code in place of the right answer,
# or None for the three dots.  Exercises that are not named have the right answer.
STUDENTS = {
    "right": {},
    "wrong": dict.fromkeys((2, 4, 6), "dated = extra_fall = lambda *_: 0\nanswer_4 = -1")
    | {1: f"answer_1 = {FOR_ANOTHER}", 3: "answer_3 = (0, 0)", 5: "answer_5 = 2", 7: "beginning = 'Once'"},
    "partly": dict.fromkeys((4, 5, 6, 7)),
    "empty": dict.fromkeys(range(1, 8)),
    "crashing": {3: "raise ValueError('no')", 6: "import os\nos._exit(1)"},
    "endless": {2: "import time\nwhile True:\n    time.sleep(1)"},
    "greedy": {5: "hoard = [bytearray(10**8) for _ in range(10**4)]"},
    "sly": {1: "float = lambda verdict: type('Full', (), {'__rmul__': lambda *_: 'full marks'})()"},
}
LOST = {  # numbers of the exercises that each must not have points for
    "right": set(), "wrong": set(range(1, 8)), "partly": {4, 5, 6, 7}, "empty": set(range(1, 8)),
    "crashing": {3, 6, 7}, "endless": {2}, "greedy": {5}, "sly": set(range(1, 8)),
}  # fmt: skip
HANDED_IN = [student for student in STUDENTS if CAGED or student != "greedy"]


def nbgrader(folder, *words):
    """Run a command of nbgrader's in a course; gives what it said.  It must not fail."""
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words], cwd=folder, capture_output=True, text=True, timeout=3600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory, nbgrader_here):  # noqa: F811
    """A course in which everything has been done once, and one submission came that is no notebook at all."""
    folder = tmp_path_factory.mktemp("labs") / "course"
    course.build(shipped.lessons(), folder, [LAB])
    archive = folder / "downloaded" / LAB / "archive"
    archive.mkdir(parents=True)
    for student in HANDED_IN:
        typed = "another" if student == "wrong" else student  # who hands in a notebook that somebody else began
        nbformat.write(submission(folder, STUDENTS[student], typed), archive / f"doejane_12_345_{LAB}-{student}.ipynb")
    nbgrader(folder, "zip_collect", LAB)
    nbgrader(folder, "autograde", LAB, f"--Run.timeout={TIMEOUT}", f"--Run.caged={CAGED}")
    nbgrader(folder, "generate_feedback", LAB)
    nbgrader(folder, "export")
    return folder


def submission(folder, answers, typed):
    """The students' version with this student number and these answers in it."""
    notebook = nbformat.read(folder / "release" / LAB / f"{LAB}.ipynb", as_version=4)
    right = {cell.id: cell.source for cell in source(folder).cells}
    for cell in notebook.cells:
        if cell.source == "student = ...":
            cell.source = f"student = {typed!r}"
        if cell.id.endswith("-answer"):
            own = answers.get(int(cell.id.split("-")[1]), right[cell.id])
            cell.source = cell.source if own is None else own
    return notebook


def source(folder):
    return nbformat.read(folder / "source" / LAB / f"{LAB}.ipynb", as_version=4)


def points(folder):
    """{exercise: points}."""
    checks = [cell for cell in source(folder).cells if cell.id.endswith("-check")]
    return {int(cell.id.split("-")[1]): cell.metadata.nbgrader["points"] for cell in checks}


def graded(folder, student):
    """The submission as nbgrader left it: {id: cell}."""
    path = folder / "autograded" / student / LAB / f"{LAB}.ipynb"
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


@pytest.mark.parametrize("student", HANDED_IN)
def test_everybody_gets_the_marks_that_they_should(folder, student):
    of = points(folder)
    with open(folder / "grades.csv", encoding="utf-8") as file:
        row = {row["student_id"]: row for row in csv.DictReader(file)}[student]
    assert sum(of.values()) == float(row["max_score"]) == 17
    assert float(row["score"]) == sum(worth for number, worth in of.items() if number not in LOST[student])


@pytest.mark.parametrize("student", HANDED_IN)
def test_everybody_gets_the_sentences_back(folder, student):
    page = (folder / "feedback" / student / LAB / f"{LAB}.html").read_text(encoding="utf-8")
    assert "Exercise 7" in page
    assert ("Not answered yet" in page) == (student in ("partly", "empty"))


def test_numbers_of_another_student_are_wrong_and_the_submission_says_whose_were_taken(folder):
    cells = graded(folder, "wrong")
    (said,) = (c.outputs[0].text for c in cells.values() if c.source == "_ = own_numbers(student)")
    assert said == "Marked with the numbers of wrong; typed was another.\n"
    of_right = graded(folder, "right").values()  # whose own number was typed
    assert [c.outputs for c in of_right if c.source == "_ = own_numbers(student)"] == [[]]
    given = [graded(folder, student)["exercise-1-given"].outputs[0].data["text/plain"] for student in HANDED_IN]
    assert len(set(given)) > 4


@pytest.mark.parametrize(
    ("student", "exercise", "why"),
    [
        ("crashing", 3, "NameError"),
        ("crashing", 6, "The kernel stopped"),
        ("crashing", 7, "The kernel stopped"),
        ("endless", 2, "NameError"),
        ("sly", 4, "The check gave no number of points."),
    ],
)
def test_a_lost_mark_has_a_reason(folder, student, exercise, why):
    outputs = graded(folder, student)[f"exercise-{exercise}-check"].outputs
    assert why in str(outputs)


@pytest.mark.skipif(not CAGED, reason="without a limit of memory it would take the machine's")
def test_who_eats_memory_meets_a_limit_and_goes_on(folder):
    cells = graded(folder, "greedy")
    assert "MemoryError" in str(cells["exercise-5-answer"].outputs)
    assert cells["exercise-6-check"].outputs[-1].data["text/plain"] == "3.0"
