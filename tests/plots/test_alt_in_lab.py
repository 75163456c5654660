"""JupyterLab gives a picture its alt text: one that was stored, and one that is drawn now."""

from pathlib import Path

import nbformat
from support.lab import jupyterlab, wait_for_kernel

COURSE = Path(__file__).resolve().parents[2] / "jupyter"  # which the Makefile and binder/postBuild copy
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ALTS = "() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(image => image.alt)"


def test_stored_and_live_pictures_have_their_alt_text(browser, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(COURSE))
    (tmp_path / "lesson").mkdir()
    stored = nbformat.v4.new_output("display_data", {"image/png": PIXEL}, metadata={"image/png": {"alt": "a <b> & c"}})
    draw = "from pythia_course import plots\nax = plots.head_scores([[0.25]], title='live')"
    cells = [nbformat.v4.new_code_cell("1", outputs=[stored]), nbformat.v4.new_code_cell(draw)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "lesson/a.ipynb")
    with jupyterlab(tmp_path / "lesson") as address:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{address}/lab/workspaces/alt/tree/a.ipynb?reset")
        wait_for_kernel(page)
        assert page.evaluate(ALTS) == ["a <b> & c"]
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        page.locator(".jp-OutputArea-output img[alt^='live. Heat map']").wait_for()
        page.close()
