"""Numbers that would be wrong without a word are said before anything is shown of them."""

import copy

import pytest
import torch
from support.random_models import hooks_on, layers, opened, wrapped

from pythia_course import load

IDS = [3, 2, 1, 7]
READ = {
    "trace": lambda lm: lm.trace(IDS),
    "trace of the last position": lambda lm: lm.trace(IDS, keep=["mlp_out"]),
    "predict": lambda lm: lm.predict(IDS),
    "means": lambda lm: lm.means(IDS),
    "patch": lambda lm: lm.patch(IDS, residual=(0, 0)),
}


def broken(name, place, number):
    """A copy of a model with one weight that is none: in the embedding, a layer or the final LayerNorm."""
    lm = wrapped(copy.deepcopy(opened(name).model), name)
    if place == "the embedding":
        lm.model.get_input_embeddings().weight[IDS[1], 0] = number
    elif place == "the output":
        norm = lm.model.base_model
        (norm.final_layer_norm if lm.spec.family == "gpt_neox" else norm.ln_f).weight[0] = number
    else:
        part = layers(lm)[int(place[-1])].mlp
        getattr(part, "c_proj" if hasattr(part, "c_proj") else "dense_4h_to_h").bias[0] = number
    return lm


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")], ids=str)
@pytest.mark.parametrize("place", ["the embedding", "layer 1", "the output"])
def test_nan_and_inf_are_said_with_the_part_that_computes_them_first(place, number, read):
    lm = broken("neox", place, number)
    with pytest.raises(FloatingPointError, match=f"first in {place}: its .*weight|first in {place}: its .*bias"):
        READ[read](lm)
    assert hooks_on(lm.model) == 0


@pytest.mark.parametrize("name", ["gpt2", "gpt2, parallel", "neo"])
def test_every_family_names_the_layer(name):
    with pytest.raises(FloatingPointError, match=r"\(nan or inf\), first in layer 2"):
        broken(name, "layer 2", float("nan")).predict(IDS)


def test_what_breaks_at_one_position_only_is_said_too():
    lm = opened("neox")
    value = torch.full((lm.spec.layers, lm.spec.width), float("inf"))
    with lm.ablate(mlps=[2], by="mean", over={"mlp_out": value}):
        with pytest.raises(FloatingPointError, match="first in layer 2: its weights hold none"):
            lm.trace(IDS, keep=["attention", "mlp_out"])
    lm.trace(IDS)  # and it is gone with the block

    def overflow(module, args, out):
        out = out.clone()
        out[:, 1] = float("inf")  # a position that nothing looks back at, after the last layer
        return out

    handle = layers(lm)[-1].mlp.register_forward_hook(overflow)
    try:
        with pytest.raises(FloatingPointError, match="first in layer 2"):
            lm.trace(IDS, keep=["mlp_out"])
    finally:
        handle.remove()


def test_large_numbers_are_numbers():
    lm = wrapped(copy.deepcopy(opened("neox").model))
    lm.model.get_output_embeddings().weight.fill_(3e35)  # each logit is finite, and their sum is not
    lm.model.base_model.final_layer_norm.weight.fill_(1)
    lm.model.base_model.final_layer_norm.bias.fill_(1)
    logits = lm.trace(IDS * 5).logits
    assert logits.isfinite().all() and not logits.sum().isfinite()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("back", [True, False], ids=["and back", "only there"])
def test_rotary_frequencies_that_a_cast_rounded_are_refused(dtype, back):
    lm = load("tiny-pythia")
    lm.model.to(dtype)
    if back:
        lm.model.float()
    for read in (lm.trace, lm.predict):
        with pytest.raises(ValueError, match="rotary frequencies of tiny-pythia were rounded .* load"):
            read(IDS)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_frequencies_of_a_model_opened_in_half_precision_and_those_set_on_purpose_pass(dtype):
    lm = load("tiny-pythia", dtype=dtype)
    lm.trace(IDS)
    lm.model.gpt_neox.rotary_emb.inv_freq.zero_()  # nothing turns: a learner may look at that
    lm.trace(IDS)
