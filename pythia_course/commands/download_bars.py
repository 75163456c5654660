"""Progress of a download of several models, where somebody looks at a terminal; nothing elsewhere."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tqdm import tqdm

from pythia_course.commands import say
from pythia_course.errors import ModelDamaged, ModelNotFound, ModelRefused, StepNotFound
from pythia_course.hub.addresses import Place
from pythia_course.hub.reports import in_patience
from pythia_course.hub.snapshots import files

_QUIET = {"disable": None, "leave": False, "dynamic_ncols": True}  # disable=None: no bar where there is no terminal


def asking(places: list[Place]) -> tqdm:
    """Go through places with a bar of how many have been asked for."""
    return tqdm(places, desc="asking the hub", **_QUIET)


@contextmanager
def going_on():
    """Say a failure that concerns one model alone, and go on; without a hub or a disk there is no going on."""
    try:
        yield
    except (ModelNotFound, StepNotFound, ModelRefused, ModelDamaged) as error:
        with tqdm.external_write_mode():
            say(str(error))


class Bars:
    """Two bars: the bytes of all models, and of the one at hand."""

    def __init__(self, total: int):
        bytes_ = {"unit": "B", "unit_scale": True, **_QUIET}
        self._all = tqdm(total=total, position=0, desc="all", **bytes_)
        self._one = tqdm(total=0, position=1, **bytes_)
        self._before = 0  # bytes of the models that are done
        self._title, self._waited = "", False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self._one.close()
        self._all.close()

    def done(self, size: int) -> None:
        """Go on to the next model after one that had this many bytes to fetch."""
        self._before += size
        _move(self._all, self._before)

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        with tqdm.external_write_mode():
            print(line, flush=True)

    def fetching(self, place: Place) -> Self:
        """Be what the download of a model reports to, by a call or by `waiting`."""
        self._title = str(place)
        self._one.set_description_str(self._title, refresh=False)
        self._one.reset(total=0)
        return self

    def __call__(self, done: int, total: int) -> None:
        """Show how many bytes of the model have come."""
        if self._waited:
            self._waited = False
            self._one.set_description_str(self._title, refresh=False)
        self._one.total = total
        _move(self._one, done)
        _move(self._all, self._before + done)

    def waiting(self, seconds: int) -> None:
        """Show that a busy hub makes one wait; in a log, once a wait."""
        if self._one.disable and not self._waited:
            print(f"{self._title}: {in_patience(seconds)}", flush=True)
        self._waited = True
        self._one.set_description_str(f"{self._title}: {in_patience(seconds)}")

    def checking(self, place: Place, folder: Path) -> Callable[[int], None]:
        """What reading the files again reports to: bytes more."""
        self._one.set_description_str(f"checking {place}", refresh=False)
        self._one.reset(total=sum(path.stat().st_size for path in files(folder).values()))
        return self._one.update


def _move(bar: tqdm, done: int) -> None:
    bar.update(done - bar.n)
