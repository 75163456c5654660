"""A lesson that was only opened in JupyterLab is not a changed one, though its kernel's name and version go into it."""

from pathlib import Path

import pytest

LESSON = Path(__file__).resolve().parents[1] / "notebooks/10_pythia_and_gpt_neo.ipynb"
MODEL = "jupyterapp.shell.currentWidget.context.model"
NAME = "Python 3 (ipykernel)"
WRITTEN = (
    f"() => {MODEL}.getMetadata('language_info').version && {MODEL}.getMetadata('kernelspec').display_name === '{NAME}'"
)
CHANGES = {
    "another version": ("model.setMetadata('language_info', { name: 'python', version: '3.0' })", False),
    "another kernel": ("model.setMetadata('kernelspec', { name: 'xpython', display_name: 'Python 3' })", True),
    "other metadata": ("model.setMetadata('authors', [{ name: 'me' }])", True),
    "a cell": ("model.cells.get(0).sharedModel.setSource('mine')", True),
    "a cell, and then the kernel writes": (
        "model.cells.get(0).sharedModel.setSource('mine'); model.setMetadata('language_info', { name: 'python' })",
        True,
    ),
}


@pytest.fixture(scope="module")
def opened(browser, shared_lab):
    """(page, whether it counts as changed): the lesson as it is stored, after its kernel has said what it is."""
    with shared_lab.opened(browser, "untouched", LESSON) as page:
        page.wait_for_function(WRITTEN)  # in two parts, one after the other
        yield page, page.evaluate(f"() => {MODEL}.dirty")


def test_opening_is_no_change(opened):
    _, changed = opened
    assert changed is False


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_a_person_changes_is_a_change(opened, change):
    page, _ = opened
    code, changed = CHANGES[change]
    before = f"const model = {MODEL}; model.dirty = false"
    assert page.evaluate(f"() => {{ {before}; {code}; return model.dirty; }}") is changed
