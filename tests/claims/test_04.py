"""Lesson 04, parallel attention and MLP: what it says, computed anew."""

import math
import warnings
from dataclasses import asdict

import numpy as np
import pytest
import torch
from support.claims import says

from pythia_course import load, suite
from pythia_course.recording import hooks
from pythia_course.tiny import corpus, evaluate
from pythia_course.tiny.models import new_model
from pythia_course.tiny.train import training_log

TEXT = "Mia made a red kite for Tom. She put the kite in a box. When Tom saw the red"
PAIR = ("tiny-pythia", "tiny-pythia-sequential")
SEEDS = (0, 1, 2)
SOURCES = [key for key in evaluate.evaluation_documents() if not key.startswith("planted")]


def layers(lm):
    return lm.model.gpt_neox.layers


def mean_loss(lm):
    documents = evaluate.evaluation_documents()
    return float(np.mean([evaluate.document_loss(lm.model, documents[source]) for source in SOURCES]))


def with_flipped(lm, flipped, measure):
    """What `measure` gives with these layers run as the other variant, which are put back in any case."""
    for n in flipped:
        layers(lm)[n].use_parallel_residual = not layers(lm)[n].use_parallel_residual
    try:
        return measure(lm)
    finally:
        for n in flipped:
            layers(lm)[n].use_parallel_residual = not layers(lm)[n].use_parallel_residual


def by_source(lm):
    documents = evaluate.evaluation_documents()
    return {source: float(evaluate.document_loss(lm.model, documents[source])) for source in SOURCES}


@pytest.fixture(scope="module")
def models():
    return {name: load(name) for name in PAIR}


@pytest.fixture(scope="module")
def usual(models):
    """{model: its loss as it was trained}"""
    return {name: mean_loss(lm) for name, lm in models.items()}


@pytest.fixture(scope="module")
def all_flipped(models):
    return {name: with_flipped(lm, range(4), by_source) for name, lm in models.items()}


@pytest.fixture(scope="module")
def logs():
    """{(model, seed): its training log}"""
    return {(name, seed): training_log(name, seed) for name in PAIR for seed in SEEDS}


def mlps_changed_by(lm, ablated):
    """Norm of the change of each layer's MLP output when this layer's attention writes nothing."""
    before = lm.trace(TEXT, keep=["mlp_out"]).mlp_out
    with hooks([(layers(lm)[ablated].attention.register_forward_hook, lambda *given: silenced(given[-1]))]):
        after = lm.trace(TEXT, keep=["mlp_out"]).mlp_out
    return (after - before).norm(dim=(1, 2))


def silenced(output):
    return torch.zeros_like(output[0]), *output[1:]


@says("04", "The parts are the same, and so is the number of parameters.")
def test_both_variants_have_the_same_parts(models):
    shapes = [{key: value.shape for key, value in lm.model.state_dict().items()} for lm in models.values()]
    assert shapes[0] == shapes[1]
    assert len({suite.total(lm.spec) for lm in models.values()}) == 1


def read_by_modules(lm):
    """A trace of the text, and every stream (position, width) that a module of a layer was given."""
    read = []
    modules = [module for layer in layers(lm) for module in layer.modules()]
    with hooks([(module.register_forward_pre_hook, lambda _, given: read.extend(given)) for module in modules]):
        trace = lm.trace(TEXT)
    return trace, [tensor[0] for tensor in read if torch.is_tensor(tensor) and tensor.ndim == 3]


@says(
    "04",
    "no part of the network ever reads that sum",
    "In a parallel block, Pythia's, both read the same stream.",
    "Both halves of a parallel block read the same x.",
)
def test_no_module_reads_the_sum_of_stream_and_attention(models):
    for name, lm in models.items():
        trace, read = read_by_modules(lm)
        for x, written in zip(trace.residual, trace.attn_out):
            found = [torch.allclose(x + written, stream, atol=1e-4) for stream in read if stream.shape == x.shape]
            assert any(found) == (name == "tiny-pythia-sequential")
            # Each layer's input reaches the layer itself and its LayerNorm₁, and in parallel LayerNorm₂ too.
            readers = sum(torch.allclose(x, stream, atol=1e-5) for stream in read if stream.shape == x.shape)
            assert readers >= (2 if name == "tiny-pythia" else 1)


@says(
    "04",
    "In a sequential block there is a fourth way",
    "In a parallel model attention can still be followed by an MLP, only not by that of its own layer; and what the"
    " attention of the last layer writes is read by no MLP at all.",
    "In the sequential model an MLP reads its own layer's attention; in the parallel model the diagonal is"
    " exactly zero.",
    "To its right stand later layers, which read it in both models, and to its left earlier ones, which cannot.",
)
def test_which_mlp_reads_which_attention(models):
    for name, lm in models.items():
        changed = torch.stack([mlps_changed_by(lm, layer) for layer in range(4)]) > 1e-3
        expected = torch.ones(4, 4).triu(0 if lm.spec.parallel is False else 1).bool()
        assert torch.equal(changed, expected), name
    assert float(mlps_changed_by(models["tiny-pythia"], 1)[1]) == 0


@says("04", "“ red” is in our text twice, each time after different words.")
def test_red_is_there_twice(models):
    tokens = models["tiny-pythia"].trace(TEXT, keep=["ids"]).tokens
    places = [n for n, token in enumerate(tokens) if token == "␣red"]
    assert len(places) == 2 and tokens[places[0] - 1] != tokens[places[1] - 1]


@says(
    "04",
    "In a parallel block nothing has mixed the tokens before the first MLP, and with rotary positions the"
    " embedding does"
    " not say where a token stands.",
    "So that MLP sees one token alone: it is a table with a fixed row for each entry of the vocabulary, a second"
    " embedding.",
    "In the sequential model the first attention comes before it, so its first MLP is no such table.",
)
def test_the_first_mlp_is_a_table(models):
    for name, lm in models.items():
        layer = layers(lm)[0]
        rows = layer.mlp(layer.post_attention_layernorm(lm.model.get_input_embeddings().weight))
        for document in corpus.held_out("stories", 5):
            trace = lm.trace(document.text, keep=["ids", "mlp_out"])
            is_table = torch.allclose(trace.mlp_out[0], rows[trace.ids].float(), atol=1e-3)
            assert is_table == (name == "tiny-pythia")


@says(
    "04",
    "We measure the loss, in nats per token, on 32 documents of each source that were held out from training (for the"
    " weather, where there is nothing to learn but probabilities, on fresh draws).",
)
def test_what_the_loss_is_measured_on():
    documents = evaluate.evaluation_documents()
    assert {len(documents[source]) for source in SOURCES} == {32}
    for source in set(SOURCES) - {"weather"}:
        held = corpus.held_out(source, 32)
        assert all(map(corpus.is_held_out, held))
        rows = [row[1:][row[1:] >= 0].tolist() for row in documents[source]]  # without the end of text in front
        assert all(row == list(corpus.encode(document.text))[: len(row)] for row, document in zip(rows, held))
    with pytest.raises(ValueError, match="weather"):
        corpus.held_out("weather", 32)


@says("04", "A model that gives each of its 1,024 tokens the same probability has a loss of ln 1,024 ≈ 6.93.")
def test_chance(models):
    assert len(models["tiny-pythia"].tokenizer) == 1024 and round(math.log(1024), 2) == 6.93


@says(
    "04",
    "tiny-pythia is nearly back where it began; on its worst source it does worse than giving all tokens the same"
    " probability.",
    "The other way round costs less, but still two nats.",
)
def test_the_other_variant_costs_nats(usual, all_flipped, logs):
    losses = all_flipped["tiny-pythia"]
    began = np.mean([logs["tiny-pythia", 0][f"loss_{source}"][0] for source in SOURCES])
    assert 0.85 * began < np.mean(list(losses.values())) < began
    assert max(losses.values()) > math.log(1024) > sorted(losses.values())[-2]
    cost = np.mean(list(all_flipped["tiny-pythia-sequential"].values())) - usual["tiny-pythia-sequential"]
    assert 2 < cost < 2.5


@says("04", "No weight changes, only what each MLP reads.", "No error message tells you so.")
def test_flipping_is_silent_and_changes_no_weight(models):
    lm = models["tiny-pythia"]
    before = {key: value.clone() for key, value in lm.model.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flipped = with_flipped(lm, range(4), lambda lm: lm.trace(TEXT))
    assert all(torch.equal(before[key], value) for key, value in lm.model.state_dict().items())
    usual = lm.trace(TEXT)
    torch.testing.assert_close(flipped.attn_out[0], usual.attn_out[0])  # what the first attention reads is the same
    assert not torch.allclose(flipped.mlp_out[0], usual.mlp_out[0], atol=0.1)


@says(
    "04",
    "Flipping the first layer alone does nearly all of the harm: any other layer, alone, costs less than a tenth of a"
    " nat.",
    "So it is not true that each MLP can read only the kind of stream it was trained on.",
    "It is the first one that cannot, and you have seen why it is special: in the parallel model it is a look-up table"
    " for bare tokens.",
)
def test_the_first_layer_does_the_harm(models, usual, all_flipped):
    lm, without = models["tiny-pythia"], usual["tiny-pythia"]
    costs = [with_flipped(lm, [layer], mean_loss) - without for layer in range(4)]
    assert costs[0] > 0.9 * (np.mean(list(all_flipped["tiny-pythia"].values())) - without)
    assert all(0 < cost < 0.1 for cost in costs[1:])


@says(
    "04",
    "There attention's output is also several times as long as the embedding it is added to, so the sum points in a"
    " quite different direction.",
)
def test_the_first_sum_points_elsewhere(models):
    trace = models["tiny-pythia"].trace(TEXT)
    lengths = [float(written.norm() / x.norm()) for x, written in zip(trace.residual, trace.attn_out)]
    turned = [torch.cosine_similarity(x, x + a, dim=-1).mean() for x, a in zip(trace.residual, trace.attn_out)]
    assert lengths[0] > 3 and max(lengths[1:]) < 1
    assert turned[0] < 0.5 < 0.7 < min(turned[1:])


@says(
    "04",
    "tiny-pythia-sequential started from the very same initial weights as tiny-pythia and read the same batches in the"
    " same order, with the same recipe.",
    "Only the switch differs.",
)
def test_the_pair_differs_in_the_switch_alone(models):
    starts = [new_model(name).state_dict() for name in PAIR]
    assert all(torch.equal(starts[0][key], starts[1][key]) for key in starts[0])
    specs = [asdict(lm.spec) for lm in models.values()]
    assert {key for key in specs[0] if specs[0][key] != specs[1][key]} == {"name", "parallel"}


@says("04", "Of each, the course ships the training logs of three seeds.")
def test_three_logs(logs):
    for name in PAIR:
        draws = {tuple(logs[name, seed]["induction"][:30]) for seed in (0, 1, 2)}
        assert len(draws) == 3


@says(
    "04",
    "At the end of training (seed 0) the two have the same loss on every source, to a hundredth of a nat",
)
def test_the_end_is_the_same(logs):
    parallel, sequential = (logs[name, 0] for name in PAIR)
    gaps = {source: sequential[f"loss_{source}"] - parallel[f"loss_{source}"] for source in SOURCES}
    assert max(abs(gap[-1]) for gap in gaps.values()) < 0.01
    assert max(abs(gap[list(parallel["step"]).index(900)]) for gap in gaps.values()) > 1  # and it was not always so


@says("04", "In all three seeds the parallel model is more than a nat ahead on echoes for some hundreds of steps")
def test_the_lead_on_echoes(logs):
    for seed in SEEDS:
        parallel, sequential = (logs[name, seed] for name in PAIR)
        ahead = parallel["step"][sequential["loss_echoes"] - parallel["loss_echoes"] > 1]
        assert ahead.max() - ahead.min() >= 300
        for source in ("stories", "tables", "weather"):  # from step 300 on no other source shows it
            gap = sequential[f"loss_{source}"] - parallel[f"loss_{source}"]
            assert gap[parallel["step"] >= 300].max() < 0.2


def first_above(log, skill, threshold):
    return log["step"][log[skill] > threshold][0]


@says(
    "04",
    "In each of the three seeds the parallel model passes 0.5 earlier with both skills.",
    "induction is the clearer case: it is earlier at any threshold from 0.05 to 0.6",
    "in seed 0 both models pass 0.2 and 0.3 at the same step",
    "it differs in the same direction three times out of three",
)
def test_the_parallel_model_is_earlier(logs):
    def earlier(skill, threshold, seed):
        first, second = (first_above(logs[name, seed], skill, threshold) for name in PAIR)
        return second - first

    for seed in SEEDS:
        assert all(earlier(skill, 0.5, seed) > 0 for skill in ("previous_token", "induction"))
        assert all(earlier("induction", threshold, seed) > 0 for threshold in np.arange(0.05, 0.61, 0.05))
    assert [earlier("previous_token", threshold, 0) for threshold in (0.2, 0.3)] == [0, 0]


@says("04", "induction needs an attention that is read by a later attention, and that path is in both.")
def test_a_later_attention_reads_an_earlier_one_in_both(models):
    for lm in models.values():
        before = lm.trace(TEXT, keep=["attn_out"]).attn_out
        silent = [(module.register_forward_hook, lambda *given: torch.zeros_like(given[-1]))
                  for module in (layer.mlp for layer in layers(lm))]  # fmt: skip
        ablated = (layers(lm)[1].attention.register_forward_hook, lambda *given: silenced(given[-1]))
        with hooks(silent):  # so that nothing is left but what attention hands to attention
            without_mlps = lm.trace(TEXT, keep=["attn_out"]).attn_out
        with hooks([*silent, ablated]):
            neither = lm.trace(TEXT, keep=["attn_out"]).attn_out
        assert not torch.allclose(neither[2], without_mlps[2], atol=0.01)
        torch.testing.assert_close(neither[0], without_mlps[0])
        assert not torch.allclose(before[2], without_mlps[2], atol=0.01)


@says(
    "04",
    "Both models end up with the same pair",
    "in these weights (seed 0) the parallel model has its pair one layer lower",
)
def test_where_the_pair_is(models):
    found = {}
    for name, lm in models.items():
        maps = torch.from_numpy(evaluate.probe_attention(lm.model)).mean(0)  # (layer, head, query, key)
        previous = maps.diagonal(-1, -2, -1).mean(-1)
        induction = maps[..., 32:, :].diagonal(1, -2, -1).mean(-1)  # from the second copy to the token after the first
        found[name] = int(previous.amax(1).argmax()), int(induction.amax(1).argmax())
    assert found == {"tiny-pythia": (1, 2), "tiny-pythia-sequential": (2, 3)}


@says(
    "04",
    "Here, on tiny-pythia, they have not learned the same: the correlations are close to zero.",
    "Each dot is one of the 128 dimensions of the stream.",
)
def test_the_two_layernorms_are_not_alike(models):
    for layer in layers(models["tiny-pythia"]):
        one, two = layer.input_layernorm.weight, layer.post_attention_layernorm.weight
        assert len(one) == len(two) == 128
        assert abs(np.corrcoef(one.detach(), two.detach())[0, 1]) < 0.2


def larger_before_the_mlp(name, seed=None):
    """Of each layer, the share of dimensions whose weight is larger in LayerNorm₂; and the correlation of the two."""
    found = []
    for layer in load(name, seed=seed).model.gpt_neox.layers:
        one, two = layer.input_layernorm.weight.detach(), layer.post_attention_layernorm.weight.detach()
        found.append((float((two > one).float().mean()), np.corrcoef(one, two)[0, 1]))
    return found


@says(
    "04",
    "In layer 0 nearly all of the MLP's weights are the smaller ones, in layer 3 all of them are the larger.",
    'So it is in all three seeds (load("tiny-pythia", seed=1)).',
    "Of other sizes it is true in part: in the last layer of the 5M model, too, all of the MLP's weights are the "
    "larger ones, but in its layer 0 only about half are the smaller; and in both layers of the 91k model most are the "
    "smaller.",
)
def test_the_two_layernorms_in_other_seeds_and_sizes():
    for seed in (None, 1, 2):
        found = larger_before_the_mlp("tiny-pythia", seed)
        assert found[0][0] < 0.12 and found[3][0] == 1 and max(abs(r) for _, r in found) < 0.2
    largest = larger_before_the_mlp("tiny-pythia-5m")
    assert largest[-1][0] == 1 and 0.4 < largest[0][0] < 0.6
    for seed in (None, 1, 2):
        assert max(share for share, _ in larger_before_the_mlp("tiny-pythia-91k", seed)) < 0.25


@says(
    "04",
    "The mean and the standard deviation that they remove are the same, for they read the same x.",
    "So nothing is lost if the two weights move into the matrices behind them, and both halves read the very same x̂.",
)
def test_folding_loses_nothing_in_any_layer(models):
    lm = models["tiny-pythia"]
    residual = lm.trace(TEXT).residual
    for layer, x in zip(layers(lm), residual.double()):
        bare = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        pairs = (
            (layer.input_layernorm, layer.attention.query_key_value),
            (layer.post_attention_layernorm, layer.mlp.dense_h_to_4h),
        )
        for norm, linear in pairs:
            weight, bias = (p.double() for p in (linear.weight, linear.bias))
            folded = bare @ (weight * norm.weight.double()).T + bias + weight @ norm.bias.double()
            torch.testing.assert_close(folded.float(), linear(norm(x.float())), atol=1e-4, rtol=1e-3)


@says("04", "The arithmetic is the same, in fewer and larger pieces.")
def test_fusing_saves_no_multiplication(models):
    layer = layers(models["tiny-pythia"])[0]
    attention, mlp = layer.attention, layer.mlp
    apart = [attention.query_key_value, attention.dense, mlp.dense_h_to_4h, mlp.dense_4h_to_h]
    width = 128
    read = torch.cat([apart[0].weight, apart[2].weight])
    write = torch.cat([apart[1].weight, apart[3].weight], 1)
    assert sum(linear.weight.numel() for linear in apart) == read.numel() + write.numel() == 12 * width**2
