"""Do the first lessons run on models as large as the real ones, in the hub's layout?  Random weights: nothing may
depend on what the tiny models learned in order to *run*.

The model name is moved as a learner would move it, by PYTHIA_COURSE_MODEL; where a lesson opens tiny-gpt2 beside it,
a copy of the lesson opens the GPT-2 folder instead.
"""

from pathlib import Path

import hub_folders
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("0[0-4]_*.ipynb"))
GPT2_124M = {"n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}
# One layer, narrow: the same files, fields and names, for lessons that repeat what the others do in full size.
SMALL = {"hidden_size": 128, "intermediate_size": 512, "max_position_embeddings": 2048, "vocab_size": 50304}
FULL_SIZE = ("02", "03", "04")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """{size: (folder of a Pythia, folder of a GPT-2)}."""
    here = tmp_path_factory.mktemp("hub")
    hub_folders.write_pythia(here / "full/pythia-160m", **hub_folders.PYTHIA_160M)
    hub_folders.write_gpt2(here / "full/gpt2", **GPT2_124M)
    hub_folders.write_pythia(here / "small/pythia-160m", **SMALL)
    hub_folders.write_gpt2(here / "small/gpt2", n_embd=128, n_ctx=1024, n_positions=1024, vocab_size=50257)
    return {size: (here / size / "pythia-160m", here / size / "gpt2") for size in ("full", "small")}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_on_folders_as_the_hub_has_them(path, folders, monkeypatch):
    pythia, gpt2 = folders["full" if path.stem[:2] in FULL_SIZE else "small"]
    monkeypatch.setenv("PYTHIA_COURSE_MODEL", str(pythia))
    monkeypatch.delenv("MPLBACKEND")  # the kernel brings its own
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace('("tiny-gpt2")', f"({str(gpt2)!r})")  # load(…) and ModelPicker(…)
    where = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute()  # raises where a cell does
    shown = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert "pythia-160m" in shown and "<Figure" in shown
