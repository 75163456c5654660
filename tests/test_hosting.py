"""docs/hosting.md promises nothing that is not there: its commands, paths, links, figures and the lines it shows."""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import yaml
from support.hub_folders import write_pythia
from support.hub_server import hub_fixture  # noqa: F401
from traitlets.config import Config

from pythia_course import checks, load, suite
from pythia_course.__main__ import main
from pythia_course.errors import ModelTooLarge
from pythia_course.hub.addresses import MODEL_VARIABLE
from pythia_course.hub.cache import CACHE_VARIABLE
from pythia_course.machine import budget
from pythia_course.widgets.common.attention import packed_size

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/hosting.md"
TEXT = PAGE.read_text(encoding="utf-8")
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)


def blocks(language):
    return [block for kind, block in FENCED if kind == language]


def shell_lines():
    """Every line that the page gives to a shell, a continued one in one piece."""
    return "\n".join(blocks("")).replace("\\\n", "").splitlines()


def block_with(language, word):
    """The one block that holds a word."""
    (found,) = (block for block in blocks(language) if word in block)
    return found


# ------------------------------------------------------------------------------------------------- links and paths


def anchors(path):
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)\s]+)\)", PROSE))))
def test_links_lead_somewhere(target):
    if target.startswith("https://"):
        assert urlsplit(target).hostname
        return
    file, _, anchor = target.partition("#")
    path = (PAGE.parent / file).resolve() if file else PAGE
    assert path.exists()
    assert not anchor or anchor in anchors(path)


def test_the_badge_is_the_one_of_the_readme():
    (badge,) = re.findall(r"^\[!\[Open on Binder\].*$", TEXT, flags=re.MULTILINE)
    assert badge in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def test_each_learner_s_copy_comes_from_where_binder_takes_the_course():
    (link,) = (line for line in shell_lines() if "git-pull" in line)
    asked = {key: value[0] for key, value in parse_qs(urlsplit(link).query).items()}
    binder = re.search(r"mybinder\.org/v2/gh/([\w-]+/[\w-]+)/", TEXT)[1]
    assert asked["repo"] == f"https://github.com/{binder}"
    assert (ROOT / asked["urlpath"].removeprefix("lab/tree/pythia-course/")).is_file()
    cloned = {url for line in shell_lines() for url in re.findall(r"https://github\.com/\S+", line)}
    assert cloned == {asked["repo"]}


# ------------------------------------------------------------------------------------------------- commands


def course_commands():
    """The arguments of each `pythia-course …` on the page, in a line of its own or in the text."""
    in_text = re.findall(r"`(pythia-course [^`]+)`", PROSE)
    lines = [line for line in [*shell_lines(), *in_text] if "pythia-course " in line and "git" not in line]
    return sorted({re.sub(r"^.*?pythia-course ", "", line).replace("…", "gpt2") for line in lines})


@pytest.mark.parametrize("arguments", course_commands())
def test_the_course_understands_the_commands(arguments, monkeypatch, capsys):
    """Parsed by the real parser; what would be done is not."""
    called = []
    for command in ("lab", "labs", "page", "progress", "prefetch", "doctor", "free", "listing"):
        monkeypatch.setattr(f"pythia_course.commands.{command}.run", lambda options: called.append(options) or 0)
    try:
        assert main(shlex.split(arguments)) == 0 and len(called) == 1
    except SystemExit as done:  # --help leaves by itself
        assert done.code == 0 and "--help" in arguments and "usage:" in capsys.readouterr().out


def test_make_has_the_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(VENV)", ".venv")
    targets = set(re.findall(r"(?:^|`)make ([\w./-]+)", TEXT, flags=re.MULTILINE))
    assert {"lab", "bench", ".venv/.ready"} <= targets
    assert [target for target in targets if not re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("command", ["install", "download"])
def test_pip_has_the_options(command):
    used = [line.partition(f"pip {command} ")[2] for line in shell_lines() if f"pip {command} " in line]
    options = set(re.findall(r"(?<!\S)--?[a-z][\w-]*", " ".join(used)))
    variables = re.findall(r"\bPIP_(\w+)=?", TEXT)
    options |= {f"--{name.lower().replace('_', '-')}" for name in variables}
    run = [sys.executable, "-m", "pip", command, "--help"]
    known = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert len(options) > 3
    assert [option for option in options if not re.search(rf"(?<![\w-]){option}(?![\w-])", known)] == []


def test_the_environment_variables_are_read_by_someone():
    from huggingface_hub import constants

    named = set(re.findall(r"\b(?:HF|PYTHIA_COURSE)_\w+|\b\w+_LIMIT\b", TEXT))
    of_the_hub = {name for name in named if name.startswith("HF_")}
    assert {"HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"} <= of_the_hub
    assert [name for name in of_the_hub if not hasattr(constants, name)] == []
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pythia_course").rglob("*.py"))
    assert [name for name in named - of_the_hub if f'"{name}"' not in sources] == []
    assert named - of_the_hub <= {CACHE_VARIABLE, MODEL_VARIABLE, "MEM_LIMIT", "CPU_LIMIT"}


def test_every_recipe_uses_the_models_where_it_puts_them():
    """The folder that prefetch fills is what learners are given: on laptops, on the server, in the cluster."""
    to = [shlex.split(line)[-1] for line in shell_lines() if "prefetch" in line]
    assert to == ["$STICK/models", "/srv/pythia-models"]
    (copied,) = (shlex.split(line) for line in shell_lines() if line.startswith("cp "))
    assert copied[-2] == to[0] and f"HF_HUB_CACHE={copied[-1]} HF_HUB_OFFLINE=1" in TEXT
    c = Config()
    exec(block_with("python", "c.Spawner"), {"c": c})
    assert c.Spawner.environment["HF_HUB_CACHE"] == to[1]
    cluster = yaml.safe_load(block_with("yaml", "extraEnv"))["singleuser"]
    assert cluster["extraEnv"] == c.Spawner.environment
    (volume,), (mount,) = (cluster["storage"][key].values() for key in ("extraVolumes", "extraVolumeMounts"))
    assert volume["name"] == mount["name"] and mount["readOnly"] and mount["mountPath"] == to[1]


def test_the_cluster_runs_the_image_that_was_built_and_keeps_it_visible():
    learner = yaml.safe_load(block_with("yaml", "image:"))["singleuser"]
    image = f"{learner['image']['name']}:{learner['image']['tag']}"
    build, push = (shlex.split(line) for line in shell_lines() if image in line)
    assert build[build.index("--image-name") + 1] == image and push == ["docker", "push", image]
    home, disk = f"/home/{build[build.index('--user-name') + 1]}", learner["storage"]["homeMountPath"]
    assert Path(disk).parent == Path(home)
    copy = shlex.split(learner["lifecycleHooks"]["postStart"]["exec"]["command"][-1])
    assert copy == ["cp", "-rn", f"{home}/notebooks", f"{disk}/"]
    assert not (ROOT / Path(disk).name).exists()  # the disk hides no folder of the course
    opened = Path(learner["defaultUrl"]).relative_to("/lab/tree").relative_to(Path(disk).name)
    assert (ROOT / opened).is_file()


# ------------------------------------------------------------------------------------------------- figures


def table(text, head):
    """The rows below a line that begins with these cells."""
    after = text[text.index(head) :].splitlines()[2:]
    rows = itertools.takewhile(lambda line: line.startswith("|"), after)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_memory_of_a_learner_is_what_was_measured():
    measured = table((ROOT / "docs/measurements.md").read_text(encoding="utf-8"), "| kernels at once | PSS each |")
    assert table(TEXT, "| kernels at once | PSS each |") == [row[:2] for row in measured]
    assert [row[0] for row in measured] == ["1", "4", "8"]
    kernel, (server,) = int(measured[-1][1].removesuffix(" MB")), re.findall(r"PSS with 8 kernels \+ (\d+) MB", TEXT)
    (thirty,) = re.findall(r"about (\d+) GB for thirty", TEXT)
    assert int(thirty) == pytest.approx(1 + 30 * (kernel + int(server)) / 1000, rel=0.1)


@pytest.mark.parametrize(("said", "heads"), [("tiny-pythia", (4, 4)), ("Pythia-160M", (12, 12))])
def test_what_a_run_of_an_explorer_s_cell_leaves_is_what_it_sends(said, heads):
    size = packed_size(np.broadcast_to(np.float32(0), (*heads, 512, 512))) / 1e6
    assert f"{size:.1f} MB for {said}" in TEXT.replace("\n", " ")


def test_what_the_course_says_where_a_model_does_not_fit():
    spec, room = suite.SUITE["pythia-1b"], 1_500_000_000
    with pytest.raises(ModelTooLarge) as refused:
        budget.check_memory(spec, budget.choose_dtype(spec, "auto", room), room, "pythia-1b")
    assert f"> {refused.value}" in TEXT.splitlines()
    assert isinstance(refused.value, MemoryError)
    for name, called in (("pythia-160m", "Pythia-160M"), ("gpt2", "GPT-2")):
        megabytes = budget.weights(suite.SUITE[name], "float32") / 1e6
        assert f"{megabytes:.0f} MB for {called}" in " ".join(TEXT.split())


def test_how_often_the_hub_is_asked(hub, tmp_path):
    write_pythia(tmp_path / "pythia")
    hub.repositories["EleutherAI/pythia-160m"] = {"main": tmp_path / "pythia"}
    load("pythia-160m")
    files = [request for request in hub.requests if "/resolve/" in request]
    others = len(hub.requests) - len(files)
    words = f"{len(hub.requests)} times ({others} for the list of files, {len(files)} for files)"
    assert words in " ".join(TEXT.split())
    hub.requests.clear()
    load("pythia-160m")
    assert hub.requests == []


# ------------------------------------------------------------------------------------------------- lines that run


def test_the_sweep_on_a_cluster_gives_what_a_sweep_here_gives(tmp_path):
    """The page's own lines, as the script that it says they are, with two worker processes of a real scheduler."""
    script = block_with("python", "LocalCluster")
    measuring = "        scores = sweep("
    assert script.count(measuring) == 1
    start, _, rest = script.partition(measuring)
    line, _, rest = rest.partition("\n")
    count = "lambda dask_worker: dask_worker.state.executed_count"
    executed = f"        print(list(Client.current().run({count}).values()))\n"
    # The workers are forked from one process that has imported torch, where two would import it each.
    once = "import distributed.utils\nfrom support import forked\n\npreloading = distributed.utils.get_mp_context()\n"
    once += 'preloading.set_forkserver_preload(["distributed", *forked.MODULES])\n\n\n'
    start = start.replace("def best_previous", f"{once}def best_previous")
    (tmp_path / "page.py").write_text(f"{start}{measuring}{line}\n{executed}{rest}", encoding="utf-8")
    environment = os.environ | {CACHE_VARIABLE: str(tmp_path / "results"), "OMP_NUM_THREADS": "1"}
    environment |= {"DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(
        [sys.executable, tmp_path / "page.py"], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    by_worker, scores = map(json.loads, done.stdout.splitlines()[-2:])
    assert len(by_worker) == 2 and all(by_worker)
    here = {"__name__": "page"}  # not __main__: only the measure
    exec(script, here)
    steps = suite.steps("tiny-pythia")
    assert len(scores) == len(steps) == len(list((tmp_path / "results").rglob("*.npz")))
    for index in (0, -1):
        alone = float(here["best_previous_token_head"](load("tiny-pythia", steps[index])))
        assert scores[index] == pytest.approx(alone, abs=0.006)
    assert scores[-1] > 2 * scores[0]


@pytest.mark.parametrize("answer, points", [("right", 3), (3.5, 0), (..., 0)], ids=["right", "wrong", "none"])
def test_a_test_cell_shows_a_number_to_grade_with(answer, points):
    trace = load("tiny-pythia").trace("Mia had a red ball", keep=["logits"])
    answer = len(trace.tokens) if answer == "right" else answer
    line = block_with("python", "float(checks.")
    shown = repr(eval(line, {"checks": checks, "answer": answer, "trace": trace}))
    assert float(shown) == points  # nbgrader reads the text of the output
    verdict = checks.start.how_many_tokens(answer, trace)
    with pytest.raises(ValueError):  # hence the page's warning: the verdict alone is no number to it
        float(repr(verdict))
