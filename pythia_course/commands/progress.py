"""`pythia-course progress`: how far a learner got, from the file of attempts beside the lessons."""

import difflib
import json
import sys
from datetime import datetime
from pathlib import Path

from pythia_course.commands import UsageError, add_command
from pythia_course.errors import shown
from pythia_course.lessons import attempts, tasks
from pythia_course.lessons.progress import SIGNS, CourseMap
from pythia_course.lessons.shipped import FIRST
from pythia_course.lessons.tasks import Lesson, Task

ABOUT = """\
Show how far you got. Which predictions and exercises you solved, when and with which attempt, is kept in the file
progress.jsonl beside the lessons: it holds no name, and goes nowhere. Delete it, or reset an exercise, to begin anew.
Exercises so open that no check judges them are not counted.
"""
EXAMPLES = """\
  pythia-course progress
      the map of the course, for the lessons in this folder, else for those in the folder pythia-course of your home
  pythia-course progress lessons --tasks
      each task by its name, for a folder that you name
  pythia-course progress --reset versus.sink
      one exercise counts as open again; --reset 05 does it for a lesson, --reset all for the course, after a question
  pythia-course progress --json
      for scripts
"""
ALL = "all"


def add_to(commands) -> None:
    """Describe the command."""
    parser = add_command(commands, "progress", run, about=ABOUT, examples=EXAMPLES)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="of the lessons, as `pythia-course lab` takes it")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--tasks", action="store_true", help="each prediction and exercise, by its name")
    what.add_argument("--json", action="store_true", help="for scripts: one object, on stdout")
    what.add_argument("--reset", metavar="WHAT", help="a task by its name, a lesson by its number or name, or all")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options) -> int:
    """Show the map, or reset what is named; gives the exit code."""
    course, path = tasks.course(), _notebooks(options.folder) / attempts.FILE
    standing = CourseMap(course, attempts.read(path))
    if options.reset is not None:
        return _reset(path, options.reset, standing, options.yes)
    if options.json:
        print(json.dumps(standing.as_json(), indent=1))
    elif options.tasks:
        print("\n".join(line for lesson in standing.course for line in _tasks(lesson, standing)))
    else:
        print(standing)
    return 0


def _notebooks(named: str | None) -> Path:
    """The folder that holds the notebooks of the lessons: the one named or the one in it."""
    try:
        places = [Path(named).expanduser()] if named else [Path.cwd(), Path.home() / "pythia-course"]
    except RuntimeError as error:  # no home, or no such person
        raise UsageError(f"{str(error).rstrip('.')}: name the folder of your lessons.") from None
    for place in places:
        for folder in (place / Path(FIRST).parent, place):
            if any(map(tasks.lesson_of, (path.name for path in folder.glob("[0-9]*.ipynb")))):
                return folder.resolve()
    looked = " or ".join(map(str, places))
    raise UsageError(f"There are no lessons in {looked}: name their folder, or `pythia-course lab` brings them.")


def _tasks(lesson: Lesson, standing: CourseMap) -> list[str]:
    """A line for the lesson, and one for each of its tasks."""
    return [f"{lesson.number}  {lesson.title}", *(_task(task, standing) for task in lesson.tasks)]


def _task(task: Task, standing: CourseMap) -> str:
    state, how = standing.state(task), standing.standings[task.name]
    said = f", attempts: {how.attempts}" if how.attempts else ""
    if how.solved_at:
        day = f"{datetime.fromisoformat(how.solved_at).astimezone():%Y-%m-%d %H:%M}"
        said = f" {day}, with attempt {how.solved_with}"
    return f"    {SIGNS[state]} {task.kind:<10}  {task.name:<45} {state}{said}"


def _reset(path: Path, what: str, standing: CourseMap, sure: bool) -> int:
    """Make a task, those of a lesson, or the whole course open again."""
    if what == ALL:
        return _reset_all(path, standing, sure)
    begun = [task for task in _named(what, standing.course) if standing.standings[task.name].attempts]
    for task in begun:
        attempts.add(path, attempts.now(attempts.RESET, task.check, task.lesson, task.cell))
    print(f"Open again: {', '.join(task.name for task in begun)}." if begun else f"Nothing was tried of {what} yet.")
    return 0


def _named(what: str, course: list[Lesson]) -> list[Task]:
    """The task of this name, or the tasks of this lesson.  Raises UsageError for anything else."""
    every = {task.name: [task] for lesson in course for task in lesson.tasks}
    for lesson in course:
        every |= dict.fromkeys((lesson.name, lesson.number, f"{lesson.number}_{lesson.name}"), list(lesson.tasks))
    if what in every:
        return every[what]
    near = difflib.get_close_matches(what, every, n=1)
    hint = f"the nearest is {near[0]}" if near else "`pythia-course progress --tasks` lists them"
    raise UsageError(f"There is no task or lesson of the name {shown(what)}: {hint}.")


def _reset_all(path: Path, standing: CourseMap, sure: bool) -> int:
    if not path.exists():
        print("Nothing was tried yet.")
        return 0
    if not sure and not _agreed(path):
        print("Nothing was reset.")
        return 1
    path.unlink(missing_ok=True)
    print(f"The whole course is open again: {path} is deleted.")
    return 0


def _agreed(path: Path) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("There is nobody to ask: add --yes.")
    try:
        return input(f"Delete {path} and with it all your progress? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
