"""Do the lessons run on models as large as the real ones, from a hub, in a Binder's memory?  From lesson 05 on."""

import pytest
from support import limits
from support.full_size import NOTEBOOKS, hub, run_lesson  # noqa: F401  (a fixture)

LESSONS = sorted(NOTEBOOKS.glob("0[4-9]_*.ipynb"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_on_a_full_size_model(path, hub, tmp_path):  # noqa: F811
    shown = run_lesson(path, hub, tmp_path)
    assert "pythia-160m" in shown and "<Figure" in shown
    # what only a real GPT-2 has, so that a lesson in which the name is spelt otherwise does not pass unmoved
    assert "tied to the embedding" in shown or not path.stem.startswith("04")


@pytest.mark.skipif(limits.memory_cgroups() is None, reason="only root may hold a process to a memory limit")
def test_where_memory_is_short_lesson_04_takes_half_as_much(hub, tmp_path):  # noqa: F811
    shown = run_lesson(LESSONS[0], hub, tmp_path, megabytes=1300)
    assert "pythia-160m" in shown and "tied to the embedding" in shown
