"""Do the lessons run on models as large as the real ones, from a hub, in a Binder's memory?  Every other one."""

import pytest
from support.full_size import FIRST, assert_shows_full_size, hub, run_lesson  # noqa: F401  (a fixture)


@pytest.mark.parametrize("path", FIRST, ids=lambda path: path.stem)
def test_a_lesson_runs_on_a_full_size_model(path, hub, tmp_path):  # noqa: F811
    assert_shows_full_size(path, run_lesson(path, hub, tmp_path))
