"""The logs of further seeds: complete, of the seed they name, and measured as the shipped one was."""

import numpy as np
import pytest

from pythia_course import load, suite
from pythia_course.tiny import seeds, train
from pythia_course.tiny.evaluate import evaluate
from pythia_course.tiny.models import new_model

pytestmark = pytest.mark.usefixtures("one_thread")
MORE = [(name, seed) for name in suite.TINY for seed in seeds.SEEDS if seed != 0]
more_seeds = pytest.mark.parametrize("name, seed", MORE)


@more_seeds
def test_a_further_seed_has_a_row_every_hundred_steps_with_the_columns_of_the_first(name, seed):
    log, first = train.training_log(name, seed=seed), train.training_log(name)
    assert set(log) == set(first)
    assert {*range(0, seeds.STOP + 1, 100)} <= set(log["step"].astype(int))
    assert all(np.isfinite(column).all() for column in log.values())


@more_seeds
def test_its_first_row_is_what_that_seed_starts_with(name, seed):
    log = train.training_log(name, seed=seed)
    for key, value in evaluate(new_model(name, seed, attn_implementation="eager"), seed).items():
        assert value == pytest.approx(log[key][0], abs=0.005), key


def test_the_seeds_are_different_draws():
    finals = [train.training_log("tiny-pythia", seed=seed)["loss_stories"][5] for seed in seeds.SEEDS]
    assert len(set(finals)) == len(finals)


def test_every_draw_has_its_losses_by_position():
    rows = seeds.length_losses()
    draws = {(row["name"], row["seed"]) for row in rows}
    assert draws == {(name, seed) for name in suite.TINY for seed in seeds.SEEDS}
    for draw in draws:
        bins = [row["first_position"] for row in rows if (row["name"], row["seed"]) == draw]
        assert bins == [*range(0, seeds.LONGEST, seeds.BIN)]


def test_losses_by_position_are_those_of_the_shipped_weights():
    rows = [row for row in seeds.length_losses() if (row["name"], row["seed"]) == ("tiny-gpt2", 0)]
    assert seeds.position_losses(load("tiny-gpt2").model) == pytest.approx([row["loss"] for row in rows], abs=0.02)


def test_an_unknown_draw_is_refused():
    with pytest.raises(ValueError, match="seeds 0, 1 and 2"):
        train.training_log("tiny-pythia", seed=7)
    with pytest.raises(ValueError, match="tiny-gpt3"):
        train.training_log("tiny-gpt3")
