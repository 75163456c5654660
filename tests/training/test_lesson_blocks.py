"""The lines that stand ready for the real Pythias in lessons 07 and 09, run on small models of the same vocabulary."""

import contextlib
import io
import json
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_course.tiny.ngrams import NGrams

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
VOCABULARY = 50_304


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def cells(lesson):
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    return {cell["id"]: "".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}


@cache
def model(name, step):
    torch.manual_seed(step)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    return SimpleNamespace(name=name, model=GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=VOCABULARY, **sizes)).eval())


def a_batch(name, step):
    """Rows as long as the real ones, few of them, of the real vocabulary."""
    tokens = np.random.RandomState(step).randint(0, 50_277, (16, 2049))
    return SimpleNamespace(tokens=tokens, around=(step // 1000 * 1000, step // 1000 * 1000 + 1000))


def run_block(lesson, cell, definitions):
    """What a Python block in a lesson's text prints, after the code cells that it needs."""
    sources = cells(lesson)
    (block,) = re.findall(r"```python\n(.*?)```", sources[cell], re.S)
    names = {"np": np, "torch": torch, "NGrams": NGrams, "models": {}, "load": model, "training_batch": a_batch}
    for source in definitions:
        code = re.sub(r"(?m)^(models|guess|unseen|falls_unseen|checks).*$", "", sources[source])
        exec(code, names)
    block = block.replace("from pythia_course.pile import training_batch\n", "")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(block, names)
    return printed.getvalue()


def test_lesson_07_measures_what_a_real_step_taught():
    assert abs(float(run_block("07", "cell-89", ["cell-10", "cell-14"]))) < 1


def test_lesson_09_compares_real_checkpoints_with_counts():
    lines = run_block("09", "real-counts", ["log-probabilities"]).splitlines()
    assert [line.split()[0] for line in lines] == ["16", "128", "512", "4000"]
    assert all(float(number) > 0 for line in lines for number in line.split()[1:])
