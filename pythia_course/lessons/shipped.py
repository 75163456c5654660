"""Where the lessons are that came with this installation: in its data files, or in the clone that it runs from."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from pythia_course.errors import LessonsMissing

FIRST = "notebooks/00_start_here.ipynb"
LESSONS = ("notebooks/*.ipynb", "notebooks/solutions/*.ipynb", "docs/glossary.md")  # links between these keep leading
PACKAGE = Path(__file__).resolve().parents[1]
DATA = "share/pythia-course/"  # where pyproject.toml puts a wheel's


def lessons() -> dict[str, Path]:
    """{name: file} of every lesson, its solution and what they link to; names are as in a clone, with slashes.

    Raises LessonsMissing where the installation brought none.
    """
    clone = PACKAGE.parent
    if is_clone(clone):
        found = {path.relative_to(clone).as_posix(): path for pattern in LESSONS for path in clone.glob(pattern)}
    else:
        found = {name: path for name, path in _data().items() if name.startswith("notebooks/") or name in LESSONS}
    if FIRST not in found:
        raise LessonsMissing(
            f"This installation has no lessons ({PACKAGE}): install the course again, "
            "with `python -m pip install --force-reinstall --no-deps pythia-course`."
        )
    return dict(sorted(found.items()))


def tested_set() -> Path | None:
    """The file of the exact versions that the tests ran with, if it came along."""
    return _beside("constraints.txt")


def reference() -> Path | None:
    """The page of public names, docs/api.md, if it came along."""
    return _beside("docs/api.md")


def _beside(name: str) -> Path | None:
    return PACKAGE.parent / name if is_clone(PACKAGE.parent) else _data().get(name)


def is_clone(folder: Path) -> bool:
    """Whether a folder is the course's own repository, lessons and package beside each other."""
    return (folder / FIRST).is_file() and (folder / PACKAGE.name / "__init__.py").is_file()


def _data() -> dict[str, Path]:
    """{name: file} of the data files of the installed wheel, wherever pip or uv put them."""
    try:
        installed = files("pythia-course") or ()
    except PackageNotFoundError:
        return {}
    parted = [(file, *str(file).partition(DATA)[1:]) for file in installed]
    found = {name: Path(file.locate()).resolve() for file, mark, name in parted if mark}
    return {name: path for name, path in found.items() if path.is_file()}
