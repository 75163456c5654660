"""Lessons -> nbgrader's assignments, in the instructor's version: each a notebook with answers, checks and points.

nbgrader's `generate_assignment` makes the student's version of it: what stands between BEGIN SOLUTION and END SOLUTION
goes, and the three dots before it stay.  Metadata as in https://nbgrader.readthedocs.io (schema version 3).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from pythia_course.labs.exercises import TITLE, Exercise, asks, exercise, is_exercise, solutions

REGION = "### BEGIN SOLUTION\n{}\n### END SOLUTION"
STUB = "# Put your answer where the three dots are, and run this cell and the next."  # nbgrader's code_stub
TO_SOLUTIONS = re.compile(r"[;.] [Ss]olutions are in\s\[[^]]*\]\(solutions/[^)]*\)")
LOCAL_LINK = re.compile(r"(?<!!)\[([^]]+)\]\((?!https?:)[^)]*\)")


class Lesson:
    """A lesson's cells, its exercises and their answers, by the files of the lesson and of its solutions."""

    def __init__(self, path: Path, solved: Path):
        self.notebook = nbformat.read(path, as_version=4)
        self._answers = solutions(self._code(), _code_of(nbformat.read(solved, as_version=4)))
        self.exercises = dict(self._pairs())  # {id of its cell: (its text, Exercise)}

    def cell(self, id_: str) -> NotebookNode:
        """One cell.  Raises LookupError where there is none of that id."""
        found = [cell for cell in self.notebook.cells if cell.id == id_]
        if not found:
            raise LookupError(f"The lesson has no cell {id_}.")
        return found[0]

    def exercise(self, number: int) -> tuple[str, Exercise]:
        """The text and the pieces of an exercise.  Raises LookupError where no exercise of that number is checked."""
        for text, found in self.exercises.values():
            if found.number == number:
                return text, found
        raise LookupError(f"The lesson has no exercise {number} with a check.")

    def _pairs(self) -> Iterator[tuple[str, tuple[str, Exercise]]]:
        answers, before = iter(self._answers), ""
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown":
                before = cell.source
            elif is_exercise(cell.source):
                yield cell.id, (_alone(before), exercise(cell.source, before, next(answers)))

    def _code(self) -> list[str]:
        return _code_of(self.notebook)


def of_lesson(lesson: Lesson) -> NotebookNode:
    """The instructor's version of a whole lesson."""
    cells = []
    for cell in lesson.notebook.cells:
        if cell.id in lesson.exercises:
            cells += of_exercise(lesson.exercises[cell.id][1])
        else:
            cells.append(shown(cell))
    return notebook(cells)


def shown(cell: NotebookNode) -> NotebookNode:
    """A cell of a lesson as an assignment has it.

    Code is nbgrader's "read-only": whatever a student does to it, it is as it was when the submission is marked.  Cells
    for predictions are not: nothing is marked there.
    """
    if cell.cell_type == "markdown":
        return text(cell.source, cell.id)
    return code(cell.source, cell.id, locked=not asks(cell.source))


def of_exercise(parts: Exercise) -> list[NotebookNode]:
    """What is given, the cell for the answer with the right one in it, and the check, which gives the points."""
    name = f"exercise-{parts.number}"
    given = [code(parts.given, f"{name}-given", locked=True)] if parts.given else []
    answer = f"{parts.answer}\n\n{REGION.format(parts.solution)}"
    *before, check = parts.check.split("\n")
    graded = ["from pythia_course import checks", "", *before, f"verdict = {check}", "display(verdict)"]
    graded.append(f"{parts.points} * float(verdict)  # the marks, which nbgrader reads")
    return [
        *given,
        code(answer, f"{name}-answer", solution=True),
        code("\n".join(graded), f"{name}-check", locked=True, grade=True, points=parts.points),
    ]


def notebook(cells: list[NotebookNode]) -> NotebookNode:
    """A notebook of these cells, for the kernel that every lesson names."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def text(source: str, id_: str) -> NotebookNode:
    """A Markdown cell that leads nowhere that a student's folder has not, and to no solutions."""
    return nbformat.v4.new_markdown_cell(LOCAL_LINK.sub(r"\1", TO_SOLUTIONS.sub("", source)), id=id_)


def code(source: str, id_: str, points: int | None = None, **kinds: bool) -> NotebookNode:
    """A code cell; kinds: which of nbgrader's `locked`, `solution` and `grade` it is, none for an ordinary cell."""
    cell = nbformat.v4.new_code_cell(source, id=id_)
    if any(kinds.values()):
        no = dict.fromkeys(("grade", "locked", "solution", "task"), False)
        cell.metadata["nbgrader"] = {**no, **kinds, "grade_id": id_, "schema_version": 3}
    if points is not None:
        cell.metadata["nbgrader"]["points"] = points
    return cell


def _code_of(found: NotebookNode) -> list[str]:
    return [cell.source for cell in found.cells if cell.cell_type == "code"]


def _alone(before: str) -> str:
    """The text of an exercise without what stands before its title, such as the heading of all exercises."""
    *_, last = TITLE.finditer(before)
    return before[last.start() :]
