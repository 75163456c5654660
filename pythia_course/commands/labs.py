"""`pythia-course labs`: lessons and two labs as assignments for nbgrader, to hand out and to mark."""

from pathlib import Path

from pythia_course.commands import UsageError, add_command
from pythia_course.errors import UnknownAssignment
from pythia_course.lessons import shipped

ABOUT = """\
Make assignments to hand out and to mark. Every lesson, and two labs of 90 minutes made of parts of them, in a folder
for nbgrader: the instructor's version with answers, the students' version without, checks that give points. It needs
nbgrader 0.9.6 beside the course. docs/teaching.md has the plans, and what marking other people's code takes.
"""
EXAMPLES = """\
  pythia-course labs my-course
      in the new folder my-course, whose README.md says how to go on
  pythia-course labs my-course lab_1_attention_and_induction 03_how_far_it_reads
      only these
"""


def add_to(commands) -> None:
    """Describe the command."""
    parser = add_command(commands, "labs", run, about=ABOUT, examples=EXAMPLES)
    parser.add_argument("folder", metavar="OUT", help="a new folder, or an empty one")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these labs and lessons (default: all)")


def run(options) -> int:
    """Make the folder and say what is in it; gives the exit code."""
    from pythia_course.labs import course

    where = Path(options.folder).expanduser().resolve()
    try:
        names = course.build(shipped.lessons(), where, options.names)
    except UnknownAssignment as error:
        raise UsageError(str(error)) from None
    what = "1 assignment" if len(names) == 1 else f"{len(names)} assignments"
    print(f"{what} in {where}: answers in source, for students in release. Read README.md there.")
    return 0
