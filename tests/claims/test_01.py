"""Lesson 01, the architecture tour: what it says, computed anew."""

import re

import pytest
import torch
from support.claims import says

from pythia_course import load, suite
from pythia_course.tiny import corpus

TEXT = "Mia made a red kite for Tom. She put the kite in a box. When Tom saw the red"


@pytest.fixture(scope="module")
def lm():
    return load("tiny-pythia")


def vocabulary_share(name):
    counts = suite.parameters(suite.SUITE[name])
    return (counts["embedding"] + counts["unembedding"]) / sum(counts.values())


@says(
    "01",
    "the vocabulary (embedding and unembedding) takes up most of the smallest model here, and a fifth of the largest",
    "These bars were computed from configurations alone: nothing was downloaded.",
)
def test_the_share_of_the_vocabulary():
    assert vocabulary_share("pythia-70m") > 0.5 and round(vocabulary_share("pythia-1b"), 1) == 0.2
    names = ("pythia-70m", "pythia-160m", "pythia-410m", "pythia-1b")
    assert max(names, key=lambda name: suite.total(suite.SUITE[name])) == "pythia-1b"


@says("01", "GPT-2 uses its embedding a second time (it is tied), and needs a table of positions")
def test_gpt2_is_tied_and_has_a_table():
    from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

    with torch.device("meta"):
        gpt2 = GPT2LMHeadModel(GPT2Config(n_layer=1))
        pythia = GPTNeoXForCausalLM(GPTNeoXConfig(num_hidden_layers=1))
    assert gpt2.get_input_embeddings().weight is gpt2.get_output_embeddings().weight
    assert pythia.get_input_embeddings().weight is not pythia.get_output_embeddings().weight
    assert [any("wpe" in name for name, _ in model.named_parameters()) for model in (gpt2, pythia)] == [True, False]


@says("01", "“GPT-2 124M” and “Pythia-160M” are totals, and “85M” is neither of them.")
def test_names_are_totals():
    totals = [round(suite.total(suite.SUITE[name]) / 1e6) for name in ("gpt2", "pythia-160m")]
    assert totals == [124, 162] and 85 not in totals
    assert round(suite.without_embeddings(suite.SUITE["gpt2"]) / 1e6) == 85


@says(
    "01",
    "a space belongs to the word after it (␣the), so “garden” and “ garden” are different tokens; before something rare"
    " it may stand alone (␣ | um).",
)
def test_a_space_is_part_of_the_word_after_it(lm):
    ids = [lm.tokenizer(text)["input_ids"] for text in (" garden", "garden", "the garden")]
    assert len(ids[0]) == 1 and ids[2][-1:] == ids[0] and ids[1] != ids[0]
    assert lm.tokens(" umbrellas")[:2] == ["␣", "um"]
    read = " ".join(d.text for step in range(0, corpus.STEPS, 620) for d in corpus.batch(step).documents)
    words = re.findall(r" [a-z]+", read)
    alone = {word for word in set(words) if lm.tokens(word)[0] == "␣"}
    assert 0 < sum(word in alone for word in words) < 0.01 * len(words)


@says("01", "The stream grows from layer to layer, and here the MLP of the last layer adds the most.")
def test_the_stream_grows(lm):
    trace = lm.trace(TEXT)
    stream, attention, mlp = (x.norm(dim=-1).mean(-1) for x in (trace.residual, trace.attn_out, trace.mlp_out))
    assert bool((stream.diff() > 0).all())
    assert float(mlp[-1]) > 2 * max(*attention.tolist(), *mlp[:-1].tolist())


@says("01", "Bytes are the last resort: no text is unreadable, and what was rare in the corpus is spelled out.")
def test_every_character_can_be_read(lm):
    text = "".join(chr(code) for plane in range(17) for code in range(plane * 65536 + 300, plane * 65536 + 340))
    assert lm.tokenizer.decode(lm.tokenizer(text)["input_ids"], clean_up_tokenization_spaces=False) == text
    common, rare = (len(lm.tokenizer(word)["input_ids"]) for word in (" garden", " umbrellas"))
    read = " ".join(d.text for step in range(0, corpus.STEPS, 620) for d in corpus.batch(step).documents)
    assert common == 1 < rare and " garden" in read and " umbrellas" not in read


@says("01", "That is why the largest models have more rows for the same tokens.")
def test_rows_are_multiples_of_128_and_the_cards():
    for name, cards in (("pythia-160m", 1), ("pythia-2.8b", 1), ("pythia-6.9b", 2), ("pythia-12b", 4)):
        step = 128 * cards
        assert suite.SUITE[name].vocab == -(-50_277 // step) * step


@says("01", "Attention moves information between positions; everything else works on one position at a time.")
def test_only_attention_mixes_positions(lm):
    a, b = TEXT, TEXT.replace("kite", "clock")
    clean, other = lm.trace(a), lm.trace(b)
    changed = next(n for n, (x, y) in enumerate(zip(clean.ids, other.ids)) if x != y)
    with lm.ablate(attention=range(lm.spec.layers)):
        first, second = lm.trace(a).logits, lm.trace(b).logits
    torch.testing.assert_close(first[changed + 1 :][:3], second[changed + 1 :][:3])
    assert not torch.allclose(clean.logits[changed + 1], other.logits[changed + 1], atol=1e-2)  # with attention


@says("01", "The first row that says kite is the one after layer 2.")
def test_the_lens_says_kite_after_layer_2(lm):
    kite = lm.tokenizer(" kite")["input_ids"][0]
    norm, head = lm.model.gpt_neox.final_layer_norm, lm.model.get_output_embeddings()
    said = [int(head(norm(stream)).argmax()) == kite for stream in lm.trace(TEXT).residual[:, -1]]
    assert said == [False, False, False, True, True]


@says(
    "01",
    "Its files on the hub say the exact one, and transformers obeys",
    "tiny-pythia was trained with the exact form",
)
def test_the_exact_form_is_what_runs(lm):
    x = torch.linspace(-4, 4, 101)
    exact = torch.nn.functional.gelu(x)
    torch.testing.assert_close(lm.model.gpt_neox.layers[0].mlp.act(x), exact, atol=1e-7, rtol=1e-6)
    assert not torch.allclose(torch.nn.functional.gelu(x, approximate="tanh"), exact, atol=1e-4)
    assert {suite.SUITE[name].activation for name in suite.PYTHIAS} == {"gelu"} == {lm.spec.activation}


@says("01", "The division by √(head width) keeps the scores from growing with the width of a head.")
def test_scores_of_random_vectors_grow_with_the_root_of_the_width():
    draw = torch.Generator().manual_seed(0)
    spread = {}
    for width in (32, 128, 512):
        q, k = torch.randn(2, 4000, width, generator=draw)
        spread[width] = float((q * k).sum(-1).std())
    assert spread[512] > 3.5 * spread[32]  # without the division
    divided = [value / width**0.5 for width, value in spread.items()]
    assert max(divided) < 1.1 * min(divided)


@says("01", "A Pythia of 12 billion parameters computes nothing that is not in these few lines")
def test_the_largest_pythia_has_the_modules_of_the_tiny_one(lm):
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    spec = suite.SUITE["pythia-12b"]
    config = GPTNeoXConfig(
        hidden_size=spec.width, num_hidden_layers=2, num_attention_heads=spec.heads, vocab_size=spec.vocab,
        intermediate_size=spec.mlp_width,
    )  # fmt: skip
    with torch.device("meta"):
        large = GPTNeoXForCausalLM(config)

    def kinds(model):
        return {type(module).__name__ for module in model.modules()}

    assert kinds(large) == kinds(lm.model)
