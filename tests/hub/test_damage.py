"""What is damaged in the cache is mended by the next try, and what is not shown to be damaged is left alone."""

import os
from pathlib import Path

import pytest
import torch
from support.hub_folders import write_pythia
from support.hub_server import hub_fixture  # noqa: F401
from support.shell import here_fixture  # noqa: F401

from pythia_course import errors, load
from pythia_course.hub import addresses, fetching

PYTHIA = "EleutherAI/pythia-160m"
FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "model.safetensors"]
IDS = torch.tensor([[5, 17, 42]])


@pytest.fixture(params=["links", "no links"])
def filled(request, hub, tmp_path, monkeypatch):
    """A cache with step 3000 of a small model under Pythia-160M's id, on a disk with links or without."""
    if request.param == "no links":
        monkeypatch.setattr(Path, "symlink_to", no_links)
    for seed, branch in enumerate(("main", "step3000")):
        write_pythia(tmp_path / branch, seed)
    hub.repositories[PYTHIA] = {branch: tmp_path / branch for branch in ("main", "step3000")}
    load(PYTHIA, 3000)
    hub.snapshot = fetching.cached_folder(addresses.find(PYTHIA, 3000))
    return hub


def no_links(*_, **__):
    raise OSError(1, "Operation not permitted")


def everything(server):
    """Every file in the cache and its content, other programs' included."""
    return {
        path: path.is_symlink() and os.readlink(path) or path.read_bytes()
        for path in server.cache.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def cut(path):
    content = path.read_bytes()
    path.resolve().write_bytes(content[: len(content) // 2])


# ------------------------------------------------------------------------------------- nothing good is lost


class Refuses:
    """What a library or the system says while it reads weights that are whole."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *_, **__):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried …"),
            errors.ModelTooLarge,
        ),
        (OSError(12, "Cannot allocate memory"), errors.ModelTooLarge),
        (KeyError("embed_out"), errors.ModelRefused),
        (ValueError("the current device_map had weights offloaded to the disk"), errors.ModelRefused),
        (RuntimeError("a bug of the library's"), errors.ModelRefused),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_a_whole_model_that_cannot_be_opened_stays_and_is_not_called_damaged(filled, monkeypatch, error, kind):
    before = everything(filled)
    with monkeypatch.context() as patch:
        patch.setattr("transformers.GPTNeoXForCausalLM.from_pretrained", Refuses(error))
        with pytest.raises(kind) as caught:
            load(PYTHIA, 3000)
    assert "\n" not in str(caught.value) and "damaged" not in str(caught.value)
    assert everything(filled) == before
    assert load(PYTHIA, 3000, local_only=True).step == 3000


def test_a_refused_model_is_still_here_without_a_network(filled, monkeypatch):
    filled.close()
    before = everything(filled)
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr("pythia_course.hub.model_files.ARCHITECTURES", {})
            with pytest.raises(errors.ModelRefused, match="is a model of type 'gpt_neox'"):
                load(PYTHIA, 3000)
    assert everything(filled) == before and load(PYTHIA, 3000).step == 3000


def test_without_links_or_a_hub_what_is_not_shown_is_left_and_its_place_named(filled):
    if any(path.is_symlink() for path in filled.snapshot.iterdir()):
        pytest.skip("links carry the hash")
    cut(filled.snapshot / "tokenizer.json")
    filled.close()
    before = everything(filled)
    with pytest.raises(errors.ModelDamaged) as caught:
        load(PYTHIA, 3000)
    assert f"run this again where the hub can be asked, to compare {filled.snapshot}" in str(caught.value)
    assert everything(filled) == before


def test_a_blob_that_somebody_moved_away_is_neither_damaged_nor_deleted(filled, tmp_path):
    """Its link leads out of the cache: the content counts, not what the file is called there."""
    weights, elsewhere = filled.snapshot / "model.safetensors", tmp_path / "large-disk-weights"
    if not weights.is_symlink():
        pytest.skip("no blobs")
    blob = weights.resolve()
    blob.rename(elsewhere)
    blob.symlink_to(elsewhere)
    cut(filled.snapshot / "config.json")
    with pytest.raises(errors.ModelDamaged, match="^config.json of"):
        load(PYTHIA, 3000)
    assert elsewhere.exists() and load(PYTHIA, 3000).step == 3000


# ---------------------------------------------------------------------------- run again, it mends what is damaged


@pytest.mark.parametrize("file", FILES)
def test_prefetch_mends_each_file(filled, here, file):
    whole = (filled.snapshot / file).read_bytes()
    cut(filled.snapshot / file)
    done = here("prefetch", PYTHIA, "--steps", "3000")
    assert (done.returncode, done.stderr) == (0, "") and "every hash as published" in done.stdout
    assert (filled.snapshot / file).read_bytes() == whole


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_load_names_the_damaged_file_and_mends_it_at_the_next_try(filled, file):
    whole, expected = (filled.snapshot / file).read_bytes(), load(PYTHIA, 3000).model(IDS).logits
    cut(filled.snapshot / file)
    with pytest.raises(errors.ModelDamaged) as caught:
        load(PYTHIA, 3000)
    said = str(caught.value)
    assert said.startswith(f"{file} of pythia-160m at step 3000 was damaged on this disk ({filled.snapshot / file})")
    assert torch.equal(load(PYTHIA, 3000).model(IDS).logits, expected)
    assert (filled.snapshot / file).read_bytes() == whole


def test_a_damaged_index_is_mended(hub, tmp_path, here):
    write_pythia(tmp_path / "main")
    (tmp_path / "main/model.safetensors").rename(tmp_path / "main/model-00001-of-00001.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "main/model-00001-of-00001.safetensors", "np") as file:
        where = ", ".join(f'"{key}": "model-00001-of-00001.safetensors"' for key in file.keys())
    (tmp_path / "main/model.safetensors.index.json").write_text(f'{{"metadata": {{}}, "weight_map": {{{where}}}}}')
    hub.repositories["somebody/sharded"] = {"main": tmp_path / "main"}
    load("somebody/sharded")
    index = next(hub.cache.rglob("model.safetensors.index.json"))
    cut(index)
    done = here("prefetch", "somebody/sharded")
    assert done.returncode == 0 and index.read_bytes() == (tmp_path / "main" / index.name).read_bytes()
