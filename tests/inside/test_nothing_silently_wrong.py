"""What used to be shown wrong without a word: numbers that are none, configs that do not fit, patches while writing."""

import copy
import gc
import json
import warnings

import numpy as np
import psutil
import pytest
import torch
from support.hub_folders import write_pythia

from pythia_course import errors, load, measures
from pythia_course.compare import compare
from pythia_course.inside.tracing import LanguageModel

PROMPT = "Mia had a red ball. Then Mia lost the red"
OTHER = "Tom had a red ball. Then Tom lost the red"


@pytest.fixture(scope="module")
def lm():
    return load("tiny-pythia")


@pytest.fixture
def spoilt():
    """Puts a value into one weight of a fresh tiny-pythia."""

    def spoil(name, value):
        lm = load("tiny-pythia")
        with torch.no_grad():
            lm.model.get_parameter(name).view(-1)[0] = value
        return lm

    return spoil


# ----------------------------------------------------------------------------------------------- nan and inf


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("gpt_neox.layers.0.mlp.dense_4h_to_h.bias", "layer 0"),
        ("gpt_neox.layers.2.attention.dense.bias", "layer 2"),
        ("lm_head.weight", "the output"),
    ],
)
def test_no_number_is_said_where_it_first_appears(spoilt, name, value, first):
    lm = spoilt(name, value)
    for read in (lm.trace, lm.predict):
        with pytest.raises(FloatingPointError, match=f"first in {first}: its {name} holds some"):
            read(PROMPT)


def test_numbers_that_grow_too_large_for_their_dtype_are_told_from_broken_weights():
    lm = load("tiny-pythia", dtype="float16")
    with torch.no_grad():
        lm.model.gpt_neox.layers[1].mlp.dense_4h_to_h.weight.fill_(6e4)
    with pytest.raises(FloatingPointError, match='too large for float16, so open it with dtype="float32"'):
        lm.trace(PROMPT)


def test_there_is_no_best_head_among_scores_that_are_none():
    scores = np.array([[0.1, 0.9], [np.nan, 0.2]])
    with pytest.raises(ValueError, match=r"head \(1, 0\) is nan"):
        measures.best_head(scores)
    assert measures.best_head(np.nan_to_num(scores)) == (0, 1, 0.9)


# ----------------------------------------------------------------------------- a config that does not fit


def changed_config(folder, **fields):
    """Another config.json over the same weights."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return folder


def test_two_matrices_are_not_called_tied_whatever_the_config_says(tmp_path):
    write_pythia(tmp_path)
    said = load(changed_config(tmp_path, tie_word_embeddings=True))
    weights = said.model.get_input_embeddings().weight, said.model.get_output_embeddings().weight
    assert said.spec.tied == (weights[0] is weights[1])
    assert said.spec.tied or not torch.equal(*weights)


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"num_hidden_layers": 2}, errors.ModelRefused, "leaves out weights that its files hold, gpt_neox.layers.2"),
        ({"num_hidden_layers": 4}, errors.ModelDamaged, "incomplete: .* gpt_neox.layers.3"),
        ({"intermediate_size": 128}, errors.ModelDamaged, "do not fit its config.json|is of another size"),
        ({"vocab_size": 300}, errors.ModelDamaged, "do not fit its config.json|is of another size"),
    ],
)
def test_weights_and_config_must_be_of_one_model(tmp_path, fields, error, says):
    write_pythia(tmp_path)
    with pytest.raises(error, match=says):
        load(changed_config(tmp_path, **fields))


def test_a_config_that_wants_tuples_changes_nothing(tmp_path):
    write_pythia(tmp_path)
    plain = load(tmp_path).trace([5, 17, 42]).logits
    assert torch.equal(load(changed_config(tmp_path, return_dict=False)).trace([5, 17, 42]).logits, plain)


def test_compare_sees_another_base_and_a_scaling(tmp_path):
    write_pythia(tmp_path / "one")
    write_pythia(tmp_path / "two", rotary_emb_base=50_000)
    rows = {what: (a, b) for what, a, b, differ in compare(*map(load, (tmp_path / "one", tmp_path / "two")),
                                                           "The cat").facts if differ}  # fmt: skip
    assert "base 50,000" in rows["positions"][1] and "base" not in rows["positions"][0]
    scaled = load("tiny-pythia")
    scaled.model.config.rope_parameters |= {"rope_type": "linear", "factor": 4.0}
    assert "scaled (linear, 4.0)" in str(compare(scaled, load("tiny-pythia"), "The cat").facts)


def test_the_end_of_text_is_known_without_tokenizer_config(tmp_path):
    write_pythia(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink(missing_ok=True)
    (tmp_path / "special_tokens_map.json").unlink(missing_ok=True)
    assert load(tmp_path).tokenizer.eos_token == "<|endoftext|>"


# ----------------------------------------------------------------------------------- writing under a patch


@pytest.mark.parametrize("use_cache", [True, False])
def test_one_token_is_written_under_a_patch_and_a_second_refused(lm, use_cache):
    clean, ids = lm.trace(PROMPT), lm.trace(OTHER).ids[None]
    options = {"do_sample": False, "use_cache": use_cache, "pad_token_id": 0}
    with lm.patch(clean, residual=(2, -1)):
        written = lm.model.generate(ids, max_new_tokens=1, **options)[0, -1]
        assert written == lm.trace(OTHER).logits[-1].argmax()
        with pytest.raises(ValueError, match="generate one token at most inside a patch"):
            lm.model.generate(ids, max_new_tokens=2, **options)
    free = lm.model.generate(ids, max_new_tokens=4, **options)
    assert free.shape == (1, ids.shape[1] + 4)


@pytest.mark.parametrize("name", ["tiny-pythia", "tiny-gpt2", "tiny-gpt2-parallel"])
def test_writing_under_an_ablation_is_the_same_with_and_without_a_cache(name):
    lm = load(name)
    ids = lm.trace(OTHER).ids[None]
    with lm.ablate(heads=[(1, 3)]):
        with_cache, without = (
            lm.model.generate(ids, max_new_tokens=8, do_sample=False, use_cache=cache, pad_token_id=0)
            for cache in (True, False)
        )
    assert torch.equal(with_cache, without)


def test_no_tiny_model_warns_when_it_runs():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("tiny-pythia", "tiny-gpt2", "tiny-gpt2-parallel"):
            load(name).trace(PROMPT)


def test_the_parallel_block_hands_its_cache_on_without_a_name_that_is_going_away(monkeypatch):
    """transformers 5.24 calls it `cache`, and warns at each pass of one who says `past_key_values`; 5.40 refuses."""
    from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

    old, caches = GPT2Attention.forward, []

    def newer(self, hidden_states, cache=None, attention_mask=None, **more):
        assert "past_key_values" not in more
        caches.append(cache)
        return old(self, hidden_states, cache, attention_mask, **more)

    monkeypatch.setattr(GPT2Attention, "forward", newer)
    lm = load("tiny-gpt2-parallel")
    ids = lm.trace(OTHER).ids[None]
    lm.model.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert caches[0] is None and caches[-1].get_seq_length() == ids.shape[1] + 2


# ---------------------------------------------------------------------------------------------- odd arguments


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda lm: load(device={}), ValueError, "names no place"),
        (lambda lm: lm.means(np.array(5)), (TypeError, ValueError), "one sequence of token ids"),
        (lambda lm: lm.trace(torch.tensor([1, 2]).to_sparse()), TypeError, "ordinary tensor"),
        (lambda lm: lm.trace(torch.tensor([1, 2], device="meta")), TypeError, "ordinary tensor"),
        (lambda lm: load(dtype="float8"), ValueError, "dtype is auto or one of float32, bfloat16, float16"),
    ],
)
def test_odd_arguments_get_a_sentence(lm, call, error, says):
    with pytest.raises(error, match=says) as caught:
        call(lm)
    assert "\n" not in str(caught.value)


def test_letters_in_pieces_are_the_same_bytes_to_both():
    a, b = load("tiny-pythia"), load("tiny-gpt2")
    whole, pieces = (compare(a, b, text).bits_per_byte for text in ("caf\u00e9", "cafe\u0301"))
    assert whole == pieces


# --------------------------------------------------------------------------------------------- a long day


def test_a_kernel_that_works_all_day_holds_no_more_than_after_a_while(lm):
    """Traces, patches, ablations, and models opened and let go."""

    def one_round():
        clean = lm.trace(PROMPT)
        with lm.ablate(heads=[(1, 3)]), lm.patch(clean, residual=(1, -1)):
            lm.trace(OTHER)
        lm.predict(OTHER)
        load("tiny-pythia-sequential").trace(OTHER, keep=["logits"])

    def resident(rounds):
        for _ in range(rounds):
            one_round()
        gc.collect()
        return psutil.Process().memory_info().rss

    early = resident(20)
    late = resident(45)
    assert late - early < 5e6, f"{(late - early) / 1e6:.1f} MB more after 65 rounds than after 20"


def test_a_copy_of_a_model_is_a_model_of_its_own(lm):
    twin = copy.deepcopy(lm)
    with twin.ablate(heads=[(1, 3)]):
        assert torch.equal(lm.trace(PROMPT).logits, LanguageModel.open("tiny-pythia").trace(PROMPT).logits)
