"""Checkpoints measured one after another, here or by joblib's workers: each opened, measured, kept and let go."""

import functools
import gc
import os
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any

from pythia_course.errors import MeasureFailed, ModelDamaged
from pythia_course.hub import cache, fetching
from pythia_course.hub.addresses import Place
from pythia_course.hub.reports import in_patience
from pythia_course.inside.tracing import LanguageModel
from pythia_course.machine.bars import bar
from pythia_course.machine.memory import in_words
from pythia_course.training.store import Store, tidy


@dataclass(frozen=True)
class Job:
    """What is done with each checkpoint.  It can be sent to another process."""

    measure: Callable[[LanguageModel], Any]
    store: Store | None
    dtype: str = "float32"
    device: str = "cpu"
    free: bool = False
    threads: int | None = None  # torch may use so many in another process; None: as many as it would anyway
    tell: Callable[[str], None] | None = None  # where to say how far a download is; only in this process
    home: int = 0  # the process that made this

    def __call__(self, place: Place, weights: str) -> tuple[int, Any]:
        """(step, value).  weights: a hash of the checkpoint's files, to be kept with the value."""
        if os.getpid() != self.home:
            _leave_with(self.home)
            _limit_threads(self.threads)
        was_here = place.folder or fetching.cached_folder(place)
        try:
            value = self.measured(place)
            if self.store:
                self.store.write(place.step, value, weights)
            return place.step, value
        finally:
            if self.free and not was_here:
                cache.free(place.name, place.step)

    def measured(self, place: Place):
        lm = self.opened(place)
        model = weakref.ref(lm.model)
        try:
            return tidy(self.measure(lm))
        except Exception as error:
            raise MeasureFailed(
                f"The measure failed on {place}: {type(error).__name__}: {error}{self.kept()}"
            ) from error
        finally:
            del lm
            if model() is not None:  # part of a circle: only the collector finds it, and two models may be too much
                gc.collect()

    def kept(self) -> str:
        """What an error may add."""
        return " (What was measured before is kept.)" if self.store else ""

    def opened(self, place: Place) -> LanguageModel:
        options = {"dtype": self.dtype, "device": self.device, "progress": _Download(self.tell)}
        try:
            return LanguageModel.open(place.name, place.step, **options)
        except (ModelDamaged, FileNotFoundError):
            if not self.free:
                raise
            # another worker may have freed a file that this checkpoint shares: fetch what is missing
            return LanguageModel.open(place.name, place.step, **options)


class _Download:
    """Tells how far a download is, where there is someone to tell."""

    def __init__(self, tell):
        self.tell = tell or (lambda text: None)

    def __call__(self, done: int, total: int) -> None:
        self.tell(f"{in_words(done)} of {in_words(total)}" if done < total else "")

    def waiting(self, seconds: int) -> None:
        self.tell(in_patience(seconds))


def run(job: Job, places: list[Place], weights: dict[int, str], workers: int | None, progress: bool) -> list:
    """(step, value) of each place, in no particular order.  workers: as for `sweep`.

    Raises MeasureFailed, or what opening a checkpoint raises, as soon as one fails.
    """
    if not places:
        return []
    from joblib import delayed, effective_n_jobs

    with bar(len(places), f"Measuring {places[0].name}", show=progress) as shown:
        job = replace(job, threads=_share(workers), home=os.getpid())
        if effective_n_jobs(workers) == 1:
            job = replace(job, tell=shown.tell)
        tasks = (delayed(job)(place, weights[place.step]) for place in places)
        try:
            return _counted(shown)(n_jobs=workers, batch_size=1)(tasks)
        except BrokenProcessPool as error:
            raise MeasureFailed(
                "A worker was stopped from outside, most likely because memory ran out: run it again with fewer "
                f"workers.{job.kept()}"
            ) from error
        except pickle.PicklingError as error:
            raise TypeError(f"The measure cannot be sent to another process ({error}): leave workers out.") from error


def _share(workers: int | None) -> int | None:
    """Threads for each of so many processes; None leaves it to whoever started them."""
    from joblib import cpu_count

    return max(1, cpu_count() // workers) if workers else None


@functools.cache
def _leave_with(parent: int) -> None:
    """Have this process end when its parent is gone, even if killed: joblib's workers would wait for minutes.

    A result half written then is no result.
    """

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=watch, daemon=True).start()


def _limit_threads(most: int | None) -> None:
    if most:
        import torch

        torch.set_num_threads(min(torch.get_num_threads(), most))


def _counted(shown) -> type:
    """joblib's Parallel, whatever its backend, that moves a bar when a task is done."""
    from joblib import Parallel

    class Counted(Parallel):
        def print_progress(self):
            shown.update(self.n_completed_tasks - shown.n)

    return Counted
