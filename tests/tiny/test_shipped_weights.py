"""What the shipped weights must show, measured on the weights themselves, and that their recipe made them."""

import copy
import json
import os
import subprocess
import sys
import tempfile
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pythia_course import load, measures, suite
from pythia_course.machine.processor import fast_bfloat16
from pythia_course.tiny import corpus, logs, sources, train, words
from pythia_course.tiny.evaluate import evaluate, probe_attention
from pythia_course.tiny.models import new_model

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = logs.WEIGHTS


@pytest.fixture(scope="module")
def pythia():
    return load("tiny-pythia")


def scores(model, seeds=8):
    """Best previous-token and best induction score of a model, on 128 rows of 32 random tokens and the same again.

    One row differs from another by 0.1, so the 16 rows of the training log are known to about 0.03.
    """
    attention = np.concatenate([probe_attention(model, seed) for seed in range(seeds)])
    previous = measures.previous_token_scores(attention).mean(0)
    induction = measures.induction_scores(attention, period=32).mean(0)
    return measures.best_head(previous)[2], measures.best_head(induction)[2]


def test_all_weights_are_here_and_small():
    assert {f.name for f in WEIGHTS.iterdir()} == set(suite.SHIPPED)
    assert suite.steps("tiny-pythia") == train.CHECKPOINTS
    for name in suite.TINY[1:]:
        assert suite.steps(name) == (train.STEPS,)
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()) <= 90e6
    assert train.STEPS * corpus.TOKENS_A_STEP >= 25e6


def test_they_are_ordinary_float16_folders():
    for folder in WEIGHTS.glob("*/step*"):
        tensors = load_file(folder / "model.safetensors")
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
        assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
        assert json.loads((folder / "config.json").read_text())["vocab_size"] == 1024


def test_the_last_checkpoint_has_both_heads(pythia):
    previous, induction = scores(pythia.model)
    assert previous >= 0.8 and induction >= 0.6, (previous, induction)


def test_the_previous_token_head_comes_before_the_induction_head():
    by_step = {step: scores(load("tiny-pythia", step=step).model) for step in suite.steps("tiny-pythia") if step >= 256}
    first_previous = min(step for step, (previous, _) in by_step.items() if previous > 0.5)
    first_induction = min(step for step, (_, induction) in by_step.items() if induction > 0.25)
    assert first_previous < first_induction
    log = train.training_log("tiny-pythia")
    passed = [log["step"][np.argmax(log[key] > bar)] for key, bar in (("previous_token", 0.5), ("induction", 0.25))]
    assert 0 < passed[0] < passed[1]


def copy_losses(lm, text):
    """Losses of the tokens of the first and of the second copy of an echo."""
    ids = [corpus.END_OF_TEXT, *lm.tokenizer(text)["input_ids"]]  # a document follows the end of another
    n = len(lm.tokenizer(text.split("\n")[0])["input_ids"])
    losses = measures.token_losses(lm.model(torch.tensor([ids])).logits[0], ids)  # losses[i] is of ids[i + 1]
    return losses[:n], losses[n + 1 : 2 * n + 1]


def test_the_second_copy_of_an_unseen_echo_is_easy(pythia):
    echoes = [document.text for document in corpus.held_out("echoes", 100)]
    first, second = (np.concatenate(part) for part in zip(*(copy_losses(pythia, text) for text in echoes)))
    assert second.mean() <= 0.5 and second.mean() <= first.mean() / 2, (first.mean(), second.mean())


def continuations(lm, n):
    """The first three sentences of held-out stories, and how the model goes on, its likeliest token each time."""
    prompts = [". ".join(document.text.split(". ")[:3]) + "." for document in corpus.held_out("stories", n)]
    rows = [lm.tokenizer(prompt)["input_ids"] for prompt in prompts]
    width = max(map(len, rows))
    ids = torch.tensor([[corpus.END_OF_TEXT] * (width - len(row)) + row for row in rows])  # all at once, side by side
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    out = lm.model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=70, pad_token_id=1)
    for prompt, new in zip(prompts, out[:, width:].tolist()):
        end = new.index(corpus.END_OF_TEXT) if corpus.END_OF_TEXT in new else None
        yield prompt, lm.tokenizer.decode(new[:end], skip_special_tokens=True)


def test_stories_go_on_with_the_same_people_and_things(pythia):
    kept = {"people": [], "things": []}
    for prompt, text in continuations(pythia, 30):
        print(f"{prompt} >>>{text}\n")
        assert text.strip().endswith((".", '"', "!")) and len(text.split()) > 5
        for kind, group in (("people", words.NAMES), ("things", words.THINGS)):
            known, used = (set(group) & set(part.replace(".", " ").split()) for part in (prompt, text))
            if known:
                kept[kind].append(used <= known or len(used - known) <= (kind == "people"))  # a friend may come late
    assert np.mean(kept["people"]) >= 0.9 and np.mean(kept["things"]) >= 0.8, kept


@pytest.mark.parametrize("name", suite.TINY)
def test_the_log_was_written_by_these_weights(name):
    log = train.training_log(name)
    assert set(train.CHECKPOINTS) <= set(log["step"].astype(int)) and log["step"][-1] == train.STEPS
    measured = evaluate(load(name).model)
    for key, value in measured.items():
        assert value == pytest.approx(log[key][-1], abs=0.01 + 0.01 * abs(value)), key
    assert {f"loss_{source}" for source in sources.SOURCES} <= set(log)


# ---------------------------------------------------------------------------------------------------- provenance


def shipped(step):
    tensors = load_file(WEIGHTS / "tiny-pythia" / f"step{step}" / "model.safetensors")
    return {key: value.float() for key, value in tensors.items()}


class TrainedAnew:
    """A new run, whose weights after each step, {name: tensor}, are there as far as they were asked for."""

    def __init__(self, seed, data_seed, rate, name, dtype):
        self.run, self.data_seed, self.rate, self.weights = train.Run(name, seed, dtype=dtype), data_seed, rate, []
        self._keep()

    def _keep(self):
        self.weights.append({key: value.detach().clone() for key, value in self.run.model.state_dict().items()})

    def to(self, step):
        real_batch, real_rate = train.batch, train.learning_rate
        try:
            if self.data_seed is not None:
                train.batch = lambda step, seed: real_batch(step, self.data_seed)
            train.learning_rate = lambda step, peak: self.rate * real_rate(step, peak)
            while len(self.weights) <= step:
                self.run.advance()
                self._keep()
        finally:
            train.batch, train.learning_rate = real_batch, real_rate
        return self


begun = cache(TrainedAnew)  # the same run for all who ask for it


def training(*, seed=0, data_seed=None, rate=1.0, name="tiny-pythia", dtype=None):
    """dtype: None for what is fast here."""
    return begun(seed, data_seed, rate, name, dtype or train.Run(name, seed).dtype)


def trained_anew(until=8, **how):
    """Weights after each step of a new run: [{name: tensor}]."""
    return training(**how).to(until).weights


def miss(ours, theirs, start):
    """How far two sets of weights are apart, as a share of the way from the start: 0 the same, 1 no relation."""
    apart = sum(((ours[key].half().float() - theirs[key]) ** 2).sum() for key in theirs)
    way = sum(((theirs[key] - start[key]) ** 2).sum() for key in theirs)
    return float((apart / way).sqrt())


# Float32 misses by 0.09 at step 1, a way short beside the rounding of 16 bits, and by 0.015 at step 8; another
# number of threads by 0.05; another order of the data by 0.46.
TOLERANCE = 0.15


def test_the_recipe_makes_the_shipped_weights():
    ours, start = trained_anew(), shipped(0)
    assert all(torch.equal(ours[0][key].half().float(), start[key]) for key in start)
    misses = {step: miss(ours[step], shipped(step), start) for step in (1, 2, 4, 8)}
    assert max(misses.values()) < TOLERANCE, misses


def test_it_does_in_the_numbers_that_are_slow_here_too():
    """Float32 on a processor with bfloat16; bfloat16, as the weights were made, for one step of ten seconds without."""
    dtype, until = ("float32", 8) if fast_bfloat16() else ("bfloat16", 1)
    ours, start = trained_anew(dtype=dtype, until=until), shipped(0)
    assert miss(ours[until], shipped(until), start) < TOLERANCE


def test_it_does_on_a_processor_that_is_told_to_do_without_bfloat16():
    """Where this one has no such arithmetic, it is what it does anyway, and what the other tests' run has done."""
    if not fast_bfloat16():
        run, weights = training().run, trained_anew(until=4)
        assert run.dtype == "float32"
        assert miss(weights[4], shipped(4), shipped(0)) < TOLERANCE
        return
    code = """
import torch; torch.set_num_threads(1)
from pythia_course.tiny.train import Run, save_checkpoint
from pathlib import Path; import sys
run = Run("tiny-pythia")
assert run.dtype == "float32"
for _ in range(4): run.advance()
save_checkpoint(run.model, Path(sys.argv[1]))
"""
    older = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/step4"
        subprocess.run([sys.executable, "-c", code, path], env=os.environ | older, check=True)
        ours = {key: value.float() for key, value in load_file(f"{path}/model.safetensors").items()}
    assert miss(ours, shipped(4), shipped(0)) < TOLERANCE


def test_a_training_in_float32_has_the_shipped_log():
    """To step 16 here; measured once to step 64."""
    log, run = train.training_log("tiny-pythia"), training(dtype="float32").to(16).run
    row = {key: values[log["step"] == 16][0] for key, values in log.items()}
    model = copy.deepcopy(run.model)
    model.load_state_dict(training(dtype="float32").weights[16])
    for key, value in evaluate(model).items():
        assert value == pytest.approx(row[key], abs=0.002), key


OTHER = {"seed": ({"seed": 1}, 4), "data order": ({"data_seed": 1}, 8), "rate": ({"rate": 0.5}, 4),
         "block": ({"name": "tiny-pythia-sequential"}, 4)}  # fmt: skip


@pytest.mark.parametrize("what", OTHER)
def test_another_seed_data_order_rate_or_block_does_not(what):
    """To step 8 with the data in another order, whose miss comes nearest to what the recipe's own is allowed."""
    other, until = OTHER[what]
    ours, start = trained_anew(until=until, **other), shipped(0)
    misses = {step: miss(ours[step], shipped(step), start) for step in (1, 2, 4, 8) if step <= until}
    assert min(misses.values()) > 2.5 * TOLERANCE, misses


def test_a_weight_file_that_the_recipe_did_not_make_is_found_out(tmp_path):
    ours, start, forged = trained_anew(until=4)[4], shipped(0), shipped(4)
    generator = torch.Generator().manual_seed(0)
    for key, value in forged.items():  # the same size of step in another direction
        way = value - start[key]
        forged[key] = start[key] + way.flatten()[torch.randperm(way.numel(), generator=generator)].reshape(way.shape)
    save_file(forged, tmp_path / "model.safetensors")
    assert miss(ours, load_file(tmp_path / "model.safetensors"), start) > 2.5 * TOLERANCE


def test_the_four_start_alike():
    start, other = new_model("tiny-pythia").state_dict(), new_model("tiny-pythia-sequential").state_dict()
    assert all(torch.equal(start[key], other[key]) for key in start)
