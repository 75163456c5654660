"""The count of sentences with nothing behind them, which may fall and never rise; and that the count counts."""

import json
from pathlib import Path

import pytest
from support import claims

MOST = json.loads(Path(__file__).with_name("uncovered.json").read_text(encoding="utf-8"))  # {lesson: how many}


@pytest.mark.parametrize("lesson", claims.lessons())
def test_no_more_sentences_than_before_have_nothing_behind_them(lesson):
    found = claims.uncovered(lesson)
    assert len(found) <= MOST.get(lesson, 0), "\n".join(["a test, a source or a cell must stand behind:", *found])


@pytest.mark.parametrize("lesson", claims.lessons())
def test_the_stored_count_is_no_looser_than_it_need_be(lesson):
    assert len(claims.uncovered(lesson)) == MOST.get(lesson, 0), "lower the count in uncovered.json"


@pytest.mark.parametrize("lesson", sorted(claims.quotes()))
def test_every_quote_and_every_excuse_stands_in_its_lesson(lesson):
    text = claims.text_of(lesson)
    excused = claims.excused().get(lesson, {})
    assert [quote for quote in (*claims.quotes()[lesson], *map(claims.plain, excused)) if quote not in text] == []
    assert all(len(reason.split()) >= 3 for reason in excused.values()), "an excuse says why"


def test_a_quote_that_the_lesson_does_not_hold_fails():
    @claims.says("00", "Pythia was trained by a walrus")
    def claim():
        raise NotImplementedError

    with pytest.raises(AssertionError, match="lesson 00 no longer says: Pythia was trained by a walrus"):
        claim()


def test_sentences_are_told_from_questions_titles_and_tables():
    text = "# A title\n\nOne holds. **Does it?** Two (see [there](x.md)) hold\nas well.\n\n| a | b |\n|---|---|\n\n"
    stated = ["One holds.", "Two (see there) hold as well.", "An item is one."]
    assert claims.split(f"{text}- An item is one.") == stated


@pytest.mark.parametrize(
    ("text", "cell", "stands"),
    [
        ("It is 0.71.", {"source": "print(x)", "outputs": [{"text": ["score 0.71"]}]}, True),
        ("It is 0.72.", {"source": "print(x)", "outputs": [{"text": ["score 0.71"]}]}, False),
        ("It is 0.71, because it copies.", {"source": "print(x)", "outputs": [{"text": ["score 0.71"]}]}, False),
        ("Both are the same.", {"source": "assert_close(a, b)", "outputs": []}, True),
        ("Both are the same.", {"source": "a", "outputs": []}, False),
    ],
)
def test_what_the_cell_beside_shows_counts(text, cell, stands):
    assert claims.Sentence("00", text, (cell,)).stands_in_its_cells() == stands
