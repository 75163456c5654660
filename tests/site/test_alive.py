"""Which cells of a lesson the site runs for a widget: those that it needs, and no other."""

from pythia_course.site.alive import needed


class Cell:
    cell_type = "code"

    def __init__(self, source):
        self.source = source


def places(*sources):
    return needed([Cell(source) for source in sources], len(sources) - 1)


def test_only_those_cells_are_run_that_a_widget_needs():
    sources = [
        "import math as m", "a = m.pi", "unused = 1 / 0", "def f(x):\n    return x + a",
        "for b in range(3):\n    print(b)", "d = {}", "d['k'] = f(1)", "c = [b for b in range(2)]", "(d, c)",
    ]  # fmt: skip
    assert places(*sources) == [0, 1, 3, 5, 6, 7, 8]


def test_what_a_cell_makes_of_what_it_was_needs_the_cell_that_made_that():
    assert places("texts = 'abc'", "order = [2]", "texts = [texts[i] for i in order]", "texts") == [0, 1, 2, 3]
    assert places("total = 1", "x = 2", "total += x", "total") == [0, 1, 2, 3]
    assert places("rows = [1]", "rows = {row for rows in [2] for row in rows}", "rows") == [1, 2]
    assert places("rows = [1]", "rows = [rows for rows in rows]", "rows") == [0, 1, 2]
    assert places("a = 1", "a = 2\na += 1\na = [a for b in 'c']", "a") == [1, 2]
