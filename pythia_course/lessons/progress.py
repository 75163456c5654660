"""How far a learner got: each task solved, tried or open, as a map of the course."""

import html
from collections import Counter
from dataclasses import dataclass

from pythia_course.lessons import attempts, keeping, tasks
from pythia_course.lessons.attempts import PASSED, RESET, Attempt, Record
from pythia_course.lessons.tasks import EXERCISE, PREDICTION, Lesson, Task

SOLVED, TRIED, OPEN = "solved", "tried", "open"
SIGNS = {SOLVED: "●", TRIED: "◐", OPEN: "○"}
COLORS = {SOLVED: "#009E73", TRIED: "#D55E00", OPEN: "#888888"}  # those of verdicts


@dataclass(frozen=True)
class Standing:
    """Where a learner stands with a task."""

    attempts: int = 0
    solved_with: int | None = None  # the number of the attempt that passed first
    solved_at: str | None = None

    @property
    def state(self) -> str:
        return SOLVED if self.solved_with else TRIED if self.attempts else OPEN

    def after(self, attempt: Attempt) -> "Standing":
        """Where one stands after one more attempt, or a reset."""
        if attempt.did == RESET:
            return Standing()
        number = self.attempts + 1
        if attempt.did == PASSED and not self.solved_with:
            return Standing(number, number, attempt.at)
        return Standing(number, self.solved_with, self.solved_at)


class CourseMap:
    """The lessons, with where a learner stands in each: shows itself as a table."""

    def __init__(self, course: list[Lesson], record: Record, trouble: str = ""):
        """trouble: a sentence on why the record is empty."""
        self.course, self.record, self.trouble = course, record, trouble
        self.standings = {task.name: Standing() for lesson in course for task in lesson.tasks}
        for attempt in record.attempts:
            if task := task_of(attempt, course):
                self.standings[task.name] = self.standings[task.name].after(attempt)

    def state(self, task: Task) -> str:
        """ "solved", "tried" or "open"."""
        return self.standings[task.name].state

    def counts(self, lessons: list[Lesson], kind: str) -> Counter:
        """{state: how many} of all predictions or exercises of these lessons."""
        return Counter(self.state(task) for lesson in lessons for task in lesson.of(kind))

    def __repr__(self) -> str:
        wide = max(len(lesson.title) for lesson in self.course)
        most = max(len(lesson.of(PREDICTION)) for lesson in self.course)
        lines = [self._summary(), "", f"{'':<4}{'':<{wide}}  {'predictions':<{most + 16}}exercises"]
        for lesson in self.course:
            first, second = (self._text(lesson, kind) for kind in KINDS)
            lines.append(f"{lesson.number}  {lesson.title:<{wide}}  {first:<{most + 16}}{second}")
        return "\n".join([*lines, "", LEGEND])

    def _repr_html_(self) -> str:
        columns = ("Lesson", "Predictions", "Exercises")
        head = "".join(f'<th scope="col" style="{_CELL};border-top:none">{name}</th>' for name in columns)
        rows = "".join(map(self._row, self.course))
        return (
            '<table style="border-collapse:collapse;margin:0;color:inherit">'
            '<caption style="caption-side:top;text-align:left;padding:2px 0;color:inherit">'
            f"<b>Your way through the course</b><br/>{html.escape(self._summary())}</caption>"
            f'<thead><tr style="background:none;border:none">{head}</tr></thead><tbody>{rows}</tbody></table>'
            f'<p style="margin:4px 0 0 0">{_legend_html()}</p>'
        )

    def _row(self, lesson: Lesson) -> str:
        link = f'<a href="{lesson.file}">{lesson.number} · {html.escape(lesson.title)}</a>'
        cells = "".join(f'<td style="{_CELL}">{self._html(lesson, kind)}</td>' for kind in KINDS)
        title = f'<th scope="row" style="{_CELL};font-weight:normal">{link}</th>'
        return f'<tr style="background:none">{title}{cells}</tr>'

    def _html(self, lesson: Lesson, kind: str) -> str:
        counts, signs = self.counts([lesson], kind), "".join(_sign(self.state(task)) for task in lesson.of(kind))
        said = ", ".join(f"{counts[state]} {state}" for state in SIGNS)
        return (
            f'<span style="font-variant-numeric:tabular-nums">{counts[SOLVED]} of {counts.total()}</span> &nbsp;'
            f'<span role="img" aria-label="{said}" style="letter-spacing:2px">{signs}</span>'
        )

    def _text(self, lesson: Lesson, kind: str) -> str:
        return "".join(SIGNS[self.state(task)] for task in lesson.of(kind)) + " " + self._said([lesson], kind)

    def _said(self, lessons: list[Lesson], kind: str) -> str:
        """ "2 of 5", or "2 of 5, 1 tried"."""
        counts = self.counts(lessons, kind)
        tried = f", {counts[TRIED]} tried" if counts[TRIED] else ""
        return f"{counts[SOLVED]} of {counts.total()}{tried}"

    def _summary(self) -> str:
        predictions, exercises = (self._said(self.course, kind) for kind in KINDS)
        lines = [f"Predictions: {predictions}. Exercises: {exercises}."]
        if self.trouble:
            lines.append(self.trouble)
        if self.record.damaged:
            lines.append(f"Lines of {attempts.FILE} that cannot be read, and do not count: {self.record.damaged}.")
        if self.record.newer:
            lines.append(f"Lines of {attempts.FILE} that only a later version can read: {self.record.newer}.")
        return " ".join(lines)

    def as_json(self) -> dict:
        """The map as plain data; `version` goes up when a field changes its meaning or goes."""
        return {
            "version": 1,
            "lessons": [self._lesson_as_json(lesson) for lesson in self.course],
            "unreadable_lines": self.record.damaged,
            "newer_lines": self.record.newer,
        }

    def _lesson_as_json(self, lesson: Lesson) -> dict:
        asked = [{"task": task.name, "kind": task.kind, **self._standing_as_json(task)} for task in lesson.tasks]
        return {"lesson": lesson.name, "number": lesson.number, "title": lesson.title, "tasks": asked}

    def _standing_as_json(self, task: Task) -> dict:
        standing = self.standings[task.name]
        return {"state": standing.state, **vars(standing)}


KINDS = (PREDICTION, EXERCISE)
LEGEND = "   ".join(f"{sign} {state}" for state, sign in SIGNS.items())
_CELL = "text-align:left;padding:2px 16px 2px 0;border:none;border-top:1px solid rgba(128,128,128,.35)"


def _sign(state: str) -> str:
    return f'<span style="color:{COLORS[state]}">{SIGNS[state]}</span>'


def _legend_html() -> str:
    return " &nbsp; ".join(f'<span aria-hidden="true">{_sign(state)}</span> {state}' for state in SIGNS)


def task_of(attempt: Attempt, course: list[Lesson]) -> Task | None:
    """The task of the course that an attempt was at: the one that asks its check, or of several the one of its cell."""
    asked = [task for lesson in course for task in lesson.tasks if task.check == attempt.check]
    if len(asked) == 1 and attempt.check != "compare":
        return asked[0]
    return next((task for task in asked if (task.lesson, task.cell) == (attempt.lesson, attempt.cell)), None)


def course_map() -> CourseMap:
    """The map of the course, as this notebook's learner stands in it: predictions and exercises solved, tried, open.

    Exercises that are so open that no check judges them are not on it.
    In a notebook that a program runs and not a learner, as tests and `make notebooks` do, it is empty.
    """
    folder = keeping.folder() if keeping.by_hand() else None
    if folder is None:
        return CourseMap(tasks.course(), Record())
    try:
        return CourseMap(tasks.course(), attempts.read(folder / attempts.FILE))
    except OSError as error:
        return CourseMap(tasks.course(), Record(), f"{attempts.FILE} cannot be read ({error.strerror}).")
