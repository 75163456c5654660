"""A course for nbgrader in a folder: every lesson and both labs, in the instructor's and in the students' version."""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from pythia_course.errors import FolderRefused, GraderMissing, LessonsMissing, UnknownAssignment
from pythia_course.labs import assignments, parts
from pythia_course.labs.assignments import STUB, Lesson

PAGES = tuple(sorted(Path(__file__).parent.glob("lab_*.md")))
CONFIG = '''\
# Read by nbgrader in this folder; https://nbgrader.readthedocs.io/en/stable/configuration/config_options.html
import os
import sysconfig

# nbgrader calls alembic by its name, wherever it was installed: beside this Python, or by `pip install --user`.
schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
scripts = [sysconfig.get_path("scripts", scheme) for scheme in schemes]
os.environ["PATH"] = os.pathsep.join([*scripts, os.environ.get("PATH", os.defpath)])

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "pythia-course"
c.ClearSolutions.code_stub = {{"python": {stub!r}}}
# What students change in a lesson's own cells is theirs to try; it is undone before a submission is marked.
c.LockCells.lock_readonly_cells = False
# Submissions as a learning platform hands them over, named NAME-STUDENT.ipynb, whatever it puts around that.
c.FileNameCollectorPlugin.named_regexp = r".*?(?P<file_id>{names})-(?P<student_id>[^/-]+)(-[0-9]+)?[.]ipynb$"
# Submissions are other people's code: they are run shut in, one after another, within these limits.
c.Autograde.autograde_preprocessors = [
    "pythia_course.labs.marking.Run",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Run.timeout = 60  # seconds for a cell
c.Run.whole = 900  # seconds for a submission
c.Run.memory = 4_000_000_000  # bytes for a submission
c.Run.caged = True  # by bubblewrap, on Linux; docs/teaching.md says against what, and against what not
'''
README = """\
Made by `pythia-course labs`. In this folder, with NAME the name of a folder in release/, for example {example}:
1. Hand out release/NAME. Students hand in NAME-STUDENT.ipynb, with their number for STUDENT. Put these, or the zip that
   a learning platform makes of them, into downloaded/NAME/archive, and sort them: `nbgrader zip_collect NAME`.
2. Mark: `nbgrader autograde NAME`. What somebody should look at: `jupyter lab`, menu Nbgrader, Formgrader.
3. Give back: `nbgrader generate_feedback NAME` writes feedback/STUDENT/NAME/NAME.html.
4. Marks: `nbgrader export` writes grades.csv. source/ has the answers: keep this folder to yourself.
"""


class Lessons(dict):
    """{name: Lesson}, read when it is asked for.  shipped: {"notebooks/….ipynb": file}, solutions among them.

    Raises LessonsMissing where a lesson has no solutions.
    """

    def __init__(self, shipped: Mapping[str, Path]):
        super().__init__()
        self.paths, self._solved = _below("notebooks", shipped), _below("solutions", shipped)
        if unsolved := sorted(self.paths.keys() - self._solved):
            raise LessonsMissing(f"These lessons came without solutions: {', '.join(unsolved)}.")

    def __missing__(self, name: str) -> Lesson:
        self[name] = Lesson(self.paths[name], self._solved[name])
        return self[name]


def notebooks(lessons: Lessons, only: Collection[str] = ()) -> Iterator[tuple[str, NotebookNode]]:
    """(name, the instructor's version) of both labs and of every lesson, or of those that are named."""
    for page in PAGES:
        if not only or page.stem in only:
            yield page.stem, parts.of_page(page.read_text(encoding="utf-8"), lessons)
    for name in lessons.paths:
        if not only or name in only:
            yield name, assignments.of_lesson(lessons[name])


def build(shipped: Mapping[str, Path], folder: Path, only: Collection[str] = ()) -> list[str]:
    """Make the course in an empty folder, which is made if need be; gives the names of its assignments.

    only: the assignments to make; none means all.  Raises UnknownAssignment for a name that is not among them,
    GraderMissing without nbgrader, FolderRefused where the folder cannot be used.
    """
    nbgrader, lessons = _nbgrader(), Lessons(shipped)
    there = [*(page.stem for page in PAGES), *lessons.paths]
    if unknown := sorted({*only} - {*there}):
        raise UnknownAssignment(f"There is no assignment {unknown[0]}; there are {', '.join(there)}.")
    names = [name for name in there if not only or name in only]
    _check(folder)
    with _emptied_on_failure(folder):
        _write(lessons, folder, names)
        _release(nbgrader, folder, names)
    return names


def _write(lessons: Lessons, folder: Path, names: list[str]) -> None:
    """The instructor's versions, what nbgrader must know, and how to go on."""
    try:
        for name, notebook in notebooks(lessons, names):
            (folder / "source" / name).mkdir(parents=True)
            nbformat.write(notebook, folder / "source" / name / f"{name}.ipynb")
        config = CONFIG.format(stub=STUB, names="|".join(names))
        (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")
        (folder / "README.md").write_text(README.format(example=names[0]), encoding="utf-8")
    except OSError as error:
        raise FolderRefused(f"{folder} cannot be written ({error.strerror}): name a folder of your own.") from error


@contextmanager
def _emptied_on_failure(folder: Path) -> Iterator[None]:
    """Leave a folder that was empty as empty, where not all could be made: the same line can be tried again."""
    try:
        yield
    except BaseException:
        for path in folder.iterdir():
            with suppress(OSError):  # Windows keeps a gradebook that is still open
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _below(folder: str, shipped: Mapping[str, Path]) -> dict[str, Path]:
    """{name: file} of the notebooks that lie in a folder of this name."""
    return {Path(name).stem: path for name, path in shipped.items() if Path(name).parent.name == folder}


def _release(nbgrader, folder: Path, names: list[str]) -> None:
    """Let nbgrader make the students' versions, and its gradebook."""
    before = os.getcwd()
    os.chdir(folder)  # nbgrader reads the configuration of the folder it is run in
    try:
        app = nbgrader.NbGrader()
        app.load_config_file()
        api = nbgrader.NbGraderAPI(config=app.config)
        for name in names:
            done = api.generate_assignment(name)
            if not done["success"]:
                why = [line.strip() for line in done["log"].splitlines() if "Error:" in line]
                raise FolderRefused(f"nbgrader made no student's version of {name}: {(why or ['see its log'])[-1]}")
    finally:
        os.chdir(before)


def _check(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderRefused(f"{folder} is not empty, and marks may be in it: name a new folder.")
    except OSError as error:
        if error.errno is None:  # ours
            raise
        raise FolderRefused(f"{folder} cannot be used ({error.strerror}): name a new folder.") from error


def _nbgrader():
    try:
        from nbgrader import apps
    except ImportError as error:
        raise GraderMissing(
            "The labs are for nbgrader, which is not installed here: `python -m pip install nbgrader==0.9.6`."
        ) from error
    return apps
