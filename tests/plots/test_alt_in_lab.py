"""JupyterLab gives a picture its alt text: one that was stored, and one that is drawn now."""

import nbformat

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ALTS = "() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(image => image.alt)"


def test_stored_and_live_pictures_have_their_alt_text(browser, shared_lab):
    stored = nbformat.v4.new_output("display_data", {"image/png": PIXEL}, metadata={"image/png": {"alt": "a <b> & c"}})
    draw = "from pythia_course import plots\nax = plots.head_scores([[0.25]], title='live')"
    with shared_lab.opened(browser, "alt", [nbformat.v4.new_code_cell("1", outputs=[stored]), draw]) as page:
        assert page.evaluate(ALTS) == ["a <b> & c"]
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        page.locator(".jp-OutputArea-output img[alt^='live. Heat map']").wait_for()
