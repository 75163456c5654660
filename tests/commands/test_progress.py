"""`pythia-course progress`: where it looks, what it shows, and what a reset leaves."""

import json
import os
from io import StringIO
from types import SimpleNamespace

import pytest
from support.shell import failed, here_fixture, no_more_than_others, read_only, shell  # noqa: F401

from pythia_course.commands import folder
from pythia_course.lessons import attempts, shipped, tasks
from pythia_course.lessons.attempts import PASSED, TRIED
from pythia_course.lessons.progress import CourseMap

DONE = [(TRIED, "versus.sink", "pythia_vs_gpt2", "cell-65"), (PASSED, "versus.sink", "pythia_vs_gpt2", "cell-65"),
        (TRIED, "versus.path", "pythia_vs_gpt2", "cell-61"), (PASSED, "compare", "start_here", "cell-06")]  # fmt: skip


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A learner's folder in a home that has no other, and what was done there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    place = tmp_path / "pythia-course"
    folder.bring({shipped.FIRST: shipped.lessons()[shipped.FIRST]}, place, "1")
    for done in DONE:
        attempts.add(place / "notebooks" / attempts.FILE, attempts.now(*done))
    return SimpleNamespace(home=tmp_path, folder=place, file=place / "notebooks" / attempts.FILE)


def states(here):
    asked = json.loads(here("progress", "--json").stdout)["lessons"]
    return {task["task"]: task["state"] for lesson in asked for task in lesson["tasks"] if task["state"] != "open"}


BEGUN = {"versus.sink": "solved", "versus.path": "tried", "start_here/cell-06": "solved"}


def test_it_prints_the_map_of_the_folder_at_home(mine, here):
    done = here("progress")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == f"{CourseMap(tasks.course(), attempts.read(mine.file))}\n" and states(here) == BEGUN


@pytest.mark.parametrize("named", ["{home}/lessons", "{home}/lessons/notebooks", "~/lessons", "../lessons"])
def test_or_of_the_one_that_is_named(mine, here, named):
    mine.folder.rename(mine.home / "lessons")
    assert "Exercises: 1 of" in here("progress", named.format(home=mine.home)).stdout


def test_or_of_the_one_it_is_called_in(mine, here, monkeypatch):
    mine.folder.rename(mine.home / "lessons")
    for place in ("lessons", "lessons/notebooks"):
        monkeypatch.chdir(mine.home / place)
        assert states(here) == BEGUN


def test_without_lessons_it_says_where_it_looked(mine, here):
    mine.folder.rename(mine.home / "lessons")
    said = failed(here("progress"), 2)
    assert said.startswith(f"There are no lessons in {mine.home}/elsewhere or {mine.home}/pythia-course: name")
    assert failed(here("progress", "nowhere"), 2).startswith("There are no lessons in nowhere: ")


def test_tasks_are_listed_with_their_names_and_how_they_went(mine, here):
    said = here("progress", "--tasks").stdout.splitlines()
    (sink,) = (line for line in said if " versus.sink " in line)
    assert sink.startswith("    ● exercise    versus.sink  ") and sink.endswith(", with attempt 2")
    (path,) = (line for line in said if " versus.path " in line)
    assert path.endswith(" tried, attempts: 1")
    (other,) = (line for line in said if " versus.untied " in line)
    assert other.startswith("    ○ exercise") and other.endswith(" open")
    assert len(said) == sum(1 + len(lesson.tasks) for lesson in tasks.course())


@pytest.mark.parametrize(
    ("what", "open_again", "left"),
    [
        ("versus.sink", "versus.sink", {"versus.path", "start_here/cell-06"}),
        ("start_here/cell-06", "start_here/cell-06", {"versus.sink", "versus.path"}),
        ("05", "versus.path, versus.sink", {"start_here/cell-06"}),
        ("pythia_vs_gpt2", "versus.path, versus.sink", {"start_here/cell-06"}),
        ("05_pythia_vs_gpt2", "versus.path, versus.sink", {"start_here/cell-06"}),
    ],
)
def test_a_reset_opens_what_is_named_and_nothing_else(mine, here, what, open_again, left):
    before = mine.file.read_bytes()
    assert here("progress", "--reset", what).stdout == f"Open again: {open_again}.\n"
    assert states(here).keys() == left and mine.file.read_bytes().startswith(before)
    assert here("progress", "--reset", what).stdout == f"Nothing was tried of {what} yet.\n"
    attempts.add(mine.file, attempts.now(*DONE[1]))
    assert states(here)["versus.sink"] == "solved"


@pytest.mark.parametrize(
    ("what", "hint"),
    [
        ("versus.sinc", "the nearest is versus.sink"), ("99", "`pythia-course progress --tasks` lists them"),
        ("", "`pythia-course"), ("../..", "`pythia-course"), ("compare", "`pythia-course"),
        ("🙂\n" * 500, "`pythia-course"),
    ],
    ids=range(6),
)  # fmt: skip
def test_a_name_that_is_none_is_refused_in_one_sentence(mine, here, what, hint):
    before = mine.file.read_bytes()
    said = failed(here("progress", "--reset", what), 2)
    assert said.startswith("There is no task or lesson of the name ") and hint in said and len(said) < 300
    assert mine.file.read_bytes() == before


def terminal(monkeypatch, answer):
    """Somebody sits at a terminal and types this."""
    typed = StringIO(answer)
    typed.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", typed)


def test_a_reset_of_everything_asks_first(mine, here, monkeypatch):
    assert failed(here("progress", "--reset", "all"), 2).startswith("There is nobody to ask: add --yes.")
    for no in ("\n", "n\n", "", "what?\n"):
        terminal(monkeypatch, no)
        done = here("progress", "--reset", "all")
        assert done.returncode == 1 and done.stdout.endswith("Nothing was reset.\n") and states(here) == BEGUN
    terminal(monkeypatch, "y\n")
    done = here("progress", "--reset", "all")
    assert f"Delete {mine.file} and with it all your progress? [y/N] " in done.stdout
    assert done.returncode == 0 and not mine.file.exists() and states(here) == {}


def test_or_takes_a_yes_on_the_line(mine, here):
    assert here("progress", "--reset", "all", "--yes").stdout.endswith(f"open again: {mine.file} is deleted.\n")
    assert not mine.file.exists()
    assert here("progress", "--reset", "all", "--yes").stdout == "Nothing was tried yet.\n"


def test_what_cannot_be_read_is_said_in_one_sentence(mine, here):
    mine.file.unlink()
    mine.file.mkdir()
    for words in ([], ["--json"], ["--reset", "versus.sink"], ["--reset", "all", "--yes"]):
        said = failed(here("progress", *words))
        assert said.startswith("This machine refused something that is needed: ") and said.endswith(f" ({mine.file}).")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights, and no fork")
def test_where_nothing_can_be_written_a_reset_says_so(mine):
    hub = SimpleNamespace(url="http://127.0.0.1:9", cache=mine.home)
    read_only(mine.folder, True)
    try:
        words = ("progress", mine.folder, "--reset", "versus.sink")
        said = failed(shell(hub, *words, preexec_fn=no_more_than_others))
    finally:
        read_only(mine.folder, False)
    assert said == f"This machine refused something that is needed: Permission denied ({mine.file})."


def test_a_damaged_file_is_shown_as_far_as_it_reads(mine, here):
    with open(mine.file, "ab") as file:
        file.write(b'{"v": 1, "at": "20')
    done = here("progress")
    assert done.returncode == 0 and "cannot be read, and do not count: 1." in done.stdout and states(here) == BEGUN


def test_lab_neither_writes_over_nor_deletes_it(mine):
    before = mine.file.read_bytes()
    for version in ("1", "2"):
        folder.bring(shipped.lessons(), mine.folder, version)
    assert mine.file.read_bytes() == before
    assert not any(attempts.FILE in name for name in shipped.lessons())


def test_in_a_terminal_of_few_characters_the_map_still_reads(mine):
    hub = SimpleNamespace(url="http://127.0.0.1:9", cache=mine.home)
    done = shell(hub, "progress", mine.folder, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "? " not in done.stdout and "* solved   + tried   . open" in done.stdout


def test_a_clone_stays_clean_and_make_clean_leaves_it():
    clone = shipped.PACKAGE.parent
    assert attempts.FILE in (clone / ".gitignore").read_text(encoding="utf-8").splitlines()
    recipe = (clone / "Makefile").read_text(encoding="utf-8").partition("\nclean:")[2].partition("\n\n")[0]
    assert "rm -rf" in recipe and "jsonl" not in recipe and "*.*" not in recipe and "notebooks" not in recipe
