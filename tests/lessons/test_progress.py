"""The map of the course: what it counts, and that eyes, ears and programs can read it."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from pythia_course.lessons import attempts, progress, shipped, tasks
from pythia_course.lessons.attempts import PASSED, RESET, TRIED, Record
from pythia_course.lessons.progress import CourseMap, Standing
from pythia_course.lessons.tasks import EXERCISE, PREDICTION, Lesson, Task

SINK = Task("versus.sink", EXERCISE, "versus.sink", "pythia_vs_gpt2", "cell-65")
GUESS = Task("pythia_vs_gpt2/cell-04", PREDICTION, "compare", "pythia_vs_gpt2", "cell-04")


def at(minute, did, task):
    return attempts.Attempt(f"2026-11-28T09:{minute:02}:00+00:00", did, task.check, task.lesson, task.cell, "0.2.0")


def standing(*did):
    record = Record([at(minute, one, SINK) for minute, one in enumerate(did)])
    return CourseMap(tasks.course(), record).standings["versus.sink"]


@pytest.mark.parametrize(
    ("did", "state", "expected"),
    [
        ([], "open", Standing()),
        ([TRIED], "tried", Standing(1)),
        ([TRIED, TRIED, PASSED], "solved", Standing(3, 3, "2026-11-28T09:02:00+00:00")),
        ([PASSED, TRIED, PASSED], "solved", Standing(3, 1, "2026-11-28T09:00:00+00:00")),
        ([PASSED, RESET], "open", Standing()),
        ([TRIED, PASSED, RESET, PASSED], "solved", Standing(1, 1, "2026-11-28T09:03:00+00:00")),
    ],
)
def test_a_task_is_solved_by_the_first_attempt_that_passes(did, state, expected):
    assert standing(*did) == expected and standing(*did).state == state


@pytest.fixture
def begun():
    """The map of one who solved an exercise of lesson 05 with the second attempt and guessed wrong once."""
    return CourseMap(tasks.course(), Record([at(1, TRIED, SINK), at(2, PASSED, SINK), at(3, TRIED, GUESS)]))


def test_the_text_says_in_words_what_the_signs_say(begun):
    text = repr(begun)
    (line,) = (line for line in text.splitlines() if line.startswith("05"))
    assert line.split("  ")[1] == "Pythia against GPT-2"
    assert "◐○○○○○○ 0 of 7, 1 tried" in line and line.endswith("○○○●○○ 1 of 6")
    exercises, predictions = (sum(len(lesson.of(kind)) for lesson in begun.course) for kind in (EXERCISE, PREDICTION))
    assert text.startswith(f"Predictions: 0 of {predictions}, 1 tried. Exercises: 1 of {exercises}.\n")
    assert text.endswith("● solved   ◐ tried   ○ open") and max(map(len, text.splitlines())) < 100


def test_the_page_is_a_table_with_headers_links_to_the_lessons_and_words_for_the_signs(begun):
    root = ElementTree.fromstring(f"<div>{begun._repr_html_().replace('&nbsp;', ' ')}</div>")
    assert [header.text for header in root.iter("th") if header.get("scope") == "col"] == [
        "Lesson", "Predictions", "Exercises",
    ]  # fmt: skip
    links = {link.get("href"): link.text for link in root.iter("a")}
    assert {f"notebooks/{href}" for href in links} == {name for name in shipped.lessons() if tasks.LESSON.match(name)}
    assert links["05_pythia_vs_gpt2.ipynb"] == "05 · Pythia against GPT-2"
    for span in root.iter("span"):
        if span.get("role") == "img":
            signs = "".join(span.itertext())
            words = ", ".join(f"{signs.count(sign)} {state}" for state, sign in progress.SIGNS.items())
            assert span.get("aria-label") == words
    assert root.find("table").get("style") and "color:inherit" in root.find("table").get("style")


def test_nothing_in_a_title_becomes_markup():
    hostile = Lesson("x", "00", "<img onerror=alert(1)> & “more”", (SINK,))
    page = CourseMap([hostile], Record())._repr_html_()
    assert "<img" not in page and "&lt;img onerror=alert(1)&gt; &amp; “more”" in page


def test_lines_that_do_not_count_are_spoken_of():
    shown = CourseMap(tasks.course(), Record(damaged=2, newer=1))
    for text in (repr(shown), shown._repr_html_()):
        assert "Lines of progress.jsonl that cannot be read, and do not count: 2." in text
        assert "Lines of progress.jsonl that only a later version can read: 1." in text


def test_scripts_get_the_same_as_plain_data(begun):
    said = json.loads(json.dumps(begun.as_json()))
    assert said.keys() == {"version", "lessons", "unreadable_lines", "newer_lines"} and said["version"] == 1
    assert [lesson["number"] for lesson in said["lessons"]] == [lesson.number for lesson in begun.course]
    assert all(lesson.keys() == {"lesson", "number", "title", "tasks"} for lesson in said["lessons"])
    asked = {task["task"]: task for lesson in said["lessons"] for task in lesson["tasks"]}
    assert asked["versus.sink"] == {
        "task": "versus.sink", "kind": "exercise", "state": "solved", "attempts": 2, "solved_with": 2,
        "solved_at": "2026-11-28T09:02:00+00:00",
    }  # fmt: skip
    assert asked["versus.path"] == {
        "task": "versus.path", "kind": "exercise", "state": "open", "attempts": 0, "solved_with": None,
        "solved_at": None,
    }  # fmt: skip
    assert len(asked) == sum(len(lesson.tasks) for lesson in begun.course)
