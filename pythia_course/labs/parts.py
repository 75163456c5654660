"""A lab's page -> its notebook: own text and exercises, and cells and exercises taken from the lessons by their names.

The pages are the Markdown files of this folder.  In them

    <!-- cells of 11_interpretability_lab: cell-09 cell-10 -->   takes these cells of that lesson,
    <!-- exercise 2 of 11_interpretability_lab -->               takes that exercise, with the next number of the lab,

a fence ```python is a cell of code, and four of them, ```python given, answer, solution, check, are an exercise, whose
title is in the text before (`given` may be left out).
"""

import re
from collections.abc import Mapping

from nbformat.notebooknode import NotebookNode

from pythia_course.labs import assignments, exercises
from pythia_course.labs.assignments import Lesson
from pythia_course.labs.exercises import TITLE, Exercise, numbered, titled

PIECES = re.compile(r"^<!-- (?P<take>.+?) -->$|^```python ?(?P<kind>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
CELLS = re.compile(r"cells of (\w+): ([\w -]+)")
EXERCISE = re.compile(r"exercise (\d+) of (\w+)")


def of_page(page: str, lessons: Mapping[str, Lesson]) -> NotebookNode:
    """The instructor's version of a lab.  lessons: by name, as "11_interpretability_lab".

    Raises LookupError where the page asks for a lesson, a cell or an exercise that is not there.
    """
    lab = _Lab(lessons)
    end = 0
    for piece in PIECES.finditer(page):
        lab.text(page[end : piece.start()])
        end = piece.end()
        if piece["take"]:
            lab.take(piece["take"])
        else:
            lab.code(piece["kind"], piece["code"].strip("\n"))
    lab.text(page[end:])
    return assignments.notebook(lab.cells)


class _Lab:
    """The cells so far, and the pieces of the exercise at hand."""

    def __init__(self, lessons: Mapping[str, Lesson]):
        self.cells, self._lessons = [], lessons
        self._exercises, self._pieces = 0, {"given": ""}

    def text(self, source: str) -> None:
        if source.strip():
            self.cells.append(assignments.text(source.strip(), self._id("text")))

    def code(self, kind: str, source: str) -> None:
        if not kind:
            self.cells.append(assignments.code(source, self._id("code"), locked=not exercises.asks(source)))
            return
        self._pieces[kind] = source
        if kind == "check":
            self._add(numbered(*titled(self.cells[-1].source), **self._pieces))
            self._pieces = {"given": ""}

    def take(self, what: str) -> None:
        if found := CELLS.fullmatch(what):
            lesson = self._lessons[found[1]]
            self.cells += [self._own(found[1], lesson.cell(id_)) for id_ in found[2].split()]
        elif found := EXERCISE.fullmatch(what):
            text, exercise = self._lessons[found[2]].exercise(int(found[1]))
            next_one = self._exercises + 1
            self.text(TITLE.sub(rf"**Exercise {next_one}** · difficulty \2 of 5", text))
            self._add(_renumbered(exercise, next_one))
        else:
            raise LookupError(f"A lab cannot take {what!r}.")

    def _own(self, lesson: str, cell: NotebookNode) -> NotebookNode:
        """A lesson's cell under a name that no other lesson has, since two lessons may both have a cell-03."""
        copied = assignments.shown(cell)
        copied.id = f"{lesson[:2]}-{cell.id}"
        if "nbgrader" in copied.metadata:
            copied.metadata["nbgrader"]["grade_id"] = copied.id
        return copied

    def _add(self, exercise: Exercise) -> None:
        self._exercises += 1
        if exercise.number != self._exercises:
            raise LookupError(f"The lab's exercise {self._exercises} calls itself {exercise.number}.")
        self.cells += assignments.of_exercise(exercise)

    def _id(self, kind: str) -> str:
        return f"{kind}-{len(self.cells)}"


def _renumbered(old: Exercise, number: int) -> Exercise:
    pieces = {name: getattr(old, name) for name in ("given", "answer", "solution", "check")}
    plain = {name: re.sub(rf"\banswer_{old.number}\b", "answer", source) for name, source in pieces.items()}
    return numbered(number, old.points, **plain)
