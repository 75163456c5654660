"""Is the part of a notebook that uses something all that uses it, with all that it needs?"""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from support.slices import part_with

CELLS = {
    "imports": "import numpy as np\nfrom course import load",
    "opens": "lm, tiny = load(), load('tiny')",
    "of the other": "small = tiny.trace('a')",
    "a text": "text = 'a'",
    "a list": "rows = []",
    "uses it": "trace = lm.trace(text)",
    "adds to the list": "for row in trace:\n    rows.append(row)",
    "a function": "def loss(tokens):\n    return lm.loss(tokens)",
    "by the function": "costs = {}\ncosts[0] = loss(text)",
    "nothing to do with it": "other = [lm for lm in small]\nnumber = np.sum(other)",
    "made anew": "trace = tiny.trace('b')",
    "of what was made anew": "shown = trace.logits",
    "of the list": "print(rows)",
    "of what was put in": "costs[0] + 1",
}


@pytest.fixture
def kept():
    named = {source: name for name, source in CELLS.items()}
    cells = [new_markdown_cell("text"), *(new_code_cell(source) for source in CELLS.values())]
    return [named[cell.source] for cell in part_with(cells, lambda statement: "load()" in statement)]


def test_what_uses_it_is_kept_with_all_that_this_needs_and_nothing_else(kept):
    without = {"of the other", "nothing to do with it", "made anew", "of what was made anew"}
    assert kept == [name for name in CELLS if name not in without]
