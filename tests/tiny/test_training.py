"""The recipe: its schedule, its resume file, and what a killed run leaves behind."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from pythia_course.tiny import evaluate, logs, train

pytestmark = pytest.mark.usefixtures("one_thread")


def test_learning_rate_warms_up_and_falls_to_a_tenth():
    rates = [train.learning_rate(step) for step in range(train.STEPS)]
    assert max(rates) == rates[train.WARMUP] == train.PEAK_RATE
    assert rates[: train.WARMUP + 1] == sorted(rates[: train.WARMUP + 1])
    assert rates[train.WARMUP :] == sorted(rates[train.WARMUP :], reverse=True)
    assert rates[-1] == pytest.approx(train.PEAK_RATE / 10, rel=1e-3)


def test_checkpoints_follow_the_schedule_of_pythia():
    assert train.CHECKPOINTS[:11] == (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    gaps = {b - a for a, b in zip(train.CHECKPOINTS[11:], train.CHECKPOINTS[12:])}
    assert len(gaps) == 1 and train.CHECKPOINTS[-1] == train.STEPS and len(train.CHECKPOINTS) >= 16


def test_only_matrices_are_decayed():
    decayed, spared = train.Run("tiny-gpt2").optimizer.param_groups
    assert decayed["weight_decay"] == 0.1 and all(p.ndim == 2 for p in decayed["params"])
    assert spared["weight_decay"] == 0 and all(p.ndim == 1 for p in spared["params"])


def train_five_steps(patch=setattr):
    """Five steps into the folder "mine", of 4 rows each, measured on 2 documents a source: it need not learn well."""
    batch, documents = train.batch, evaluate.evaluation_documents
    patch(train, "batch", lambda *which: replace(rows := batch(*which), tokens=rows.tokens[:4]))
    patch(evaluate, "evaluation_documents", lambda *which: {kind: ids[:2] for kind, ids in documents(*which).items()})
    train.train("tiny-gpt2", run="mine", stop=5, save_every=2)


def be_killed_in_the_fourth_step():
    """What this file does when run: saved after the second step, it has learnt from two more batches."""
    advance = train.Run.advance

    def advance_to_the_end(run):
        advance(run)
        if run.step == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    train.Run.advance = advance_to_the_end
    train_five_steps()


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(tmp_path, monkeypatch):
    """Only the one that is killed needs a process of its own."""
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHIA_COURSE_RUNS": str(broken)}
    killed = subprocess.run([sys.executable, __file__], env=environment, stderr=subprocess.DEVNULL, timeout=240)
    assert killed.returncode == -signal.SIGKILL and not (broken / "mine" / "step5").exists()
    assert torch.load(broken / "mine" / "resume.pt", weights_only=True)["step"] == 2
    for folder in (unbroken, broken):
        with monkeypatch.context() as patched:
            patched.setenv("PYTHIA_COURSE_RUNS", str(folder))
            train_five_steps(patched.setattr)
    first, second = (load_file(f / "mine" / "step5" / "model.safetensors") for f in (unbroken, broken))
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    assert (unbroken / "mine/log.csv").read_text() == (broken / "mine/log.csv").read_text()


def test_a_resume_file_that_is_damaged_is_said(tmp_path):
    run = train.Run("tiny-gpt2")
    run.save(tmp_path / "resume.pt")
    whole = (tmp_path / "resume.pt").read_bytes()
    for damaged in (b"", whole[:1000], b"PK" + whole[5000:], whole[: len(whole) // 2]):
        (tmp_path / "resume.pt").write_bytes(damaged)
        with pytest.raises(ValueError, match="resume.pt is damaged, .* delete it to begin anew"):
            run.resume(tmp_path / "resume.pt")


def test_the_log_keeps_one_row_a_step(tmp_path):
    path = tmp_path / "log.csv"
    for step, loss in ((0, 1.0), (1, 2.0), (2, 3.0), (1, 4.0)):  # step 1 again, after a resume
        logs.write_log_row(path, {"step": step, "loss": loss})
    assert [(row["step"], row["loss"]) for row in logs.read_log(path)] == [("0", "1.00000"), ("1", "4.00000")]
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


if __name__ == "__main__":
    be_killed_in_the_fourth_step()
