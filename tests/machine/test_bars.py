"""The progress bar: late, gone at the end, silent where nobody looks, and without a text in a notebook."""

import io
import sys
import textwrap
import time

import nbformat
import pytest
from nbclient import NotebookClient

from pythia_course.machine import bars


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal(monkeypatch):
    """A terminal in the place of stderr.  No fixture: pytest puts its own back between set-up and test."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


def test_what_is_quick_shows_nothing(monkeypatch):
    screen = terminal(monkeypatch)
    with bars.bar(3, "Measuring") as shown:
        for _ in range(3):
            shown.update()
            shown.tell("12 MB of 30 MB")
    assert screen.getvalue() == ""


def test_what_takes_long_shows_the_remaining_time_and_wipes_it_away(monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setattr(bars, "SECONDS_BEFORE_IT_SHOWS", 0.2)
    with bars.bar(4, "Measuring tiny-pythia") as shown:
        for _ in range(3):
            time.sleep(0.15)
            shown.update()
        shown.tell("12 MB of 30 MB")
    said = screen.getvalue()
    assert "Measuring tiny-pythia" in said and "3/4" in said and "<00:0" in said
    assert said.rsplit("\r", 2)[1].strip() == "" and said.endswith("\r")  # the last thing drawn is blank


def test_a_text_is_shown_behind_the_numbers_when_the_time_has_come(monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setattr(bars, "SECONDS_BEFORE_IT_SHOWS", 0.05)
    with bars.bar(4, "Measuring") as shown:
        time.sleep(0.3)
        shown.tell("12 MB of 30 MB")
    assert "12 MB of 30 MB" in screen.getvalue()
    assert screen.getvalue().rsplit("\r", 2)[1].strip() == ""


@pytest.mark.parametrize("show", [True, False])
def test_a_file_or_a_pipe_stays_clean(show, monkeypatch):
    monkeypatch.setattr(bars, "SECONDS_BEFORE_IT_SHOWS", 0.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO() if show else Terminal())
    with bars.bar(2, "Measuring", show=show) as shown:
        time.sleep(0.11)
        shown.update()
        shown.tell("more")
    assert sys.stderr.getvalue() == ""


def test_in_a_notebook_it_is_a_widget_that_leaves_nothing_behind(tmp_path):
    source = """
    import time
    from pythia_course.machine import bars
    bars.SECONDS_BEFORE_IT_SHOWS = {seconds}
    with bars.bar(3, "Measuring", show={show}) as shown:
        for _ in range(3):
            time.sleep(0.15)
            shown.update()
            shown.tell("12 MB of 30 MB")
    [shown.n, getattr(shown, "displayed", None)]
    """
    cells = [
        nbformat.v4.new_code_cell(textwrap.dedent(source.format(seconds=seconds, show=show)))
        for seconds, show in ((0.2, True), (60, True), (0.2, False))
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", timeout=60, resources=where).execute()
    late, early, none = (cell.outputs for cell in notebook.cells)
    assert [list(output.data) for output in late] == [[], ["text/plain"]]  # shown, and emptied when it was done
    said = [output.data["text/plain"] for output in (late[-1], *early, *none)]
    assert said == ["[3, True]", "[3, False]", "[0, None]"]
