"""Audits: what the hub serves under each step, over real HTTP on this machine, without a download."""

import functools
import shutil
import time

import pytest
from support.hub_folders import write_pythia
from support.hub_server import hub_fixture  # noqa: F401

from pythia_course import errors, load, suite
from pythia_course.errors import DuplicateCheckpoints
from pythia_course.suite.defects import DEFECTS, known_defects
from pythia_course.training import audit as module
from pythia_course.training import inventory
from pythia_course.training.audit import Audit, audit, listed, refuse_duplicates
from pythia_course.training.inventory import Checkpoint

WHOLE, SHARDS = "model.safetensors", tuple(f"pytorch_model-0000{n}-of-00003.bin" for n in (1, 2, 3))


@pytest.fixture(autouse=True)
def own_memory(tmp_path, monkeypatch):
    """No answer that the hub gave to another test."""
    monkeypatch.setenv("PYTHIA_COURSE_CACHE", str(tmp_path / "own"))


def write(folder, weights, **more):
    """A branch as the hub lists it, its files' contents short: an audit opens none.  weights: file -> content."""
    folder.mkdir(parents=True)
    for name, content in (weights | {"config.json": "{}", "tokenizer.json": "{}"} | more).items():
        (folder / name).write_text(content)
    return folder


def serve(hub, folder, branches, name="EleutherAI/pythia-160m"):
    """branches: branch -> its weights, as `write` takes them, or a folder."""
    hub.repositories[name] = {
        branch: write(folder / name / branch, {}, **{"README.md": branch}) if weights is None else
        weights if not isinstance(weights, dict) else write(folder / name / branch, weights, **{"README.md": branch})
        for branch, weights in branches.items()
    }  # fmt: skip


def of(weights):
    return {WHOLE: weights}


def asked(server):
    """Requests by what they ask."""
    return {kind: sum(f"/{kind}" in request for request in server.requests) for kind in ("refs", "revision", "resolve")}


# ---------------------------------------------------------------------------------------------- what is found


def test_every_kind_of_finding(hub, tmp_path):
    index = {"pytorch_model.bin.index.json": "{}"}
    serve(
        hub,
        tmp_path,
        {
            "main": of("the end"),
            "step0": of("the start"),
            "step1": of("the start"),
            "step2": of("two"),
            "step4": of("the end"),
            "step8": {"pytorch_model.bin": "a pickle"},
            "step16": None,
            "step32": index | dict(zip(SHARDS, ("x1", "x2", "x3"))),
            "step64": index | dict(zip(SHARDS, ("x1", "y2", "y3"))),
            "step128": of("128") | {"pytorch_model.bin": "a pickle"},  # as most of the real ones
            "something-else": of("two"),
        },
    )
    found = audit("pythia-160m", (*suite.PYTHIA_STEPS[:11], 143_000))
    assert found.name == "pythia-160m" and found.steps == (*suite.PYTHIA_STEPS[:11], 143_000)
    assert found.duplicates == [(0, 1), (4, 143_000)]
    assert found.shared == [(SHARDS[0], (32, 64))]
    assert (found.missing, found.without_weights, found.pickle_only) == ((256, 512), (16,), (8, 32, 64))
    assert found.trustworthy == (2, 8, 128)
    assert found.distinct == (0, 2, 8, 128, 143_000)
    text = repr(found)
    assert text.splitlines()[0] == "pythia-160m: 3 of 13 checkpoints have weights of their own".replace("13", "12")
    for line in (
        "the same bytes: 0, 1", "the same bytes: 4, 143000", f"the same {SHARDS[0]}: 32, 64",
        "no such branch: 256, 512", "no complete model: 16", "weights only in a pickle: 8, 32, 64", "pythia/issues/83",
    ):  # fmt: skip
        assert line in text
    assert text == repr(audit("EleutherAI/Pythia-160M", found.steps))
    assert asked(hub)["resolve"] == 0 and not hub.cache.exists()


def test_a_table_is_shown_in_a_notebook_and_nothing_in_it_is_interpreted():
    shown = Audit(
        "a<b>", (Checkpoint(0, {"<i>.bin": "1", "x": "1"}), Checkpoint(1, {"<i>.bin": "1", "x": "2"}))
    )._repr_html_()
    assert "a&lt;b&gt;: 0 of 2" in shown and "the same &lt;i&gt;.bin" in shown and "0, 1" in shown
    known = Audit("pythia-2.8b", (Checkpoint(0, {}),))._repr_html_()
    assert 'href="https://github.com/EleutherAI/pythia/issues/205"' in known
    assert ">finding</th>" in shown and ">where</th>" in shown


def test_where_nothing_was_found_one_line_says_so_and_no_empty_table_squeezes_it():
    found = Audit("tiny-pythia", (Checkpoint(0, {"x": "1"}), Checkpoint(1, {"x": "2"})))
    assert found._repr_html_() == "<p>tiny-pythia: 2 of 2 checkpoints have weights of their own</p>"


def test_all_154_branches_are_asked_once_and_then_remembered(hub, tmp_path):
    names = {step: "main" if step == 143_000 else f"step{step}" for step in suite.PYTHIA_STEPS}
    serve(hub, tmp_path, {name: of("the start" if step < 2 else name) for step, name in names.items()})
    hub.commit = functools.cache(hub.commit)  # nothing changes here, and the server would look at all for each question
    start = time.perf_counter()
    found = audit("pythia-160m")
    assert found.steps == suite.PYTHIA_STEPS and found.duplicates == [(0, 1)] and found.missing == ()
    assert len(found.trustworthy) == 152 and found.distinct == suite.PYTHIA_STEPS[:1] + suite.PYTHIA_STEPS[2:]
    assert asked(hub) == {"refs": 1, "revision": 154, "resolve": 0}
    first, start = time.perf_counter() - start, time.perf_counter()
    hub.requests.clear()
    assert repr(audit("pythia-160m")) == repr(found)
    assert asked(hub) == {"refs": 1, "revision": 0, "resolve": 0} and time.perf_counter() - start < first


def test_a_branch_that_has_moved_is_asked_about_again(hub, tmp_path):
    serve(hub, tmp_path, {"main": of("the end"), "step0": of("the start"), "step1": of("the start")})
    assert audit("pythia-160m", (0, 1, 143_000)).duplicates == [(0, 1)]
    hub.requests.clear()
    (tmp_path / "EleutherAI/pythia-160m/step1" / WHOLE).write_text("mended")
    assert audit("pythia-160m", (0, 1, 143_000)).duplicates == []
    assert asked(hub) == {"refs": 1, "revision": 1, "resolve": 0}


def test_a_model_that_the_course_does_not_know_is_taken_as_its_branches_are(hub, tmp_path):
    branches = {"main": of("m"), "step5": of("five"), "step10": of("ten"), "step20": of("ten"), "stepping": of("s")}
    serve(hub, tmp_path, branches, "somebody/model")
    found = audit("somebody/model")
    assert (found.steps, found.duplicates, found.known) == ((5, 10, 20), [(10, 20)], ())
    serve(hub, tmp_path, {"main": of("m")}, "somebody/finished")
    with pytest.raises(errors.StepNotFound, match="somebody/finished has no training checkpoints"):
        audit("somebody/finished")


def test_the_course_s_own_models_need_no_network(hub):
    found = audit("tiny-pythia")
    assert found.steps == found.trustworthy == found.distinct == suite.steps("tiny-pythia")
    assert (found.duplicates, found.shared, found.missing, found.pickle_only, found.known) == ([], [], (), (), ())
    assert repr(found) == "tiny-pythia: 19 of 19 checkpoints have weights of their own"
    assert hub.requests == []


def test_copies_among_the_course_s_own_are_found_by_their_content(tmp_path, monkeypatch):
    for step in (0, 1, 512):
        shutil.copytree(suite.TINY_WEIGHTS / f"tiny-pythia/step{max(step, 1)}", tmp_path / f"tiny-pythia/step{step}")
    monkeypatch.setattr(suite, "TINY_WEIGHTS", tmp_path)
    assert audit().duplicates == [(0, 1)]
    with pytest.raises(DuplicateCheckpoints, match="tiny-pythia serves the same weights at steps 0, 1, so"):
        refuse_duplicates("tiny-pythia")
    refuse_duplicates("tiny-pythia", (1, 512))


# ------------------------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize("name, said", [("gpt2", "gpt2 has no training checkpoints"), (None, "holds one model")])
def test_a_model_without_checkpoints(name, said, tmp_path):
    with pytest.raises(errors.StepNotFound, match=said):
        audit(name or tmp_path)


def test_a_step_that_no_pythia_has(hub):
    with pytest.raises(errors.StepNotFound, match="the nearest are 1000 and 2000"):
        audit("pythia-160m", [0, 1500])
    assert hub.requests == []


def test_a_repository_that_is_not_there(hub):
    with pytest.raises(errors.ModelNotFound, match="The hub has no model EleutherAI/pythia-1b"):
        audit("pythia-1b")


def test_a_hub_that_is_gone_and_what_is_known_all_the_same(hub, tmp_path):
    serve(hub, tmp_path, {"main": of("the end"), "step0": of("the start"), "step1": of("the start")})
    audit("pythia-160m", (0, 1))
    hub.close()
    assert audit("pythia-160m", (0, 1)).duplicates == [(0, 1)]
    for name, steps in (("pythia-160m", (0, 143_000)), ("pythia-410m", None)):
        with pytest.raises(errors.HubUnreachable, match=f"{name} .*the hub cannot be reached"):
            audit(name, steps)


def test_a_busy_hub_loses_no_answer_and_the_next_audit_goes_on(hub, tmp_path, monkeypatch):
    wanted = suite.PYTHIA_STEPS[:60]
    serve(hub, tmp_path, {f"step{step}": of(str(step)) for step in wanted})
    answered = []

    def limit(handler):
        """So many requests, then 429 without a word on when to come again."""
        if "/revision/" in handler.path:
            answered.append(handler.path)
            if len(answered) > 25:
                handler.refuse(429, "", "Too many requests")
                return True

    hub.fault = limit
    with pytest.raises(errors.HubUnreachable, match=r"The hub is busy \(429\)"):
        audit("pythia-160m", wanted)
    hub.fault = None
    hub.requests.clear()
    assert audit("pythia-160m", wanted).trustworthy == wanted
    assert 30 <= asked(hub)["revision"] <= 60 - 25 + inventory.QUESTIONS_AT_ONCE


def test_an_audit_needs_no_memory_and_survives_a_damaged_one(hub, tmp_path, monkeypatch):
    serve(hub, tmp_path, {"main": of("the end"), "step0": of("the start")})
    (tmp_path / "own/audits").mkdir(parents=True)
    memory = tmp_path / "own/audits/EleutherAI--pythia-160m.json"
    for content in ("{", '{"branches": []}', '{"branches": 5, "commits": {}}', "[]"):
        memory.write_text(content)
        assert audit("pythia-160m", (0, 143_000)).trustworthy == (0, 143_000)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PYTHIA_COURSE_CACHE", str(tmp_path / "file"))
    assert audit("pythia-160m", (0, 143_000)).trustworthy == (0, 143_000)


# ----------------------------------------------------------------------------------------------- the refusal


def test_the_last_step_is_looked_at_too_because_early_ones_have_served_its_weights(hub, tmp_path):
    """As pythia-2.8b does: one early step alone would look like training."""
    serve(
        hub,
        tmp_path,
        {"main": of("the end"), "step512": of("the end"), "step66000": of("66")},
        "EleutherAI/pythia-2.8b",
    )
    with pytest.raises(DuplicateCheckpoints, match=r"at steps 512, 143000 \(reported: .*issues/205\)"):
        refuse_duplicates("pythia-2.8b", (512, 66_000))
    refuse_duplicates("pythia-2.8b", (66_000,))


def test_what_is_in_the_cache_is_compared_there(hub, tmp_path):
    for seed, branch in enumerate(("main", "step0", "step1", "step2")):
        write_pythia(tmp_path / branch, seed=min(seed, 2))
        (tmp_path / branch / "README.md").write_text(branch)
    hub.repositories["EleutherAI/pythia-160m"] = {b: tmp_path / b for b in ("main", "step0", "step1", "step2")}
    for step in (0, 1, 2):
        load("pythia-160m", step)
    hub.requests.clear()
    refuse_duplicates("pythia-160m", (0, 1))
    with pytest.raises(DuplicateCheckpoints, match="at steps 1, 2"):
        refuse_duplicates("pythia-160m", (0, 1, 2))
    assert hub.requests == []


def test_many_duplicates_are_said_in_a_sentence_of_bounded_length():
    steps = suite.PYTHIA_STEPS
    groups = [tuple(steps[n::6]) for n in range(6)]
    checkpoints = tuple(Checkpoint(step, {WHOLE: str(steps.index(step) % 6)}) for step in steps)
    found = Audit("pythia-1b", checkpoints)
    assert sorted(found.duplicates) == sorted(groups)
    said = module._refusal(found)
    assert len(said) < 700 and "(26 steps)" in said and "and 3 groups more" in said


def test_a_list_of_steps_is_short():
    assert listed((0, 1, 2)) == "0, 1, 2"
    assert listed(suite.PYTHIA_STEPS) == "0, 1, 2, 4, 8, 16 … 143000 (154 steps)"


# ---------------------------------------------------------------------------------- what others have reported


def test_the_reports_name_models_steps_and_addresses_that_exist():
    for defect in DEFECTS:
        assert set(defect.wrong) <= set(defect.steps) <= set(suite.PYTHIA_STEPS)
        assert defect.source.startswith("https://github.com/EleutherAI/pythia/issues/") and defect.what.endswith(".")
    named = {name for name in suite.HUB_IDS for defect in DEFECTS if defect in known_defects(name)}
    assert named == {name for name in suite.HUB_IDS if name.startswith("pythia-")}
    assert known_defects("gpt2") == known_defects("tiny-pythia") == ()
    assert [d.source[-3:] for d in known_defects("EleutherAI/pythia-160m-weight-seed1")][-1] == "203"


def test_pythia_2_8b_as_reported_has_68_steps_of_its_own_and_the_last():
    """From the counts in issue 205: 76 branches are main, 10 a second file, 68 their own."""
    (defect,) = [defect for defect in known_defects("pythia-2.8b") if defect.wrong]
    assert (len(defect.steps), len(defect.wrong)) == (86, 85)
    second = [54_000, 56_000, 57_000, 58_000, 59_000, 61_000, 62_000, 63_000, 64_000]
    like_main = set(defect.wrong) - set(second)
    assert len(like_main) == 76 and {0, 512, 53_000, 55_000, 103_000} <= like_main and 54_000 not in like_main

    def content(step):
        return "main" if step in like_main or step == 143_000 else "second" if step in second else str(step)

    found = Audit("pythia-2.8b", tuple(Checkpoint(step, {WHOLE: content(step)}) for step in suite.PYTHIA_STEPS))
    assert [len(group) for group in found.duplicates] == [77, 9]
    assert len(found.trustworthy) == 68 and found.distinct == (*found.trustworthy, 143_000)
