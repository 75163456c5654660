"""`pythia-course` in a shell: its front, which checkpoints words mean, list and free, and what Binder does with it."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.hub_server import hub_fixture  # noqa: F401
from support.shell import (  # noqa: F401
    PYTHIA,
    environment,
    failed,
    folders_fixture,
    here_fixture,
    no_more_than_others,
    read_only,
    served_fixture,
    shell,
)

from pythia_course import load, suite
from pythia_course.__main__ import _parser, main
from pythia_course.commands import UsageError
from pythia_course.commands.choosing import chosen
from pythia_course.hub.fetching import download_plan

ROOT = Path(__file__).resolve().parents[2]
STEPS = suite.PYTHIA_STEPS


# --------------------------------------------------------------------------------------------------- the front


def test_help_is_there_at_once_and_imports_nothing_heavy():
    clock = (
        "import sys, time; start = time.process_time()\n"
        "from pythia_course.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(time.process_time() - start, *sys.modules)"
    )
    runs = [subprocess.run([sys.executable, "-c", clock], capture_output=True, text=True, check=True) for _ in range(3)]
    last = [run.stdout.splitlines()[-1].split() for run in runs]
    assert min(float(words[0]) for words in last) < 0.5
    assert {"torch", "transformers", "huggingface_hub", "tqdm", "numpy"}.isdisjoint(last[0])
    assert all(name in runs[0].stdout for name in ("lab", "doctor", "prefetch", "list", "free", "HF_HUB_CACHE", "130"))


def test_the_command_has_its_name_after_installing():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["pythia-course"].partition(":")
    assert (module, function) == (main.__module__, main.__name__)


def test_listing_fetching_and_freeing_need_neither_torch_nor_transformers(served):
    """Those take seconds to import."""
    lines = ["prefetch gpt2", "prefetch gpt2", "list", "free gpt2 --yes"]
    code = (
        "import sys\nfrom pythia_course.__main__ import main\nfor line in sys.argv[1:]:\n"
        "  print(main(line.split()), line, *{'torch', 'transformers'} & set(sys.modules), file=sys.stderr)"
    )
    done = shell(served, *lines, module=("-c", code))
    assert done.stderr.splitlines() == [f"0 {line}" for line in lines]


def test_version(here):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert here("--version").stdout == f"pythia-course {version}\n"


@pytest.mark.parametrize("command", ["lab", "doctor", "prefetch", "list", "free"])
def test_every_command_explains_itself_with_examples_that_it_understands(here, command):
    done = here(command, "--help")
    assert done.returncode == 0 and "examples:" in done.stdout and len(done.stdout.splitlines()) > 12
    examples = re.findall(rf"pythia-course {command}\b(.*)", done.stdout.partition("examples:")[2])
    assert examples
    for example in examples:
        words = re.split(r" [>|]", example)[0].split()
        options = _parser().parse_args([command, *words])
        if command == "prefetch":
            assert chosen(options.names, options.steps)


@pytest.mark.parametrize("words", [(), ("dance",), ("prefetch",), ("free",), ("free", "gpt2", "--step", "x")])
def test_a_line_that_makes_no_sense_is_refused(here, words):
    done = here(*words)
    assert done.returncode == 2 and done.stderr.startswith("usage: pythia-course") and done.stdout == ""


def test_a_reader_who_has_seen_enough_is_no_error(hub):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pythia_course", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment(hub), timeout=60)
    os.close(writer)
    assert done.stderr == b""


# ------------------------------------------------------------------------------------------- which checkpoints


def steps_of(*words):
    return [place.step for place in chosen(["pythia-70m"], words)]


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["0", "512", "3000"], [0, 512, 3000]),
        (["last"], [143_000]),
        (["3000", "3000", "last", "143000"], [3000, 143_000]),
        (["1-20"], [1, 2, 4, 8, 16]),
        (["512-3000", "0"], [512, 1000, 2000, 3000, 0]),
        (["0-143000/50000"], [0, 50_000, 100_000]),
        (["all"], list(STEPS)),
        (["0-143000"], list(STEPS)),
    ],
    ids=lambda value: "-".join(map(str, value))[:30],
)
def test_words_for_steps(words, steps):
    assert steps_of(*words) == steps


def test_steps_are_for_models_that_have_some():
    places = chosen(["pythia-70m", "gpt2", "tiny-pythia", "EleutherAI/pythia-70m"], ["0", "1000"])
    assert [(place.name, place.step) for place in places] == [
        ("pythia-70m", 0), ("pythia-70m", 1000), ("gpt2", None), ("tiny-pythia", 6200),
    ]  # fmt: skip
    assert [place.revision for place in chosen(["somebody/model"], ["7", "last"])] == ["step7", "main"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1500"], "No Pythia checkpoint at step 1500; the nearest are 1000 and 2000."),
        (["600-700"], "No checkpoint lies in 600-700"),
        (["first"], "'first' is no step: give numbers such as 3000"),
        (["3,000"], "'3,000' is no step"),
        (["-5"], "'-5' is no step"),
        (["1000-2000/0"], "'1000-2000/0' is no step"),
    ],
)
def test_words_that_are_no_steps(words, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        steps_of(*words)


def test_a_range_needs_a_model_whose_steps_are_known():
    with pytest.raises(UsageError, match="does not know which steps somebody/model has"):
        chosen(["somebody/model"], ["all"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pythia-161m",), "The course has no model called 'pythia-161m'; did you mean \"pythia-160m\"?"),
        (("../x",), "'../x' is not a folder here"),
        (("pythia-160m", "--steps", "1500"), "No Pythia checkpoint at step 1500"),
        (("gpt2", "pythia-160m", "--steps", "0", "gpt2"), "'gpt2' is no step"),
    ],
    ids=["unknown", "path", "step", "order"],
)
def test_names_and_steps_that_cannot_be_are_refused_without_asking(here, hub, words, said):
    sentence = failed(here("prefetch", *words), code=2)
    assert sentence.startswith(said) and sentence.endswith("See `pythia-course prefetch --help`.")
    assert hub.requests == [] and not hub.cache.exists()


# ------------------------------------------------------------------------------------------- list and free


def listed(here):
    done = here("list", "--json")
    assert done.returncode == 0 and done.stderr == ""
    content = json.loads(done.stdout)
    return content, {model["name"]: model for model in content["models"]}


def test_the_list_knows_every_model_and_its_size(here, hub):
    content, models = listed(here)
    assert models.keys() == {*suite.SHIPPED, *suite.HUB_IDS}
    assert models["pythia-160m"]["parameters"] == 162_322_944
    assert models["pythia-160m-seed3"]["parameters"] == models["pythia-160m"]["parameters"]
    assert models["pythia-12b-deduped"]["checkpoints"] == 154 and models["gpt2"]["checkpoints"] == 1
    for name in suite.SHIPPED:
        assert models[name]["parameters"] == suite.total(load(name).spec)
        assert models[name]["shipped"] and models[name]["opens_as"] == "float32"
        assert models[name]["checkpoints"] == len(suite.steps(name))
    assert content["cache"] == {"folder": str(hub.cache), "bytes": 0, "unreadable": []} and hub.requests == []


def test_the_list_says_what_fits(here, hub, monkeypatch):
    """4 GB: float32 for what takes no more than six tenths of them, bfloat16 for the larger, nothing for the rest."""
    monkeypatch.setattr("pythia_course.machine.budget.available_memory", lambda: 4_000_000_000)
    models = listed(here)[1]
    opens = {name: models[name]["opens_as"] for name in ("pythia-410m", "pythia-1b", "pythia-1.4b", "pythia-2.8b")}
    assert list(opens.values()) == ["float32", "bfloat16", "bfloat16", None]
    assert re.search(r"pythia-2.8b .* too large: 5\.6 GB", here("list").stdout)


def test_what_is_fetched_is_listed_and_what_is_freed_is_not(served, here, folders):
    here("prefetch", "pythia-160m", "--steps", "0", "3000", "last")
    content, models = listed(here)
    on_disk = sum(path.stat().st_size for path in served.cache.glob("models--*/blobs/*"))
    # what huggingface_hub remembers besides, the names of branches, is a few bytes
    assert on_disk <= content["cache"]["bytes"] < on_disk + 1000
    found = models["pythia-160m"]["cached"]
    assert [(one["step"], one["complete"]) for one in found] == [(0, True), (3000, True), (143_000, True)]
    assert found[0]["bytes"] == sum(
        (folders["step0"] / name).stat().st_size
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                     "special_tokens_map.json")
    )  # fmt: skip
    assert re.search(r"pythia-160m .* MB: step 0, step 3000, step 143000\n", here("list").stdout)
    # freed, in processes of their own: one step, then the rest
    weights = (folders["step3000"] / "model.safetensors").stat().st_size
    done = shell(served, "free", "pythia-160m", "--step", "3000", "--yes")
    assert (done.returncode, done.stderr) == (0, "") and "Freed " in done.stdout
    assert content["cache"]["bytes"] - listed(here)[0]["cache"]["bytes"] >= weights
    assert [one["step"] for one in listed(here)[1]["pythia-160m"]["cached"]] == [0, 143_000]
    assert here("free", "pythia-160m", "--all", "--yes").returncode == 0
    content, models = listed(here)
    assert models["pythia-160m"]["cached"] == [] and content["cache"]["bytes"] == 0
    assert re.search(r"pythia-160m +162.3 M +154 +\w+\n", here("list").stdout)


def test_many_checkpoints_take_one_line(here, served, folders, tmp_path):
    for step in STEPS[1:8]:
        copy = shutil.copytree(folders["step0"], tmp_path / f"step{step}")
        (copy / "README.md").write_text(f"# Step {step}")  # another commit, with the same weights
        served.repositories[PYTHIA][copy.name] = copy
    here("prefetch", "pythia-160m", "--steps", "0-64")
    assert re.search(r"pythia-160m .* MB: 8 checkpoints, step 0 … step 64\n", here("list").stdout)


def test_half_a_checkpoint_is_listed_as_such(here, served):
    download_plan("gpt2")  # reads its config, and so brings it here
    assert re.search(r"gpt2 .* MB: \(incomplete\)\n", here("list").stdout)
    assert [one["complete"] for one in listed(here)[1]["gpt2"]["cached"]] == [False]


def test_what_no_name_opens_any_more_is_listed_as_such(here, served, folders):
    """The hub moved a branch on: the old commit is still in the cache, beside the new one."""
    here("prefetch", "gpt2", "pythia-160m")
    next(served.cache.glob("models--EleutherAI--*/refs/main")).unlink()
    served.repositories[PYTHIA]["main"] = folders["step0"]
    here("prefetch", "pythia-160m")
    found = listed(here)[1]["pythia-160m"]["cached"]
    assert sorted((one["branches"], one["complete"]) for one in found) == [([], False), (["main"], True)]
    assert re.search(r"pythia-160m .* MB: an older upload, step 143000\n", here("list").stdout)


def test_other_peoples_models_are_listed_when_the_course_opens_them(here, served, folders, tmp_path):
    served.repositories["somebody/french"] = {"main": folders["gpt2"]}
    here("prefetch", "somebody/french")
    bert = served.cache / "models--bert-base-uncased"  # an id without an owner, as old ones are
    for name, content in {"refs/main": "a" * 40, f"snapshots/{'a' * 40}/config.json": '{"model_type": "bert"}'}.items():
        (bert / name).parent.mkdir(parents=True)
        (bert / name).write_text(content)
    names = listed(here)[1]
    assert names["somebody/french"]["parameters"] is None and not any("bert" in name for name in names)
    assert re.search(r"somebody/french +\? +\? +\? +0.9 MB\n", here("list").stdout)


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_free_asks_first(here, served, monkeypatch, answer, code):
    here("prefetch", "gpt2")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    done = here("free", "gpt2")
    assert done.returncode == code
    assert re.search(r"gpt2 in .*: 0\.9 MB in one checkpoint\.\nFree it\? \[y/N\] ", done.stdout)
    assert ("Freed 0.9 MB." in done.stdout) == (code == 0) and ("Nothing was freed." in done.stdout) == (code == 1)
    assert bool(list(served.cache.rglob("model.safetensors"))) == (code == 1)


def test_free_does_not_act_unasked(served, here):
    here("prefetch", "gpt2")
    done = shell(served, "free", "gpt2")
    assert failed(done, code=2).startswith("There is nobody to ask: add --yes.")
    assert list(served.cache.rglob("model.safetensors"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pythia-161m",), 2, "The course has no model called 'pythia-161m'"),
        (("gpt2", "--step", "3"), 2, "gpt2 was published only once trained"),
        (("tiny-pythia",), 1, "tiny-pythia at step 6200 ships with the course"),
    ],
)
def test_what_cannot_be_freed(here, hub, words, code, said):
    assert failed(here("free", *words, "--yes"), code).startswith(said)


def test_what_is_not_there_needs_no_freeing(here, hub):
    done = here("free", "pythia-160m", "--step", "512", "--yes")
    assert done.returncode == 0 and done.stdout.startswith("pythia-160m at step 512 is not in ")


def test_a_shared_folder_is_not_freed_by_those_who_may_only_read_it(here, served):
    here("prefetch", "gpt2")
    read_only(served.cache, True)
    try:
        done = shell(served, "free", "gpt2", "--yes", preexec_fn=no_more_than_others)
    finally:
        read_only(served.cache, False)
    assert "could not be deleted: " in failed(done)
    assert "Freed" not in done.stdout and load("gpt2", local_only=True).name == "gpt2"


# ------------------------------------------------------------------------------------------------- Binder


@pytest.fixture
def builder(tmp_path):
    """A shell in which `python` does not install anything, since that would need a network."""
    shim = tmp_path / "bin/python"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\n[ "$2" = pip ] && echo "installed: $*" && exit 0\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)

    def build(hub):
        env = environment(hub, PATH=f"{shim.parent}:{os.environ['PATH']}")
        return subprocess.run(["binder/postBuild"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)

    return build


def test_binder_has_both_models_when_the_hub_answers(builder, served):
    done = builder(served)
    assert done.returncode == 0, done.stderr
    assert "installed: -m pip install --no-deps -e .\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "postBuild: Pythia-160M and GPT-2 are in the image."
    served.close()
    assert load("pythia-160m").step == 143_000 and load("gpt2").name == "gpt2"


def test_binder_builds_without_a_hub_and_says_so(builder, served):
    served.close()
    done = builder(served)
    assert done.returncode == 0 and "installed: " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("postBuild: Pythia-160M and GPT-2 are not, or not both, in ")
    assert "the hub cannot be reached" in done.stderr and "Traceback" not in done.stderr
