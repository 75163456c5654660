"""Every notebook is complete: opened as a lesson should be, short cells that were all run, outputs stored."""

import json
import re
from pathlib import Path

import pytest

from pythia_course.plots.described import LONGEST, MISSING

ROOT = Path(__file__).resolve().parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks/solutions").glob("*.ipynb"))


def name_of(path):
    return str(path.relative_to(ROOT / "notebooks"))


LOOSENED = re.compile(r"nbval[-_]", re.IGNORECASE)
# What lets a cell fail, or a command in it, and nbval pass: a tag, IPython's report replaced, a shell's exit status.
SILENCED = re.compile(
    r"^raises-exception$|showtraceback|set_custom_exc|InteractiveTB|^\s*([\w, ]+=\s*)?!|^\s*%%(bash|sh|script|!)",
    re.MULTILINE,
)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=name_of)
each_notebook = pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name_of)


def cells(path, kind=None):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if kind in (None, cell["cell_type"])]


def source(cell):
    return "".join(cell["source"])


def outputs(path):
    return [output for cell in cells(path, "code") for output in cell["outputs"]]


def has_picture(cell):
    return any("image/png" in output.get("data", {}) for output in cell["outputs"])


def test_the_first_lessons_are_here_and_each_has_its_solutions():
    numbers = [path.stem.split("_")[0] for path in LESSONS]
    assert numbers[:2] == ["00", "01"] and len(set(numbers)) == len(numbers)
    assert [path.stem.split("_")[0] for path in SOLUTIONS] == numbers


@each_lesson
def test_a_lesson_opens_with_its_title_its_question_and_what_one_will_be_able_to_do(path):
    first = cells(path)[0]
    assert first["cell_type"] == "markdown" and source(first).startswith("# ")
    assert "?" in source(first) and "you will be able to" in source(first).lower()
    assert re.search(r"\]\(\d\d_\w+\.ipynb\)", source(first)), "no link to the lesson before or after"


@each_lesson
def test_a_lesson_shows_a_picture_by_its_second_code_cell(path):
    imports, second = cells(path, "code")[:2]
    assert len(source(imports).splitlines()) <= 6
    assert has_picture(imports) or has_picture(second)


@each_notebook
def test_cells_are_short_and_all_were_run_in_order(path):
    code = cells(path, "code")
    long = [source(cell) for cell in code if len(source(cell).splitlines()) > 15]
    assert long == []
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))


@each_notebook
def test_outputs_are_stored_and_none_is_an_error_or_a_warning(path):
    assert outputs(path)
    assert [output for output in outputs(path) if output["output_type"] == "error"] == []
    assert [output["text"] for output in outputs(path) if output.get("name") == "stderr"] == []


@each_notebook
def test_what_a_run_would_write_differently_is_not_stored(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert "widgets" not in notebook["metadata"] and "version" not in notebook["metadata"]["language_info"]
    assert not any("widget-view" in kind for output in outputs(path) for kind in output.get("data", {}))
    assert not any("execution" in cell["metadata"] for cell in cells(path))


def says_nothing(output):
    text = output["metadata"].get("image/png", {}).get("alt", "")
    return len(text) < 40 or len(text) > LONGEST or MISSING in text


def lacking(path):
    return sum("image/png" in output.get("data", {}) and says_nothing(output) for output in outputs(path))


@each_lesson
def test_every_stored_figure_says_what_is_to_be_seen_on_it(path):
    number = path.stem.partition("_")[0]
    found = lacking(path) + sum(map(lacking, SOLUTIONS[0].parent.glob(f"{number}_*.ipynb")))
    assert found == 0, f"{found} figures of {path.stem} have no alt text: plots.alt(ax, …)"


@each_notebook
def test_no_cell_asks_to_be_compared_less_strictly_or_passes_though_it_fails(path):
    asked = [source(cell) for cell in cells(path, "code")]
    asked += [tag for cell in cells(path) for tag in cell["metadata"].get("tags", [])]
    assert [text for text in asked if LOOSENED.search(text) or SILENCED.search(text)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("raises-exception", True), ("get_ipython().showtraceback = print", True), ("x = 1\n!exit 3", True),
        ("files = !ls", True), ("%%bash\nexit 3", True), ("assert a != b\nx = a if not b else 'wow!'", False),
        ("hide-input", False), ("checks.compare(guess, 3)  # !", False),
    ],
)  # fmt: skip
def test_what_would_silence_a_failing_cell_is_known(text, found):
    assert bool(SILENCED.search(text)) is found
