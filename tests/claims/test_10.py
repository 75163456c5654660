"""Lesson 10, Pythia and GPT-Neo: what it says, computed anew."""

import functools
import itertools

import numpy as np
import pytest
import torch
from support.claims import says
from transformers import GPTNeoConfig, GPTNeoForCausalLM

from pythia_course import load, suite
from pythia_course.tiny import corpus, evaluate
from pythia_course.tiny.models import new_model
from pythia_course.tiny.seeds import length_losses
from pythia_course.tiny.train import training_log

SEEDS, STOP = (0, 1, 2), 2400
NAMES = ("tiny-gpt2", "tiny-gpt2-parallel", "tiny-pythia-sequential", "tiny-pythia")  # (positions, block), flattened
PYTHIA, NEO = suite.SUITE["pythia-160m"], suite.SUITE["gpt-neo-125m"]
T_95 = 4.302653  # Student's t, two sides of 95%, two degrees of freedom


@functools.cache
def log(name, seed):
    columns = training_log(name, seed=seed)
    return {key: values[columns["step"] <= STOP] for key, values in columns.items()}


def sources():
    return [key for key in log("tiny-pythia", 0) if key.startswith("loss_") and "planted" not in key]


def table(measure):
    """(seed, positions, block)."""
    return np.array([[float(measure(log(name, seed))) for name in NAMES] for seed in SEEDS]).reshape(3, 2, 2)


def contrasts(y):
    """Of rotary, of parallel, and their interaction, by seed, as products with signs.  (effect, seed)."""
    signs = np.array([[-1, -1, 1, 1], [-1, 1, -1, 1], [1, -1, -1, 1]])
    return signs @ y.reshape(len(y), 4).T / 2


def told(found):
    """For each effect: do all seeds agree, and does it lie beyond its 95% interval?"""
    agree = (found > 0).all(1) | (found < 0).all(1)
    half = T_95 * np.sqrt(((found - found.mean(1, keepdims=True)) ** 2).sum(1) / 2 / 3)
    return agree.tolist(), (abs(found.mean(1)) > half).tolist()


def born(columns, share=0.5, level=None):
    bar = share * columns["induction"][-1] if level is None else level
    return next(step for step, score in zip(columns["step"], columns["induction"]) if score >= bar)


OUTCOMES = {
    "loss": lambda columns: np.mean([columns[key][-1] for key in sources()]),
    "previous": lambda columns: columns["previous_token"][-1],
    "induction": lambda columns: columns["induction"][-1],
    "born": born,
}


@functools.cache
def outcome(name):
    return contrasts(table(OUTCOMES[name]))


@functools.cache
def by_place():
    """(seed, positions, block, place): the loss in bins of 64 positions."""
    found = {}
    for row in length_losses():
        found.setdefault((row["seed"], row["name"]), []).append((row["first_position"], row["loss"]))
    rows = [[loss for _, loss in sorted(found[seed, name])] for seed in SEEDS for name in NAMES]
    return np.array(rows).reshape(3, 2, 2, 8)


def small_neo(window, kinds, *, flat=False):
    """A GPT-Neo of random weights; flat: with queries of zero, so that each token looks equally at all it may."""
    torch.manual_seed(0)
    config = GPTNeoConfig(
        hidden_size=64, num_heads=4, vocab_size=300, num_layers=len(kinds), attention_types=[[list(kinds), 1]],
        window_size=window, max_position_embeddings=512, initializer_range=0.2, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPTNeoForCausalLM(config).eval().requires_grad_(False)
    for block in model.transformer.h if flat else ():
        block.attn.attention.q_proj.weight.zero_()
    return model


@pytest.fixture(scope="module")
def tiny():
    return load("tiny-pythia")


@functools.cache
def held_out():
    found = evaluate.evaluation_documents().items()
    return [ids for name, ids in found if not name.startswith("planted")]


@functools.cache
def usual_loss():
    return loss(load("tiny-pythia"))


def loss(lm):
    return sum(evaluate.document_loss(lm.model, ids) for ids in held_out()) / len(held_out())


def change_arrives(model, query, length=40):
    """The stream at one position when each earlier token is changed in turn: which of them reach it?"""
    ids = torch.arange(2, 2 + length)[None]
    before = model(ids, output_hidden_states=True).hidden_states[-1][0, query]
    reach = []
    for place in range(query + 1):
        other = ids.clone()
        other[0, place] = 250
        after = model(other, output_hidden_states=True).hidden_states[-1][0, query]
        reach.append(bool((after - before).abs().max() > 1e-6))
    return reach


@says(
    "10",
    "In the second it may look back only a few places, and everything further away is hidden from it.",
    "A window of 256 holds the token itself and the 255 before it. So a local layer reaches 255 back, not 256.",
    "Each local layer adds window − 1 places.",
    "One global layer reaches everything at once, and GPT-Neo has one in front of each local one.",
)
def test_how_far_a_local_layer_reaches():
    assert change_arrives(small_neo(8, ("local",), flat=True), 30) == [False] * 23 + [True] * 8
    assert change_arrives(small_neo(8, ("local", "local"), flat=True), 30) == [False] * 16 + [True] * 15
    assert all(change_arrives(small_neo(8, ("global",), flat=True), 30)) and NEO.attention_window == 256
    kinds = GPTNeoConfig(num_layers=12, attention_types=[[["global", "local"], 6]]).attention_layers
    assert kinds == ["global", "local"] * 6


@says(
    "10",
    "Whether the window is there at all depends on the prompt.",
    "On a prompt that fits into the window, the window makes no difference.",
    "So with the real GPT-Neo this row of our list can be avoided by keeping prompts below 257 tokens.",
)
def test_a_prompt_within_the_window():
    ids = torch.randint(2, 300, (1, 257), generator=torch.Generator().manual_seed(0))
    narrow, wide = (small_neo(window, ("global", "local"), flat=True)(ids).logits[0] for window in (256, 512))
    torch.testing.assert_close(narrow[:256], wide[:256])
    assert not torch.allclose(narrow[256], wide[256], atol=1e-4)


@says(
    "10",
    "Otherwise the layers are of the same size, as with GPT-2 in lesson 05.",
    "q, k and v each have one bias per dimension where they have any",
)
def test_the_layers_differ_by_their_biases():
    assert (PYTHIA.layers, PYTHIA.width, PYTHIA.heads, PYTHIA.mlp_width) == (
        NEO.layers,
        NEO.width,
        NEO.heads,
        NEO.mlp_width,
    )
    assert suite.without_embeddings(PYTHIA) - suite.without_embeddings(NEO) == 12 * 3 * 768 == 27_648


@says("10", "It does not, and that is no bug.", "of the queries' matrix instead")
def test_neo_does_not_divide():
    model = small_neo(512, ("global",))
    captured = {}
    block = model.transformer.h[0]
    block.attn.attention.q_proj.register_forward_hook(lambda m, i, out: captured.update(q=out[0]))
    block.attn.attention.k_proj.register_forward_hook(lambda m, i, out: captured.update(k=out[0]))
    model.set_attn_implementation("eager")
    weights = model(torch.arange(2, 14)[None], output_attentions=True).attentions[0][0]
    q, k = (captured[name].view(12, 4, 16).transpose(0, 1) for name in "qk")
    hidden = torch.ones(12, 12).triu(1).bool()
    for divisor, same in ((1, True), (4, False)):
        by_hand = (q @ k.mT / divisor).masked_fill(hidden, -torch.inf).softmax(-1)
        assert torch.allclose(by_hand, weights, atol=1e-4) == same


@says(
    "10",
    "trained with a different one, it can end as the very same function, because its queries' matrix can grow or "
    "shrink by the same factor",
    "Such a step of the queries' matrix moves GPT-Neo's scores eight times as far (√64) as in code that divides; "
    "the same step of the keys' matrix moves them no further at the start, since there queries that begin eight "
    "times smaller cancel the missing division.",
)
def test_a_step_of_queries_and_a_step_of_keys():
    draw = torch.Generator().manual_seed(0)
    x, q, k = (torch.randn(shape, generator=draw).double() for shape in ((40, 768), (768, 64), (768, 64)))
    step = 1e-4 * torch.randn(768, 64, generator=draw).double().sign()  # Adam's: the same size for each number

    def scores(q, k, divisor):
        return (x @ q) @ (x @ k).T / divisor

    divides = scores(q, k, 8)
    folds = scores(q / 8, k, 1)  # GPT-Neo's start: smaller queries, no division
    torch.testing.assert_close(divides, folds)

    def moved(with_step, start):
        return float((with_step - start).norm())

    of_queries = moved(scores(q / 8 + step, k, 1), folds) / moved(scores(q + step, k, 8), divides)
    of_keys = moved(scores(q / 8, k + step, 1), folds) / moved(scores(q, k + step, 8), divides)
    assert of_queries == pytest.approx(8, rel=1e-3) and of_keys == pytest.approx(1, rel=1e-3)


@says("10", "An optimiser like Adam moves each number by about its learning rate.")
def test_adam_moves_each_number_by_its_rate():
    weight = torch.nn.Parameter(torch.zeros(50))
    slopes = torch.logspace(-3, 3, 50)
    adam = torch.optim.Adam([weight], lr=1e-3)
    (weight * slopes).sum().backward()
    adam.step()
    torch.testing.assert_close(weight.detach(), torch.full((50,), -1e-3), rtol=1e-3, atol=1e-6)


@says(
    "10",
    "One forgotten line costs a whole nat in one direction",
    "without the division, a quarter to a half of each head's attention moves to other tokens",
    "in tiny-gpt2 the same mistake costs half a nat",
)
def test_the_scores_of_tiny_pythia_divided_otherwise(tiny):
    usual, found = tiny.model.gpt_neox.layers[0].attention.scaling, {1: usual_loss()}
    rows = [corpus.batch(5).tokens[row, :100].tolist() for row in range(6)]
    before, after = [tiny.trace(row, keep=["attention"]).attention for row in rows], []
    for times in (32**-0.5, 32**0.5):
        for layer in tiny.model.gpt_neox.layers:
            layer.attention.scaling = usual * times
        found[times] = loss(tiny)
    after = [tiny.trace(row, keep=["attention"]).attention for row in rows]  # not divided
    for layer in tiny.model.gpt_neox.layers:
        layer.attention.scaling = usual
    assert found[32**-0.5] - found[1] > 0.9 and 0 < found[32**0.5] - found[1] < 0.05
    moved = sum((a - b).abs()[..., 10:, :].sum(-1).mean(-1) / 2 for a, b in zip(before, after)) / len(rows)
    assert 0.2 < moved.min() < 0.3 and 0.45 < moved.max() < 0.55  # (layer, head)
    other = load("tiny-gpt2")
    as_trained = loss(other)
    for block in other.model.transformer.h:
        block.attn.scaling = 1.0
    assert 0.4 < loss(other) - as_trained < 0.65


@says("10", "Half a thousandth at most, and the loss does not change by a thousandth.")
def test_the_two_forms_of_gelu(tiny):
    x = torch.linspace(-8, 8, 40_001)
    gap = (torch.nn.functional.gelu(x) - torch.nn.functional.gelu(x, approximate="tanh")).abs().max()
    usual, old = usual_loss(), tiny.model.gpt_neox.layers[0].mlp.act
    for layer in tiny.model.gpt_neox.layers:
        layer.mlp.act = torch.nn.GELU(approximate="tanh")
    changed = loss(tiny)
    for layer in tiny.model.gpt_neox.layers:
        layer.mlp.act = old
    assert 0.0004 < gap < 0.0005 and abs(changed - usual) < 0.001


@says(
    "10",
    "The only parameters that some have and the others lack are the 512 rows of the table.",
    "Within one seed, the four models start from the same weights, the table apart, and read the same batches.",
)
def test_the_four_start_alike_part_by_part():
    for seed in SEEDS:
        found = {name: dict(new_model(name, seed).named_parameters()) for name in NAMES}
        first = found["tiny-pythia"]
        for name, second in (("tiny-pythia-sequential", "neox"), ("tiny-gpt2", "gpt2"), ("tiny-gpt2-parallel", "gpt2")):
            if second == "neox":
                assert all(torch.equal(first[key], value) for key, value in found[name].items())
                continue
            other = found[name]
            torch.testing.assert_close(
                first["gpt_neox.embed_in.weight"], other["transformer.wte.weight"], rtol=0, atol=0
            )
            mlp = other["transformer.h.2.mlp.c_fc.weight"].T
            torch.testing.assert_close(first["gpt_neox.layers.2.mlp.dense_h_to_4h.weight"], mlp, rtol=0, atol=0)
            q, k, v = other["transformer.h.1.attn.c_attn.weight"].T.reshape(3, 4, 32, 128)
            ours = first["gpt_neox.layers.1.attention.query_key_value.weight"].reshape(4, 3, 32, 128)
            torch.testing.assert_close(ours, torch.stack([q, k, v], 1), rtol=0, atol=0)
            extra = sum(p.numel() for p in other.values()) - sum(p.numel() for p in first.values())
            assert extra == 512 * 128 == other["transformer.wpe.weight"].numel()
    assert not torch.equal(new_model("tiny-pythia", 1).lm_head.weight, new_model("tiny-pythia", 2).lm_head.weight)


@says(
    "10",
    "of the other two the course ships the logs, to step 2,400 of 6,200, on the same schedule",
    "For the end of training there is only one seed",
    "Seed 0 was measured at the end of its training, seeds 1 and 2 at step 2,400.",
    "These are not three replicates of one thing",
    "They were trained on 128 positions and can be given 512.",
)
def test_what_ships_of_the_seeds():
    ends = {seed: {int(training_log(name, seed=seed)["step"][-1]) for name in NAMES} for seed in SEEDS}
    assert ends == {0: {6200}, 1: {2400}, 2: {2400}} and corpus.STEPS == 6200
    assert {(row["seed"], row["step"]) for row in length_losses()} == {(0, 6200), (1, 2400), (2, 2400)}
    assert corpus.batch(0).tokens.shape[1] in (128, 129) and {load(name).spec.context for name in NAMES} == {512}


@says("10", "The tiny suite has two switches, positions and block, and a model for each of their four settings.")
def test_four_settings():
    specs = [load(name).spec for name in NAMES]
    assert [(spec.positions, spec.parallel) for spec in specs] == [
        ("learned", False), ("learned", True), ("rotary", False), ("rotary", True)
    ]  # fmt: skip
    assert len({(spec.layers, spec.width, spec.heads, spec.vocab, spec.tied, spec.activation) for spec in specs}) == 1


@says("10", "in training each row had 2,048 tokens, and half of the layers learned their work within 256")
def test_rows_of_2048():
    assert NEO.context == 2048 and NEO.attention_window == 256


@says(
    "10",
    "And the difference between the two corners is exactly the sum of the two main effects, whatever the interaction:",
)
def test_corner_to_corner():
    y = np.random.RandomState(0).normal(size=(50, 2, 2))
    np.testing.assert_allclose(y[:, 1, 1] - y[:, 0, 0], contrasts(y)[:2].sum(0))
    assert abs(contrasts(y)[2]).mean() > 0.3  # with interactions


@says(
    "10",
    "With a dozen differences it is a sum of a dozen main effects, and of the interactions of three of them, of "
    "five, and so on.",
)
def test_which_interactions_corner_to_corner_holds():
    for order in range(1, 6):
        sign = [np.prod([corner] * order) for corner in (-1, 1)]  # a contrast's sign where all switches are off, on
        assert (sign[1] - sign[0] != 0) == (order % 2 == 1)


@says(
    "10",
    "about three of the twelve would be expected to agree in all seeds",
    "of twelve independent intervals at 95%, at least one would miss in nearly every second table",
    "for three numbers and 95% t is as large as 4.30",
)
def test_chance():
    draw = np.random.RandomState(0)
    noise = draw.normal(size=(20_000, 12, 3))
    agree = (noise > 0).all(2) | (noise < 0).all(2)
    assert agree.sum(1).mean() == pytest.approx(3, abs=0.1)
    half = 4.30 * noise.std(2, ddof=1) / 3**0.5
    misses = abs(noise.mean(2)) > half
    assert misses.mean() == pytest.approx(0.05, abs=0.003)
    assert misses.any(1).mean() == pytest.approx(0.46, abs=0.02)


@says(
    "10", "Ours are not independent, since all four outcomes come from the same twelve runs, so misses come together."
)
def test_outcomes_of_the_same_runs_go_together():
    slower, loss_at_end = table(born).ravel(), table(OUTCOMES["loss"]).ravel()
    assert np.corrcoef(slower, loss_at_end)[0, 1] > 0.8


@says(
    "10",
    "All twelve effects agree in all three seeds.",
    "the interaction on the loss and on the birth: three numbers of one sign, too far apart to say more",
    "The interaction on the induction score is of the same kind, but lies beyond its interval only by a hair.",
    "On the loss both are real and small",
)
def test_the_table_of_effects():
    found = {name: told(outcome(name)) for name in OUTCOMES}
    assert all(agree == [True] * 3 for agree, _ in found.values())
    assert {name for name, (_, beyond) in found.items() if not all(beyond)} == {"loss", "born"}
    assert found["loss"][1] == found["born"][1] == [True, True, False]
    of_score = outcome("induction")[2]
    half = T_95 * of_score.std(ddof=1) / 3**0.5
    assert half < abs(of_score.mean()) < 1.15 * half
    assert abs(outcome("loss")[:2]).max() < 0.05


@says("10", "The three effects are twice the coefficients of a regression in which the switches are coded as −1 and 1.")
def test_effects_and_coefficients():
    y = np.random.RandomState(0).normal(size=(5, 4))  # (case, corner)
    switches = np.array([[1, p, b, p * b] for p in (-1, 1) for b in (-1, 1)])
    np.testing.assert_allclose(2 * np.linalg.solve(switches, y.T)[1:], contrasts(y.reshape(5, 2, 2)))


@says("10", "In our table, Pythia-160M and GPT-Neo-125M differ in eleven things besides their positions,")
def test_eleven_rows():
    by_configuration = {"positions", "parallel", "tied", "activation", "qkv_bias", "attention_window", "vocab"}
    assert all(getattr(PYTHIA, key) != getattr(NEO, key) for key in by_configuration)
    others = {"scaling", "training steps", "tokens per step", "tokenizer", "order of the data"}  # cited
    assert len(by_configuration | others) - len({"positions"}) == 11


@says("10", "In Pythia any head above the first layer could be one.")
def test_no_induction_head_in_a_first_layer(tiny):
    rows = np.random.RandomState(5).randint(2, 1024, (4, 32))
    maps = np.mean([tiny.trace([*row, *row], keep=["attention"]).attention.numpy() for row in rows], axis=0)
    scores = np.mean([maps[..., 32 + i, i + 1] for i in range(32)], axis=0)
    assert scores[0].max() < 0.02 < 0.5 < scores[1:].max()


@says("10", "the births lie on a grid of 100 steps, so that their spread over seeds is in part the grid's")
def test_the_grid():
    assert set((table(born) % 100).ravel()) == {0} and set((outcome("born") % 50).ravel()) == {0}


@says(
    "10",
    "The seeds of one model stay within 200 steps of each other, two rows of the log.",
    "tiny-pythia is first in every seed, by 300 steps at least.",
    "In seed 1 the parallel block alone gained nothing",
)
def test_the_births():
    births = table(born).reshape(3, 4)  # (seed, model)
    assert np.ptp(births, axis=0).max() == 200
    assert (births[:, 3:] <= births[:, :3] - 300).all() and births[1, 0] == births[1, 1]
    assert (births[[0, 2], 0] > births[[0, 2], 1]).all()


@says(
    "10",
    "the effect of rotary positions goes from −333 steps to −683, that of the parallel block from −300 to −483",
    "What does not change is the sign of these two, in any seed, and that no interaction lies beyond its interval (its "
    "own sign does change).",
    "For a birth at three quarters, three seeds do not tell whether the parallel block does anything.",
)
def test_how_much_hangs_on_the_definition():
    ways = [{"share": share} for share in (0.25, 0.5, 0.75)] + [{"level": level} for level in (0.1, 0.2, 0.3)]
    found = [contrasts(table(lambda columns, way=way: born(columns, **way))) for way in ways]
    means = np.array([each.mean(1) for each in found]).round()
    assert [means[:, 0].max(), means[:, 0].min()] == [-333, -683]
    assert [means[:, 1].max(), means[:, 1].min()] == [-300, -483]
    assert all((each[:2] < 0).all() for each in found)
    assert not any(told(each)[1][2] for each in found) and {np.sign(each[2].mean()) for each in found} == {-1, 1}
    assert [told(each)[1][1] for each in found].count(False) == 1 and not told(found[2])[1][1]


@says(
    "10",
    "At step 2,400 rotary models are ahead.",
    "The switches make a difference twice, in all seeds: in the first hundred steps, long before any head is "
    "sharp, and again while the heads are being born.",
    "What looks like quality at one step is mostly time.",
)
def test_the_effect_on_the_loss_over_the_steps():
    grid = log("tiny-pythia", 0)["step"]
    runs = [[np.mean([log(name, seed)[key] for key in sources()], axis=0) for name in NAMES] for seed in SEEDS]
    curves = np.array([contrasts(row.reshape(3, 2, 2)) for row in np.moveaxis(np.array(runs), -1, 0)])
    for effect in (0, 1):
        of_seeds = curves[:, effect]  # (step, seed)
        early, between, birth, end = (
            of_seeds[(grid >= a) & (grid <= b)] for a, b in ((16, 64), (200, 500), (800, 1200), (2400, 2400))
        )
        assert (early.min(0) < 3 * between.mean(0)).all() and (birth.min(0) < 2 * between.min(0)).all()
        assert (end > birth.min(0) / 3).all() and (end < 0).all()
    at = list(grid).index(64)
    assert max(log(name, seed)["previous_token"][: at + 1].max() for name in NAMES for seed in SEEDS) < 0.2
    last = np.array([[np.mean([training_log(name)[key][-1] for key in sources()]) for name in NAMES]])
    assert (abs(contrasts(last.reshape(1, 2, 2))[:2, 0]) < abs(curves[-1, :2, 0]) / 4).all()


@says(
    "10",
    "This is an effect of a different kind: several nats, nearly the same in every seed, and hardly touched by "
    "the block.",
    "Just beyond the trained length rotary positions hold and a table does not.",
    "Further out the effect shrinks and its sign turns; by then all twelve are lost.",
    "The first effects agree all the same.",
    "Just beyond the trained length the positions cause nearly all of it; about the block's part, a tenth as "
    "large, three seeds do not tell.",
)
def test_length():
    beyond = contrasts(by_place()[..., 2])
    assert (beyond[0] < -3).all() and np.ptp(beyond[0]) < 0.5 and told(beyond)[1] == [True, False, False]
    assert abs(beyond[1].mean() / beyond[0].mean()) == pytest.approx(0.1, abs=0.03)
    held = by_place()[..., 2] < by_place()[..., 1] + 0.5
    assert held[:, 1].all() and not held[:, 0].any()
    assert (contrasts(by_place()[..., 7])[0] > 0).all() and by_place()[..., 7].min() > 4
    means = [abs(contrasts(by_place()[..., place])[0].mean()) for place in (3, 4, 5, 6)]
    assert means == sorted(means, reverse=True)


@says(
    "10",
    "Rotary positions cause induction to appear sooner. So does the parallel block.",
    "The effects add up, by nearly five hundred steps and by about three hundred with our definition of a birth, "
    "and no interaction is seen.",
    "would credit positions with two thirds more than is theirs",
)
def test_what_causes_the_birth():
    rotary, parallel, interaction = outcome("born")
    assert (
        rotary.mean().round() == -483
        and parallel.mean().round() == -317
        and (rotary < 0).all()
        and (parallel < 0).all()
    )
    corner = (table(born)[:, 0, 0] - table(born)[:, 1, 1]).mean()
    assert corner / -rotary.mean() == pytest.approx(5 / 3, abs=0.03) and told(outcome("born"))[1] == [True, True, False]
    assert interaction.mean() == pytest.approx(-117, abs=1)


@says(
    "10",
    "Either of the two causes a sharp previous-token head, and the second adds nothing.",
    "A score ends at 1, so there was no room for twice as much",
    "it is large with sequential blocks and about zero with parallel ones",
)
def test_the_previous_token_head():
    sharp = table(OUTCOMES["previous"])
    assert sharp[:, 0, 0].max() < 0.55 and min(sharp[:, 0, 1].min(), sharp[:, 1].min()) > 0.9
    assert (sharp[:, 1, 0] - sharp[:, 0, 0]).min() > 0.4 > 0.05 > abs(sharp[:, 1, 1] - sharp[:, 0, 1]).max()
    assert 2 * (sharp[:, 1, 0] - sharp[:, 0, 0]).min() + sharp[:, 0, 0].min() > 1


@says("10", "What a token may look at does nothing on this prompt, which is shorter than 257 tokens")
def test_the_prompt_is_short(tiny):
    text = "The keys to the cabinet in the old house"
    assert len(text) < 257  # a token holds a character at least


@says("10", "half of its heads never see it directly")
def test_half_of_the_heads_are_local():
    kinds = GPTNeoConfig(num_layers=12, attention_types=[[["global", "local"], 6]]).attention_layers
    assert kinds.count("local") * 2 == len(kinds) == NEO.layers
    assert len(set(itertools.chain(kinds))) == 2
