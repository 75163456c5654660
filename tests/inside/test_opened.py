"""What a card, `spec` and `compare` say is held against the opened model, not only against its config.json."""

import json

import pytest
import torch
from support.hub_folders import write_gpt2, write_gpt_neo, write_pythia

from pythia_course import load, suite
from pythia_course.compare import compare
from pythia_course.errors import ModelDamaged, ModelRefused


@pytest.fixture
def folder(tmp_path):
    """Writes a model of which config.json says something else than its weights."""

    def written(write=write_pythia, **fields):
        write(tmp_path / "model")
        path = tmp_path / "model" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))
        return path.parent

    return written


def test_two_matrices_are_two_on_the_card_and_in_the_count(folder):
    lm = load(folder(tie_word_embeddings=True))
    assert not torch.equal(lm.model.get_input_embeddings().weight, lm.model.get_output_embeddings().weight)
    assert not lm.spec.tied and suite.total(lm.spec) == 191_040
    assert "its own (untied)" in lm._repr_html_() and "191,040" in repr(lm)


def test_one_matrix_is_one(folder):
    lm = load(folder(write_gpt2))
    assert lm.model.get_input_embeddings().weight is lm.model.get_output_embeddings().weight
    assert lm.spec.tied and "the embedding again (tied)" in lm._repr_html_()
    with pytest.raises(ModelDamaged, match="tensors are missing, lm_head.weight among them"):
        load(folder(write_gpt2, tie_word_embeddings=False))


@pytest.mark.filterwarnings("ignore")  # accelerate tells how to quiet it
@pytest.mark.parametrize("parts", [("lm_head",), ("transformer.wte", "lm_head")], ids=" ".join)
def test_one_matrix_is_one_where_the_disk_holds_it(parts, folder):
    here = ("transformer.wte", "transformer.wpe", "transformer.h", "transformer.ln_f")
    lm = load(folder(write_gpt2), device=dict.fromkeys(here, "cpu") | dict.fromkeys(parts, "disk"))
    assert lm.spec.tied and suite.total(lm.spec) == 178_752


@pytest.mark.parametrize(
    ("write", "fields", "left"),
    [
        (write_pythia, {"num_hidden_layers": 2}, "gpt_neox.layers.2.attention.dense.bias"),
        (write_gpt2, {"n_layer": 1}, "h.1.attn.c_attn"),
        (write_gpt_neo, {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}, "transformer.h.2.attn"),
        (write_pythia, {"attention_bias": False}, "gpt_neox.layers.0.attention.dense.bias"),
    ],
    ids=["gpt_neox", "gpt2", "gpt_neo", "biases"],
)
def test_a_model_that_its_config_cuts_off_is_refused(write, fields, left, folder):
    fields |= {"attention_layers": ["global", "local"]} if write is write_gpt_neo else {}
    with pytest.raises(ModelRefused, match=f"leaves out weights that its files hold, {left}.* another model"):
        load(folder(write, **fields))


@pytest.mark.parametrize(
    ("fields", "turns"),
    [({"rotary_pct": 0.2}, "4 dimensions"), ({"head_dim": 32}, "8 dimensions"), ({"rotary_pct": 1.5}, "24 dimensions")],
    ids=["odd", "another head_dim", "more than there are"],
)
def test_a_rotation_of_other_dimensions_than_the_card_would_say_is_refused(fields, turns, folder):
    with pytest.raises(ModelRefused, match=f"turns {turns} of each head and by its config.json [0-9]+ of 16"):
        load(folder(**fields))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rotary_emb_base": 50_000}, ", base 50,000"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, ", scaled (linear, 2.0)"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, ", scaled (yarn, 4.0)"),
    ],
    ids=["base", "linear", "yarn"],
)
def test_card_and_comparison_say_another_base_and_a_scaling(fields, says, folder, tmp_path):
    write_pythia(tmp_path / "plain")
    other, plain = load(folder(**fields)), load(tmp_path / "plain")
    assert f"16 dimensions{says}" in other._repr_html_().replace("&#x27;", "'")
    assert "16 dimensions<" in plain._repr_html_().replace("&#x27;", "'")
    facts = compare(other, plain, "The cat sat").facts
    assert ("positions", f"rotary, 4 of 16{says}", "rotary, 4 of 16", True) in facts


def test_heads_of_which_nothing_turns_are_no_learned_table(folder, tmp_path):
    write_gpt2(tmp_path / "other")
    facts = compare(load(folder(rotary_pct=0.0)), load(tmp_path / "other"), "The cat sat").facts
    assert ("positions", "rotary, 0 of 16", "a learned table", True) in facts
