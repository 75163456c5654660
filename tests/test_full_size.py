"""Do the lessons run on models as large as the real ones, from a hub, in a Binder's memory?  The first four."""

import pytest
from support.full_size import NOTEBOOKS, hub, run_lesson  # noqa: F401  (a fixture)

LESSONS = sorted(NOTEBOOKS.glob("0[0-3]_*.ipynb"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_on_a_full_size_model(path, hub, tmp_path):  # noqa: F811
    shown = run_lesson(path, hub, tmp_path)
    assert "pythia-160m" in shown and "<Figure" in shown
