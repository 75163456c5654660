"""Sweeps on several processes: the same results, few threads each, failures in a sentence, nothing lost by a kill."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from joblib.externals.loky.backend import context
from support import forked

from pythia_course.errors import MeasureFailed
from pythia_course.training import workers
from pythia_course.training.sweep import sweep

ROOT = Path(__file__).resolve().parents[2]
STEPS = (0, 8, 64, 512, 1400, 6200)

# As in a notebook: the measure is of __main__, with a global and a class of its own, and prints nothing.
PROGRAM = """
import os, sys, time
from pythia_course.training.sweep import sweep

KEEP, CALLS, SECONDS, *STEPS = sys.argv[1:]
ROW = 5

class Sum:
    def of(self, lm):
        return lm.model.get_input_embeddings().weight[ROW].sum()

def measure(lm):
    import torch
    with open(CALLS, "a") as file:
        file.write(f"{lm.step} {os.getpid()} {torch.get_num_threads()}\\n")
    time.sleep(float(SECONDS))
    return {"sum": Sum().of(lm)}

if __name__ == "__main__":
    sweep("tiny-pythia", [int(step) for step in STEPS], measure, keep=KEEP, workers=2, label="measure")
"""


def run_program(folder, seconds, **environment):
    """The program's process; its workers note their calls in folder/calls."""
    (folder / "program.py").write_text(PROGRAM)
    arguments = [folder / "program.py", folder / "keep", folder / "calls", seconds, *STEPS]
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)


def calls_in(folder):
    path = folder / "calls"
    return [tuple(map(int, line.split())) for line in path.read_text().splitlines()] if path.exists() else []


def embedding_sum(lm):
    return lm.model.get_input_embeddings().weight[5].sum()


def test_two_workers_are_killed_and_one_process_comes_to_the_same(tmp_path):
    """One story, because each worker takes seconds to start: killed when two results are there, then run to the end."""
    child = run_program(tmp_path, seconds=0.3, OMP_NUM_THREADS="8", MKL_NUM_THREADS="8")
    deadline = time.monotonic() + 300
    while len(results_in(tmp_path)) < 2 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    assert child.wait() == -signal.SIGKILL and len(results_in(tmp_path)) >= 2
    noted = calls_in(tmp_path)
    assert child.pid not in {pid for _, pid, _ in noted}
    assert {threads for _, _, threads in noted} == {max(1, joblib.cpu_count() // 2)}  # not the 8 of the environment
    wait_until_gone({pid for _, pid, _ in noted})
    finished, measured = results_in(tmp_path), []

    def rest(lm):
        measured.append(lm.step)
        return {"sum": embedding_sum(lm)}

    found = sweep("tiny-pythia", STEPS, rest, keep=tmp_path / "keep", label="measure")
    assert finished.isdisjoint(measured) and finished.union(measured) == set(STEPS)
    alone = sweep("tiny-pythia", STEPS, embedding_sum, keep=False)
    assert np.array_equal(found.array("sum"), alone.array())


def results_in(folder):
    """Steps whose results are kept."""
    return {int(path.stem.removeprefix("step")) for path in folder.rglob("step*.npz")}


def wait_until_gone(pids):
    """Workers do not outlive the process that started them, although nobody could tell them to stop."""
    deadline = time.monotonic() + 60
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, "orphaned workers go on"
        time.sleep(0.1)


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.fixture
def forked_workers():
    """Workers that need not import torch and transformers: how they start is the story above."""
    forked.nursery()
    before = context.get_start_method()
    context.set_start_method("forkserver", force=True)
    yield
    context.set_start_method(before, force=True)


def test_failures_of_workers_are_one_sentence_and_lose_nothing(tmp_path, forked_workers):
    class Odd(Exception):
        """Cannot be pickled back: it needs two arguments."""

        def __init__(self, first, second):
            super().__init__(f"{first} and {second}")

    def odd(lm):
        if lm.step == 512:
            raise Odd("this", "that")
        return lm.step

    with pytest.raises(MeasureFailed, match="failed on tiny-pythia at step 512: Odd: this and that"):
        sweep("tiny-pythia", STEPS, odd, workers=2, keep=tmp_path, label="odd")
    assert 512 not in results_in(tmp_path) and len(results_in(tmp_path)) >= 2  # 512 was the fourth to be begun

    def dies(lm):
        if lm.step == 512:
            os.kill(os.getpid(), signal.SIGKILL)
        return lm.step

    with pytest.raises(MeasureFailed, match="A worker was stopped from outside, most likely because memory ran out"):
        sweep("tiny-pythia", STEPS, dies, workers=2, keep=tmp_path, label="dies")
    found = sweep("tiny-pythia", STEPS, lambda lm: lm.step, keep=tmp_path, label="dies")
    assert list(found.values()) == list(STEPS)


def test_a_measure_that_cannot_travel_is_said(tmp_path):
    lock = open(tmp_path / "held", "w")  # noqa: SIM115  (an open file has no copy elsewhere)
    with pytest.raises(TypeError, match="cannot be sent to another process .* leave workers out"):
        sweep("tiny-pythia", STEPS, lambda lm: lock.name, workers=2, label="held", keep=tmp_path)
    lock.close()


def test_a_job_can_be_pickled_and_tells_of_downloads_only_at_home():
    job = workers.Job(embedding_sum, None)
    assert pickle.loads(pickle.dumps(job)) == job
    told = []
    download = workers._Download(told.append)
    download(12_000_000, 30_000_000)
    download.waiting(3)
    download(30_000_000, 30_000_000)
    assert told[0] == "12 MB of 30 MB" and "3 s" in told[1] and told[2] == ""
    workers._Download(None)(1, 2)


def test_threads_of_this_process_stay_as_they_are():
    before = torch.get_num_threads()
    sweep("tiny-pythia", (0,), embedding_sum, workers=1, keep=False)
    assert torch.get_num_threads() == before
