"""What the lessons ask: their predictions and exercises, read from the notebooks that this installation brought."""

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pythia_course.lessons import shipped

LESSON = re.compile(r"notebooks/(?P<number>\d+)_(?P<name>\w+)\.ipynb")
PREDICTION, EXERCISE = "prediction", "exercise"


@dataclass(frozen=True)
class Task:
    """A cell that ends with a check."""

    name: str  # "versus.sink"; where several cells ask the same check, as predictions do, "pythia_vs_gpt2/cell-04"
    kind: str
    check: str  # "versus.sink", or "compare"
    lesson: str
    cell: str  # its id in the notebook


@dataclass(frozen=True)
class Lesson:
    """A lesson: its name stays when it is renumbered."""

    name: str  # "pythia_vs_gpt2"
    number: str  # "05"
    title: str
    tasks: tuple[Task, ...]

    @property
    def file(self) -> str:
        """Of its notebook, beside the others."""
        return f"{self.number}_{self.name}.ipynb"

    def of(self, kind: str) -> list[Task]:
        """Its predictions or its exercises, in order."""
        return [task for task in self.tasks if task.kind == kind]


@cache
def course() -> list[Lesson]:
    """The lessons of this installation, in order.  Raises LessonsMissing where there are none."""
    return read(shipped.lessons())


@cache
def names() -> tuple[str, ...]:
    """The names of all lessons; none where the installation has none."""
    try:
        return tuple(match["name"] for match in map(LESSON.fullmatch, shipped.lessons()) if match)
    except OSError:
        return ()


def lesson_of(file: str) -> str:
    """The lesson that a notebook is a copy of, as "05_pythia_vs_gpt2-Copy1.ipynb" of "pythia_vs_gpt2"; "" of none."""
    stem = re.sub(r"^\d+_", "", file)
    return max((name for name in names() if stem.startswith(name)), key=len, default="")


def read(lessons: dict[str, Path]) -> list[Lesson]:
    """The lessons among these files, {name as `shipped.lessons` gives it: file}."""
    found = []
    for name, path in sorted(lessons.items()):
        if match := LESSON.fullmatch(name):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            asked = [(check, cell["id"]) for cell in cells if (check := _check(cell))]
            found.append((match["name"], match["number"], _title(cells[0]), asked))
    checks = [check for *_, asked in found for check, _ in asked]
    return [
        Lesson(name, number, title, tuple(_task(name, cell, *check, checks.count(check) > 1) for check, cell in asked))
        for name, number, title, asked in found
    ]


def _task(lesson: str, cell: str, check: str, kind: str, shared: bool) -> Task:
    shared = shared or check == "compare"
    return Task(f"{lesson}/{cell}" if shared else check, kind, check, lesson, cell)


def _title(cell: dict) -> str:
    """ "Pythia against GPT-2" of a first cell that begins with "# 05 · Pythia against GPT-2"."""
    first = "".join(cell["source"]).partition("\n")[0]
    return re.sub(r"^#\s*(\d+ · )?", "", first)


def _check(cell: dict) -> tuple[str, str] | None:
    """(check, kind) of a cell whose last line shows a verdict: `checks.MODULE.NAME(…)` or `checks.compare(…)`."""
    if cell["cell_type"] != "code":
        return None
    try:
        last = ast.parse("".join(cell["source"])).body[-1]
    except (SyntaxError, IndexError):  # a magic, or nothing
        return None
    call = getattr(last, "value", None) if isinstance(last, ast.Expr) else None
    match = re.fullmatch(r"checks\.(\w+\.\w+|compare)", ast.unparse(call.func)) if isinstance(call, ast.Call) else None
    if match is None:
        return None
    guessed = match[1] == "compare" and call.args and ast.unparse(call.args[0]) == "guess"
    return match[1], PREDICTION if guessed else EXERCISE
