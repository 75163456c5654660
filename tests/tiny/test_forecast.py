"""The trainer says beforehand how long it will take here, and that changes nothing of what it does."""

import re

import pytest

from pythia_course.tiny import forecast, seeds, train
from pythia_course.tiny.__main__ import main

pytestmark = pytest.mark.usefixtures("one_thread")


class Clock:
    """Stands still, but for the seconds that a step is said to take."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """An empty folder of trainings, and steps that take 0.75 s each, but for a first one.  Gives who took them."""
    monkeypatch.setenv("PYTHIA_COURSE_RUNS", str(tmp_path))
    clock, taken = Clock(), []

    def advance(run):
        clock.now += 0.75 if run in taken else 20
        run.step, run.loss = run.step + 1, 1.0
        taken.append(run)

    monkeypatch.setattr(forecast, "perf_counter", clock)
    monkeypatch.setattr(train.Run, "advance", advance)
    monkeypatch.setattr(train, "evaluate", lambda model, seed: {"loss_stories": 5.0})
    return taken


def said(capsys):
    """The sentence of the forecast: all that was printed before the last line, which says what opens the model."""
    return "\n".join(capsys.readouterr().out.splitlines()[:-1])


def test_it_is_said_before_the_first_checkpoint(steps, tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(train, "save_checkpoint", lambda model, folder: seen.append(capsys.readouterr().out))
    train.train("tiny-pythia-91k", stop=0)
    train.train("tiny-pythia-281k", stop=3, dtype="float32")
    assert seen[0] == "" and "about 2 s here" in seen[1] and not "".join(seen[2:])
    assert seen[1] == "3 steps of 4,096 tokens: about 2 s here (5,461 tokens per second, float32, 1 thread).\n"


def test_the_whole_training_by_steps_taken_here(steps, capsys, monkeypatch):
    def stop(run, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "_record", stop)
    assert main(["train", "tiny-pythia-5m", "--dtype", "float32"]) == 130
    assert capsys.readouterr().out == (
        "6,200 steps of 4,096 tokens: about 1 h 18 min here (5,461 tokens per second, float32, 1 thread).\n"
    )
    assert len(steps) == 4 and len(set(map(id, steps))) == 1  # one to warm up, then until two seconds have passed


def test_a_resumed_training_forecasts_what_is_left(steps, capsys):
    assert main(["train", "tiny-pythia-91k", "--stop", "3", "--dtype", "float32"]) == 0
    assert said(capsys).startswith("3 steps of 4,096 tokens: ")
    assert main(["train", "tiny-pythia-91k", "--stop", "203"]) == 0
    assert said(capsys) == (
        "200 steps of 4,096 tokens are left: about 2 min here (5,461 tokens per second, float32, 1 thread)."
    )
    assert main(["train", "tiny-pythia-91k", "--stop", "204"]) == 0
    assert said(capsys).startswith("1 step of 4,096 tokens is left: about 1 s here")
    assert main(["train", "tiny-pythia-91k", "--stop", "204"]) == 0
    assert said(capsys) == ""  # all is done


def test_a_further_seed_says_it_too(steps, capsys, monkeypatch):
    monkeypatch.setattr(seeds, "STOP", 2)
    monkeypatch.setattr(seeds, "position_losses", lambda model, seed: [6.0] * 8)
    assert main(["seed", "tiny-gpt2", "7"]) == 0
    assert capsys.readouterr().out.startswith("2 steps of 4,096 tokens: about 2 s here")


def test_threads_and_cards_are_named(steps):
    run = train.Run("tiny-pythia-91k", dtype="bfloat16")
    assert forecast.forecast(run, 6200, threads=2).endswith("bfloat16, 2 threads).")
    run.device = "cuda:0"
    assert forecast._where(run, 1) == "cuda:0"


@pytest.mark.parametrize(
    "seconds, words",
    [(0.01, "1 s"), (40, "40 s"), (99.4, "99 s"), (100, "2 min"), (3569, "59 min"), (3571, "1 h 0 min"),
     (4800, "1 h 20 min"), (18_000, "5 h 0 min"), (180_000, "50 h 0 min")],
)  # fmt: skip
def test_durations_are_said_as_people_say_them(seconds, words):
    assert forecast.duration(seconds) == words


def test_the_weights_are_the_same_to_the_byte_with_it_and_without(tmp_path, monkeypatch, capsys):
    def trained(run):
        for stop in (1, 2):  # stopped and resumed
            folder = train.train("tiny-pythia-91k", run=run, stop=stop)
        return {path.name: path.read_bytes() for path in (folder / "log.csv", *folder.glob("step2/*"))}

    monkeypatch.setenv("PYTHIA_COURSE_RUNS", str(tmp_path))
    monkeypatch.setattr(train, "evaluate", lambda model, _: {"loss": model.get_output_embeddings().weight.std().item()})
    with_it = trained("with")
    out = capsys.readouterr().out
    assert len(re.findall(r"about \d+ s here \([\d,]+ tokens per second, \w+, 1 thread\)\.\n", out)) == 2
    monkeypatch.setattr(train, "forecast", lambda *_: "")
    assert trained("without") == with_it and len(with_it) == 3 and not capsys.readouterr().out
