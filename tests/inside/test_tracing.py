"""Is a trace true?  Against the library's own outputs, against itself and against arithmetic by hand."""

import copy
import re
import time

import numpy as np
import pytest
import torch
from support.random_models import (
    FULL,
    GPT2_ODD,
    MODELS,
    close,
    hooks_on,
    layers,
    opened,
    output_bias,
    output_matrix,
    prompt,
    rounded,
    wrapped,
)
from transformers import GPT2Config, GPT2LMHeadModel

from pythia_course.inside import tracing
from pythia_course.inside.tracing import AXES, LanguageModel, bytes_kept


@pytest.fixture(params=MODELS)
def lm(request):
    return opened(request.param)


@pytest.fixture
def trace(lm):
    return lm.trace(prompt(lm), keep=AXES)


# --- identities ---


def test_each_layer_adds_its_attention_and_its_mlp_to_the_stream(trace):
    close(trace.residual[1:], trace.residual[:-1] + trace.attn_out + trace.mlp_out, scale=10)


def test_the_stream_starts_at_the_embedding(lm, trace):
    start = lm.model.get_input_embeddings().weight[trace.ids]
    if lm.spec.positions == "learned":
        start = start + lm.model.transformer.wpe.weight[: len(trace.ids)]
    assert torch.equal(trace.residual[0], start)


def test_logits_are_the_librarys_to_the_last_bit(lm, trace):
    assert torch.equal(trace.logits, lm.model(trace.ids[None]).logits[0])


def test_unembedding_the_normalised_last_residual_gives_the_logits(lm, trace):
    base = lm.model.base_model
    norm = base.final_layer_norm if lm.spec.family == "gpt_neox" else base.ln_f
    assert torch.equal(lm.model.get_output_embeddings()(norm(trace.residual[-1])), trace.logits)
    # the trap: the library's last hidden state is already normalised, so it is not the last residual
    library = lm.model(trace.ids[None], output_hidden_states=True).hidden_states
    assert torch.equal(norm(trace.residual[-1]), library[-1][0])
    for layer in range(lm.spec.layers):
        assert torch.equal(trace.residual[layer], library[layer][0])


def test_attention_is_the_librarys_and_its_rows_sum_to_one(lm, trace):
    library = torch.cat(lm.model(trace.ids[None], output_attentions=True).attentions)
    assert torch.equal(trace.attention, library)
    close(trace.attention.sum(-1), torch.ones(trace.attention.shape[:-1]))


def test_softmax_of_queries_times_keys_gives_the_attention(lm, trace):
    for layer in range(lm.spec.layers):
        scores = trace.queries[layer] @ trace.keys[layer].transpose(-1, -2)  # (head, query, key)
        if lm.spec.family != "gpt_neo":
            scores = scores / lm.spec.head_dim**0.5
        close(
            scores.masked_fill(~visible(lm.spec, layer, len(trace.ids)), -torch.inf).softmax(-1),
            trace.attention[layer],
        )


def visible(spec, layer, positions):
    """(query, key): may this query look at this key?"""
    distance = torch.arange(positions)[:, None] - torch.arange(positions)
    window = spec.attention_window if spec.attention_window and layer % 2 else positions
    return (distance >= 0) & (distance < window)


def test_attention_times_values_through_the_output_matrix_gives_attn_out(lm, trace):
    for number, layer in enumerate(layers(lm)):
        heads = trace.attention[number] @ trace.values[number]  # (head, position, head_dim)
        close(heads, trace.z[number])
        mixed = heads.transpose(0, 1).flatten(1)  # (position, width)
        close(mixed @ output_matrix(lm, layer) + output_bias(lm, layer), trace.attn_out[number])


def test_queries_keys_and_values_by_hand_from_the_stream_and_the_weights(lm, trace):
    for number, layer in enumerate(layers(lm)):
        norm = layer.input_layernorm if lm.spec.family == "gpt_neox" else layer.ln_1
        by_hand = projections(lm, layer, norm(trace.residual[number]))
        for name, ours in zip(("queries_unrotated", "keys_unrotated", "values"), by_hand, strict=True):
            close(getattr(trace, name)[number], ours)


def projections(lm, layer, x):
    """Three of (head, position, head_dim), from rows of the weights taken one head at a time."""
    d, width = lm.spec.head_dim, lm.spec.width
    if lm.spec.family == "gpt_neox":
        matrix, bias = layer.attention.query_key_value.weight, layer.attention.query_key_value.bias
        rows = [
            [slice((3 * h + part) * d, (3 * h + part + 1) * d) for h in range(lm.spec.heads)]
            for part in range(3)
        ]
    else:
        rows = [
            [slice(part * width + h * d, part * width + (h + 1) * d) for h in range(lm.spec.heads)]
            for part in range(3)
        ]
        if lm.spec.family == "gpt2":
            matrix, bias = layer.attn.c_attn.weight.T, layer.attn.c_attn.bias
        else:
            inner = layer.attn.attention
            matrix = torch.cat([inner.q_proj.weight, inner.k_proj.weight, inner.v_proj.weight])
            bias = torch.zeros(3 * width)
    return [torch.stack([x @ matrix[r].T + bias[r] for r in part]) for part in rows]


def test_rotation_by_hand(lm, trace):
    for turned, plain in (("queries", "queries_unrotated"), ("keys", "keys_unrotated")):
        close(getattr(trace, turned), rotated(lm.spec, getattr(trace, plain)))
    # position 0 turns by nothing, later ones do where there is rotation
    assert torch.equal(trace.queries[:, :, 0], trace.queries_unrotated[:, :, 0])
    assert torch.equal(trace.queries, trace.queries_unrotated) == (lm.spec.positions == "learned")


def rotated(spec, x):
    """RoPE one pair at a time, in float64: dimensions i and i + r/2 turn by position * base^(-2i/r)."""
    x, r = x.double().clone(), spec.rotary_dims
    position = torch.arange(x.shape[-2], dtype=torch.float64)
    for i in range(r // 2):
        angle = position * 10_000.0 ** (-2 * i / r)
        a, b = x[..., i].clone(), x[..., i + r // 2].clone()
        x[..., i] = a * angle.cos() - b * angle.sin()
        x[..., i + r // 2] = b * angle.cos() + a * angle.sin()
    return x.float()


def test_parallel_and_sequential_blocks_differ_in_what_the_mlp_reads(lm, trace):
    for number, layer in enumerate(layers(lm)):
        norm = layer.post_attention_layernorm if lm.spec.family == "gpt_neox" else layer.ln_2
        read = trace.residual[number] + (0 if lm.spec.parallel else trace.attn_out[number])
        close(layer.mlp(norm(read)), trace.mlp_out[number])


def test_arrays_are_plain_and_of_the_promised_shapes(lm, trace):
    sizes = {
        "layer": lm.spec.layers,
        "layer + 1": lm.spec.layers + 1,
        "head": lm.spec.heads,
        "width": lm.spec.width,
    }
    sizes |= {"vocab": lm.spec.vocab, "head_dim": lm.spec.width // lm.spec.heads}
    sizes |= dict.fromkeys(("position", "query", "key"), len(trace.ids))
    for name, axes in AXES.items():
        array = getattr(trace, name)
        assert tuple(array.shape) == tuple(sizes[axis] for axis in axes)
        assert (array.dtype, array.device.type) == (torch.float32, "cpu")
        assert not array.requires_grad and array.grad_fn is None and not array.is_inference()
    assert trace.ids.tolist() == prompt(lm) and len(trace.tokens) == len(trace.ids)


# --- what is kept ---


@pytest.mark.parametrize("name", ["neox", "gpt2, parallel", "neo"])
@pytest.mark.parametrize("field", AXES)
def test_keep_keeps_exactly_what_was_asked_for_and_the_same_values(name, field):
    lm = opened(name)
    one = lm.trace(prompt(lm), keep=[field])
    assert {f for f in AXES if hasattr(one, f)} == {field}
    assert torch.equal(getattr(one, field), getattr(lm.trace(prompt(lm), keep=AXES), field))


def test_by_default_everything_but_z_and_the_unrotated_pair():
    trace = opened("neox").trace([1, 2, 3])
    assert {f for f in AXES if not hasattr(trace, f)} == {"queries_unrotated", "keys_unrotated", "z"}
    assert hasattr(opened("neox").trace([1, 2, 3], keep=["logits"], unrotated=True), "keys_unrotated")


def test_one_name_needs_no_list_and_tokens_are_always_there():
    trace = opened("neox").trace([1, 2, 3], keep="attention")
    assert trace.attention.shape == (3, 3, 3, 3) and len(trace.tokens) == 3
    assert opened("neox").trace([1, 2, 3], keep=["tokens", "ids"]).ids.tolist() == [1, 2, 3]


def test_asking_for_what_was_not_kept_says_how_to_get_it():
    trace = opened("neox").trace([1, 2, 3], keep=["logits"])
    with pytest.raises(AttributeError, match=r"did not keep 'attention'.*keep=\['attention'\]"):
        trace.attention  # noqa: B018
    with pytest.raises(AttributeError, match=r"did not keep 'keys_unrotated'.*unrotated=True"):
        trace.keys_unrotated  # noqa: B018
    with pytest.raises(AttributeError, match=r"did not keep 'z'.*keep=\['z'\]"):
        trace.z  # noqa: B018
    with pytest.raises(AttributeError, match="no 'atention'. Did you mean 'attention'"):
        trace.atention  # noqa: B018
    assert copy.copy(trace).logits is trace.logits


def test_what_is_not_kept_takes_no_memory(monkeypatch):
    lm = opened("tiny-pythia, random")
    made = []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, **k: made.append(empty(*a, **k)) or made[-1])
    trace = lm.trace(prompt(lm), keep=["residual"])
    assert sum(array.nbytes for array in made) == trace.residual.nbytes
    assert 10 * trace.residual.nbytes < sum(bytes_kept(lm.spec, len(trace.ids), AXES).values())


def test_the_estimate_of_memory_is_what_the_arrays_take(lm, trace):
    assert bytes_kept(lm.spec, len(trace.ids), AXES) == {name: getattr(trace, name).nbytes for name in AXES}


def test_a_traces_own_text_names_what_it_holds():
    text = repr(opened("neox").trace([1, 2, 3], keep=["residual"]))
    assert "Trace of 3 tokens" in text and "(4, 3, 48)" in text and "attention" not in text


# --- refusals, each before the model runs ---


@pytest.fixture
def never_runs(monkeypatch):
    """A model that fails the test when it is run."""
    lm = opened("tiny-pythia, random")
    monkeypatch.setattr(lm.model, "forward", lambda *a, **k: pytest.fail("the model ran"))
    return lm


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ("", ValueError, "empty"),
        ([], ValueError, "empty"),
        (torch.tensor([], dtype=torch.int64), ValueError, "empty"),
        ("word " * 600, ValueError, r"has \d{3,4} tokens and tiny-pythia.* reads 512 at most.*\[:512\]"),
        ([1, 1024], ValueError, "from 0 to 1023; the prompt holds 1024"),
        ([1, -1], ValueError, "from 0 to 1023; the prompt holds -1"),
        (None, TypeError, "one text or one list of token ids, not a NoneType"),
        (7, TypeError, "not a int"),
        (b"bytes", TypeError, "not a bytes"),
        ({"input_ids": [1]}, TypeError, "not a dict"),
        (["two", "texts"], TypeError, "list of 2"),
        ([[1, 2], [3, 4]], TypeError, r"shape \(2, 2\)"),
        ([1.5, 2.0], TypeError, "whole numbers"),
        ([True, False], TypeError, "whole numbers"),
        ([1, None], TypeError, "whole numbers"),
        ([10**30], TypeError, "whole numbers"),
        (np.array(5), TypeError, r"one sequence of token ids; this has shape \(\)"),
        (torch.tensor([1, 2]).to_sparse(), TypeError, "an ordinary tensor .*, and this one is sparse_coo"),
        (torch.tensor([1, 2], device="meta"), TypeError, "ordinary tensor .* this one is meta"),
        ("a \ud83e b", ValueError, "half a character.*place 2"),
    ],
    ids=str,
)
def test_a_prompt_that_cannot_be_read_is_refused_in_one_sentence(never_runs, given, error, says):
    for ask in (never_runs.trace, never_runs.predict):
        with pytest.raises(error, match=says) as raised:
            ask(given)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        (["attentions"], "no 'attentions'. Did you mean 'attention'"),
        (["logits", "key"], "no 'key'. Did you mean 'keys'"),
        ("mlp", "no 'mlp'. Did you mean 'mlp_out'"),
        (["www"], "no 'www'. It can keep: attention, residual"),
        (5, "no '5'"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_name(never_runs, keep, says):
    with pytest.raises(ValueError, match=says):
        never_runs.trace("Anna", keep=keep)


def test_a_trace_that_cannot_fit_is_refused_with_the_figure(never_runs, monkeypatch):
    monkeypatch.setattr(tracing, "available_memory", lambda: 20_000_000)
    with pytest.raises(
        MemoryError, match=r"500 tokens needs 38\.5 MB \(attention alone 16\.0 MB\) and 20\.0 MB"
    ):
        never_runs.trace([1] * 500)


def test_predicting_is_refused_too_where_not_even_one_layer_fits(never_runs, monkeypatch):
    monkeypatch.setattr(tracing, "available_memory", lambda: 1_000_000)
    with pytest.raises(MemoryError, match=r"needs 14\.0 MB and 1\.0 MB is left: shorten the prompt\.$"):
        never_runs.predict([1] * 500)


def test_a_trace_that_fits_when_less_is_kept_runs(monkeypatch):
    lm = opened("tiny-pythia, random")
    monkeypatch.setattr(tracing, "available_memory", lambda: 20_000_000)
    assert lm.trace([1] * 500, keep=["residual"]).residual.shape == (5, 500, 128)


def test_a_hubs_limit_is_heeded(never_runs, monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", "1000000")
    with pytest.raises(MemoryError, match="0.0 MB is left"):
        never_runs.trace([1] * 500)


def test_attention_without_its_weights_is_refused():
    lm = wrapped(GPT2LMHeadModel(GPT2Config(**GPT2_ODD)).eval())
    lm.model.set_attn_implementation("sdpa")
    with pytest.raises(ValueError, match="eager"):
        lm.trace([1, 2, 3])
    assert lm.trace([1, 2, 3], keep=["residual"]).residual.shape == (4, 3, 48)


def test_attention_that_one_layer_hides_is_refused_in_the_same_words():
    lm = wrapped(copy.deepcopy(opened("neox").model))
    part = layers(lm)[1].attention
    part.config = copy.copy(part.config)
    part.config._attn_implementation = "sdpa"
    before = hooks_on(lm.model)
    with pytest.raises(ValueError, match="Only eager attention shows its weights: run"):
        lm.trace([1, 2, 3])
    assert hooks_on(lm.model) == before
    close(lm.trace([1, 2, 3], keep=["residual"]).residual, opened("neox").trace([1, 2, 3]).residual)


# --- hooks ---


def test_hooks_leave_after_a_trace(lm):
    before = hooks_on(lm.model)  # not 0: transformers leaves its own after output_attentions=True
    lm.trace([1, 2, 3])
    assert hooks_on(lm.model) == before


@pytest.mark.parametrize("name", ["neox", "gpt2", "neo"])
@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_hooks_leave_when_the_pass_breaks_in_the_middle(name, interruption):
    lm = opened(name)
    before, seen = hooks_on(lm.model), []

    def stop(*_):
        seen.append(hooks_on(lm.model))
        raise interruption("stop")

    handle = layers(lm)[1].mlp.register_forward_hook(stop)
    try:
        with pytest.raises(interruption):
            lm.trace([1, 2, 3])
        assert seen[0] > before + 10 and hooks_on(lm.model) == before + 1
    finally:
        handle.remove()
    assert lm.trace([1, 2, 3]).logits.isfinite().all()


def test_a_learners_own_hook_stays_and_the_trace_sees_what_it_did():
    lm = opened("neox")
    before = hooks_on(lm.model)
    handle = layers(lm)[1].attention.register_forward_hook(lambda module, args, out: (out[0] * 0, out[1]))
    try:
        trace = lm.trace([1, 2, 3])
        assert trace.attn_out[1].abs().max() == 0 and trace.attn_out[0].abs().max() > 0
        close(trace.residual[2], trace.residual[1] + trace.mlp_out[1])
        assert hooks_on(lm.model) == before + 1
    finally:
        handle.remove()


def test_dropout_is_off_and_the_models_mode_comes_back():
    lm = wrapped(GPT2LMHeadModel(GPT2Config(**GPT2_ODD, attn_implementation="eager")).train())
    one, two = lm.trace([1, 2, 3]), lm.trace([1, 2, 3])
    assert torch.equal(one.logits, two.logits) and lm.model.training
    assert not one.residual.requires_grad and torch.is_grad_enabled()


def test_a_part_in_training_evaluates_too_and_each_part_gets_its_own_mode_back():
    lm = wrapped(GPT2LMHeadModel(GPT2Config(**GPT2_ODD, attn_implementation="eager")).eval())
    layers(lm)[0].train()
    assert torch.equal(lm.trace([1, 2, 3]).logits, lm.trace([1, 2, 3]).logits)
    assert layers(lm)[0].mlp.dropout.training and not lm.model.training
    lm.model.train()
    layers(lm)[1].eval()
    lm.predict([1, 2, 3])
    assert lm.model.training and layers(lm)[0].training and not layers(lm)[1].training


def test_autocast_is_off_during_a_pass_and_on_after_it():
    lm = opened("neox")
    plain = lm.trace([1, 2, 3])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, likeliest = lm.trace([1, 2, 3]), lm.predict([1, 2, 3])
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(inside.logits, plain.logits) and likeliest == lm.predict([1, 2, 3])


def test_a_traced_array_can_be_used_in_a_gradient():
    stream = opened("neox").trace([1, 2, 3]).residual[-1].requires_grad_()
    stream.square().sum().backward()
    assert stream.grad.shape == (3, 48)


@pytest.mark.parametrize("name", ["neox", "gpt2", "neo"])
def test_a_bfloat16_model_gives_float32_arrays_that_are_its_own(name):
    lm = wrapped(rounded(opened(name).model, torch.bfloat16))
    trace = lm.trace(prompt(lm), keep=AXES)
    assert {getattr(trace, field).dtype for field in AXES} == {torch.float32}
    assert torch.equal(trace.logits, lm.model(trace.ids[None]).logits[0].float())
    # the rotation rounds as the model's own does: its values are bfloat16 numbers
    assert torch.equal(trace.queries, trace.queries.to(torch.bfloat16).float())


# --- text ---


def test_a_text_its_ids_and_a_tensor_of_them_give_the_same_trace():
    lm = opened("tiny-pythia, random")
    text = "Anna has a red ball."
    ids = lm.tokenizer(text)["input_ids"]
    for given in (ids, tuple(ids), np.array(ids, dtype=np.int32), torch.tensor(ids), torch.tensor([ids])):
        assert torch.equal(lm.trace(given).logits, lm.trace(text).logits)
    assert lm.trace(text).ids.tolist() == ids and lm.trace(text).tokens == lm.tokens(text) == lm.tokens(ids)


@pytest.mark.parametrize(
    "text", ["🦊 fox", "<script>alert(1)</script>", "naïve Ж", "\n\t  x", "<|endoftext|>", "\x00\r"]
)
def test_odd_texts_are_traced_and_every_token_can_be_seen(text):
    trace = opened("tiny-pythia, random").trace(text, keep=[])
    assert all(token and token.isprintable() and not re.search(r"\s|\ufffd", token) for token in trace.tokens)


def test_tokens_show_spaces_line_ends_and_parts_of_characters():
    lm = opened("tiny-pythia, random")
    assert "".join(lm.tokens("a b\n\tc")) == "a␣b↵⇥c"
    fox = lm.tokens("🦊")
    assert "".join(fox) == r"\xf0\x9f\xa6\x8a" and len(fox) > 1
    assert lm.tokens(lm.tokenizer("<|endoftext|>")["input_ids"]) == ["<|endoftext|>"]
    assert len(lm.tokens("word " * 2000)) > lm.spec.context  # only the model has a context


def test_an_id_of_the_padding_shows_as_its_number():
    lm = opened("neox")
    lm = LanguageModel(name="x", step=None, model=lm.model, tokenizer=ShortTokenizer(), spec=lm.spec)
    assert lm.trace([1, 96]).tokens == ["one", "<96>"]


class ShortTokenizer:
    """Stands for Pythia's, which knows fewer tokens than the model has rows."""

    def decode(self, ids):
        return {1: "one"}.get(ids[0], "")


def test_the_signs_for_spaces_are_in_matplotlibs_own_font():
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    from pythia_course.plots.labels import VISIBLE

    glyphs = FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap()
    assert all(ord(sign) in glyphs for sign in VISIBLE.values())


def test_predict_gives_the_likeliest_tokens_of_the_last_position(lm):
    ids = prompt(lm)
    probabilities = lm.trace(ids).logits[-1].softmax(-1)
    found = lm.predict(ids, k=5)
    expected = probabilities.topk(5)
    assert [token for token, _ in found] == lm.tokens(expected.indices)
    np.testing.assert_allclose([p for _, p in found], expected.values, rtol=1e-3)
    assert len(lm.predict([1])) == 10
    assert sum(p for _, p in lm.predict([1], k=10**6)) == pytest.approx(1, abs=1e-4)


def test_predict_wants_a_number_of_tokens():
    for k in (0, -3, 2.5):
        with pytest.raises(ValueError, match="above 0"):
            opened("neox").predict([1], k=k)


def test_predict_holds_the_logits_of_one_position_only():
    lm = opened("neox")
    shapes = []
    handle = lm.model.lm_head.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape)))
    try:
        lm.predict([1, 2, 3])
        lm.trace([1, 2, 3], keep=["residual"])
        lm.trace([1, 2, 3], keep=["logits"])
    finally:
        handle.remove()
    assert shapes == [(1, 1, 97), (1, 1, 97), (1, 3, 97)]


# --- cost ---


@pytest.mark.parametrize("name", FULL)
def test_a_trace_costs_little_more_than_the_plain_pass(name):
    lm = opened(name)
    ids = torch.tensor(prompt(lm))

    def plain():
        with torch.no_grad():
            lm.model(ids[None], output_attentions=True, output_hidden_states=True)

    traced, passed = best_times(lambda: lm.trace(ids), plain)
    print(f"{name}: a trace takes {traced / passed:.2f} of the plain pass with attentions and hidden states")
    assert traced < 2 * passed  # loose: another process may be at work


def best_times(*runs, times=12):
    """The shortest of each, taken in turns, so that a busy moment of the machine meets all alike."""
    found = [[] for _ in runs]
    for _ in range(times):
        for run, seconds in zip(runs, found):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
    return [min(seconds) for seconds in found]
