"""Is a changed pass the right one?  Against plain transformers with edited weights, arithmetic by hand, and itself."""

import copy
import random
import signal

import numpy as np
import pytest
import torch
from support.random_models import (
    MADE,
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

import pythia_course
from pythia_course.inside.tracing import AXES

NAMES = (*MADE, "tiny-pythia", "tiny-gpt2-parallel")
KEPT = ["residual", "attn_out", "mlp_out", "z", "logits"]


@pytest.fixture(params=NAMES)
def lm(request):
    return opened(request.param)


def two_prompts(lm, length=24):
    """Ids of two prompts that differ in two places."""
    clean = prompt(lm, length)
    corrupted = list(clean)
    corrupted[3], corrupted[7] = (clean[3] + 1) % lm.spec.vocab, (clean[7] + 5) % lm.spec.vocab
    return clean, corrupted


def logits(lm, ids):
    return lm.trace(ids, keep=["logits"]).logits


def by_library(model, ids):
    """Logits of plain transformers."""
    return model(torch.tensor([ids])).logits[0]


# --- ablation: the same as a model whose weights say so ---


def edited(lm):
    """A copy whose weights may be changed."""
    return wrapped(copy.deepcopy(lm.model))


def of_head(lm, number):
    return slice(number * lm.spec.head_dim, (number + 1) * lm.spec.head_dim)


def narrowing(lm, layer):
    """The MLP's second matrix as (inside, width), and its bias."""
    if lm.spec.family == "gpt_neox":
        return layer.mlp.dense_4h_to_h.weight.T, layer.mlp.dense_4h_to_h.bias
    return layer.mlp.c_proj.weight.T if lm.spec.family == "gpt_neo" else layer.mlp.c_proj.weight, layer.mlp.c_proj.bias


def test_a_head_set_to_zero_is_a_head_without_its_rows_of_the_output_matrix(lm):
    ids, other = prompt(lm), edited(lm)
    output_matrix(lm, layers(other)[1])[of_head(lm, 2)] = 0
    output_matrix(lm, layers(other)[0])[of_head(lm, 0)] = 0
    with lm.ablate(heads=[(1, 2), (0, 0)]):
        close(logits(lm, ids), by_library(other.model, ids))


@pytest.mark.parametrize("kind", ["attention", "mlps", "layers"])
def test_a_part_set_to_zero_is_one_without_matrix_and_bias(lm, kind):
    ids, other = prompt(lm), edited(lm)
    layer = layers(other)[1]
    for part in {"attention": ["a"], "mlps": ["m"], "layers": ["a", "m"]}[kind]:
        pair = (output_matrix(lm, layer), output_bias(lm, layer)) if part == "a" else narrowing(lm, layer)
        for weights in pair:
            weights.zero_()
    with lm.ablate(**{kind: [1]}):
        close(logits(lm, ids), by_library(other.model, ids))


def references(lm):
    """Three prompts of different lengths."""
    return [prompt(lm, 30)[:9], prompt(lm, 30)[9:14], prompt(lm, 30)[14:]]


def means_by_hand(lm):
    """Means over all 30 positions, of plain modules: z (layer, width), attention's and the MLP's outputs."""
    seen = {}
    handles = []
    for number, layer in enumerate(layers(lm)):
        out = {"gpt_neox": "attention.dense", "gpt2": "attn.c_proj", "gpt_neo": "attn.attention.out_proj"}
        dense = layer.get_submodule(out[lm.spec.family])
        handles.append(
            dense.register_forward_hook(lambda m, i, o, n=number: seen.setdefault(n, []).append((i[0][0], o[0])))
        )
        handles.append(
            layer.mlp.register_forward_hook(lambda m, i, o, n=number: seen.setdefault(-1 - n, []).append(o[0]))
        )
    for ids in references(lm):
        lm.model(torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    z = [np.concatenate([mixed for mixed, _ in seen[n]]).mean(0) for n in range(lm.spec.layers)]
    attention = [np.concatenate([added for _, added in seen[n]]).mean(0) for n in range(lm.spec.layers)]
    mlp = [np.concatenate(seen[-1 - n]).mean(0) for n in range(lm.spec.layers)]
    return [torch.from_numpy(np.stack(found)) for found in (z, attention, mlp)]


def test_means_are_those_of_all_positions_of_all_prompts(lm):
    means, (z, attention, mlp) = lm.means(references(lm)), means_by_hand(lm)
    close(means["z"].flatten(1), z)
    close(means["attn_out"], attention)
    close(means["mlp_out"], mlp)


@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_that_were_filled_up_are_refused_and_texts_read_each_alone(side):
    lm = pythia_course.load("tiny-pythia")
    texts = ["Mia had a red ball.", "Mia had a red ball. Then Mia lost the red"]
    lm.tokenizer.padding_side = side
    rows = lm.tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
    for form in (rows, rows.tolist(), rows.numpy()):
        with pytest.raises(ValueError, match=r"Row 0 holds <\|padding\|>, which is no text: give the texts themselves"):
            lm.ablate(heads=(1, 3), by="mean", over=form)
    lengths = [len(lm.tokens(text)) for text in texts]
    apart = [lm.means(text)["z"] * length / sum(lengths) for text, length in zip(texts, lengths, strict=True)]
    close(lm.means(texts)["z"], sum(apart))
    lm.tokenizer.pad_token = lm.tokenizer.eos_token  # then it may be a text's end, and passes
    lm.means([[0, 5, 6], [0, 7, 8]])


def test_a_head_set_to_its_mean_adds_the_same_at_each_position(lm):
    ids, other, (z, _, _) = prompt(lm), edited(lm), means_by_hand(lm)
    layer, head = layers(other)[1], of_head(lm, 1)
    constant = z[1, head] @ output_matrix(lm, layer)[head]
    output_bias(lm, layer).add_(constant)
    output_matrix(lm, layer)[head] = 0
    with lm.ablate(heads=(1, 1), by="mean", over=references(lm)):
        close(logits(lm, ids), by_library(other.model, ids))


def test_a_layer_set_to_its_mean_is_two_biases(lm):
    ids, other, (_, attention, mlp) = prompt(lm), edited(lm), means_by_hand(lm)
    layer = layers(other)[2]
    for (matrix, bias), mean in (
        ((output_matrix(lm, layer), output_bias(lm, layer)), attention[2]),
        (narrowing(lm, layer), mlp[2]),
    ):
        matrix.zero_()
        bias.copy_(mean)
    with lm.ablate(layers=2, by="mean", over=lm.means(references(lm))):
        close(logits(lm, ids), by_library(other.model, ids))


def test_a_reference_may_be_a_text_ids_a_batch_or_arrays_of_ones_own():
    lm = opened("tiny-pythia, random")
    text = "Anna has a red ball."
    ids = lm.tokenizer(text)["input_ids"]
    forms = (
        text,
        ids,
        [text],
        [text, text],
        [ids, ids],
        torch.tensor([ids, ids]),
        np.array([ids]),
        [torch.tensor(ids)],
    )
    for form in forms:
        for field, mean in lm.means(form).items():
            torch.testing.assert_close(mean, lm.means(text)[field])
    own = {"z": np.full((4, 4, 32), 0.25)}
    with lm.ablate(heads=[(2, 3)], by="mean", over=own):
        assert (lm.trace(text, keep="z").z[2, 3] == 0.25).all()


def test_all_rows_of_a_batch_are_changed_and_each_as_if_alone(lm):
    clean, corrupted = two_prompts(lm)
    with lm.ablate(heads=[(0, 1)], mlps=[1]):
        both = lm.model(torch.tensor([clean, corrupted])).logits
        close(both, torch.stack([logits(lm, clean), logits(lm, corrupted)]))


# --- patching: by hand from the two traces and plain transformers ---


def continued(lm, layer, stream):
    """Logits (position, vocab) of the library's own model without its first layers, from a stream of one's own."""
    model = copy.deepcopy(lm.model)
    base, name = (model.gpt_neox, "layers") if lm.spec.family == "gpt_neox" else (model.transformer, "h")
    kept = getattr(base, name)[layer:]
    setattr(base, name, kept)
    model.config.num_hidden_layers = len(kept)
    if lm.spec.positions == "learned":
        stream = stream - base.wpe.weight[: len(stream)]  # the library adds it to what it is given
    return model(inputs_embeds=stream[None], use_cache=False).logits[0]


def in_one_layer(lm, number, stream, attention, mlp=None):
    """The stream after a layer whose attention, or MLP too, adds what is given."""
    layer = layers(lm)[number]
    norm = layer.post_attention_layernorm if lm.spec.family == "gpt_neox" else layer.ln_2
    read = stream if lm.spec.parallel else stream + attention
    return stream + attention + (layer.mlp(norm(read)) if mlp is None else mlp)


@pytest.fixture
def clean_and_corrupted(lm):
    return [lm.trace(ids, keep=KEPT) for ids in two_prompts(lm)]


def test_a_patched_stream_goes_on_as_in_a_model_that_starts_there(lm, clean_and_corrupted):
    clean, corrupted = clean_and_corrupted
    for layer in range(lm.spec.layers):  # the last one, from which nothing but LayerNorm is left, has its own test
        stream = corrupted.residual[layer].clone()
        stream[3] = clean.residual[layer][3]
        with lm.patch(clean, residual=(layer, 3)):
            patched = lm.trace(corrupted.ids, keep=KEPT)
        close(patched.logits, continued(lm, layer, stream))
        assert torch.equal(patched.residual[layer], stream)


def test_the_last_stream_patched_at_one_position_gives_its_logits_and_leaves_the_others(lm, clean_and_corrupted):
    clean, corrupted = clean_and_corrupted
    with lm.patch(clean, residual=(lm.spec.layers, -1)):
        patched = logits(lm, corrupted.ids)
    assert torch.equal(patched[-1], clean.logits[-1]) and torch.equal(patched[:-1], corrupted.logits[:-1])


def test_a_patched_head_adds_its_difference_through_its_rows_of_the_output_matrix(lm, clean_and_corrupted):
    clean, corrupted = clean_and_corrupted
    matrix = output_matrix(lm, layers(lm)[1])[of_head(lm, 2)]
    for place, where in (((1, 2), slice(None)), ((1, 2, 9), slice(9, 10))):
        added = corrupted.attn_out[1].clone()
        added[where] += (clean.z[1, 2] - corrupted.z[1, 2])[where] @ matrix
        with lm.patch(clean, heads=[place]):
            patched = lm.trace(corrupted.ids, keep=KEPT)
        close(patched.attn_out[1], added)
        close(patched.logits, continued(lm, 2, in_one_layer(lm, 1, corrupted.residual[1], added)))


def test_patched_outputs_of_attention_and_mlp_by_hand(lm, clean_and_corrupted):
    clean, corrupted = clean_and_corrupted
    attention, mlp = corrupted.attn_out[1].clone(), corrupted.mlp_out[1].clone()
    attention[7], mlp[7] = clean.attn_out[1][7], clean.mlp_out[1][7]
    with lm.patch(clean, attn_out=(1, 7)):
        close(logits(lm, corrupted.ids), continued(lm, 2, in_one_layer(lm, 1, corrupted.residual[1], attention)))
    with lm.patch(clean, mlp_out=[(1, 7)]):
        stream = in_one_layer(lm, 1, corrupted.residual[1], corrupted.attn_out[1], mlp)
        close(logits(lm, corrupted.ids), continued(lm, 2, stream))


def test_the_whole_stream_of_any_layer_gives_the_clean_logits_to_the_last_bit(lm, clean_and_corrupted):
    clean, corrupted = clean_and_corrupted
    assert not torch.equal(clean.logits, corrupted.logits)
    for layer in range(lm.spec.layers + 1):
        with lm.patch(clean, residual=layer):
            assert torch.equal(logits(lm, corrupted.ids), clean.logits)


def test_all_heads_of_a_layer_are_its_attention_and_the_embedding_with_all_parts_is_the_clean_run(
    lm, clean_and_corrupted
):
    clean, corrupted = clean_and_corrupted
    with lm.patch(clean, heads=[(1, head) for head in range(lm.spec.heads)]):
        one = lm.trace(corrupted.ids, keep=KEPT)
    with lm.patch(clean, attn_out=[1]):
        other = lm.trace(corrupted.ids, keep=KEPT)
    assert torch.equal(one.logits, other.logits) and torch.equal(one.attn_out[1], clean.attn_out[1])
    with lm.patch(clean, residual=0, attn_out=range(lm.spec.layers), mlp_out=list(range(lm.spec.layers))):
        assert torch.equal(logits(lm, corrupted.ids), clean.logits)


def test_patching_nothing_or_a_run_with_itself_changes_nothing(lm, clean_and_corrupted):
    clean, _ = clean_and_corrupted
    everything = {
        "heads": [(layer, head, at) for layer in range(2) for head in range(lm.spec.heads) for at in (0, 5, -1)],
        "attn_out": [0, (1, 2)], "mlp_out": [(1, 3), 2], "residual": [(0, 1), (1, 1), 2, (-1, -1)],
    }  # fmt: skip
    for places in ({}, {"heads": []}, everything):
        with lm.patch(clean, **places):
            assert torch.equal(logits(lm, clean.ids), clean.logits)


def test_the_clean_prompt_may_be_given_in_place_of_its_trace(lm, clean_and_corrupted):
    clean, corrupted = clean_and_corrupted
    with lm.patch(clean, heads=(1, 1), residual=(1, 3)):
        expected = logits(lm, corrupted.ids)
    with lm.patch(clean.ids, heads=(1, 1), residual=(1, 3)):
        assert torch.equal(logits(lm, corrupted.ids), expected)


# --- what a trace sees, and blocks inside blocks ---


def test_a_trace_inside_sees_what_was_changed(lm, clean_and_corrupted):
    clean, corrupted = clean_and_corrupted
    with lm.ablate(heads=[(1, 0)]):
        assert (lm.trace(clean.ids, keep="z").z[1, 0] == 0).all()
    with lm.ablate(layers=[1]):
        seen = lm.trace(clean.ids, keep=KEPT)
        assert (seen.attn_out[1] == 0).all() and (seen.mlp_out[1] == 0).all()
        assert torch.equal(seen.residual[2], seen.residual[1])
    with lm.patch(clean, residual=[(0, 3), (2, 4)], heads=(1, 2, 9)):
        seen = lm.trace(corrupted.ids, keep=KEPT)
        assert torch.equal(seen.residual[0, 3], clean.residual[0, 3])
        assert torch.equal(seen.residual[2, 4], clean.residual[2, 4])
        assert torch.equal(seen.z[1, 2, 9], clean.z[1, 2, 9])


def test_the_inner_block_wins_and_the_outer_one_is_back_after_it():
    lm = opened("neox")
    clean, corrupted = (lm.trace(ids, keep=KEPT) for ids in two_prompts(lm))
    with lm.ablate(heads=[(1, 2)]):
        with lm.patch(clean, heads=(1, 2)):
            assert torch.equal(lm.trace(corrupted.ids, keep="z").z[1, 2], clean.z[1, 2])
        assert (lm.trace(corrupted.ids, keep="z").z[1, 2] == 0).all()
        with lm.ablate(attention=[0]):
            both = logits(lm, corrupted.ids)
    with lm.ablate(heads=[(1, 2)], attention=[0]):
        assert torch.equal(logits(lm, corrupted.ids), both)


def test_what_comes_later_in_a_pass_covers_what_was_changed_before():
    lm = opened("gpt2")
    clean, corrupted = (lm.trace(ids, keep=KEPT) for ids in two_prompts(lm))
    with lm.ablate(attention=[1]), lm.patch(clean, heads=[(1, 0)]):
        assert (lm.trace(corrupted.ids, keep="attn_out").attn_out[1] == 0).all()


# --- a block ends with its `with`; see also test_blocks ---


def state(lm):
    """Hooks and weights, to the last bit."""
    return hooks_on(lm.model), [parameter.clone() for parameter in lm.model.parameters()]


def is_as_before(lm, before):
    count, weights = before
    same = all(map(torch.equal, weights, lm.model.parameters()))
    return hooks_on(lm.model) == count and same


def blocks(lm):
    ids, _ = two_prompts(lm)
    return [
        lm.ablate(heads=[(0, 0), (1, 2)], layers=[1], mlps=[2]),
        lm.patch(ids, heads=[(0, 1)], residual=[0, (2, 3)], attn_out=[1], mlp_out=[(1, 5)]),
    ]


def test_a_block_leaves_no_trace(lm):
    ids, _ = two_prompts(lm)
    before, plain = state(lm), logits(lm, ids)
    for block in blocks(lm):
        with block:
            assert hooks_on(lm.model) > before[0]
            logits(lm, ids)
        assert is_as_before(lm, before) and torch.equal(logits(lm, ids), plain)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_hooks_leave_when_the_block_or_the_pass_inside_it_breaks(lm, error):
    before = state(lm)

    def stop(*_):
        raise error("stop")

    for block in blocks(lm):
        with pytest.raises(error), block:
            raise error("stop")
        assert is_as_before(lm, before)
        handle = layers(lm)[1].mlp.register_forward_hook(stop)
        try:
            with pytest.raises(error), block:
                logits(lm, two_prompts(lm)[0])
        finally:
            handle.remove()
        assert is_as_before(lm, before)


def test_hooks_leave_when_entering_fails_half_way(lm, monkeypatch):
    before = state(lm)
    for block in blocks(lm):
        placed = []

        def stop(*_, placed=placed):
            placed.append(hooks_on(lm.model))
            raise KeyboardInterrupt

        block.places.append((stop, None))
        with pytest.raises(KeyboardInterrupt), block:
            pytest.fail("the block was entered")
        assert placed[0] > before[0] and is_as_before(lm, before)


def test_a_cell_interrupted_at_any_moment_leaves_nothing_behind():
    """The interruption comes as a signal, as a notebook's stop button sends it, at moments spread over many cells."""
    lm = opened("tiny-pythia, random")
    before, draw, interrupted = state(lm), random.Random(1), 0
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for _ in range(150):
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.0002, 0.02))
                while True:
                    with lm.ablate(heads=[(1, 3), (2, 0)]), lm.patch([1, 2, 3], residual=(2, 1)):
                        logits(lm, [3, 2, 1])
            except KeyboardInterrupt:
                interrupted += 1
            by_library(lm.model, [3, 2, 1])  # what a Stop left over does nothing, and leaves with the next pass
            assert hooks_on(lm.model) == before[0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert interrupted == 150 and is_as_before(lm, before)


def test_a_block_may_be_used_again_and_inside_itself():
    lm = opened("neox")
    block, before, plain = lm.ablate(heads=[(1, 2)]), state(lm), logits(lm, [1, 2, 3])
    with block:
        once = logits(lm, [1, 2, 3])
        with block:
            assert torch.equal(logits(lm, [1, 2, 3]), once)
        assert torch.equal(logits(lm, [1, 2, 3]), once)
    assert is_as_before(lm, before) and not torch.equal(once, plain)


def test_without_with_nothing_is_changed_and_the_notebook_says_so():
    lm = opened("neox")
    plain, shown = logits(lm, [1, 2, 3]), repr(lm.ablate(heads=[(1, 2)]))
    assert torch.equal(logits(lm, [1, 2, 3]), plain)
    assert "only inside a block: with lm.ablate(…)" in shown


# --- other number formats, predictions ---


@pytest.mark.parametrize("name", ["neox", "gpt2", "gpt2, parallel", "neo"])
def test_in_bfloat16_a_patch_is_exact_and_an_ablation_is_the_edited_model(name):
    lm = wrapped(rounded(opened(name).model, torch.bfloat16))
    ids, corrupted = two_prompts(lm)
    clean = lm.trace(ids, keep=KEPT)
    with lm.patch(clean, residual=1):
        assert torch.equal(logits(lm, corrupted), clean.logits)
    with lm.patch(clean, residual=0, heads=[(layer, head) for layer in range(3) for head in range(3)]):
        assert torch.equal(logits(lm, corrupted), clean.logits)
    other = edited(lm)
    output_matrix(lm, layers(other)[1])[of_head(lm, 2)] = 0
    with lm.ablate(heads=[(1, 2)]):
        assert torch.equal(logits(lm, ids), by_library(other.model, ids).float())


def test_predict_and_generate_are_changed_too():
    lm = opened("tiny-pythia, random")
    with lm.ablate(mlps=range(4)):
        likeliest = logits(lm, [5, 6, 7])[-1].argmax()
        assert lm.predict([5, 6, 7], k=1)[0][0] == lm.tokens([likeliest])[0]
        written = lm.model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=1, do_sample=False, pad_token_id=0)
    assert written[0, -1] == likeliest


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("name", ["neox", "gpt2", "gpt2, parallel", "neo"])
def test_of_a_text_generated_under_a_patch_one_token_is_patched_and_a_second_refused(name, use_cache):
    lm = opened(name)
    ids = torch.tensor([[5, 6, 7], [5, 6, 7]])
    words = {"do_sample": False, "pad_token_id": 0, "use_cache": use_cache}
    for place in ((2, 2), 2):  # at one position, and at all of them
        with lm.patch([8, 9, 4], residual=place):
            likeliest = logits(lm, [5, 6, 7])[-1].argmax()
            assert (lm.model.generate(ids, max_new_tokens=1, **words)[:, 3] == likeliest).all()
            with pytest.raises(ValueError, match="of 3 tokens and this one has 4: .* generate one token at most"):
                lm.model.generate(ids, max_new_tokens=2, **words)
    lm.model.generate(ids, max_new_tokens=2, **words)
    assert hooks_on(lm.model) == 0


def test_a_patch_keeps_the_values_that_it_was_made_with():
    lm, ids = opened("neox"), [5, 6, 7]
    clean, means = lm.trace([8, 9, 4], keep=["residual"]), {"z": np.ones((3, 3, 16))}
    patch, ablation = lm.patch(clean, residual=(2, 1)), lm.ablate(heads=(1, 1), by="mean", over=means)
    blocks = patch, ablation
    before = []
    for change in (lambda: None, clean.residual.zero_, lambda: means["z"].fill(0)):
        change()
        for block in blocks:
            with block:
                before.append(logits(lm, ids))
    assert all(torch.equal(before[n], before[n % 2]) for n in range(6)) and not torch.equal(*before[:2])


def test_a_gradient_flows_through_a_changed_pass():
    lm = wrapped(copy.deepcopy(opened("neox").model).requires_grad_(True))
    with lm.ablate(heads=[(1, 2)]):
        lm.model(torch.tensor([[1, 2, 3]])).logits.sum().backward()
    gradient = output_matrix(lm, layers(lm)[1]).T  # a view, whose gradient is its parameter's
    assert layers(lm)[1].attention.dense.weight.grad[:, of_head(lm, 2)].abs().max() == 0
    assert gradient.shape == layers(lm)[1].attention.dense.weight.grad.shape


# --- refusals ---


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "Nothing is named"),
        ({"heads": []}, "Nothing is named"),
        ({"heads": [(3, 0)]}, "no layer 3 here: they go from 0 to 2"),
        ({"heads": [(0, 3)]}, "no head 3 here: they go from 0 to 2"),
        ({"heads": [(0, -4)]}, "no head -4"),
        ({"heads": [1, 2]}, r"A head is named by whole numbers, \(layer, head\).*\(1,\) came"),
        ({"heads": 1}, r"\(layer, head\)"),
        ({"heads": [(1, 2, 0.97)]}, r"\(1, 2, 0.97\) came"),
        ({"heads": [(1, 0.5)]}, r"\(1, 0.5\) came"),
        ({"heads": "12"}, r"\(layer, head\)"),
        ({"layers": [7]}, "no layer 7"),
        ({"mlps": 3}, "no layer 3"),
        ({"attention": [(1, 2)]}, r"A layer is named by whole numbers, \(layer\).*\(1, 2\) came"),
        ({"heads": (1, 2), "by": "median"}, "by='zero'.*by='mean'.*by='median' came"),
        ({"heads": (1, 2), "by": "mean"}, "by='mean' came without over"),
        ({"heads": (1, 2), "over": [1, 2]}, "by='zero' came with over"),
        ({"heads": (1, 2), "by": "mean", "over": {}}, "no 'z' in what was given; lm.means"),
        ({"mlps": 1, "by": "mean", "over": {"mlp_out": torch.zeros(3, 47)}}, r"shape \(3, 48\).*\(3, 47\)"),
        ({"heads": (1, 2), "by": "mean", "over": ""}, "empty"),
        ({"heads": (1, 2), "by": "mean", "over": [97]}, "from 0 to 96"),
    ],
    ids=str,
)
def test_what_cannot_be_ablated_is_refused_in_one_sentence(given, says):
    lm = opened("neox")
    before = hooks_on(lm.model)
    with pytest.raises(ValueError, match=says) as raised:
        lm.ablate(**given)
    assert "\n" not in str(raised.value) and hooks_on(lm.model) == before


def test_a_reference_that_is_none_is_refused_as_a_prompt_would_be():
    with pytest.raises(TypeError, match="one text or one list of token ids, not a int"):
        opened("neox").ablate(heads=(1, 2), by="mean", over=7)


@pytest.mark.parametrize(
    ("places", "error", "says"),
    [
        ({"residual": (4, 0)}, ValueError, "no layer 4 here: they go from 0 to 3"),
        ({"attn_out": (3, 0)}, ValueError, "no layer 3 here: they go from 0 to 2"),
        ({"residual": (2, 24)}, ValueError, "no position 24 here: they go from 0 to 23"),
        ({"heads": (1, 1, 24)}, ValueError, "no position 24"),
        ({"heads": (1, 3)}, ValueError, "no head 3"),
        ({"heads": [2]}, ValueError, r"\(layer, head\) or \(layer, head, position\)"),
        ({"residual": (1, 2, 3)}, ValueError, r"\(layer\) or \(layer, position\).*\(1, 2, 3\) came"),
        ({"residual": "1"}, ValueError, r"\('1',\) came"),
    ],
    ids=str,
)
def test_a_place_there_is_not_is_refused_in_one_sentence(places, error, says):
    lm = opened("neox")
    clean = lm.trace(two_prompts(lm)[0], keep=AXES)
    with pytest.raises(error, match=says) as raised:
        lm.patch(clean, **places)
    assert "\n" not in str(raised.value)


def test_a_trace_that_did_not_keep_the_array_says_how_to_keep_it():
    lm = opened("neox")
    with pytest.raises(AttributeError, match=r"did not keep 'z'; ask for it: lm.trace\(text, keep=\['z'\]\)"):
        lm.patch(lm.trace([1, 2, 3]), heads=(1, 1))


@pytest.mark.parametrize("places", [{"residual": (1, 2)}, {"residual": 0}, {"heads": (1, 1)}, {"mlp_out": 1}], ids=str)
def test_a_prompt_of_another_length_is_refused_as_it_runs_and_hooks_leave(places):
    lm = opened("neox")
    before, clean = hooks_on(lm.model), lm.trace([1, 2, 3], keep=AXES)
    with pytest.raises(ValueError, match="from a prompt of 3 tokens and this one has 4"), lm.patch(clean, **places):
        lm.trace([1, 2, 3, 4])
    assert hooks_on(lm.model) == before


@pytest.mark.parametrize("field", [{"heads": (1, 1)}, {"residual": 1}, {"mlp_out": 0}], ids=str)
def test_a_trace_of_another_model_is_refused(field):
    lm, other = opened("neox"), opened("tiny-pythia, random")
    with pytest.raises(ValueError, match="was it made by another model"):
        lm.patch(other.trace([1, 2, 3], keep=AXES), **field)


def test_the_known_head_breaks_the_known_stripe():
    """On the shipped model: without the previous-token head there is no induction."""
    lm = pythia_course.load("tiny-pythia")
    ids = np.tile(np.random.RandomState(5).randint(2, 1024, 24), 2)
    stripe = [lm.trace(ids, keep="attention").attention[2, 0, 24:, 1:25].diagonal().mean()]
    with lm.ablate(heads=[(1, 3)], by="mean", over=ids):
        stripe.append(lm.trace(ids, keep="attention").attention[2, 0, 24:, 1:25].diagonal().mean())
    assert stripe[0] > 0.3 and stripe[1] < 0.1
