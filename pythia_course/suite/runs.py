"""Trainings of one's own: the folder that `python -m pythia_course.tiny train` puts them into, and what is there."""

import os
import re
from pathlib import Path

RUNS_VARIABLE = "PYTHIA_COURSE_RUNS"
_NAME = re.compile(r"[A-Za-z0-9](?:[\w-]|\.(?!\.))*", re.ASCII)


def runs_folder() -> Path:
    """Where trainings are kept: PYTHIA_COURSE_RUNS, or the system's place for a person's data.

    On Linux that is `$XDG_DATA_HOME/pythia-course/runs`, or `~/.local/share/pythia-course/runs`.  It may not exist yet.
    """
    if chosen := os.environ.get(RUNS_VARIABLE):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("pythia-course", appauthor=False) / "runs"


def is_run_name(text: str) -> bool:
    """Whether a training can be called so: letters, digits, dots and dashes, so that it is a folder on any system."""
    return bool(_NAME.fullmatch(text)) and len(text) <= 100


def run_folder(name: str) -> Path | None:
    """The folder of the training of this name, None where there is none."""
    folder = runs_folder() / name if is_run_name(name) else None
    return folder if folder and os.path.isdir(folder) else None


def run_names() -> list[str]:
    """The trainings that have a checkpoint, by name."""
    folders = {path.parent for path in runs_folder().glob("*/step*")}
    return sorted(folder.name for folder in folders if is_run_name(folder.name) and checkpoint_steps(folder))


def checkpoint_steps(folder: Path) -> tuple[int, ...]:
    """N, ascending, of each folder `stepN` in this one."""
    numbers = (path.name.removeprefix("step") for path in folder.glob("step*"))
    return tuple(sorted(int(number) for number in numbers if re.fullmatch("[0-9]+", number)))
