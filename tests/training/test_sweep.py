"""Sweeps over checkpoints: what comes back, what is kept, what is measured anew, and what a kill leaves."""

import functools
import os
import random
import signal
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from support import forked
from support.hub_folders import write_pythia
from support.hub_server import hub_fixture  # noqa: F401

from pythia_course import errors, load, steps
from pythia_course.errors import DuplicateCheckpoints, MeasureFailed
from pythia_course.hub import addresses, fetching
from pythia_course.training.sweep import Sweep, sweep

STEPS = (0, 512, 6200)
IDS = [5, 17, 42, 99, 3, 200, 17, 42]


def loss(lm):
    """The mean surprise at a few tokens."""
    logits = lm.trace(IDS, keep=["logits"]).logits
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(IDS[1:]))


def counted(lm, calls, size=3):
    """A value that depends on the weights, and a line in a file for each call."""
    with Path(calls).open("a") as file:
        file.write(f"{lm.step}\n")
    row = lm.model.get_input_embeddings().weight[5]
    return {"row": row, "large": np.resize(row, size), "sum": row.sum()}


def calls_in(path):
    return [int(line) for line in Path(path).read_text().split()] if Path(path).exists() else []


@pytest.fixture
def calls(tmp_path):
    return str(tmp_path / "calls.txt")


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    """Nothing that another test has measured."""
    monkeypatch.setenv("PYTHIA_COURSE_CACHE", str(tmp_path / "own"))
    return tmp_path / "own" / "sweeps"


# ---------------------------------------------------------------------------------------------- several names


def test_several_names_are_as_many_sweeps(calls):
    names = ["tiny-pythia-91k", "tiny-pythia-91k-seed1", "tiny-pythia"]
    measure = functools.partial(counted, calls=calls)
    found = sweep(names, [600, 6200], measure, version=1)
    assert list(found) == names and all(each.steps == (600, 6200) and each.name == name for name, each in found.items())
    for name, each in found.items():
        alone = sweep(name, (600, 6200), measure, version=1)
        assert (each.array("row") == alone.array("row")).all()
        assert each[600]["row"].shape == (load(name).spec.width,)
    assert len(calls_in(calls)) == 6  # those alone were kept
    assert not np.array_equal(found[names[0]][600]["row"], found[names[1]][600]["row"])


def test_all_steps_of_each(calls):
    found = sweep(("tiny-pythia-5m", "tiny-pythia-91k-seed2"), None, loss, keep=False)
    assert {name: each.steps for name, each in found.items()} == {
        "tiny-pythia-5m": (6200,), "tiny-pythia-91k-seed2": (600, 1400, 6200)}  # fmt: skip


def test_what_is_not_there_is_told_before_anything_is_measured(calls):
    measure = functools.partial(counted, calls=calls)
    with pytest.raises(errors.ModelNotFound, match="tiny-pythia-92k"):
        sweep(["tiny-pythia-91k", "tiny-pythia-92k"], [600], measure, keep=False)
    with pytest.raises(errors.StepNotFound, match="6200"):
        sweep(["tiny-pythia-91k", "tiny-pythia-5m"], iter([600]), measure, keep=False)
    with pytest.raises(ValueError, match="at least one name"):
        sweep([], [600], measure)
    with pytest.raises(TypeError, match="sweep needs a measure"):
        sweep(["tiny-pythia-91k"], [600])
    assert calls_in(calls) == []


# -------------------------------------------------------------------------------------------- what comes back


def test_each_result_is_what_the_measure_says_of_that_checkpoint():
    found = sweep("tiny-pythia", (6200, 0, 512, 0), loss)
    assert found.name == "tiny-pythia" and found.steps == tuple(found) == STEPS and len(found) == 3
    assert dict(found) == {step: loss(load("tiny-pythia", step)).item() for step in STEPS}
    assert found.array().tolist() == list(found.values())
    assert len(set(found.values())) == 3


def test_without_steps_it_takes_all_and_the_name_is_read_as_load_reads_it(monkeypatch):
    monkeypatch.setenv("PYTHIA_COURSE_MODEL", "tiny-gpt2")
    assert sweep(measure=lambda lm: lm.step).steps == steps("tiny-gpt2")
    assert sweep("tiny-pythia", 512, lambda lm: lm.step)[512] == 512
    assert sweep("tiny-pythia", np.array(STEPS[:2]), lambda lm: lm.step).steps == STEPS[:2]


def test_its_text_is_the_same_each_time():
    assert repr(sweep("tiny-pythia", STEPS, loss)) == "Sweep of tiny-pythia: 3 steps, 0 to 6200; each a number"
    several = sweep("tiny-pythia", 512, lambda lm: {"rows": np.eye(2), "word": "the", "n": 1})
    assert repr(several) == "Sweep of tiny-pythia: step 512; each rows: an array (2, 2), word: text, n: a number"


def test_arrays_have_the_steps_first():
    values = {1: {"maps": np.ones((2, 3)), "score": 0.5}, 0: {"maps": np.zeros((2, 3)), "score": 0.25}}
    found = Sweep("a-model", values)
    assert found.array("maps").shape == (2, 2, 3) and found.array("score").tolist() == [0.25, 0.5]
    with pytest.raises(ValueError, match=r"Each result has maps, score: name one, as in array\('maps'\)"):
        found.array()
    with pytest.raises(ValueError, match="there is no 'x'"):
        Sweep("a-model", {0: 0.5}).array("x")
    with pytest.raises(ValueError, match="different shapes"):
        Sweep("a-model", {0: np.zeros(2), 1: np.zeros(3)}).array()


def test_one_model_at_a_time_even_where_a_model_holds_itself():
    alive = weakref.WeakSet()

    def count(lm):
        alive.add(lm.model)
        lm.model.myself = [lm.model]  # a circle, which only the garbage collector undoes
        return len(alive)

    assert list(sweep("tiny-pythia", STEPS, count, keep=False).values()) == [1, 1, 1]


def test_a_result_holds_no_model_in_memory():
    alive = weakref.WeakSet()

    def weight(lm):
        alive.add(lm.model)
        return lm.model.get_input_embeddings().weight

    found = sweep("tiny-pythia", (0, 512), weight, keep=False)
    assert found[0].shape == (1024, 128) and len(alive) == 0


def test_it_is_silent(capfd):
    sweep("tiny-pythia", STEPS, loss)
    assert capfd.readouterr() == ("", "")


# -------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "arguments, error, said",
    [
        (("tiny-pythia", [0, 700]), errors.StepNotFound, "No tiny-pythia checkpoint at step 700; the nearest are 600"),
        (("pythia-160m", [0, 5]), errors.StepNotFound, "No Pythia checkpoint at step 5; the nearest are 4 and 8"),
        (("tiny-pythia", []), errors.StepNotFound, "No step of tiny-pythia was asked for"),
        (("tiny-pythia", ["512"]), errors.StepNotFound, "A step is a whole number such as 3000, but '512' came"),
        (("gpt2", None), errors.StepNotFound, "gpt2 has no training checkpoints: take a Pythia"),
        (("gpt2", [3000]), errors.StepNotFound, "gpt2 was published only once trained"),
        (("tiny-phytia", None), errors.ModelNotFound, "did you mean"),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else "",
)
def test_an_unknown_step_or_model_is_refused_before_any_work(arguments, error, said):
    def never(lm):
        raise AssertionError("measured")

    with pytest.raises(error, match=said):
        sweep(*arguments, never)


def test_a_folder_has_no_checkpoints(tmp_path):
    write_pythia(tmp_path / "model")
    with pytest.raises(errors.StepNotFound, match="holds one model and no checkpoints"):
        sweep(tmp_path / "model", None, loss)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"measure": None}, "needs a measure, .* in the third place"),
        ({"measure": loss, "workers": 0}, "workers is a number of processes"),
        ({"measure": loss, "workers": 2.5}, "workers is a number of processes"),
        ({"measure": loss, "duplicates": "maybe"}, "duplicates is one of refuse, keep"),
        ({"measure": loss, "dtype": "auto"}, "in the same numbers"),
        ({"measure": loss, "label": 5}, "label is a name for what is measured, as in label='induction', but 5 came"),
        ({"measure": loss, "label": ""}, "label is a name for what is measured"),
        ({"measure": loss, "version": 1.5}, "version is a number or a text, as in version=1, but 1.5 came"),
        ({"measure": lambda lm: 10**40}, "a whole number of more than 64 bits: return float"),
        ({"measure": lambda lm: [1, 10**40]}, "a whole number of more than 64 bits: return float"),
    ],
    ids="no_measure no_workers half_a_worker duplicates dtype label no_label version huge huge_inside".split(),
)
def test_a_mistaken_argument_is_said(options, said):
    with pytest.raises((TypeError, ValueError, MeasureFailed), match=said):
        sweep("tiny-pythia", None, **options)


def test_a_measure_that_fails_names_the_step_and_loses_nothing(calls):
    def picky(lm):
        counted(lm, calls)
        if lm.step == 512 and picky_fails[0]:
            raise ZeroDivisionError("by nothing")
        return lm.step

    picky_fails = [True]
    label = {"label": "picky"}
    with pytest.raises(MeasureFailed, match="failed on tiny-pythia at step 512: ZeroDivisionError: by") as caught:
        sweep("tiny-pythia", STEPS, picky, **label)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    picky_fails[0] = False
    assert dict(sweep("tiny-pythia", STEPS, picky, **label)) == {step: step for step in STEPS}
    assert calls_in(calls) == [0, 512, 512, 6200]


def test_a_measure_that_returns_nothing_is_told_so():
    with pytest.raises(MeasureFailed, match="at step 0: TypeError: The measure returned nothing: end it with `return`"):
        sweep("tiny-pythia", STEPS, lambda lm: None)


# -------------------------------------------------------------------------------------------- what is kept


def test_what_was_measured_is_not_measured_again_and_is_the_same(calls, own_results):
    measure = functools.partial(counted, calls=calls)
    first = sweep("tiny-pythia", STEPS[:2], measure)
    second = sweep("tiny-pythia", STEPS, measure)
    assert calls_in(calls) == list(STEPS)
    for step in STEPS[:2]:
        assert first[step]["row"].tobytes() == second[step]["row"].tobytes()
        assert first[step]["sum"] == second[step]["sum"]
    (folder,) = (own_results / "tiny-pythia").iterdir()
    assert folder.name.startswith("counted-")
    assert {path.name for path in folder.iterdir()} == {f"step{step}.npz" for step in STEPS}


def test_an_interrupt_keeps_what_is_finished(calls):
    def stopped(lm):
        counted(lm, calls)
        if len(calls_in(calls)) == 2:
            raise KeyboardInterrupt
        return lm.step

    with pytest.raises(KeyboardInterrupt):
        sweep("tiny-pythia", STEPS, stopped, label="stopped")
    assert list(sweep("tiny-pythia", STEPS, stopped, label="stopped").values()) == list(STEPS)
    assert calls_in(calls) == [0, 512, 512, 6200]


def test_another_measure_another_dtype_and_another_model_are_not_mixed():
    def by(factor):
        return lambda lm: factor * float(lm.model.get_input_embeddings().weight[5, 5])

    one, two = (sweep("tiny-pythia", 512, by(factor))[512] for factor in (1, 2))
    half = sweep("tiny-pythia", 512, by(1), dtype="bfloat16")[512]
    other = sweep("tiny-pythia", 6200, by(1))[6200]
    assert two == 2 * one and half != one and abs(half - one) < 0.01 and other != one


def test_a_label_stands_for_the_measure_whatever_its_code():
    assert sweep("tiny-pythia", 512, lambda lm: 1, label="mine")[512] == 1
    assert sweep("tiny-pythia", 512, lambda lm: 2, label="mine")[512] == 1
    assert sweep("tiny-pythia", 512, lambda lm: 2, label="mine!")[512] == 2


class Offset:
    """Something of a learner's own."""

    def __init__(self, by):
        self.by = by


def test_what_cannot_be_known_is_measured_anew_and_said(own_results):
    def kept(offset, **options):
        return sweep("tiny-pythia", 512, lambda lm: lm.step + offset.by, **options)[512]

    for by in (0, 1):
        with pytest.warns(UserWarning, match="Measured anew, and not kept: .* it reads `offset`, an object of"):
            assert kept(Offset(by)) == 512 + by
    assert not own_results.exists()
    assert [kept(Offset(by), version=version) for by, version in ((0, 1), (7, 1), (7, 2))] == [512, 512, 519]


def test_a_version_vouches_only_for_what_cannot_be_seen():
    offset = Offset(0)
    assert sweep("tiny-pythia", 512, lambda lm: 1 + offset.by, version=1)[512] == 1
    assert sweep("tiny-pythia", 512, lambda lm: 2 + offset.by, version=1)[512] == 2


def test_a_measure_that_fails_promises_only_what_is_kept():
    offset = Offset(0)
    with pytest.warns(UserWarning), pytest.raises(MeasureFailed) as caught:
        sweep("tiny-pythia", STEPS, lambda lm: 1 / offset.by)
    assert str(caught.value).endswith("ZeroDivisionError: division by zero")


def test_a_module_s_old_code_is_never_served_as_its_new_code(tmp_path, monkeypatch):
    """Edited without being loaded again, swept, and then the kernel restarted: a measure by `helpers.f` is not kept."""
    monkeypatch.syspath_prepend(tmp_path)
    for number in (1, 2222):
        (tmp_path / "own_helpers_b.py").write_text(f"def f(lm):\n    return {number}\n")
        sys.path_importer_cache.clear()
        import own_helpers_b as helpers

        with pytest.warns(UserWarning, match="it reads `helpers`, a module of your own"):
            assert sweep("tiny-pythia", 512, lambda lm: helpers.f(lm))[512] == number  # noqa: B023
        monkeypatch.delitem(sys.modules, "own_helpers_b")


def test_a_full_disk_is_said(monkeypatch, tmp_path):
    def full(number):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"of step 0 cannot be written into .* \(No space left on device\): free some"):
        sweep("tiny-pythia", STEPS, lambda lm: 1, keep=tmp_path / "keep")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_results_go_where_they_are_asked_to(tmp_path, own_results, calls, monkeypatch):
    measure = functools.partial(counted, calls=calls)
    sweep("tiny-pythia", 512, measure, keep=tmp_path / "here")
    assert len(list((tmp_path / "here/tiny-pythia").rglob("step512.npz"))) == 1 and not own_results.exists()
    sweep("tiny-pythia", 512, measure, keep=False)
    assert not own_results.exists()
    monkeypatch.delenv("PYTHIA_COURSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    sweep("tiny-pythia", 512, measure)
    assert len(list((tmp_path / "xdg/pythia-course/sweeps/tiny-pythia").rglob("step512.npz"))) == 1
    assert calls_in(calls) == [512] * 3


def test_a_folder_that_cannot_be_written_is_said_before_any_work(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="No results can be kept in .* name another folder with keep="):
        sweep("tiny-pythia", STEPS, lambda lm: 1 / 0, keep=tmp_path / "file")


def test_a_damaged_file_is_measured_again(calls, own_results):
    measure = functools.partial(counted, calls=calls)
    first = sweep("tiny-pythia", STEPS, measure)
    (file,) = own_results.rglob("step512.npz")
    file.write_bytes(file.read_bytes()[:-40])
    assert sweep("tiny-pythia", STEPS, measure)[512]["sum"] == first[512]["sum"]
    assert calls_in(calls) == [*STEPS, 512]


def test_results_of_other_weights_under_the_same_name_are_measured_again(hub, tmp_path, calls):
    """A checkpoint of the same name whose files have changed, as when someone trains a model anew."""
    for seed in (1, 2):
        write_pythia(tmp_path / "main", seed)
        hub.repositories["somebody/model"] = {"main": tmp_path / "main", "step1": tmp_path / "main"}
        sweep("somebody/model", 1, functools.partial(counted, calls=calls), free=True)
    assert calls_in(calls) == [1, 1]


# ------------------------------------------------------------------------------------------ kills, ten and more

MANY = steps("tiny-pythia")[-6:]
LARGE = 400_000  # numbers, so that writing takes a while too


@pytest.fixture(scope="module")
def nursery():
    """A process with torch and transformers in it, from which each test forks the sweep that it kills."""
    return forked.nursery()


def sweep_in_child(connection, keep, calls, trap):
    """Sweep, after saying so; trap: what to be stopped in, with a word to the parent."""
    torch.set_num_threads(1)
    if trap:
        whole = getattr(*TRAPS[trap])

        def stop(*arguments, **options):
            if trap == "half written":
                arguments[0].write(b"PK\3\4 half of a file")
                arguments[0].flush()
            connection.send("in the middle")
            signal.pause()

        def on_the_third(*arguments, **options):
            turns.append(1)
            return (stop if len(turns) == 3 else whole)(*arguments, **options)

        turns = []
        setattr(*TRAPS[trap], on_the_third)
    connection.send("started")
    sweep("tiny-pythia", MANY, functools.partial(counted, calls=calls, size=LARGE), keep=keep)


TRAPS = {"half written": (np, "savez"), "not on the disk": (os, "fsync"), "not in its place": (os, "replace")}


def start(nursery, *arguments):
    here, there = nursery.Pipe()
    child = nursery.Process(target=sweep_in_child, args=(there, *arguments))
    child.start()
    assert here.poll(60) and here.recv() == "started"
    return child, here


def kill(child):
    os.kill(child.pid, signal.SIGKILL)
    child.join(30)
    return child.exitcode == -signal.SIGKILL


def contents(keep):
    return {path.name: np.load(path)["value1"].tobytes() for path in Path(keep).rglob("step*.npz")}


def finish(keep, calls):
    """Run what is left, here; what was finished before must not be measured again."""
    finished, before = contents(keep), len(calls_in(calls))
    found = sweep("tiny-pythia", MANY, functools.partial(counted, calls=calls, size=LARGE), keep=keep)
    again = {f"step{step}.npz" for step in calls_in(calls)[before:]}
    assert again.isdisjoint(finished) and again | finished.keys() == {f"step{step}.npz" for step in MANY}
    return found


def identical(a, b):
    keys = ("row", "large", "sum")
    pairs = [(np.asarray(a[step][key]), np.asarray(b[step][key])) for step in a for key in keys]
    return a.steps == b.steps and all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in pairs)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a kill that nothing can catch is a thing of Unix")
def test_killed_at_ten_random_moments_it_goes_on_and_comes_to_the_same(nursery, tmp_path, calls, one_thread):
    begun = time.perf_counter()
    whole = sweep("tiny-pythia", MANY, functools.partial(counted, calls=calls, size=LARGE), keep=tmp_path / "whole")
    a_step = (time.perf_counter() - begun) / len(MANY)
    dice, progress = random.Random(20), set()
    for turn in range(10):
        keep, noted = tmp_path / f"keep{turn}", str(tmp_path / f"calls{turn}.txt")
        child, _ = start(nursery, keep, noted, None)
        wait_for_results(child, keep, dice.randrange(len(MANY) - 1))
        time.sleep(dice.uniform(0, 1) * a_step)
        kill(child)
        progress.add(len(contents(keep)))
        assert identical(finish(keep, noted), whole)
    assert len(progress) >= 4 and min(progress) < len(MANY), progress  # at different moments, and before the end


def wait_for_results(child, keep, count):
    while len(list(keep.rglob("step*.npz"))) < count and child.is_alive():
        time.sleep(0.002)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a kill that nothing can catch is a thing of Unix")
@pytest.mark.parametrize("trap", TRAPS)
def test_killed_in_the_middle_of_a_write_it_leaves_nothing_to_read(trap, nursery, tmp_path, calls, one_thread):
    keep = tmp_path / "keep"
    child, connection = start(nursery, keep, calls, trap)
    assert connection.poll(60) and connection.recv() == "in the middle"
    assert kill(child)
    assert len(list(keep.rglob("*.part"))) == 1 and len(contents(keep)) == 2 and len(calls_in(calls)) == 3
    found = finish(keep, calls)
    assert found[MANY[2]]["sum"] == counted(load("tiny-pythia", MANY[2]), calls)["sum"].item()


# ------------------------------------------------------------------------------------------ models from the hub


@pytest.fixture
def pythia(hub, tmp_path):
    """Four checkpoints under Pythia-160M's id; step 0 and step 1 are the same, as they are on the real hub."""
    seeds = {"main": 0, "step0": 1, "step1": 1, "step3000": 2, "step4000": 3}
    for branch, seed in seeds.items():
        write_pythia(tmp_path / branch, seed)
        (tmp_path / branch / "README.md").write_text(f"# {branch}")
    hub.repositories["EleutherAI/pythia-160m"] = {branch: tmp_path / branch for branch in seeds}
    return hub


def embedding(lm):
    return lm.model.get_input_embeddings().weight.sum()


def downloads(server):
    return [request for request in server.requests if "/resolve/" in request and request.endswith("model.safetensors")]


def here(*wanted):
    """Which of these steps are in the hub's cache."""
    return [step for step in wanted if fetching.cached_folder(addresses.find("pythia-160m", step))]


def test_equal_checkpoints_are_refused_before_anything_is_fetched(pythia):
    with pytest.raises(DuplicateCheckpoints) as caught:
        sweep("pythia-160m", (0, 1, 3000), embedding)
    assert str(caught.value).startswith(
        "pythia-160m serves the same weights at steps 0, 1 (reported: https://github.com/"
    )
    assert "steps=audit('pythia-160m').distinct" in str(caught.value) and "duplicates='keep'" in str(caught.value)
    assert downloads(pythia) == [] and not pythia.cache.exists()
    kept = sweep("pythia-160m", (0, 1, 3000), embedding, duplicates="keep")
    assert kept[0] == kept[1] != kept[3000]


def test_equal_checkpoints_are_refused_without_a_network_too(pythia):
    for step in (0, 1):
        load("pythia-160m", step)
    pythia.close()
    with pytest.raises(DuplicateCheckpoints, match="at steps 0, 1"):
        sweep("pythia-160m", (0, 1), embedding)


def test_a_missing_branch_is_said_before_anything_is_fetched(pythia):
    with pytest.raises(errors.StepNotFound, match="pythia-160m has no weights on the hub at step 5000, 6000"):
        sweep("pythia-160m", (0, 3000, 5000, 6000), embedding)
    assert downloads(pythia) == []


def test_free_takes_away_what_the_sweep_brought_and_nothing_else(pythia):
    load("pythia-160m", 3000)
    found = sweep("pythia-160m", (0, 3000, 4000, 143_000), embedding, free=True)
    assert here(0, 3000, 4000, 143_000) == [3000] and len(downloads(pythia)) >= 4
    assert load("pythia-160m", 3000, local_only=True).step == 3000
    pythia.close()
    # the results are kept, though most of the models are gone, and so is the network
    assert dict(sweep("pythia-160m", (0, 3000, 4000, 143_000), embedding)) == dict(found)


def test_without_free_downloads_stay(pythia):
    sweep("pythia-160m", (0, 3000), embedding)
    assert here(0, 3000) == [0, 3000]


def test_free_also_where_the_measure_fails(pythia):
    with pytest.raises(MeasureFailed, match="at step 3000"):
        sweep("pythia-160m", (3000,), lambda lm: None, free=True)
    assert here(3000) == []


def test_one_checkpoint_at_a_time_is_on_the_disk(pythia):
    wanted = (0, 3000, 4000)
    found = sweep("pythia-160m", wanted, lambda lm: len(here(*wanted)), free=True)
    assert list(found.values()) == [1, 1, 1]


def test_downloads_draw_no_bar_of_their_own(pythia, capfd):
    sweep("pythia-160m", (0, 3000), embedding)
    assert capfd.readouterr() == ("", "")
