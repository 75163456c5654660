"""Trainings of one's own: where they go, what opens them, what is refused; and that what ships stays as it is."""

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.hub_folders import write_pythia

from pythia_course import errors, load, steps, suite, widgets
from pythia_course.__main__ import main as command
from pythia_course.hub import cache
from pythia_course.machine.files import whole_file
from pythia_course.suite import runs
from pythia_course.tiny import corpus, logs, own_runs, seeds, sizes, train
from pythia_course.tiny.__main__ import main
from pythia_course.training.audit import audit
from pythia_course.training.pile import training_batch
from pythia_course.training.sweep import sweep

pytestmark = pytest.mark.usefixtures("one_thread")
PACKAGE = Path(train.__file__).parent


@pytest.fixture
def own(tmp_path, monkeypatch):
    """An empty folder of trainings, and another of results."""
    monkeypatch.setenv("PYTHIA_COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("PYTHIA_COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "runs"


@pytest.fixture
def quick(monkeypatch):
    """Every step and every row of the log costs nothing: the weights only move."""

    def advance(run):
        with torch.no_grad():
            for parameter in run.model.parameters():
                parameter += 0.01
        run.step, run.loss = run.step + 1, 1.0

    monkeypatch.setattr(train.Run, "advance", advance)
    monkeypatch.setattr(train, "evaluate", lambda model, seed: {"loss_stories": 5.0 + seed})
    monkeypatch.setattr(seeds, "position_losses", lambda model, seed: [6.0] * 8)
    monkeypatch.setattr(seeds, "STOP", 3)


def contents(folder):
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*") if path.is_file()}


SHIPS = [PACKAGE / name for name in ("weights", "logs", "tokenizer")]


@pytest.fixture(autouse=True, scope="module")
def every_byte_that_ships_stays():
    """No command of any test here changes one."""
    before = [contents(folder) for folder in SHIPS]
    yield
    assert [contents(folder) for folder in SHIPS] == before


@pytest.fixture(autouse=True)
def no_file_that_ships_is_written():
    """Nor does any test write one, with other bytes or the same."""

    def written():
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for folder in SHIPS for path in folder.rglob("*")}

    before = written()
    yield
    assert written() == before


def made(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))


def test_the_command_of_the_readme_trains_one_of_one_s_own(own, capsys):
    assert main(["train", "tiny-pythia", "--stop", "1"]) == 0
    said = capsys.readouterr().out
    assert 'load("my-tiny-pythia") opens it, training_log("my-tiny-pythia") has its log' in said and str(own) in said
    assert made(own) == [f"my-tiny-pythia/{name}" for name in ("log.csv", "resume.pt", "run.json", "step0", "step1")]
    log, shipped = logs.training_log("my-tiny-pythia"), logs.training_log("tiny-pythia")
    assert log.keys() == shipped.keys() and log["step"].tolist() == [0, 1]
    assert log["loss_stories"] == pytest.approx(shipped["loss_stories"][:2], abs=0.02)


@pytest.mark.usefixtures("quick")
def test_what_one_has_trained_is_opened_swept_audited_and_traced_to_its_batches(own):
    assert main(["train", "tiny-gpt2", "--stop", "3", "--seed", "5", "--as", "my.second-try"]) == 0
    assert steps("my.second-try") == (0, 1, 2, 3)
    lm = load("my.second-try")
    assert (lm.name, lm.step) == ("my.second-try", 3) and load("my.second-try", step=0).step == 0
    assert lm.spec.positions == "learned" and len(lm.predict("The cat", k=3)) == 3
    moved = sweep("my.second-try", None, lambda lm: lm.model.get_input_embeddings().weight[5, 5])
    assert np.diff(moved.array()) == pytest.approx([0.01] * 3, abs=1e-3)
    assert audit("my.second-try").trustworthy == (0, 1, 2, 3)
    batch = training_batch("my.second-try", 2)
    assert (batch.tokens == corpus.batch(2, seed=5).tokens).all() and batch.around == (2, 3)
    assert "nor has any other yet" in repr(training_batch("my.second-try", 3))
    with pytest.raises(errors.StepNotFound, match="No my.second-try checkpoint at step 7; the nearest is 3"):
        load("my.second-try", step=7)
    with pytest.raises(errors.ModelNotFound, match='did you mean "my.second-try"'):
        load("my.second-tri")
    with pytest.raises(ValueError, match="is a folder of your own and is no download"):
        cache.free("my.second-try")


def lines_of(function):
    """(file, line) of each line that it runs."""
    code = function.__code__
    return {(code.co_filename, line) for *_, line in code.co_lines() if line and line != code.co_firstlineno}


@pytest.mark.usefixtures("quick")
def test_stopped_at_any_line_of_its_writing_it_comes_to_the_same(own):
    """Killed before each line that writes a checkpoint, the log or the file to resume, the first time it is reached."""
    order = {"stop": 2, "save_every": 1}
    unbroken = contents(train.train("tiny-gpt2", run="a", **order))
    wanted = {path.relative_to(own / "a"): digest for path, digest in unbroken.items() if path.name != "resume.pt"}
    lines = set.union(*map(lines_of, (train.save_checkpoint, train._record, whole_file.__wrapped__)))
    for number, place in enumerate(sorted(lines)):
        run = f"b{number}"

        def stop(frame, event, _, place=place):
            if event == "line" and (frame.f_code.co_filename, frame.f_lineno) == place:
                sys.settrace(None)
                raise SystemExit
            return stop if frame.f_code.co_filename == place[0] else None

        before = sys.gettrace()
        sys.settrace(stop)
        try:
            train.train("tiny-gpt2", run=run, **order)
        except SystemExit:
            pass
        finally:
            sys.settrace(before)
        found = contents(train.train("tiny-gpt2", run=run, **order))
        assert {path.relative_to(own / run): digest for path, digest in found.items() if path.name != "resume.pt"} == (
            wanted
        ), place
        shutil.rmtree(own / run)


@pytest.mark.usefixtures("quick")
def test_two_trainings_of_one_name_at_once_are_refused_and_other_names_are_not(own, capsys):
    with own_runs.alone("my-tiny-gpt2"):
        with pytest.raises(SystemExit):
            main(["train", "tiny-gpt2", "--stop", "1"])
        said = capsys.readouterr().err
        assert "my-tiny-gpt2 is being trained by another process: wait for it or stop it, or name another" in said
        assert main(["train", "tiny-gpt2", "--stop", "1", "--as", "my-other"]) == 0
    assert not (own / "my-tiny-gpt2").exists() and runs.run_names() == ["my-other"]
    assert main(["train", "tiny-gpt2", "--stop", "1"]) == 0


@pytest.mark.usefixtures("quick")
def test_the_lock_holds_between_processes_and_goes_with_the_process_that_was_killed(own):
    hold = (
        "import sys\nfrom pythia_course.tiny import own_runs\n"
        "with own_runs.alone('my-tiny-gpt2'):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="is being trained by another process"):
            train.train("tiny-gpt2", stop=1)
    finally:
        process.kill()
        process.communicate()
    train.train("tiny-gpt2", stop=1)


@pytest.mark.usefixtures("quick")
def test_the_list_and_the_picker_have_them(own, capsys):
    main(["train", "tiny-gpt2", "--stop", "1", "--as", "my-second"])
    main(["train", "tiny-pythia", "--stop", "1", "--as", "damaged"])
    (own / "damaged" / "step1" / "model.safetensors").write_bytes(b"no weights")
    (own / "nothing-yet" / "step0.unfinished").mkdir(parents=True)
    capsys.readouterr()
    assert command(["list", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)["models"]}
    assert [name for name in models if models[name]["own"]] == ["damaged", "my-second"]
    assert models["my-second"]["parameters"] == suite.total(load("tiny-gpt2").spec)
    assert models["my-second"]["checkpoints"] == 2
    assert models["damaged"]["parameters"] is None and not models["my-second"]["shipped"]
    assert command(["list"]) == 0
    assert re.search(r"\nmy-second +1.1 M +2 +float32 +a training of your own\n", capsys.readouterr().out)
    picker = widgets.ModelPicker("my-second")
    assert picker.model.value == "my-second" and picker.lm.name == "my-second"
    assert "damaged" in picker.model.options and "nothing-yet" not in picker.model.options


@pytest.mark.usefixtures("quick")
def test_further_seeds_go_there_too_and_their_logs_are_found(own):
    assert main(["seed", "tiny-pythia", "7"]) == 0
    assert steps("my-tiny-pythia-seed7") == (0, 1, 2, 3)
    assert len(logs.read_log(own / "my-tiny-pythia-seed7" / "length.csv")) == 8
    for log in (logs.training_log("tiny-pythia", 7), logs.training_log("my-tiny-pythia-seed7")):
        assert set(log["loss_stories"]) == {12.0}
    assert logs.training_log("tiny-pythia", 1)["loss_stories"][0] < 12  # what ships is not hidden


@pytest.mark.usefixtures("quick")
def test_a_training_goes_on_with_what_it_was_begun_with(own, capsys):
    assert main(["train", "tiny-gpt2", "--stop", "2", "--dtype", "bfloat16"]) == 0
    assert main(["train", "tiny-gpt2", "--stop", "4"]) == 0
    assert steps("my-tiny-gpt2") == (0, 1, 2, 4)
    assert own_runs.read_order("my-tiny-gpt2") == own_runs.Order("tiny-gpt2", 0, "bfloat16")
    for other in (["tiny-pythia"], ["tiny-gpt2", "--seed", "1"], ["tiny-gpt2", "--dtype", "float32"]):
        with pytest.raises(SystemExit):
            main(["train", *other, "--as", "my-tiny-gpt2"])
        assert "is a training of tiny-gpt2 with seed 0 in bfloat16, begun earlier" in capsys.readouterr().err


REFUSED = [
    (["tiny-bert"], "No tiny model is called 'tiny-bert'"),
    (["tiny-gpt2", "--stop", "-5"], "stop is a whole number from 0 to 6,200, the steps of the whole training, but -5"),
    (["tiny-gpt2", "--stop", "6201"], "stop is a whole number from 0 to 6,200"),
    (["tiny-gpt2", "--threads", "0"], "threads is a whole number from 1 to"),
    (["tiny-gpt2", "--threads", "99999"], "the processors of this machine, but 99999 came"),
    (["tiny-gpt2", "--seed", "-1"], "seed is a whole number from 0 to 4,294,967,295, but -1 came"),
    (["tiny-gpt2", "--device", "tpu"], "but 'tpu' came"),
    (["tiny-gpt2", "--device", "cuda:7"], "torch finds no cuda:7 on this machine"),
    (["tiny-gpt2", "--as", "tiny-pythia"], "tiny-pythia is a published model: call a training of your own otherwise"),
    (["tiny-gpt2", "--as", "EleutherAI/pythia-70m"], "A training is called by letters, digits, dots and dashes"),
    (["tiny-gpt2", "--as", "Pythia-70M"], "Pythia-70M is a published model"),
    (["tiny-gpt2", "--as", "../weights"], "A training is called by letters, digits, dots and dashes"),
    (["tiny-gpt2", "--as", ""], "A training is called by letters"),
    (["tiny-gpt2", "--into-package", "--stop", "3"], "leave --stop, --peak and --as out"),
    (["tiny-pythia", "--into-package", "--peak", "0.002"], "leave --stop, --peak and --as out"),
    (["tiny-gpt2", "--into-package", "--as", "mine"], "leave --stop, --peak and --as out"),
    (["tiny-gpt2", "--into-package", "--seed", "1"], "No tiny-gpt2 of seed 1, trained to the end, ships"),
    (["tiny-pythia-26m", "--into-package", "--seed", "1"], "No tiny-pythia-26m of seed 1, trained to the end, ships"),
]


@pytest.mark.parametrize("arguments, said", REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_what_makes_no_sense_is_said_in_a_sentence_and_writes_nothing(arguments, said, own, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", *arguments])
    assert stop.value.code == 2 and said in capsys.readouterr().err and not own.exists()


@pytest.mark.parametrize("arguments", [["tokenizer"], ["seed", "tiny-gpt2", "0"], ["seed", "tiny-gpt2", "-3"]])
def test_the_other_commands_refuse_too(arguments, own, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "error: " in capsys.readouterr().err and not own.exists()


@pytest.mark.usefixtures("quick")
def test_a_folder_of_something_else_and_a_damaged_note_are_left_alone(own, capsys):
    write_pythia(own / "mine")
    before = contents(own)
    for said in ("holds something that is no training of the course", "run.json is damaged"):
        with pytest.raises(SystemExit):
            main(["train", "tiny-gpt2", "--as", "mine"])
        assert said in capsys.readouterr().err and contents(own) == before
        (own / "mine" / "run.json").write_text('{"model": "tiny-gpt2"')
        before = contents(own)
    with pytest.raises(errors.ModelNotFound, match="mine has no checkpoint yet"):
        load("mine")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("turn", [1, 2, 3, 4, 5])  # as often as a file is put in its place
def test_a_full_disk_is_said_and_the_same_command_goes_on(turn, own, monkeypatch, capsys):
    real, turns = os.fsync, []

    def full(number):
        turns.append(number)
        if len(turns) == turn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(number)

    monkeypatch.setattr(os, "fsync", full)
    assert main(["train", "tiny-gpt2", "--stop", "3"]) == 1
    assert "No space left on device: what was saved before is kept" in capsys.readouterr().err
    assert not [path for path in own.rglob("*") if path.suffix in (".part", ".unfinished")]
    assert main(["train", "tiny-gpt2", "--stop", "3"]) == 0
    assert steps("my-tiny-gpt2") == (0, 1, 2, 3) and len(logs.training_log("my-tiny-gpt2")["step"]) == 3


@pytest.mark.usefixtures("quick")
def test_a_folder_that_cannot_be_written_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PYTHIA_COURSE_RUNS", str(tmp_path / "file" / "runs"))
    assert main(["train", "tiny-gpt2", "--stop", "1"]) == 1
    assert "python -m pythia_course.tiny: Not a directory" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_stopped_by_hand_it_says_how_to_go_on(own, monkeypatch, capsys):
    def stop(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(train.Run, "advance", stop)
    assert main(["train", "tiny-gpt2", "--stop", "1"]) == 130
    assert "The same command goes on where it was" in capsys.readouterr().err


def test_without_a_word_they_go_where_the_system_keeps_a_person_s_data(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHIA_COURSE_RUNS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert runs.runs_folder() == tmp_path / "pythia-course" / "runs"
    monkeypatch.setenv("PYTHIA_COURSE_RUNS", "~/here")
    assert runs.runs_folder() == Path.home() / "here"


@pytest.mark.usefixtures("quick")
def test_only_the_maintainers_word_replaces_what_ships_and_only_once_it_is_whole(own, tmp_path, monkeypatch):
    shipped = tmp_path / "weights"
    (shipped / "tiny-gpt2" / "step6").mkdir(parents=True)
    for module in (logs, own_runs):
        monkeypatch.setattr(module, "WEIGHTS", shipped)
    for module in (train, own_runs):
        monkeypatch.setattr(module, "STEPS", 6)
    monkeypatch.setattr(corpus, "STEPS", 6)
    real = train.Run.advance

    def killed_at_five(run):
        if run.step == 5 and not killed:
            killed.append(True)
            raise KeyboardInterrupt
        real(run)

    killed = []
    monkeypatch.setattr(train.Run, "advance", killed_at_five)
    assert main(["train", "tiny-gpt2", "--into-package"]) == 130 and made(shipped) == ["tiny-gpt2/step6"]
    assert contents(shipped) == {}
    assert main(["train", "tiny-gpt2", "--into-package"]) == 0
    assert made(shipped) == ["tiny-gpt2/log.csv", "tiny-gpt2/step6"] and len(contents(shipped)) == 3


def shipped_on_disk():
    """Name -> steps, of every folder of weights, and () of every log that has none."""
    weights = {folder.name: runs.checkpoint_steps(folder) for folder in logs.WEIGHTS.iterdir()}
    whole = [path.stem for path in logs.LOGS.glob("*.csv") if "-peak-" not in path.stem and path.stem != "length"]
    return weights | {
        n: () for n in whole if n not in weights and logs.read_log(logs.LOGS / f"{n}.csv")[-1]["step"] == "6200"
    }


def test_what_a_maintainer_would_put_into_the_package_is_what_ships(own):
    """Of each name and seed: neither more steps nor fewer, and nothing that does not ship yet."""
    would = {}
    for name in sizes.NAMES:
        for seed in range(4):
            try:
                own_runs.check(name, logs.own_name(name, seed), seed, train.STEPS, 1, None, None, None, True)
            except ValueError:
                continue
            would[own_runs.name_of(name, seed)] = train.shipped_steps(own_runs.name_of(name, seed))
    assert would == shipped_on_disk()
    assert len(would["tiny-pythia-91k"]) == len(would["tiny-pythia-281k"]) == 19 and would["tiny-pythia-26m"] == ()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "name, seed, made_there",
    [
        ("tiny-pythia-91k", 0, ["tiny-pythia-91k/log.csv", *(f"tiny-pythia-91k/step{s}" for s in (0, 1, 2, 4, 6))]),
        (
            "tiny-pythia-91k",
            2,
            ["tiny-pythia-91k-seed2/log.csv", "tiny-pythia-91k-seed2/step2", "tiny-pythia-91k-seed2/step6"],
        ),
        ("tiny-pythia-5m", 1, ["tiny-pythia-5m-seed1.csv"]),
    ],
)
def test_sizes_and_seeds_go_into_the_package_as_they_ship(name, seed, made_there, own, tmp_path, monkeypatch):
    for module in (logs, own_runs):
        monkeypatch.setattr(module, "WEIGHTS", tmp_path / "weights")
        monkeypatch.setattr(module, "LOGS", tmp_path / "logs")
    (tmp_path / "logs").mkdir()
    for module in (train, own_runs, corpus):
        monkeypatch.setattr(module, "STEPS", 6)
    monkeypatch.setattr(train, "CHECKPOINTS", (0, 1, 2, 4, 6))
    monkeypatch.setattr(train, "SEED_CHECKPOINTS", (2, 6))
    assert main(["train", name, "--seed", str(seed), "--into-package"]) == 0
    assert sorted(made(tmp_path / "weights") + [path.name for path in (tmp_path / "logs").iterdir()]) == made_there


@pytest.mark.usefixtures("quick")
def test_a_maintainer_s_seed_goes_beside_the_others(own, tmp_path, monkeypatch):
    monkeypatch.setattr(seeds, "LOGS", tmp_path)
    (tmp_path / "length.csv").write_text((PACKAGE / "logs" / "length.csv").read_text())
    for _ in range(2):
        seeds.make("tiny-gpt2", 5, publish=True)
        rows = logs.read_log(tmp_path / "length.csv")
        assert len(rows) == 13 * 8 and [row["loss"] for row in rows if row["seed"] == "5"] == ["6.0000"] * 8
    assert len((tmp_path / "tiny-gpt2-seed5.csv").read_text().splitlines()) == 4  # a header, steps 0, 1 and 2


def test_names_that_no_folder_could_have():
    for name in ("my-run", "a", "A_1.b", "x" * 100):
        assert runs.is_run_name(name)
    for name in ("", ".", "..", ".a", "a..b", "a/b", "a\\b", "-a", "a b", "ä", "a\n", "a\0", "x" * 101):
        assert not runs.is_run_name(name) and steps(name) == ()


@pytest.mark.parametrize("name", [None, 5, b"tiny-pythia", ["tiny-pythia"]])
def test_steps_of_no_name_is_said(name):
    with pytest.raises(TypeError, match=r'steps needs the name of a model, as in steps\("pythia-160m"\), but'):
        suite.steps(name)
