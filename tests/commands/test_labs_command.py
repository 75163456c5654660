"""`pythia-course labs`: what is refused, in one sentence, before anything is made."""

import os
import sys

import pytest
from support.grader import nbgrader_here  # noqa: F401  (a fixture)

from pythia_course.__main__ import main
from pythia_course.errors import FolderRefused, GraderMissing, LessonsMissing
from pythia_course.labs import course
from pythia_course.lessons import shipped

pytestmark = pytest.mark.usefixtures("nbgrader_here")


def said(capsys, *arguments):
    """(exit code, what came on stderr)."""
    return main(["labs", *map(str, arguments)]), capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "marks").write_text("of last year")
    code, sentence = said(capsys, tmp_path)
    assert code == 1 and "is not empty, and marks may be in it: name a new folder." in sentence
    assert [path.name for path in tmp_path.iterdir()] == ["marks"]


def test_a_file_in_the_way_is_said(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, sentence = said(capsys, tmp_path / "file")
    assert code == 1 and "cannot be used (File exists)" in sentence


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0 and not os.path.exists("/proc/self"), reason="needs /proc")
def test_a_place_that_cannot_be_written_is_said(capsys):
    code, sentence = said(capsys, "/proc/self/labs")
    assert code == 1 and "cannot be used" in sentence and sentence.count("\n") == 1


def test_without_nbgrader_one_sentence_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    code, sentence = said(capsys, tmp_path / "out")
    assert code == 1 and "python -m pip install nbgrader==0.9.6" in sentence and sentence.count("\n") == 1
    assert not (tmp_path / "out").exists()
    with pytest.raises(GraderMissing):
        course.build(shipped.lessons(), tmp_path / "out")


def test_an_assignment_that_is_not_there_is_said_with_those_that_are(tmp_path, capsys):
    code, sentence = said(capsys, tmp_path / "out", "lab_3")
    assert code == 2 and "There is no assignment lab_3; there are lab_1_attention_and_induction, lab_2" in sentence
    assert not (tmp_path / "out").exists()


def test_lessons_without_solutions_are_refused(tmp_path):
    without = {name: path for name, path in shipped.lessons().items() if "solutions" not in name}
    with pytest.raises(LessonsMissing, match="came without solutions: 00_start_here"):
        course.build(without, tmp_path / "out")


def test_one_lesson_in_both_versions_with_a_readme_of_six_lines(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["labs", "out", "08_memorisation"]) == 0
    assert "1 assignments in" not in capsys.readouterr().out
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {f"out/{name}" for name in (
        "README.md", "gradebook.db", "nbgrader_config.py",
        "release/08_memorisation/08_memorisation.ipynb", "source/08_memorisation/08_memorisation.ipynb",
    )}  # fmt: skip
    released = (tmp_path / "out/release/08_memorisation/08_memorisation.ipynb").read_text(encoding="utf-8")
    assert "def solution" not in released and "Nob" not in released and course.STUB in released
    assert len((tmp_path / "out/README.md").read_text(encoding="utf-8").splitlines()) == 6
    assert os.getcwd() == str(tmp_path)


def test_a_disk_that_is_full_in_the_middle_is_said(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(course.nbformat, "write", full)
    with pytest.raises(FolderRefused, match="No space left on device"):
        course.build(shipped.lessons(), tmp_path / "out", ["08_memorisation"])
    assert not [*(tmp_path / "out").iterdir()]


def test_when_nbgrader_fails_the_same_line_can_be_tried_again(tmp_path, capsys, monkeypatch):
    """It fails here as it does where its alembic is not to be found."""
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setenv("PATH", os.environ["PATH"])  # put back after the configuration has changed it
        patch.setattr(course, "CONFIG", course.CONFIG + 'os.environ["PATH"] = "nowhere"\n')
        code, sentence = said(capsys, out, "08_memorisation")
    assert code == 1 and "nbgrader made no student's version of 08_memorisation" in sentence and "alembic" in sentence
    assert not [*out.iterdir()]
    assert said(capsys, out, "08_memorisation")[0] == 0
