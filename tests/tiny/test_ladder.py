"""Tiny Pythias of other sizes and seeds: what ships, what opens them, and that the recipe made them."""

import copy
from functools import cache

import pytest
import torch
from safetensors.torch import load_file

from pythia_course import load, suite
from pythia_course.errors import ModelNotFound
from pythia_course.tiny import corpus, logs, models, sizes, train
from pythia_course.tiny.evaluate import evaluate
from pythia_course.training import pile

pytestmark = pytest.mark.usefixtures("one_thread")
PARAMETERS = {"tiny-pythia-91k": 91_008, "tiny-pythia-281k": 281_152, "tiny-pythia": 1_055_488,
              "tiny-pythia-5m": 5_263_360}  # fmt: skip
SEEDS = tuple(name for name in suite.SHIPPED if suite.seed_of(name))
OTHERS = tuple(name for name in suite.SHIPPED if name not in suite.TINY)


def test_the_sizes_are_what_their_names_say():
    assert tuple(PARAMETERS) == suite.LADDER == tuple(sizes.LADDER)[:4]
    for name, count in PARAMETERS.items():
        spec = load(name).spec
        assert suite.total(spec) == count
        assert (spec.positions, spec.parallel, spec.rotary_fraction, spec.tied) == ("rotary", True, 0.25, False)
        assert spec.mlp_width == 4 * spec.width and spec.context == 512
    with torch.device("meta"):
        model = models.model_class(config := models.configuration("tiny-pythia-26m"))(config)
    assert sum(p.numel() for p in model.parameters()) == 26_268_672


def test_the_small_ones_have_every_step_of_tiny_pythia_the_others_a_few():
    assert suite.steps("tiny-pythia-91k") == suite.steps("tiny-pythia-281k") == train.CHECKPOINTS
    assert suite.steps("tiny-pythia-5m") == (train.STEPS,)
    assert len(SEEDS) == 6 and {suite.steps(name) for name in SEEDS} == {(600, 1400, train.STEPS)}


def test_a_seed_is_an_argument():
    lm = load("tiny-pythia", seed=2, step=600)
    assert (lm.name, lm.step) == ("tiny-pythia-seed2", 600)
    assert load("tiny-pythia-1m", seed=0).name == "tiny-pythia" == load("Tiny-Pythia-1M").name
    ours, theirs = (model.model.get_input_embeddings().weight for model in (lm, load("tiny-pythia", step=600)))
    assert (ours - theirs).abs().max() > 0.1
    with pytest.raises(ModelNotFound, match="'tiny-pythia' has no seed 3; it has 1, 2"):
        load("tiny-pythia", seed=3)
    with pytest.raises(ModelNotFound, match="'pythia-1b' has no seed 1; `pythia-course list`"):
        load("pythia-1b", seed=1)
    with pytest.raises(ModelNotFound, match="A seed is a whole number such as 1, but 'one' came"):
        load("tiny-pythia", seed="one")
    with pytest.raises(ModelNotFound, match="'tiny-pythia-seed1' has no seed 2"):
        load("tiny-pythia-seed1", seed=2)


def test_the_seed_of_a_training_of_one_s_own_too(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_COURSE_RUNS", str(tmp_path))
    train.train("tiny-pythia-91k", seed=7, stop=0)
    assert load("tiny-pythia-91k", seed=7).name == "my-tiny-pythia-91k-seed7"
    assert load("my-tiny-pythia-91k", seed=7).name == "my-tiny-pythia-91k-seed7"


def test_a_seed_has_its_own_data():
    for name, seed in (("tiny-pythia-91k", 0), ("tiny-pythia-91k-seed2", 2)):
        batch = pile.training_batch(name, 3)
        assert (batch.tokens == corpus.batch(3, seed).tokens).all()


@pytest.mark.parametrize("name", OTHERS)
def test_the_log_was_written_by_these_weights(name):
    log, measured = train.training_log(name), evaluate(load(name).model, suite.seed_of(name))
    assert set(train.CHECKPOINTS) <= set(log["step"].astype(int)) and log["step"][-1] == train.STEPS
    for key, value in measured.items():
        assert value == pytest.approx(log[key][-1], abs=0.01 + 0.01 * abs(value)), key


def test_logs_of_what_does_not_ship():
    for name, seed in (("tiny-pythia-26m", 0), ("tiny-pythia-5m", 1), ("tiny-pythia-5m", 2)):
        assert train.training_log(name, seed)["step"][-1] == train.STEPS
    by_seed, by_name = train.training_log("tiny-pythia-91k", 1), train.training_log("tiny-pythia-91k-seed1")
    assert all((by_seed[key] == by_name[key]).all() for key in by_seed)
    assert train.training_log("tiny-pythia", 1)["step"][-1] == 2400  # beside the others of the 2×2
    assert train.training_log("tiny-pythia-seed1")["step"][-1] == train.STEPS


def test_the_log_of_the_control_at_another_rate():
    control, own = train.training_log("tiny-pythia", peak=0.002), train.training_log("tiny-pythia")
    assert control["step"][-1] == train.STEPS and control["loss_stories"][0] == own["loss_stories"][0]
    assert control["loss_stories"][-1] != own["loss_stories"][-1]
    with pytest.raises(ValueError, match="only that of 'tiny-pythia' at 0.002"):
        train.training_log("tiny-pythia", peak=0.5)


# ---------------------------------------------------------------------------------------------------- provenance


@cache
def begun(name, seed, peak):
    """A run, the same for all who ask for it, and its weights after each step so far."""
    return train.Run(name, seed, dtype="float32", peak=peak), {}


def advanced(name, seed, steps, peak=None):
    run, weights = begun(name, seed, peak)
    while run.step < steps:
        run.advance()
        weights[run.step] = copy.deepcopy(run.model.state_dict())
    model = copy.deepcopy(run.model)
    model.load_state_dict(weights[steps])
    return model


def far(name, seed, model, step):
    """The largest distance of what is measured of a model from the row of the shipped log."""
    log = train.training_log(name if seed == 0 else f"{name}-seed{seed}")
    at = list(log["step"]).index(step)
    return max(abs(value - log[key][at]) for key, value in evaluate(model, seed).items())


CASES = [("tiny-pythia-91k", 0, 16), ("tiny-pythia-91k", 1, 8), ("tiny-pythia-281k", 0, 4), ("tiny-pythia", 2, 2),
         ("tiny-pythia-5m", 0, 1)]  # fmt: skip


@pytest.mark.parametrize("name, seed, step", CASES)
def test_the_recipe_makes_the_shipped_log(name, seed, step):
    """In bfloat16 on a graphics card there, in float32 on a processor here."""
    assert far(name, seed, advanced(name, seed, step), step) < 0.004


def test_another_seed_or_rate_does_not():
    assert far("tiny-pythia-91k", 0, advanced("tiny-pythia-91k", 1, 16), 16) > 0.02
    assert far("tiny-pythia-91k", 0, advanced("tiny-pythia-91k", 0, 16, peak=1.5e-3), 16) > 0.02


@pytest.mark.parametrize("name", ["tiny-pythia-91k", "tiny-pythia-281k"])
def test_the_shipped_steps_begin_at_the_recipe_s_first_weights(name):
    shipped = load_file(logs.WEIGHTS / name / "step0" / "model.safetensors")
    made = models.new_model(name).state_dict()
    assert shipped.keys() == made.keys() and all(torch.equal(made[key].half(), shipped[key]) for key in made)


def test_the_recipe_makes_the_log_of_the_control():
    made, log = evaluate(advanced("tiny-pythia", 0, 2, peak=2e-3), 0), train.training_log("tiny-pythia", peak=0.002)
    at = list(log["step"]).index(2)
    assert max(abs(value - log[key][at]) for key, value in made.items()) < 0.004
    assert far("tiny-pythia", 0, advanced("tiny-pythia", 0, 2, peak=2e-3), 2) > 0.008


def test_the_peak_rate_of_a_training_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_COURSE_RUNS", str(tmp_path))
    train.train("tiny-pythia-91k", run="slow", stop=1, peak=1e-3)
    with pytest.raises(ValueError, match="slow is a training of tiny-pythia-91k .* and a peak rate of 0.001"):
        train.train("tiny-pythia-91k", run="slow", stop=2)
    with pytest.raises(ValueError, match="peak is a learning rate, above 0 and at most 1, but -1 came"):
        train.train("tiny-pythia-91k", run="slow", stop=2, peak=-1)
