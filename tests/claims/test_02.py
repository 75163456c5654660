"""Lesson 02, rotary position embeddings: what it says, computed anew."""

from unittest.mock import patch

import pytest
import torch
from support.claims import says
from transformers.models.gpt_neox import modeling_gpt_neox as library

from pythia_course import load, measures, suite
from pythia_course.tiny import corpus
from pythia_course.tiny.models import new_model
from pythia_course.tiny.train import training_log

ROTARY, LEARNED = ("tiny-pythia", "tiny-pythia-sequential"), ("tiny-gpt2", "tiny-gpt2-parallel")
TEN = 10  # copies of one token


@pytest.fixture(scope="module")
def lm():
    return load("tiny-pythia")


@pytest.fixture(scope="module")
def random_trace(lm):
    return lm.trace(measures.repeated_random_tokens(lm.spec.vocab)[0], unrotated=True)


@pytest.fixture(scope="module")
def the(lm):
    return lm.tokenizer.encode(" the") * TEN


def speeds(dims=8, base=10_000.0):
    return base ** (-torch.arange(0, dims, 2, dtype=torch.float64) / dims)


def scores(q, k, distances, dims=8, without=()):
    """(distance,): by complex numbers, query · key after rotation by each distance, over the root of the head's"
    " width."""
    half = dims // 2
    q, k = (torch.as_tensor(x).double() for x in (q, k))
    a, b = (torch.complex(x[:half], x[half:dims]) for x in (q, k))
    phase = torch.polar(torch.ones(len(distances), half).double(), distances[:, None].double() * speeds(dims))
    pairs = (a * phase * b.conj()).real
    pairs[:, list(without)] = 0
    return (pairs.sum(-1) + q[dims:] @ k[dims:]) / len(q) ** 0.5


def unturned():
    return patch.object(library, "apply_rotary_pos_emb", lambda q, k, cos, sin: (q, k))


def differing(logits):
    return int(((logits - logits[0]).abs().amax(-1) > 1e-2).sum())


@says(
    "02",
    "the only thing that differs from one column to the next is the position.",
    "Pair 0 runs around like the second hand of a clock (but the other way), each later pair is slower, and the "
    "length never changes.",
    "In tiny-pythia all ten tokens start alike.",
)
def test_the_arrows_turn_evenly_and_keep_their_length(lm, the):
    trace = lm.trace(the, unrotated=True)
    before = trace.queries_unrotated[0]
    assert torch.equal(before, before[:, :1].expand_as(before))
    pairs = torch.complex(trace.queries[0, 0, :, :4], trace.queries[0, 0, :, 4:8])
    steps = (pairs[1:] / pairs[:-1]).angle().double()  # above 0: against the clock
    torch.testing.assert_close(steps, speeds().expand(9, -1), atol=2e-5, rtol=1e-3)
    torch.testing.assert_close(pairs.abs(), pairs[:1].abs().expand(10, -1), atol=1e-5, rtol=1e-5)


@says(
    "02",
    "Rotated by the same angle, they keep their dot product, whatever the angle is.",
    "Rotated by different angles, only the difference counts",
    "One pair would not be enough: a fast one is back where it began after a few positions, and a slow one hardly tells"
    " neighbours apart.",
)
def test_a_dot_product_of_two_rotated_points():
    draw = torch.Generator().manual_seed(1)
    q, k = (torch.complex(*torch.randn(2, 50, generator=draw, dtype=torch.float64)) for _ in "qk")
    a, b = 20 * torch.rand(2, 50, generator=draw, dtype=torch.float64)

    def product(x, y):
        return (q * torch.polar(torch.ones(50).double(), x) * (k * torch.polar(torch.ones(50).double(), y)).conj()).real

    torch.testing.assert_close(product(a, a), product(0 * a, 0 * a))
    torch.testing.assert_close(product(a, b), product(a - b, 0 * b))
    torch.testing.assert_close(product(a + 2 * torch.pi, b), product(a, b))
    assert not torch.allclose(product(a, b), product(b, a))
    fast, slow = (2 * torch.pi / speeds()[pair] for pair in (0, -1))
    assert fast < 7 and slow > 6000
    step = [float((product(a + speed, b) - product(a, b)).abs().max()) for speed in speeds()[[0, -1]]]
    assert step[1] < 0.01 < 1 < step[0]  # one position further on, by the slowest pair and by the fastest


@says(
    "02",
    "with a base of 10,000.",
    "Pythia-160M rotates 16 dimensions of each head and reads up to 2,048 tokens.",
    "never completes a circle in any text that the model was trained on.",
    "is short for: a quarter of each",
    "In Pythia, not all of them: in pythia-160m it is 16 of 64.",
)
def test_a_quarter_rotates_and_some_pairs_never_come_round(lm):
    specs = [lm.spec, *(suite.SUITE[name] for name in suite.PYTHIAS)]
    assert {(spec.rotary_dims / spec.head_dim, spec.rope_base) for spec in specs} == {(0.25, 10_000)}
    assert (suite.SUITE["pythia-160m"].rotary_dims, suite.SUITE["pythia-160m"].context) == (16, 2048)
    for spec, trained in zip(specs, [corpus.CONTEXT] + [2048] * len(suite.PYTHIAS)):
        wavelengths = 2 * torch.pi / speeds(spec.rotary_dims)
        assert 0 < int((wavelengths > trained).sum()) < len(wavelengths)


@says("02", "with a mean of 0.8 nats, the tokens that came had a probability of about 0.45 on (geometric) average.")
def test_nats_and_probability():
    probabilities = torch.tensor([0.9, 0.45, 0.225])  # their geometric mean is 0.45, their mean is not
    assert abs(float(-probabilities.log().mean()) - 0.8) < 0.005 and abs(float(probabilities.mean()) - 0.45) > 0.05


@says(
    "02",
    "Every other mistake costs more than two nats, and none of them raises an error",
    "Both kinds of heads are gone.",
)
@pytest.mark.parametrize("name", ROTARY)
def test_what_rotation_is_worth_to_trained_weights(name):
    model = load(name)
    text = "\n".join(document.text for document in corpus.held_out("stories", 3))
    ids = torch.tensor([corpus.END_OF_TEXT, *model.tokenizer(text)["input_ids"]])[:128]
    random = measures.repeated_random_tokens(model.spec.vocab)[0]

    def seen():
        loss = measures.token_losses(model.model(ids[None]).logits[0], ids).mean()
        weights = model.trace(random).attention
        return loss, measures.previous_token_scores(weights).max(), measures.induction_scores(weights, period=32).max()

    loss, previous, induction = seen()
    with unturned():
        worse, previous_off, induction_off = seen()
    assert worse > loss + 1.5 and previous > 0.9 and induction > 0.5
    assert max(previous_off, induction_off) < 0.1


@says(
    "02",
    "The rotary model cannot tell the difference.",
    "its loss rises by some hundredths of a nat with a shift of 1, and further with each larger one.",
    "It has learned that a shift should matter little, not that it does not matter.",
    "What the first has by construction, the second has to find in the data.",
)
def test_a_shift_changes_nothing_in_rotary_models_and_something_in_the_others():
    texts = [document.text for source in ("stories", "tables", "echoes", "python") for document in
             corpus.held_out(source, 12)]  # fmt: skip
    ids = [i for text in texts[::-1] for i in (corpus.END_OF_TEXT, *corpus.encode(text))]
    ids = torch.tensor(ids[: len(ids) // 64 * 64]).view(-1, 64)
    for name in suite.TINY:
        found = []
        for shift in (0, 1, 16, 64):
            logits = load(name).model(ids, position_ids=shift + torch.arange(64)[None].expand(len(ids), -1)).logits
            found.append(float(torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:])))
        if name in ROTARY:
            assert max(found) - min(found) < 1e-4, name
        else:
            assert found == sorted(found) and 0.01 < found[1] - found[0] < 0.1 < found[3] - found[0] < 0.3, name


@says(
    "02",
    "Pair 0 makes the peak: it alone is fast enough to tell a distance of 1 from a distance of 2.",
    "But it comes back about every six positions, and now and then nearly as high, so something has to push the repeats"
    " down.",
    "That is pair 2, which falls steadily over the whole range; without it the score would be highest 51 tokens back.",
    "Pair 1 pushes down the repeats near 20 and 30 but raises those near 55, and pair 3 hardly moves.",
)
def test_which_pair_does_what_in_the_previous_token_head(random_trace):
    layer, head, _ = measures.best_head(measures.previous_token_scores(random_trace.attention))
    q, k = (x[layer, head].mean(0) for x in (random_trace.queries_unrotated, random_trace.keys_unrotated))
    away = torch.arange(64)
    assert int(scores(q, k, away).argmax()) == 1
    assert [int(scores(q, k, away, without=[pair]).argmax()) for pair in range(4)] == [0, 1, 51, 1]
    only = [scores(q, k, away, without={0, 1, 2, 3} - {pair}) for pair in range(4)]
    only = [curve - scores(q, k, away, without=range(4)) for curve in only]
    assert [bool(abs(curve[1] - curve[2]) > 1) for curve in only] == [True, False, False, False]
    assert max(only[0][[6, 7, 13, 19, 44]]) > 0.85 * only[0][1]
    assert bool((only[2].diff() < 0).all()) and float(only[3].max() - only[3].min()) < 0.1
    assert only[1][20] < -4 and only[1][30] < -4 and only[1][55] > only[1][0]


@says(
    "02",
    "Where query and key point the same way, any rotation can only lower the score, and it falls, unevenly.",
    "For random ones the mean stays at 0 and the spread stays the same at any distance.",
    "So rotation as such prefers no distance; the weights decide.",
)
def test_no_decay_without_a_reason():
    draw = torch.Generator().manual_seed(3)
    q, k = torch.randn(2, 4000, 16, generator=draw)
    same = torch.stack([scores(torch.ones(16), torch.ones(16), torch.tensor([d]), dims=16)[0] for d in range(600)])
    assert bool((same[1:] < same[0]).all()) and same[512] < same[8] < same[0]
    assert not bool((same.diff() < 0).all())  # unevenly
    a, b = (torch.complex(x[:, :8], x[:, 8:]) for x in (q, k))
    for distance in (0, 3, 60, 700, 2047):
        phase = torch.polar(torch.ones(8), (distance * speeds(16)).float())
        products = (a * phase * b.conj()).real.sum(-1)
        assert abs(float(products.mean())) < 0.2 and abs(float(products.std()) - 4) < 0.2


@says(
    "02",
    "On tiny-pythia all sixteen heads have learned a score that is lower at a distance of 127 than at 0, though in"
    " layer"
    " 2 three of the four peak more than ten tokens back.",
    "with the mean queries and keys of stories none lies more than ten tokens back, and the fall from 0 to 127 is there"
    " as well.",
    'with its initial weights (load("tiny-pythia", step=0)) the differences have both signs.',
)
def test_the_decay_is_learned(lm, random_trace):
    def curves(*traces):
        q = torch.cat([trace.queries_unrotated for trace in traces], 2).mean(2)
        k = torch.cat([trace.keys_unrotated for trace in traces], 2).mean(2)
        return [[scores(q[n, h], k[n, h], torch.arange(128)) for h in range(4)] for n in range(4)]

    trained = curves(random_trace)
    assert all(curve[127] < curve[0] for layer in trained for curve in layer)
    assert sum(int(curve.argmax()) > 10 for curve in trained[2]) == 3
    told = [lm.trace([0, *corpus.encode(d.text)], unrotated=True) for d in corpus.held_out("stories", 15)]
    assert all(curve[127] < curve[0] and int(curve.argmax()) <= 10 for layer in curves(*told) for curve in layer)
    start = load("tiny-pythia", step=0).trace(measures.repeated_random_tokens(lm.spec.vocab)[0], unrotated=True)
    signs = {bool(curve[127] < curve[0]) for layer in curves(start) for curve in layer}
    assert signs == {True, False}


@says(
    "02",
    "an average of equal things is that thing, whatever the weights",
    "from rotation alone, a rotary model cannot count a run of one repeated token.",
    "With a table it can, and with something different in front, such as an end-of-text token, so can the rotary"
    " model:",
)
def test_a_run_of_one_token(the):
    for name in suite.TINY:
        model = load(name)
        assert differing(model.trace(the).logits) == (0 if name in ROTARY else 9)
        assert differing(model.trace([corpus.END_OF_TEXT, *the]).logits[1:]) == 9
    start = load("tiny-pythia", step=0)  # whatever the weights
    logits = start.trace(the).logits
    torch.testing.assert_close(logits, logits[:1].expand_as(logits), atol=1e-5, rtol=1e-4)


@says(
    "02",
    "The causal mask gives the position away: the first “the” shares its attention among two tokens, the tenth among"
    " eleven, so the weight on the token in front falls with every step.",
    "The second line grows by the same amount each time: the head counts.",
    "position reaches them all the same, through which tokens a head looked at, and through the mask.",
    "where a token stands from the start of the text, the model can also work out from the causal mask.",
)
@pytest.mark.parametrize("name", ROTARY)
def test_without_rotation_the_mask_still_counts(name, the):
    with unturned():
        trace = load(name).trace([corpus.END_OF_TEXT, *the])
        no_mark = load(name).trace(the)
    weight = trace.attention[0, :, 1:, 0].double()  # (head, position)
    assert bool((weight.diff() < 0).all())
    each = 1 / weight - 1
    torch.testing.assert_close(each, each[:, :1] * torch.arange(1, TEN + 1), rtol=1e-2, atol=1e-5)
    assert differing(trace.logits[1:]) == 9 and differing(no_mark.logits) == 0
    assert torch.cosine_similarity(trace.residual[-1, 1], trace.residual[-1, TEN], dim=0) < 0.99


@says(
    "02",
    "Within the first 128, rows that are close together have come to resemble each other.",
    "The likeness does not fade evenly (rows 16 apart are more alike than rows 8 apart), is gone at about 32, and rows"
    " 64 apart point in rather opposite directions",
    "those rows are still the random numbers they began as, shrunk by weight decay.",
    "Nothing tells the table that position 20 lies beside position 21.",
    "It must be learned, row by row.",
)
def test_the_table_beyond_128_is_the_initial_one_shrunk():
    for name in LEARNED:
        table, start = (m.transformer.wpe.weight.detach() for m in (load(name).model, new_model(name)))
        unit, began = (x / x.norm(dim=-1, keepdim=True) for x in (table, start))
        near = [float((unit[: 128 - n] * unit[n:128]).sum(-1).mean()) for n in (1, 2, 8, 32)]
        assert min(near[:2]) > 0.5 and min(near[:3]) > near[3]
        if name == "tiny-gpt2":
            far = [float((unit[: 128 - n] * unit[n:128]).sum(-1).mean()) for n in (8, 16, 32, 64)]
            assert far[1] > far[0] and abs(far[2]) < 0.05 and far[3] < -0.3
        assert abs(float((began[:-1] * began[1:]).sum(-1).mean())) < 0.05  # it began without any such order
        assert float((unit[128:] * began[128:]).sum(-1).min()) > 0.999
        assert 0.1 < float(table[128:].norm() / start[128:].norm()) < 0.9


@says(
    "02",
    "only differences of positions survive in the scores.",
    "A table of 2,048 rows would be 1,572,864 parameters in Pythia-160M.",
    "Rotation has none.",
)
def test_rotation_has_no_parameters(lm):
    assert not any("rotary" in name for name, _ in lm.model.named_parameters())
    assert 2048 * suite.SUITE["pythia-160m"].width == 1_572_864
    q, k = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    a, b = (scores(q, k, torch.tensor([distance])) for distance in (5, 6))
    assert not torch.allclose(a, b)


@says(
    "02",
    "each trained three times, from different initial weights (seeds); the logs of seeds 1 and 2 stop at step 2,400 of"
    " 6,200.",
    "For seed 0 it is the same at the end of training.",
    "Two have rotary positions, two a learned table; two have parallel blocks and two sequential ones (lesson 04).",
    "Within a seed all four read the same batches.",
    "Both rotary models have a previous-token head sooner than both models with a table: in every run before step"
    " 1,000,"
    " against after it.",
    "With any threshold from 0.15 to 0.5 the order is the same, at different steps.",
    "in tiny-gpt2, with a table and a sequential block, the best previous-token head scores about 0.5 in all three"
    " runs;"
    " in the other three models it scores more than 0.9.",
    "So it is not the table alone: tiny-gpt2-parallel has a table too.",
    "for models this small, rotary positions bring these heads earlier.",
)
def test_over_three_seeds():
    logs = {(name, seed): training_log(name, seed) for name in suite.TINY for seed in (0, 1, 2)}
    for threshold in (0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        first = {}
        for (name, seed), log in logs.items():
            steps = log["step"][log["previous_token"] > threshold]
            first[name, seed] = int(steps[0]) if len(steps) else 10**9
        for seed in (0, 1, 2):
            assert max(first[name, seed] for name in ROTARY) < min(first[name, seed] for name in LEARNED)
        if threshold == 0.25:
            assert max(first[name, s] for name in ROTARY for s in range(3)) < 1000
            assert min(first[name, s] for name in LEARNED for s in range(3)) > 1000
    assert {(seed, int(log["step"][-1])) for (_, seed), log in logs.items()} == {(0, 6200), (1, 2400), (2, 2400)}
    for (name, _), log in logs.items():
        for step in {2400, int(log["step"][-1])}:
            (score,) = log["previous_token"][log["step"] == step]
            assert 0.4 < score < 0.6 if name == "tiny-gpt2" else score > 0.9
    for seed in (0, 1, 2):
        assert len({tuple(logs[name, seed]["tokens"]) for name in suite.TINY}) == 1
    specs = {name: load(name).spec for name in suite.TINY}
    assert {name for name in suite.TINY if specs[name].positions == "rotary"} == set(ROTARY)
    assert sum(spec.parallel for spec in specs.values()) == 2
