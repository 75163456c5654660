"""The 2×2 before training: the four models differ in the named switch and in nothing else."""

import pytest
import torch
from transformers import AutoConfig

from pythia_course.tiny import corpus, models, sizes
from pythia_course.tiny.train import save_checkpoint


@pytest.fixture(scope="module")
def tokens():
    return torch.from_numpy(corpus.batch(0).tokens[:4, :-1])


def without_positions(name):
    """A model that cannot know where a token stands: no rotation, an empty position table."""
    model = models.new_model(name).eval()
    with torch.no_grad():
        if name.startswith("tiny-pythia"):
            model.gpt_neox.rotary_emb.inv_freq.zero_()
        else:
            model.transformer.wpe.weight.zero_()
    return model


@pytest.mark.parametrize(
    "ours, theirs", [("tiny-pythia", "tiny-gpt2-parallel"), ("tiny-pythia-sequential", "tiny-gpt2")]
)
def test_without_positions_the_two_classes_are_the_same_function(ours, theirs, tokens):
    with torch.no_grad():
        torch.testing.assert_close(
            without_positions(ours)(tokens).logits, without_positions(theirs)(tokens).logits, atol=2e-5, rtol=0
        )


def test_with_positions_or_another_block_they_are_not(tokens):
    with torch.no_grad():
        logits = [models.new_model(name).eval()(tokens).logits for name in sizes.SQUARE]
    for i, one in enumerate(logits):
        for other in logits[:i]:
            assert (one - other).abs().max() > 0.05


def test_sizes():
    counts = {name: sum(p.numel() for p in models.new_model(name).parameters()) for name in sizes.SQUARE}
    assert counts["tiny-pythia"] == counts["tiny-pythia-sequential"] == 1_055_488
    assert counts["tiny-gpt2"] == counts["tiny-gpt2-parallel"] == 1_055_488 + 512 * 128


@pytest.mark.parametrize("name", sizes.SQUARE)
def test_output_is_untied_and_gelu_is_exact(name):
    model = models.new_model(name)
    assert model.get_input_embeddings().weight is not model.get_output_embeddings().weight
    activation = next(m for n, m in model.named_modules() if n.endswith("mlp.act"))
    x = torch.linspace(-4, 4, 101)
    torch.testing.assert_close(activation(x), torch.nn.functional.gelu(x), atol=1e-7, rtol=0)


def test_the_parallel_block_is_input_plus_attention_plus_mlp():
    block = models.new_model("tiny-gpt2-parallel").eval().transformer.h[1]
    x = torch.randn(2, 10, sizes.MIDDLE.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = x + block.attn(block.ln_1(x))[0] + block.mlp(block.ln_2(x))
        torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("name", sizes.SQUARE)
def test_saved_and_opened_again(name, tmp_path, tokens):
    model = models.new_model(name).eval()
    save_checkpoint(model, tmp_path / "step0")
    config = AutoConfig.from_pretrained(tmp_path / "step0")
    again = models.model_class(config).from_pretrained(tmp_path / "step0", dtype=torch.float32).eval()
    assert type(again) is type(model)
    with torch.no_grad():
        torch.testing.assert_close(again(tokens).logits, model(tokens).logits, atol=5e-3, rtol=0)  # float16 on disk
    assert not list(tmp_path.glob("*.unfinished"))


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="No tiny model is called 'tiny-bert'; there are tiny-pythia"):
        models.configuration("tiny-bert")


def test_seeds_differ():
    a, b = models.initial_weights(0), models.initial_weights(1)
    assert all((a[key] != b[key]).mean() > 0.99 for key in a)
