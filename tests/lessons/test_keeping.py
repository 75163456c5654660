"""Which verdicts a kernel keeps: a learner's, beside the lessons; never a program's, nor those of the solutions."""

import importlib.util
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel

from pythia_course import checks
from pythia_course.lessons import attempts, progress

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
EMPTY = repr(progress.CourseMap(progress.tasks.course(), attempts.Record()))
SOLVED = attempts.Attempt("2026-11-28T09:00:00+00:00", "passed", "start.surprise", "start_here", "cell-48", "0.2.0")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A kernel of lesson 00 as a server starts it; `show(code, cell)` runs a cell, named by the frontend or not."""
    folder = tmp_path_factory.mktemp("mine") / "notebooks"
    (folder / "solutions").mkdir(parents=True)
    for place in (folder, folder / "solutions"):
        (place / "00_start_here.ipynb").write_text("{}")
    started_as = {"JPY_SESSION_NAME": str(folder / "00_start_here-Copy1.ipynb"), "MPLBACKEND": "agg"}
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder), env=os.environ | started_as)

    def show(code, cell=None):
        said = []
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        request = client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        client.shell_channel.send(request)
        while True:
            message = client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            content = message["content"]
            if content.get("execution_state") == "idle":
                client.get_shell_msg(timeout=SECONDS)
                return "\n".join(said)
            said += [content[key] for key in ("text", "evalue") if key in content]
            said += [content["data"]["text/plain"]] if "data" in content else []

    show("from pythia_course import checks, progress\nfrom pythia_course.lessons import keeping")
    yield SimpleNamespace(show=show, folder=folder, file=folder / attempts.FILE)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture(autouse=True)
def nothing_kept(request):
    if "kernel" in request.fixturenames:
        kernel = request.getfixturevalue("kernel")
        for path in (kernel.file, kernel.folder / "solutions" / attempts.FILE):
            path.unlink(missing_ok=True)


def kept(kernel):
    """(did, check, lesson, cell) of each attempt that is kept."""
    return [(a.did, a.check, a.lesson, a.cell) for a in attempts.read(kernel.file).attempts]


def test_what_a_learner_s_cell_shows_is_kept_and_on_the_map(kernel):
    kernel.show("checks.compare('cat', 'kite')", "cell-06")
    kernel.show("checks.compare('kite', 'kite')", "cell-06")
    kernel.show("import math\nanswer = math.log(2)\nchecks.start.surprise(answer, 0.5)", "cell-48")
    assert kept(kernel) == [
        ("tried", "compare", "start_here", "cell-06"), ("passed", "compare", "start_here", "cell-06"),
        ("passed", "start.surprise", "start_here", "cell-48"),
    ]  # fmt: skip
    shown = kernel.show("progress.course_map()", "progress-map")
    assert "●○○○ 1 of 4" in shown and "○●○○○ 1 of 5" in shown


def test_nothing_is_kept_of_what_a_program_runs_nor_shown_to_it(kernel):
    attempts.add(kernel.file, SOLVED)
    before = kernel.file.read_bytes()
    assert kernel.show("checks.compare('kite', 'kite')") == "✓ You guessed 'kite', and so it is."
    assert kernel.show("progress.course_map()") == EMPTY and kernel.file.read_bytes() == before
    assert kernel.show("progress.course_map()", "a") != EMPTY


@pytest.mark.parametrize(
    "code",
    [
        "checks.compare(..., 'kite')", "checks.start.surprise(..., 0.5)", "_ = checks.compare(1, 1)", "3", "None",
        "checks.compare(1, 1);", "print(checks.compare(1, 1))", "checks.Verdict(1, 'of my own')", "1 / 0", "checks",
        "[checks.compare(1, 1)]", "class Odd(float):\n    check, waiting = 'a.b', False\nOdd(1)",
        "class Worse:\n    __getattr__ = lambda *_: 1 / 0\n    _repr_mimebundle_ = lambda *_, **__: {}\nWorse()",
    ],
)  # fmt: skip
def test_only_a_verdict_that_is_shown_is_an_attempt(kernel, code):
    kernel.show(code, "a")
    assert kept(kernel) == [] and not kernel.file.exists()


def test_a_check_is_known_however_it_is_called(kernel):
    kernel.show("from pythia_course.checks import start as s\ns.surprise(3, 0.5)", "a")
    kernel.show("from pythia_course.checks.start import surprise\nv = surprise(3, 0.5)\nv", "b")
    kernel.show("%time surprise(3, 0.5)", "c")
    assert kept(kernel) == [("tried", "start.surprise", "start_here", cell) for cell in "abc"]


def test_of_an_address_that_names_a_person_nothing_is_kept(kernel):
    kernel.show("checks.start.surprise(3, 0.5)", "vscode-notebook-cell:/home/anna/00_start_here.ipynb#W0sZmlsZQ%3D%3D")
    assert kept(kernel) == [("tried", "start.surprise", "start_here", "")] and "anna" not in kernel.file.read_text()


def test_solutions_and_folders_without_lessons_keep_nothing(kernel, tmp_path):
    for folder in (kernel.folder / "solutions", tmp_path):
        kernel.show(f"import pathlib; here, keeping.HERE = keeping.HERE, pathlib.Path({str(folder)!r})")
        said = kernel.show("checks.compare(1, 1)", "a"), kernel.show("progress.course_map()", "b")
        kernel.show("keeping.HERE = here")
        assert said == ("✓ You guessed 1, and so it is.", EMPTY) and not (folder / attempts.FILE).exists()


def test_somewhere_else_in_the_meantime_it_is_still_beside_the_lessons(kernel, tmp_path):
    kernel.show(f"import os; os.chdir({str(tmp_path)!r})")
    kernel.show("checks.compare(1, 1)", "cell-06")
    kernel.show(f"os.chdir({str(kernel.folder)!r})")
    assert kept(kernel) == [("passed", "compare", "start_here", "cell-06")] and not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_on_a_full_disk_the_verdict_holds_and_one_sentence_says_so_once(kernel):
    kernel.file.symlink_to("/dev/full")
    first, second = (kernel.show("checks.compare(1, 1)", "cell-06") for _ in range(2))
    assert second == "✓ You guessed 1, and so it is."
    verdict, sentence = first.strip().splitlines()
    assert verdict == second
    assert sentence == f"(The verdict holds, but {kernel.file} cannot keep it: No space left on device.)"


def test_where_the_file_should_be_is_something_else_and_the_lesson_goes_on(kernel):
    kernel.file.mkdir()
    try:
        said = kernel.show("checks.compare(1, 1)", "cell-06"), kernel.show("progress.course_map()", "progress-map")
    finally:
        kernel.file.rmdir()
    assert said[0].startswith("✓ You guessed 1, and so it is.\n(The verdict holds, but")
    first, rest = said[1].split("\n", 1)
    assert re.search(r"progress\.jsonl cannot be read \([\w ]+\)\.$", first) and rest == EMPTY.split("\n", 1)[1]


def test_outside_of_a_kernel_a_verdict_is_a_verdict(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checks.compare(1, 1) == 1 and checks.compare(1, 1).check == "compare"
    assert checks.versus.untied(...).check == "versus.untied" and checks.Verdict(1, "of my own").check == ""
    assert repr(progress.course_map()) == EMPTY and list(tmp_path.iterdir()) == []


def test_a_check_that_runs_a_learner_s_function_is_not_taken_for_what_that_calls():
    inner = []

    def exponent(*arguments):
        inner.append(checks.compare(1, 2))
        return 0

    assert (checks.scale.exponent(exponent).check, inner[0].check) == ("scale.exponent", "compare")


# ------------------------------------------------------------------------------------------ what runs by itself


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A lesson with a right answer and the map, beside a learner's progress; run and stored by notebooks/build.py."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "notebooks/build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    folder = tmp_path_factory.mktemp("clone") / "notebooks"
    folder.mkdir()
    attempts.add(folder / attempts.FILE, SOLVED)
    code = ["from pythia_course import checks, progress\nchecks.compare(1, 1)", "progress.course_map()"]
    cells = [nbformat.v4.new_code_cell(text, id=f"cell-{n}") for n, text in enumerate(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "00_start_here.ipynb")
    before = contents(folder)
    build.build(folder / "00_start_here.ipynb")
    return SimpleNamespace(folder=folder, before=before)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".ipynb"}


def test_build_stores_the_empty_map_and_writes_nothing_else(built):
    stored = json.loads((built.folder / "00_start_here.ipynb").read_text(encoding="utf-8"))
    assert "".join(stored["cells"][1]["outputs"][0]["data"]["text/plain"]) == EMPTY
    assert contents(built.folder) == built.before


def test_nbval_sees_the_empty_map_and_writes_nothing(built, monkeypatch):
    # Started from a notebook's own cell, as `!make test`, it is no less a program.
    monkeypatch.setenv("JPY_SESSION_NAME", str(built.folder / "00_start_here.ipynb"))
    kernel, shown = RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=str(built.folder)), []
    try:
        for cell in nbformat.read(built.folder / "00_start_here.ipynb", 4).cells:
            asked = kernel.execute_cell_input(cell.source, allow_stdin=False)
            kernel.await_reply(asked, timeout=SECONDS)
            while (message := kernel.get_message("iopub", timeout=SECONDS))["content"].get("execution_state") != "idle":
                shown += [message["content"]["data"]["text/plain"]] if "data" in message["content"] else []
    finally:
        kernel.stop()
    assert shown == ["✓ You guessed 1, and so it is.", EMPTY] and contents(built.folder) == built.before
