"""`pythia-course lab` without its JupyterLab: which files come, which stay, and what is said where nothing can."""

import errno
import json
import os
import re
import subprocess
import sys

import pytest
from support.shell import failed, here_fixture, no_more_than_others, read_only  # noqa: F401

from pythia_course.commands import folder, lab
from pythia_course.errors import FolderRefused, LessonsMissing
from pythia_course.lessons import shipped

LESSON, OTHER = "notebooks/00_start_here.ipynb", "notebooks/solutions/00_start_here.ipynb"
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights, and no fork")
BESIDE = "notebooks/00_start_here_new_in_2.ipynb"


@pytest.fixture
def bring(tmp_path):
    """Bring lessons of these contents, {name: text}, into a folder; gives the report."""

    def bring(version, **contents):
        files = {LESSON: contents["lesson"], OTHER: contents.get("other", "other")}
        paths = {}
        for name, text in files.items():
            paths[name] = tmp_path / "shipped" / name
            paths[name].parent.mkdir(parents=True, exist_ok=True)
            paths[name].write_text(text)
        return folder.bring(paths, tmp_path / "mine", version)

    return bring


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "mine"


def read(mine):
    """{name: text} of the learner's folder, without our own records."""
    files = [path for path in mine.rglob("*") if path.is_file() and folder.OWN not in path.parts]
    return {path.relative_to(mine).as_posix(): path.read_text() for path in files}


def test_the_first_time_everything_comes_and_the_second_time_nothing(bring, mine):
    assert bring("1", lesson="one").new == [LESSON, OTHER]
    assert read(mine) == {LESSON: "one", OTHER: "other"}
    record = (mine / folder.OWN / folder.BROUGHT).stat().st_mtime_ns
    assert bring("1", lesson="one") == folder.Brought()
    assert (mine / folder.OWN / folder.BROUGHT).stat().st_mtime_ns == record


def test_what_was_not_changed_gives_way_to_its_new_version(bring, mine):
    bring("1", lesson="one")
    assert bring("2", lesson="two") == folder.Brought(updated=[LESSON])
    assert read(mine) == {LESSON: "two", OTHER: "other"}


def test_what_was_changed_stays_and_the_new_version_comes_beside_it_once(bring, mine):
    bring("1", lesson="one")
    (mine / LESSON).write_text("my answers")
    assert bring("1", lesson="one") == folder.Brought(kept=[LESSON])
    assert bring("2", lesson="two") == folder.Brought(kept=[LESSON], beside=[BESIDE])
    assert read(mine) == {LESSON: "my answers", BESIDE: "two", OTHER: "other"}
    (mine / BESIDE).unlink()  # not wanted
    assert bring("2", lesson="two") == folder.Brought(kept=[LESSON])


def test_work_in_the_copy_beside_is_not_written_over_either(bring, mine):
    bring("1", lesson="one")
    (mine / LESSON).write_text("my answers")
    bring("2", lesson="two")
    (mine / BESIDE).write_text("more answers")
    assert bring("2", lesson="two, mended").beside == [BESIDE.replace("_2", "_2.2")]
    assert read(mine)[BESIDE] == "more answers" and read(mine)[LESSON] == "my answers"


def test_a_lesson_that_is_gone_comes_again(bring, mine):
    bring("1", lesson="one")
    (mine / LESSON).unlink()
    assert bring("1", lesson="one").new == [LESSON] and read(mine)[LESSON] == "one"


@pytest.mark.parametrize("record", [None, "", "{", "[]", '{"files": 3}', '{"files": {"a": null}}', "\udcff"])
def test_without_a_readable_record_every_file_counts_as_the_learner_s(bring, mine, record):
    bring("1", lesson="one")
    path = mine / folder.OWN / folder.BROUGHT
    path.unlink()
    if record is not None:
        path.write_bytes(record.encode("utf-8", "surrogateescape"))
    assert bring("2", lesson="two") == folder.Brought(kept=[LESSON], beside=[BESIDE])
    assert read(mine) == {LESSON: "one", BESIDE: "two", OTHER: "other"}


def test_somebody_else_s_file_of_that_name_stays(bring, mine):
    (mine / LESSON).parent.mkdir(parents=True)
    (mine / LESSON).write_text("not of this course")
    report = bring("2", lesson="two")
    assert report.beside == [BESIDE] and read(mine)[LESSON] == "not of this course"


def refused(bring):
    with pytest.raises(FolderRefused) as error:
        bring("1", lesson="one")
    assert str(error.value).endswith(".") and "\n" not in str(error.value)
    return str(error.value)


def test_a_file_where_the_folder_should_be(bring, mine):
    mine.write_text("a file")
    assert refused(bring).startswith(f"{mine} is a file, and the lessons need a folder: name another")
    assert mine.read_text() == "a file"


def test_a_folder_where_a_lesson_should_be(bring, mine):
    (mine / LESSON).mkdir(parents=True)
    assert refused(bring) == f"{mine / LESSON} is a folder, where a lesson should be: move it away."


def test_a_disk_without_room_is_said_before_anything_is_written(bring, mine, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 4_000_000}))
    assert "they take 5.0 MB, and 4.0 MB are free" in refused(bring) and not mine.exists()


def test_a_disk_that_fills_up_on_the_way_leaves_no_half_file(bring, mine, monkeypatch):
    real, calls = os.fsync, []

    def fsync(number):
        calls.append(number)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    assert "the disk is full" in refused(bring)
    assert read(mine) == {LESSON: "one"}
    monkeypatch.undo()
    assert bring("1", lesson="one").new == [OTHER]


@POSIX_ONLY
def test_a_folder_of_somebody_else_s(tmp_path):
    """In a process that gives up root's right to write everywhere."""
    closed = tmp_path / "closed"
    closed.mkdir()
    read_only(closed, True)
    command = [sys.executable, "-m", "pythia_course", "lab", str(closed / "lessons")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=no_more_than_others)
    read_only(closed, False)
    sentence = failed(done)
    assert sentence.startswith(f"The lessons cannot be written to {closed / 'lessons'} (Permission denied")
    assert sentence.endswith("name a folder of your own, as in `pythia-course lab lessons`.")


def test_killed_at_any_moment_the_next_run_mends_it(bring, mine, tmp_path):
    """Killed between two files: what came is whole, the record lacks it, and the next run takes it as it is."""
    bring("1", lesson="one")
    (mine / folder.OWN / folder.BROUGHT).unlink()
    (mine / OTHER).unlink()
    assert bring("1", lesson="one") == folder.Brought(new=[OTHER])
    assert bring("2", lesson="two") == folder.Brought(updated=[LESSON])


# ----------------------------------------------------------------------------------------------- the lessons themselves


def test_every_lesson_comes_with_what_it_links_to(tmp_path):
    names = set(shipped.lessons())
    assert {path.name for path in (shipped.PACKAGE.parent / "notebooks").glob("*.ipynb")} <= {n[10:] for n in names}
    folder.bring(shipped.lessons(), tmp_path, "1")
    for name in names:
        cells = json.loads((tmp_path / name).read_text(encoding="utf-8"))["cells"] if name.endswith("ipynb") else []
        for text in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"):
            for target in links(text):
                assert (tmp_path / name).parent.joinpath(target).is_file(), f"{name} links to {target}"


def links(text):
    return {target.partition("#")[0] for target in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", text)}


def test_an_installation_without_lessons_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "site-packages/pythia_course")
    monkeypatch.setattr(shipped, "files", lambda name: [])
    with pytest.raises(LessonsMissing, match="has no lessons .*--force-reinstall --no-deps pythia-course`.$"):
        shipped.lessons()


# ------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What JupyterLab is started with, instead of starting it."""
    flags = []
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", flags.extend)
    monkeypatch.setattr("jupyter_server.serverapp.list_running_servers", lambda: [])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "before")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    return flags


def test_without_a_word_it_is_a_folder_at_home(here, started, tmp_path):
    done = here("lab", "--no-browser", "--port", 9000)
    mine = tmp_path / "pythia-course"
    assert done.returncode == 0 and done.stdout.startswith(f"Brought {len(shipped.lessons())} files to {mine}.")
    assert {f"--ServerApp.root_dir={mine}", "--port=9000", "--no-browser"} <= set(started)
    assert f"--LabApp.default_url=/lab/tree/{shipped.FIRST}" in started
    assert os.environ["JUPYTER_CONFIG_PATH"] == os.pathsep.join([str(lab.SETTINGS), "before"])
    assert json.loads((lab.SETTINGS / "labconfig/default_setting_overrides.json").read_text())


def test_the_tabs_of_last_time_open_again(here, started, tmp_path):
    here("lab")
    kept = tmp_path / "pythia-course" / folder.OWN / "workspaces"
    kept.mkdir()
    (kept / "default.jupyterlab-workspace").write_text('{"data": {"notebook:notebooks/02.ipynb": {}}}')
    started.clear()
    assert here("lab").stdout.startswith(f"Nothing new for {tmp_path / 'pythia-course'}.")
    assert "--LabApp.default_url=/lab" in started


def test_what_was_left_alone_is_said(here, started, tmp_path):
    here("lab", tmp_path / "mine")
    (tmp_path / "mine" / LESSON).write_text("my answers")
    assert here("lab", tmp_path / "mine").stdout.startswith("Left as you changed them: 00_start_here.\n")


def test_in_a_clone_the_lessons_are_opened_as_they_are(here, started):
    clone = shipped.PACKAGE.parent
    done = here("lab", clone)
    assert done.stdout.startswith(f"{clone} is a clone of the course")
    assert f"--ServerApp.root_dir={clone}" in started and not (clone / folder.OWN / folder.BROUGHT).exists()


def test_a_port_that_is_none(here, started):
    assert "A port is a number below 65536, and 70000 came." in failed(here("lab", "--port", 70000), code=2)
    assert started == []


def test_one_that_is_at_work_in_the_folder_is_opened_again(here, started, tmp_path, monkeypatch):
    others = [
        {"url": f"http://localhost:{port}/", "token": "abc", "root_dir": str(tmp_path / name)}
        for port, name in ((8888, "other"), (8889, "mine"))
    ]
    opened = []
    monkeypatch.setattr("jupyter_server.serverapp.list_running_servers", lambda: others)
    monkeypatch.setattr("webbrowser.open", opened.append)
    address = "http://localhost:8889/lab?token=abc"
    assert f"at work there already: {address}\n" in here("lab", tmp_path / "mine").stdout
    assert opened == [address] and started == []
    here("lab", tmp_path / "mine", "--no-browser")
    assert opened == [address]
