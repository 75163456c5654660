"""Do the lessons run on models as large as the real ones, from a hub, in a Binder's memory?  The others."""

import pytest
from support import limits
from support.full_size import SECOND, VERSUS, assert_shows_full_size, hub, run_lesson  # noqa: F401  (a fixture)


@pytest.mark.parametrize("path", SECOND, ids=lambda path: path.stem)
def test_a_lesson_runs_on_a_full_size_model(path, hub, tmp_path):  # noqa: F811
    assert_shows_full_size(path, run_lesson(path, hub, tmp_path))


@pytest.mark.skipif(limits.memory_cgroups() is None, reason="only root may hold a process to a memory limit")
def test_where_memory_is_short_the_lesson_takes_half_as_much(hub, tmp_path):  # noqa: F811
    """Until both are seen beside each other; `make bench` measures how little memory the whole lesson needs.

    A part, because bfloat16 is slow on processors that have no instructions for it.
    """
    shown = run_lesson(VERSUS, hub, tmp_path, megabytes=1300, until="compare(pythia, gpt2, text)")
    assert "pythia-160m" in shown and "tied to the embedding" in shown
