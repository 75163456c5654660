"""The facts agree with one another, with what is published, and with the real classes."""

import pytest
from support.hub_folders import GPT2, GPT_NEO, PYTHIA

from pythia_course import suite

# Total and without embeddings. All but the first two and GPT-2: Biderman et al. 2023, Table 1.
PUBLISHED = {
    "pythia-14m": (14_067_712, 1_189_888),
    "pythia-31m": (30_494_720, 4_739_072),
    "pythia-70m": (70_426_624, 18_915_328),
    "pythia-160m": (162_322_944, 85_056_000),
    "pythia-410m": (405_334_016, 302_311_424),
    "pythia-1b": (1_011_781_632, 805_736_448),
    "pythia-1.4b": (1_414_647_808, 1_208_602_624),
    "pythia-2.8b": (2_775_208_960, 2_517_652_480),
    "pythia-6.9b": (6_857_302_016, 6_444_163_072),
    "pythia-12b": (11_846_072_320, 11_327_027_200),
    "gpt2": (124_439_808, 85_056_000),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_totals_are_the_published_ones(name):
    spec = suite.SUITE[name]
    assert (suite.total(spec), suite.without_embeddings(spec)) == PUBLISHED[name]


def test_pythia_160m_and_gpt2_tie_to_the_last_parameter():
    pythia, gpt2 = (suite.parameters(suite.SUITE[name]) for name in ("pythia-160m", "gpt2"))
    assert all(pythia[part] == gpt2[part] for part in ("attention", "mlp", "layernorms"))
    extra = pythia["unembedding"] - gpt2["position table"] + pythia["embedding"] - gpt2["embedding"]
    assert sum(pythia.values()) - sum(gpt2.values()) == extra


def config_of(spec):
    """A transformers config written from the fields that the hub's config.json would have."""
    import transformers

    if spec.family == "gpt_neox":
        fields = PYTHIA | {
            "hidden_size": spec.width, "num_hidden_layers": spec.layers, "num_attention_heads": spec.heads,
            "intermediate_size": spec.mlp_width, "vocab_size": spec.vocab,
            "max_position_embeddings": spec.context,
        }  # fmt: skip
        return transformers.GPTNeoXConfig.from_dict(fields)
    if spec.family == "gpt2":
        sizes = {"n_embd": spec.width, "n_layer": spec.layers, "n_head": spec.heads}
        sizes |= {"vocab_size": spec.vocab, "n_positions": spec.context}
        return transformers.GPT2Config.from_dict(GPT2 | sizes)
    pair = ["global", "local"]
    kinds = {"attention_types": [[pair, spec.layers // 2]], "attention_layers": pair * (spec.layers // 2)}
    sizes = {"hidden_size": spec.width, "num_layers": spec.layers, "num_heads": spec.heads}
    sizes |= {"vocab_size": spec.vocab, "max_position_embeddings": spec.context}
    return transformers.GPTNeoConfig.from_dict(GPT_NEO | kinds | sizes)


def component(parameter_name):
    """Which component of `suite.parameters` a parameter of a real model belongs to."""
    parts = parameter_name.split(".")
    for part, kind in (("embed_in", "embedding"), ("wte", "embedding"), ("wpe", "position table"),
                       ("lm_head", "unembedding"), ("attention", "attention"), ("attn", "attention"),
                       ("mlp", "mlp")):  # fmt: skip
        if part in parts:
            return kind
    assert "norm" in parts[-2] or "ln_" in parts[-2]
    return "layernorms"


def counted(model):
    """Parameters of a model by component, a tied matrix once."""
    counts = dict.fromkeys(suite.parameters(suite.SUITE["gpt2"]), 0)
    for name, parameter in model.named_parameters():
        counts[component(name)] += parameter.numel()
    return counts


@pytest.mark.parametrize("name", suite.SUITE)
def test_parameters_agree_with_the_real_class(name):
    import torch
    import transformers

    spec = suite.SUITE[name]
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config_of(spec))
    assert suite.parameters(spec) == counted(model)


@pytest.mark.parametrize("name", suite.SUITE)
def test_a_spec_is_read_back_from_its_config(name):
    assert suite.spec_from_config(config_of(suite.SUITE[name]), name) == suite.SUITE[name]


@pytest.mark.parametrize("name", suite.TINY)
def test_parameters_agree_with_the_tiny_models(name):
    import torch

    from pythia_course.tiny.models import configuration, model_class

    config = configuration(name)
    spec = suite.spec_from_config(config, name)
    with torch.device("meta"):
        model = model_class(config)(config)
    assert suite.parameters(spec) == counted(model)
    assert (spec.positions, spec.parallel) == {
        "tiny-pythia": ("rotary", True), "tiny-pythia-sequential": ("rotary", False),
        "tiny-gpt2": ("learned", False), "tiny-gpt2-parallel": ("learned", True),
    }[name]  # fmt: skip


def test_a_model_without_attention_biases_is_counted_so():
    import torch
    import transformers

    config = transformers.GPTNeoXConfig.from_dict(PYTHIA | {"attention_bias": False})
    with torch.device("meta"):
        model = transformers.GPTNeoXForCausalLM(config)
    assert suite.parameters(suite.spec_from_config(config, "plain")) == counted(model)


def test_another_architecture_is_no_spec():
    import transformers

    with pytest.raises(KeyError, match="llama"):
        suite.spec_from_config(transformers.LlamaConfig(), "llama")


def test_dimensions_of_a_head():
    spec = suite.SUITE["pythia-160m"]
    assert (spec.head_dim, spec.rotary_dims) == (64, 16)
    assert suite.SUITE["gpt2"].rotary_dims == 0


def test_steps():
    steps = suite.PYTHIA_STEPS
    assert len(steps) == 154 and list(steps) == sorted(set(steps))
    assert steps[:4] == (0, 1, 2, 4) and steps[10:13] == (512, 1000, 2000) and steps[-1] == 143_000
    same = ("pythia-160m", "EleutherAI/pythia-12b", "pythia-70m-deduped", "Pythia-410M-seed3")
    assert all(suite.steps(name) == steps for name in same)
    assert suite.steps("gpt2") == suite.steps("somebody/pythia-160m") == ()


def test_steps_of_a_tiny_model_are_what_is_on_disk(tmp_path, monkeypatch):
    for name in ("step0", "step16", "step2", "step4.unfinished", "stepping-stones", "notes"):
        (tmp_path / "tiny-pythia" / name).mkdir(parents=True)
    monkeypatch.setattr(suite, "TINY_WEIGHTS", tmp_path)
    assert suite.steps() == (0, 2, 16)
    assert suite.steps("tiny-gpt2") == ()


@pytest.mark.parametrize(
    ("step", "nearest"),
    [(1500, (1000, 2000)), (3, (2, 4)), (-1, (0,)), (150_000, (143_000,)), (143_001, (143_000,))],
)
def test_nearest_steps(step, nearest):
    assert suite.nearest_steps(step, suite.PYTHIA_STEPS) == nearest


def test_nearest_steps_of_nothing():
    assert suite.nearest_steps(3, ()) == ()


def test_short_names():
    assert suite.short_name("EleutherAI/Pythia-160M") == "pythia-160m"
    assert suite.short_name("openai-community/gpt2") == "gpt2"
    assert suite.short_name("somebody/gpt2") == "somebody/gpt2"


def test_training_figures_agree_with_one_another():
    facts = suite.TRAINING
    assert facts["sequences per step"] * facts["tokens per sequence"] == facts["tokens per step"]
    assert facts["steps"] * facts["tokens per step"] == facts["tokens"]
    assert facts["steps"] == suite.PYTHIA_STEPS[-1]
    assert suite.PEAK_LEARNING_RATE.keys() == set(suite.PYTHIAS)
