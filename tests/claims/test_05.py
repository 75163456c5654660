"""Lesson 05, Pythia against GPT-2: what it says, computed anew."""

import functools
import json
import math
import re
from collections import Counter
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.claims import cells, says, source

from pythia_course import load, suite
from pythia_course.compare import compare
from pythia_course.inside.description import describe
from pythia_course.paths import translate
from pythia_course.tiny import corpus, words
from pythia_course.tiny.models import new_model
from pythia_course.tiny.train import training_log

TEXT = "Mia made a red kite for Tom. She put the kite in a box. When Tom saw the red"
PAIR = ("tiny-pythia", "tiny-gpt2")
END_OF_TEXT = "<|endoftext|>"
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def models():
    return {name: load(name) for name in suite.TINY}


@pytest.fixture(scope="module")
def both(models):
    return compare(models["tiny-pythia"], models["tiny-gpt2"], TEXT)


@pytest.fixture(scope="module")
def logs():
    """{model: its three logs}"""
    return {name: [training_log(name, seed) for seed in SEEDS] for name in suite.TINY}


def differing_rows(a, b):
    """Names of the rows of compare's table that hold a ≠, from the page it shows."""
    page = compare(a, b, "Mia")._repr_html_()
    rows = re.findall(r"<tr><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td>", page)
    return [what for what, mark in rows if mark], len(rows)


@says(
    "05",
    "The table has a row for each thing that may differ, and a ≠ where it does.",
    "For tiny-pythia and tiny-gpt2 five rows hold a ≠.",
    "Two follow from the first of these, the position table and with it the number of all parameters.",
)
def test_five_rows_differ(models):
    found, _ = differing_rows(models["tiny-pythia"], models["tiny-gpt2"])
    assert [what.removeprefix("parameters: ") for what in found] == [
        "positions",
        "block",
        "queries, keys, values",
        "position table",
        "all",
    ]
    assert differing_rows(models["tiny-pythia"], models["tiny-pythia-sequential"])[0] == ["block"]


@says("05", "The fifth, queries, keys, values, is bookkeeping: the same numbers, stored in a different order.")
def test_the_layout_is_the_same_numbers():
    neox, gpt2 = (dict(new_model(name).named_parameters()) for name in PAIR)
    for layer in range(4):
        path = f"gpt_neox.layers.{layer}.attention.query_key_value.weight"
        by_head, by_part = neox[path], gpt2[translate(path, "gpt2")].T
        assert not torch.equal(by_head, by_part)
        assert torch.equal(by_head.reshape(4, 3, 32, 128).transpose(0, 1).reshape(384, 128), by_part)


@says(
    "05",
    "Everything else is the same, down to the order in which they read their data and the initial weights that they"
    " started from.",
    "the tiny two in positions and block alone",
)
def test_the_pair_starts_from_the_same_weights():
    neox, gpt2 = (dict(new_model(name).named_parameters()) for name in PAIR)
    for path, weight in neox.items():
        if "query_key_value" not in path:
            there = gpt2[translate(path, "gpt2")]
            assert torch.equal(weight, there) or torch.equal(weight, there.T), path
    specs = [asdict(load(name).spec) for name in PAIR]
    differing = {key for key in specs[0] if specs[0][key] != specs[1][key]}
    assert differing == {"name", "family", "positions", "rotary_fraction", "parallel"}


@says("05", "All three are true.")
def test_the_three_sentences():
    pythia, gpt2 = suite.SUITE["pythia-160m"], suite.SUITE["gpt2"]
    assert (pythia.layers, pythia.heads) == (gpt2.layers, gpt2.heads) == (12, 12)
    assert (pythia.positions, gpt2.positions) == ("rotary", "learned")
    assert (pythia.parallel, gpt2.parallel) == (True, False)


@says(
    "05",
    "Of these seven rows the three sentences mean three: parallel, and, by “positional encoding”, positions and"
    " rotary_fraction.",
    "The others go unmentioned, and each can spoil a comparison",
)
def test_seven_fields_of_which_three_are_named():
    pythia, gpt2 = (asdict(suite.SUITE[name]) for name in ("pythia-160m", "gpt2"))
    differing = {key for key in pythia if pythia[key] != gpt2[key]} - {"name", "family"}
    others = {"vocab", "context", "tied", "activation"}
    assert differing == {"parallel", "positions", "rotary_fraction"} | others


@says("05", "The two forms differ by less than 0.0005 at any input")
def test_two_forms_of_gelu():
    x = torch.linspace(-30, 30, 2_000_001, dtype=torch.float64)
    gap = (torch.nn.functional.gelu(x) - torch.nn.functional.gelu(x, approximate="tanh")).abs().max()
    assert 0.0004 < float(gap) < 0.0005


@says(
    "05",
    "Lesson 01 counted: without embeddings, the two are equal to the last parameter.",
    "The layers (attention, MLP, LayerNorms) are the same in both; what stands before and after them is not.",
    "“Same size” is exact for the layers and false for the whole.",
    "that is the count without embeddings, 85,056,000, and GPT-2 has exactly as many",
    "but most of the gap is the unembedding.",
)
def test_same_size():
    from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

    with torch.device("meta"):
        gpt2 = GPT2LMHeadModel(GPT2Config())
        pythia = GPTNeoXForCausalLM(GPTNeoXConfig(
            hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072, vocab_size=50304,
        ))  # fmt: skip
    tables = re.compile(r"wte|wpe|embed_in|lm_head|embed_out")
    counts = [
        sum(p.numel() for key, p in model.named_parameters() if not tables.search(key)) for model in (gpt2, pythia)
    ]
    assert counts == [85_056_000, 85_056_000]
    gap = sum(p.numel() for p in pythia.parameters()) - sum(p.numel() for p in gpt2.parameters())
    assert pythia.get_output_embeddings().weight.numel() > 0.95 * gap > 0


@says(
    "05",
    "Rotary positions have no parameters, whereas GPT-2's table has a row for each of its 1,024 positions",
    "In the tiny pair, where both are untied, the table of positions is all that differs:",
)
def test_the_table_of_positions(models):
    pythia, gpt2 = (models[name].model for name in PAIR)
    assert suite.SUITE["gpt2"].context == 1024
    more = sum(p.numel() for p in gpt2.parameters()) - sum(p.numel() for p in pythia.parameters())
    assert more == gpt2.transformer.wpe.weight.numel()


@torch.no_grad()
def moved(lm, shift):
    """The largest change of a logit when every token stands `shift` positions further on."""
    ids = torch.as_tensor(lm.tokenizer(TEXT)["input_ids"])[None]
    places = torch.arange(ids.shape[1])[None]
    there, here = (lm.model(ids, position_ids=places + by).logits for by in (shift, 0))
    return float((there - here).abs().max())


@says(
    "05",
    "For rotary positions only the distance between two tokens counts, so moving all of them together changes nothing.",
    "With a table, ten positions further on is a different row, and the network would have had to learn to give"
    " the same"
    " answer there.",
)
def test_moving_all_tokens(models):
    for name, lm in models.items():
        changes = [moved(lm, shift) for shift in (1, 10, 40)]
        assert max(changes) < 1e-3 if lm.spec.positions == "rotary" else min(changes) > 0.5, name


@says(
    "05",
    "In both, attention and MLP add their outputs to the stream, so the sum alone does not tell the two blocks apart.",
)
def test_the_stream_is_a_sum_in_both(models):
    for name in PAIR:
        trace = models[name].trace(TEXT)
        torch.testing.assert_close(
            trace.residual[:-1] + trace.attn_out + trace.mlp_out, trace.residual[1:], atol=1e-4, rtol=1e-4
        )


@functools.cache
def share_decided_by_token(name):
    """How much of the variance of what the first MLP writes lies between tokens, on tokens seen 5 times or more."""
    written = {}
    for document in corpus.held_out("dialogue", 10):
        trace = load(name).trace(END_OF_TEXT + document.text, keep=["ids", "mlp_out"])
        for token, row in zip(trace.ids.tolist(), trace.mlp_out[0]):
            written.setdefault(token, []).append(row)
    groups = [torch.stack(rows) for rows in written.values() if len(rows) >= 5]
    everything = torch.cat(groups)
    within = sum(float((group - group.mean(0)).square().sum()) for group in groups)
    return 1 - within / float((everything - everything.mean(0)).square().sum())


@says(
    "05",
    "Lesson 04 found that the first MLP of tiny-pythia is a look-up table: its output depends on the token alone.",
    "GPT-2's first MLP stands behind an attention, so its output can depend on everything before.",
    "In tiny-pythia the table explains all of it, as it must: nothing before the first MLP mixes tokens.",
    "In tiny-gpt2-parallel it explains nearly all; what is left comes from the position, which its embedding contains.",
    "There an extended embedding is a fair approximation, no more, and how fair depends on the text",
)
def test_the_first_mlp_on_other_documents_and_by_another_measure():
    shares = {name: share_decided_by_token(name) for name in suite.TINY}
    assert shares["tiny-pythia"] > 0.9999 > shares["tiny-gpt2-parallel"] > 0.97
    assert all(0.5 < shares[name] < 0.85 for name in ("tiny-gpt2", "tiny-pythia-sequential"))


@says("05", "on documents of echoes the same two shares are 0.92 and 0.37.")
def test_the_table_on_echoes():
    documents = corpus.held_out("echoes", 60)
    for name, share in (("tiny-pythia-sequential", 0.92), ("tiny-gpt2", 0.37)):
        lm = load(name)
        traces = [lm.trace(END_OF_TEXT + document.text, keep=["ids", "mlp_out"]) for document in documents]
        (ids, rows), (new_ids, new) = (
            (torch.cat([trace.ids for trace in part]), torch.cat([trace.mlp_out[0].double() for trace in part]))
            for part in (traces[:40], traces[40:])
        )
        counts = ids.bincount(minlength=1024)
        table = torch.zeros(1024, 128).double().index_add(0, ids, rows) / counts[:, None]
        known = counts[new_ids] > 0
        left = float((new - table[new_ids])[known].square().sum())
        spread = float((new - rows.mean(0))[known].square().sum())
        assert round(1 - left / spread, 2) == share


@says("05", "what is left comes from the position, which its embedding contains")
def test_without_its_table_of_positions_the_rest_is_gone(models):
    lm = models["tiny-gpt2-parallel"]
    layer, table = lm.model.transformer.h[0], lm.model.transformer.wte.weight
    ids = lm.tokenizer(END_OF_TEXT + TEXT)["input_ids"]
    with_positions = layer.mlp(layer.ln_2(table[ids] + lm.model.transformer.wpe.weight[: len(ids)]))
    torch.testing.assert_close(with_positions.float(), lm.trace(ids).mlp_out[0], atol=1e-4, rtol=1e-4)


@says(
    "05",
    "tiny-pythia and tiny-gpt2 differ in two switches, positions and block, so a difference between them could"
    " come from"
    " either.",
    "three training runs, each from different initial weights and with different documents",
    "the other two end at step 2,400",
)
def test_three_runs_of_each(logs):
    starts = [new_model("tiny-pythia", seed).get_input_embeddings().weight for seed in SEEDS]
    assert not torch.equal(starts[0], starts[1]) and not torch.equal(starts[1], starts[2])
    batches = [corpus.batch(700, seed).tokens for seed in SEEDS]
    assert not np.array_equal(batches[0], batches[1]) and not np.array_equal(batches[1], batches[2])
    assert {int(seeds[0]["step"][-1]) for seeds in logs.values()} == {6200}
    assert {int(log["step"][-1]) for seeds in logs.values() for log in seeds[1:]} == {2400}


def at_2400(log, skill):
    return log[skill][list(log["step"]).index(2400)]


@says(
    "05",
    "In all three seeds tiny-gpt2 has a weaker previous-token head (0.47 to 0.52 against 0.94 and more) and a weaker"
    " induction head than the other three.",
    "The seeds of one model end close together, and those of tiny-gpt2 end apart from all others.",
    "So what makes tiny-gpt2 different is not “learned positions” alone, nor “sequential blocks” alone: it is the two"
    " together.",
)
def test_tiny_gpt2_differs_in_every_seed(logs):
    for skill in ("previous_token", "induction"):
        scores = {name: [at_2400(log, skill) for log in seeds] for name, seeds in logs.items()}
        own = scores.pop("tiny-gpt2")
        others = [value for values in scores.values() for value in values]
        assert max(own) < min(others) - 0.1
        assert all(max(values) - min(values) < 0.12 for values in (own, *scores.values()))
        if skill == "previous_token":
            assert (round(min(own), 2), round(max(own), 2), round(min(others), 2)) == (0.47, 0.52, 0.94)
            ours = scores.pop("tiny-pythia")  # either switch alone leaves a head as sharp as tiny-pythia's
            assert all(min(values) >= min(ours) - 0.01 for values in scores.values())


@says(
    "05",
    "the step at which the induction score first passes 0.2 differs by at most 100 between the seeds of one"
    " model, and by"
    " 800 or more between tiny-pythia and tiny-gpt2",
)
def test_when_induction_appears(logs):
    first = {name: [log["step"][log["induction"] > 0.2][0] for log in seeds] for name, seeds in logs.items()}
    assert max(max(steps) - min(steps) for steps in first.values()) <= 100
    assert min(late - early for early, late in zip(first["tiny-pythia"], first["tiny-gpt2"])) == 800


@says(
    "05",
    "in tiny-gpt2-parallel the step at which the best previous-token head passes 0.5 differs by 500 between seeds.",
)
def test_another_score_and_threshold(logs):
    first = [log["step"][log["previous_token"] > 0.5][0] for log in logs["tiny-gpt2-parallel"]]
    assert max(first) - min(first) == 500


@says(
    "05",
    "Within a seed the four have the same data in the same order, so the data are not to blame.",
    "For the tiny pair data are no excuse: their batches are one and the same function of the step.",
)
def test_the_batches_name_no_model():
    import inspect

    assert list(inspect.signature(corpus.batch).parameters)[:2] == ["step", "seed"]
    np.testing.assert_array_equal(corpus.batch(123).tokens, corpus.batch(123).tokens)


def sources_of(log):
    return [key for key in log if key.startswith("loss_") and "planted" not in key]


@says(
    "05",
    "At the end all four predict about equally well, although the heads of tiny-gpt2 are still the weakest: a weaker"
    " head need not mean a worse model.",
    "At step 2,400, where the heads were compared above, tiny-gpt2 had the highest mean loss of the four in each of the"
    " three seeds.",
    "On documents that neither has seen, the two stay within a few hundredths of a nat of each other, on every source.",
    "at the end of training they differ in how they predict, hardly in how well.",
)
def test_equally_good_at_the_end(logs):
    ends = {name: [seeds[0][key][-1] for key in sources_of(seeds[0])] for name, seeds in logs.items()}
    means = [np.mean(values) for values in ends.values()]
    assert max(means) - min(means) < 0.01
    assert max(abs(a - b) for a, b in zip(ends["tiny-pythia"], ends["tiny-gpt2"])) < 0.05
    for skill in ("previous_token", "induction"):
        assert min(logs, key=lambda name: logs[name][0][skill][-1]) == "tiny-gpt2"
    for seed in SEEDS:  # it was not so at step 2,400
        before = {name: np.mean([at_2400(of[seed], key) for key in sources_of(of[seed])]) for name, of in logs.items()}
        assert before["tiny-gpt2"] - sorted(before.values())[-2] > 0.01


@pytest.fixture(scope="module")
def copies(models):
    """Two copies of the tiny tokenizer: one without any pair of spaces, one with runs of 2 to 24."""
    from tokenizers import Tokenizer

    recipe = json.loads(models["tiny-pythia"].tokenizer.backend_tokenizer.to_str())
    runs = Tokenizer.from_str(json.dumps(recipe))
    runs.add_tokens([" " * n for n in range(2, 25)])
    recipe["model"]["merges"] = [pair for pair in recipe["model"]["merges"] if "ĠĠ" not in "".join(pair)]
    return Tokenizer.from_str(json.dumps(recipe)), runs


@says(
    "05",
    "The same text is not the same sequence to both.",
    "In the first copy seven of the eight spaces are tokens of their own, and the last belongs to the word (␣return)",
    "in the second the run takes all eight, so what follows is return without a space, which is made of different"
    " tokens.",
    "Two spaces by mistake (the end) change the tokens as well.",
    "So context lengths, costs and losses per token are not comparable between the two.",
)
def test_eight_spaces(copies):
    single, runs = ([t.replace("Ġ", " ") for t in copy.encode("        return").tokens] for copy in copies)
    assert single == [" "] * 7 + [" return"] and runs[0] == " " * 8
    assert "".join(runs[1:]) == "return" and " return" not in runs
    for copy in copies:
        assert copy.encode("the  end").tokens != copy.encode("the end").tokens


@says("05", "The table of compare says “up to 4 spaces in one” because it counts tokens that are nothing but spaces.")
def test_what_the_table_counts(models, both):
    vocabulary = [token.replace("Ġ", " ") for token in models["tiny-pythia"].tokenizer.get_vocab()]
    assert max(len(token) for token in vocabulary if token and not token.strip(" ")) == 4
    assert "Ċ" + " " * 7 in vocabulary
    assert any("up to 4 spaces in one" in fact[1] for fact in both.facts)


@says(
    "05",
    "Here both end with the same answer, and neither has it at the start.",
    "In tiny-pythia it is the likeliest after three of the four layers; in tiny-gpt2 only after all four.",
)
def test_the_lens_by_hand(models):
    settled = {}
    for name in PAIR:
        lm = models[name]
        norm = lm.model.gpt_neox.final_layer_norm if name == "tiny-pythia" else lm.model.transformer.ln_f
        stream = lm.trace(TEXT).residual[:, -1].to(lm.model.dtype)
        answers = lm.tokens(lm.model.lm_head(norm(stream)).argmax(-1))
        assert answers[-1] == "␣kite" != answers[0]
        settled[name] = max(n for n, answer in enumerate(answers) if answer != "␣kite") + 1
    assert settled == {"tiny-pythia": 3, "tiny-gpt2": 4}


@says(
    "05",
    "Both are most surprised by the same three tokens, all in the first sentence; after it no token costs more"
    " than 1.2"
    " nats.",
    "What the first sentence has named, the others only repeat, and that costs almost nothing.",
)
def test_what_surprises(both):
    for reading in (both.a, both.b):
        tokens, losses = reading.trace.tokens[1:], reading.losses
        assert [tokens[n] for n in np.argsort(-losses)[:3]] == ["␣made", "␣kite", "␣Tom"]
        first = tokens.index(".") + 1
        assert losses[first:].max() < 1.25
        repeated = [loss for token, loss in zip(tokens[first:], losses[first:]) if token in ("␣kite", "␣Tom", "␣red")]
        assert len(repeated) == 3 and max(repeated) < 0.05


@says(
    "05",
    "Each of those stories that begins with Mia goes on with was: at ␣made our prompt breaks a rule that both"
    " models have"
    " learned.",
    "which thing was made, and for whom, is drawn by lot, and no model can know the outcome beforehand",
)
def test_the_corpus_at_the_three_places(models):
    documents = [d for step in range(5, 1200, 40) for d in corpus.batch(step).documents if d.source == "stories"]
    starts = [document.text.split()[1] for document in documents if document.text.startswith("Mia ")]
    assert len(starts) > 20 and set(starts) == {"was"}
    for name in PAIR:
        assert models[name].predict(END_OF_TEXT + "Mia", k=1)[0][0] == "␣was"
    stories = " ".join(document.text for document in documents)
    things = Counter(re.findall(r"made an? \w+ (\w+) for", stories))
    friends = Counter(re.findall(r"made an? \w+ \w+ for (\w+)", stories))
    assert set(things) <= set(words.THINGS) and set(friends) <= set(words.NAMES) and min(len(things), len(friends)) > 12


@says(
    "05",
    "Both models have still read the same bytes, and by the chain rule losses add up: the surprise at a stretch"
    " of text, cut by the model's own tokenizer, is the sum over its tokens (strictly it is at most that, since the"
    " same text could be cut in other ways too).",
)
def test_losses_add_up(models, both):
    for reading, bits in zip((both.a, both.b), both.bits_per_byte):
        logits = models[reading.name].trace(TEXT).logits.double().log_softmax(-1)
        ids = models[reading.name].tokenizer(TEXT)["input_ids"]
        whole = sum(-float(logits[n - 1, ids[n]]) for n in range(1, len(ids)))
        assert math.isclose(bits, whole / math.log(2) / len(TEXT[len("Mia") :].encode()), rel_tol=1e-4)


def value_output(lm, layer):
    """The product of value and output matrix of each head of a layer: (head, width, width)."""
    block = lm.model.get_submodule(translate(f"gpt_neox.layers.{layer}", lm.spec.family)).state_dict()
    if lm.spec.family == "gpt_neox":
        value = block["attention.query_key_value.weight"].view(4, 3, 32, 128)[:, 2]
        output = block["attention.dense.weight"].view(128, 4, 32)
    else:
        value = block["attn.c_attn.weight"].T.reshape(3, 4, 32, 128)[2]
        output = block["attn.c_proj.weight"].T.reshape(128, 4, 32)
    return output.transpose(0, 1) @ value


@says(
    "05",
    "for 13 of the 16 heads of tiny-pythia the one in that layer of tiny-gpt2 whose product has the highest cosine "
    "with theirs has the same number.",
)
def test_a_trace_of_the_common_start_is_left(models):
    same = 0
    for layer in range(4):
        one, other = (value_output(models[name], layer).flatten(1) for name in PAIR)
        alike = torch.nn.functional.normalize(one) @ torch.nn.functional.normalize(other).T
        same += int((alike.argmax(1) == torch.arange(4)).sum())
    assert same == 13


@says(
    "05",
    "exchange the heads of a layer, and the layer computes the same, so their numbers mean nothing by themselves.",
)
def test_heads_have_no_order(models):
    attention = models["tiny-pythia"].model.gpt_neox.layers[1].attention
    heads = torch.tensor([2, 0, 3, 1])
    fused, bias = attention.query_key_value.weight, attention.query_key_value.bias
    dense = attention.dense.weight
    before = models["tiny-pythia"].trace(TEXT).logits
    kept = [parameter.detach().clone() for parameter in (fused, bias, dense)]
    try:
        with torch.no_grad():
            fused.copy_(fused.unflatten(0, (4, -1))[heads].flatten(0, 1))
            bias.copy_(bias.unflatten(0, (4, -1))[heads].flatten())
            dense.copy_(dense.unflatten(1, (4, -1))[:, heads].flatten(1, 2))
        torch.testing.assert_close(models["tiny-pythia"].trace(TEXT).logits, before, atol=1e-4, rtol=1e-4)
        with torch.no_grad():
            dense.copy_(kept[2])
        assert not torch.allclose(models["tiny-pythia"].trace(TEXT).logits, before, atol=0.1)
    finally:
        with torch.no_grad():
            for parameter, value in zip((fused, bias, dense), kept):
                parameter.copy_(value)


def on_first(lm, text):
    """Each head's mean weight on the first token, and what looking everywhere alike would give."""
    ids = lm.tokenizer(text)["input_ids"][:40]
    attention = lm.trace(ids, keep=["attention"]).attention
    columns = attention[:, :, 1:, 0].mean(-1)
    return columns, float(np.mean([1 / n for n in range(2, len(ids) + 1)]))


@says(
    "05",
    "A row of attention adds up to 1, so a head that has nothing to look for must look somewhere.",
    "So on this prompt there is hardly a sink at all: the heads of tiny-gpt2 rest on the first token a little"
    " more than"
    " looking everywhere alike would make them, those of tiny-pythia less.",
    "The sinks are there, in both models, and the order has turned round: on this prompt it is now tiny-pythia"
    " whose heads"
    " rest on the first token more.",
    "With ␣the or ␣red in front no head of either gives the first token more than 0.35 on this prompt; with a line"
    " break both have a sink, though a weaker one than with <|endoftext|>.",
)
def test_sinks_need_an_end_of_text_in_front(models):
    for name in PAIR:
        scores, alike = on_first(models[name], TEXT)
        assert (scores.mean() > alike) == (name == "tiny-gpt2") and scores.max() < 0.3
        fronts = (END_OF_TEXT, "\n", " the", " red")
        end, line, the, red = (float(on_first(models[name], front + TEXT)[0].max()) for front in fronts)
        assert end > 0.6 and end > line > 0.45 and 0.35 > max(the, red)
    bare, fronted = ([float(on_first(models[n], front + TEXT)[0].mean()) for n in PAIR] for front in ("", END_OF_TEXT))
    assert bare[0] < bare[1] < fronted[1] < fronted[0]


@says(
    "05",
    "Over many documents the two are about equal.",
    "What looked like a difference between two architectures was one between two ways to begin a prompt.",
)
def test_sinks_on_documents_of_two_sources(models):
    texts = [document.text for kind in ("stories", "dialogue") for document in corpus.held_out(kind, 10)]
    means = {}
    for name in suite.TINY:
        pairs = [on_first(models[name], END_OF_TEXT + text) for text in texts]
        assert all(float(scores.mean()) > alike for scores, alike in pairs), name
        maps = torch.stack([scores for scores, _ in pairs])
        means[name] = float(maps.mean())
        assert float(maps.mean(0).max()) > 0.55
    assert abs(means["tiny-pythia"] - means["tiny-gpt2"]) < 0.02
    bare = {name: [on_first(models[name], text) for text in texts] for name in PAIR}
    assert np.mean([float(scores.mean()) > alike for scores, alike in bare["tiny-pythia"]]) < 0.2
    mean = {name: float(torch.stack([scores for scores, _ in pairs]).mean()) for name, pairs in bare.items()}
    assert mean["tiny-gpt2"] - mean["tiny-pythia"] > 0.03


@says(
    "05",
    "In training every document of the tiny corpus follows an <|endoftext|>; our prompt begins with Mia, out of"
    " nowhere.",
)
def test_documents_follow_an_end_of_text(models):
    tokenizer, batch = models["tiny-pythia"].tokenizer, corpus.batch(700)
    text = tokenizer.decode(batch.tokens.flatten())
    for document in batch.documents[1:8]:
        assert END_OF_TEXT + document.text[:20] in text


@says("05", "Square ones look alike and are turned as well, so a shape does not warn you.")
def test_square_matrices_are_turned_as_well(models):
    weight = models["tiny-gpt2"].model.transformer.h[1].attn.c_proj.weight
    assert weight.shape[0] == weight.shape[1]
    layer, trace = models["tiny-gpt2"].model.transformer.h[1], models["tiny-gpt2"].trace(TEXT, keep=["z", "attn_out"])
    heads = trace.z[1].transpose(0, 1).flatten(1)
    torch.testing.assert_close(heads @ weight + layer.attn.c_proj.bias, trace.attn_out[1], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(heads @ weight.T + layer.attn.c_proj.bias, trace.attn_out[1], atol=0.1)


@says("05", "With the real two 12 of its 20 rows hold a ≠")
def test_twelve_of_twenty_rows():
    facts, counts = [], []
    for name, entries, run in (("pythia-160m", 50_277, 512), ("gpt2", 50_257, 1)):
        vocabulary = Vocabulary({" " * run: 0} | {str(n): n for n in range(1, entries)})
        spec = suite.SUITE[name]
        model = SimpleNamespace(config=SimpleNamespace(rope_parameters={"rope_type": "default"}))  # Pythia's
        facts.append(describe(SimpleNamespace(spec=spec, name=name, tokenizer=vocabulary, model=model)))
        totals = {"all": suite.total(spec), "without": suite.without_embeddings(spec)}
        counts.append(suite.parameters(spec) | totals)
    rows = [a[key] != b[key] for a, b in (facts, counts) for key in a]
    assert (sum(rows), len(rows)) == (12, 20)


class Vocabulary(dict):
    """As much of a tokenizer as a description reads."""

    def get_vocab(self):
        return dict(self)


@says(
    "05",
    "their mean losses are 6.7 and 7.5 nats per token, about as bad as the 6.93 of a model that gives all 1,024"
    " tokens the"
    " same probability",
)
def test_code_of_another_kind(models):
    found = compare(*(models[name] for name in PAIR), "for x in range(10):\n        print(x)")
    assert [round(float(reading.losses.mean()), 1) for reading in (found.a, found.b)] == [6.7, 7.5]


@says("05", "Their corpus has Python, but none that begins with a loop or calls range.")
def test_no_range_in_the_corpus():
    code = [d.text for step in range(0, 6200, 200) for d in corpus.batch(step).documents if d.source == "python"]
    assert len(code) > 100 and not any("range(" in text or text.startswith("for") for text in code)


def test_the_claims_are_about_the_text_of_the_lesson():
    code = "\n".join(source(cell) for cell in cells("05") if cell["cell_type"] == "code")
    assert json.dumps(TEXT) in code
