"""Opening models from folders: the shipped ones, and hub layouts with their old names and buffers."""

import json
import logging
import pickle
import re
import warnings

import pytest
import torch
from support.hub_folders import PYTHIA_160M, write_gpt2, write_gpt_neo, write_pythia, write_tokenizer

from pythia_course import errors, load, suite
from pythia_course.hub import fetching
from pythia_course.inside.loading import Loaded, limit_threads

END = {"bos_token_id": 0, "eos_token_id": 0}
IDS = torch.tensor([[5, 17, 42, 99, 3, 200, 17, 42]])


# ------------------------------------------------------------------------------------------- models by hand


def pythia_by_hand(tensors):
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}
    config = GPTNeoXConfig(
        vocab_size=320, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256,
        max_position_embeddings=128, hidden_act="gelu", rope_parameters=rope, attn_implementation="eager",
        **END,
    )  # fmt: skip
    old = re.compile(r"attention\.(bias|masked_bias|rotary_emb\.inv_freq)$")
    weights = {name.replace("embed_out", "lm_head"): t for name, t in tensors.items() if not old.search(name)}
    return filled(GPTNeoXForCausalLM(config), weights)


def gpt2_by_hand(tensors):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=320, n_embd=64, n_layer=3, n_head=4, n_positions=128, attn_implementation="eager", **END
    )
    weights = {f"transformer.{name}": t for name, t in tensors.items() if not name.endswith(".attn.bias")}
    return filled(GPT2LMHeadModel(config), weights | {"lm_head.weight": tensors["wte.weight"]})


def gpt_neo_by_hand(tensors):
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    config = GPTNeoConfig(
        vocab_size=320, hidden_size=64, num_layers=4, num_heads=4, max_position_embeddings=512,
        attention_types=[[["global", "local"], 2]], attn_implementation="eager", **END,
    )  # fmt: skip
    old = re.compile(r"attn\.attention\.(bias|masked_bias)$")
    weights = {name: t for name, t in tensors.items() if not old.search(name)}
    return filled(GPTNeoForCausalLM(config), weights | {"lm_head.weight": tensors["transformer.wte.weight"]})


def filled(model, weights):
    """The model with these weights in float32; every one must find its place."""
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=False)
    assert {name for name, _ in model.named_parameters(remove_duplicate=False)} == weights.keys()
    return model.eval()


LAYOUTS = {
    "gpt_neox": (write_pythia, pythia_by_hand),
    "gpt2": (write_gpt2, gpt2_by_hand),
    "gpt_neo": (write_gpt_neo, gpt_neo_by_hand),
}


@pytest.fixture
def silent(capfd):
    """Fails a test in which a library warned, logged or wrote to stderr."""
    from transformers.utils import logging as library

    said = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())
    library.add_handler(handler)
    logging.getLogger().addHandler(handler)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    library.remove_handler(handler)
    logging.getLogger().removeHandler(handler)
    assert (said, [str(warning.message) for warning in caught], capfd.readouterr().err) == ([], [], "")


# ------------------------------------------------------------------------------------------- hub layouts


@pytest.mark.parametrize("family", LAYOUTS)
def test_a_hub_folder_opens_silently_and_equals_the_model_built_by_hand(family, tmp_path, silent):
    write, by_hand = LAYOUTS[family]
    tensors = write(tmp_path / "model")
    lm = load(tmp_path / "model")
    assert lm.spec.family == family and lm.name == "model" and lm.step is None
    torch.testing.assert_close(lm.model(IDS).logits, by_hand(tensors)(IDS).logits)


def test_the_full_pythia_160m_layout_opens_silently_in_float32(tmp_path, silent):
    tensors = write_pythia(tmp_path / "pythia", **PYTHIA_160M)
    lm = Loaded.open(tmp_path / "pythia")
    assert suite.parameters(lm.spec) == suite.parameters(suite.SUITE["pythia-160m"])
    weights = dict(lm.model.named_parameters())
    assert sum(p.numel() for p in weights.values()) == suite.total(lm.spec)
    for name, parameter in weights.items():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, tensors[name.replace("lm_head", "embed_out")].float()), name


def test_models_come_out_ready_to_look_inside(tmp_path):
    write_pythia(tmp_path)
    lm = load(str(tmp_path))
    assert not lm.model.training and not any(p.requires_grad for p in lm.model.parameters())
    assert lm.model.config._attn_implementation == "eager"
    assert lm.model(IDS, output_attentions=True).attentions[0].shape == (1, 4, 8, 8)
    text = "The cat  sat\n on the mät"
    assert lm.tokenizer.decode(lm.tokenizer(text)["input_ids"]) == text
    assert lm.tokenizer.eos_token == "<|endoftext|>"


def test_sharded_weights_open(tmp_path):
    from safetensors.torch import save_file

    tensors = write_pythia(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    shards = {f"model-0000{n + 1}-of-00002.safetensors": sorted(tensors)[n::2] for n in range(2)}
    for file, names in shards.items():
        save_file({name: tensors[name] for name in names}, tmp_path / file, metadata={"format": "pt"})
    where = {name: file for file, names in shards.items() for name in names}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    torch.testing.assert_close(load(tmp_path).model(IDS).logits, pythia_by_hand(tensors)(IDS).logits)


def test_the_older_tokenizer_files_read_the_same(tmp_path):
    write_gpt2(tmp_path)
    text = "The cat sat on  the mat. é"
    newer = load(tmp_path).tokenizer(text)["input_ids"]
    (tmp_path / "tokenizer.json").unlink()
    assert load(tmp_path).tokenizer(text)["input_ids"] == newer


def test_dtype_is_chosen_here_only(tmp_path):
    write_pythia(tmp_path)
    assert load(tmp_path, dtype="bfloat16").model.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="float32, bfloat16, float16, but 'int8' came"):
        load(tmp_path, dtype="int8")


def test_the_library_keeps_its_own_settings(tmp_path):
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging as library

    write_gpt2(tmp_path)
    library.set_verbosity_info()
    try:
        load(tmp_path)
        assert library.get_verbosity() == logging.INFO and library.is_progress_bar_enabled()
        assert not are_progress_bars_disabled()
        disable_progress_bars()
        load(tmp_path)
        assert library.is_progress_bar_enabled() and are_progress_bars_disabled()
    finally:
        library.set_verbosity_warning()
        enable_progress_bars()


def test_threads_follow_the_limit_of_the_server(monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        monkeypatch.setenv("CPU_LIMIT", "8.0")
        limit_threads()
        assert torch.get_num_threads() == 2
        monkeypatch.setenv("CPU_LIMIT", "0.5")
        limit_threads()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


# -------------------------------------------------------------------------------------------- tiny models


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Stand-ins for the shipped models: untrained, at steps 0, 256 and 512 (tiny-pythia) or 512 only."""
    from pythia_course.tiny.models import new_model

    for name in suite.TINY:
        for step in (0, 256, 512) if name == "tiny-pythia" else (512,):
            new_model(name, seed=step).half().save_pretrained(tmp_path / "weights" / name / f"step{step}")
    write_tokenizer(tmp_path / "tokenizer", "PreTrainedTokenizerFast")
    monkeypatch.setattr(suite, "TINY_WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(suite, "TINY_TOKENIZER", tmp_path / "tokenizer")
    monkeypatch.delenv("PYTHIA_COURSE_MODEL", raising=False)


@pytest.mark.parametrize("name", suite.TINY)
def test_a_tiny_model_is_its_own_class_again(name, tiny, silent):
    from pythia_course.tiny.models import new_model

    lm = load(name)
    by_hand = new_model(name, seed=512).eval()
    by_hand.set_attn_implementation("eager")
    for parameter in by_hand.parameters():  # not .half(): it would round the rotary frequencies too
        parameter.data = parameter.data.half().float()
    assert (lm.name, lm.step, type(lm.model)) == (name, 512, type(by_hand))
    torch.testing.assert_close(lm.model(IDS).logits, by_hand(IDS).logits)


def test_without_a_name_tiny_pythia_opens_at_its_end(tiny):
    assert (load().name, load().step) == ("tiny-pythia", 512)


def test_a_step_opens_that_checkpoint(tiny):
    early, late = load("tiny-pythia", step=256), load("tiny-pythia")
    assert early.step == 256
    assert not torch.equal(early.model(IDS).logits, late.model(IDS).logits)


def test_a_step_in_between_names_its_neighbours(tiny):
    with pytest.raises(errors.StepNotFound) as caught:
        load("tiny-pythia", step=300)
    assert str(caught.value) == "No tiny-pythia checkpoint at step 300; the nearest are 256 and 512."
    with pytest.raises(errors.StepNotFound, match="the nearest is 512"):
        load("tiny-gpt2", step=3)


def test_the_environment_names_the_model(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_COURSE_MODEL", "tiny-gpt2")
    assert load().name == "tiny-gpt2" and load("tiny-pythia").name == "tiny-pythia"
    write_gpt2(tmp_path / "mine")
    monkeypatch.setenv("PYTHIA_COURSE_MODEL", str(tmp_path / "mine"))
    assert load().name == "mine"
    monkeypatch.setenv("PYTHIA_COURSE_MODEL", "")
    assert load().name == "tiny-pythia"


def test_a_plan_for_a_tiny_model_downloads_nothing(tiny):
    plan = fetching.download_plan("tiny-pythia", 256)
    assert (plan.hub_id, plan.bytes_to_download) == (None, 0)
    assert set(plan.files) >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert plan.memory_needed == 4 * suite.total(load("tiny-pythia", 256).spec)


def test_missing_tiny_weights_say_so(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "TINY_WEIGHTS", tmp_path / "nowhere")
    with pytest.raises(errors.ModelNotFound, match="its weights are missing"):
        load()


def test_the_shipped_models_open_within_a_second(monkeypatch):
    import time

    monkeypatch.delenv("PYTHIA_COURSE_MODEL", raising=False)
    load()  # the imports
    start = time.perf_counter()
    lm = load()
    assert time.perf_counter() - start < 1
    assert lm.name == "tiny-pythia" and lm.step == suite.steps()[-1] and len(suite.steps()) >= 16
    assert [load(name).spec.layers for name in suite.TINY] == [4] * 4
    start = time.perf_counter()
    assert len([load(name) for name in suite.SHIPPED]) / (time.perf_counter() - start) > 1


# -------------------------------------------------------------------------------------------- folders refused


def refused(folder, error):
    with pytest.raises(error) as caught:
        load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def test_a_folder_without_a_model(tmp_path):
    assert "it has no config.json" in refused(tmp_path, errors.ModelNotFound)
    write_tokenizer(tmp_path, "GPTNeoXTokenizer")
    (tmp_path / "config.json").write_text("{}")
    assert "it has no model.safetensors" in refused(tmp_path, errors.ModelNotFound)


def test_a_folder_without_a_tokenizer(tmp_path):
    write_pythia(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert "it has no tokenizer.json" in refused(tmp_path, errors.ModelNotFound)


def test_a_pickle_of_anything_but_numbers_is_refused_and_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("opened").mkdir, ())

    write_pythia(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    for protocol in (2, 4):
        (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(), protocol))
        with pytest.warns(UserWarning, match=r"in a pickle \(pytorch_model.bin\)"):
            assert "holds more than numbers" in refused(tmp_path, errors.ModelRefused)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("content", [b"", b"hello " * 500, b"\x80\x02}."])
def test_a_pickle_that_is_none_is_damaged_and_nobody_advises_to_trust_it(content, tmp_path):
    write_pythia(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.warns(UserWarning, match="in a pickle"):
        sentence = refused(tmp_path, errors.ModelDamaged)
    assert "weights" in sentence and "weights_only" not in sentence


def test_numbers_in_a_pickle_are_read_after_saying_so(tmp_path):
    tensors = write_pythia(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    with pytest.warns(UserWarning, match="only numbers are read"):
        lm = load(tmp_path)
    torch.testing.assert_close(lm.model(IDS).logits, pythia_by_hand(tensors)(IDS).logits)


def change_config(folder, file="config.json", **fields):
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("kind", ["llama", None, [], 3])
def test_another_architecture_is_refused_naming_those_understood(kind, tmp_path):
    write_pythia(tmp_path)
    change_config(tmp_path, model_type=kind)
    sentence = refused(tmp_path, errors.ModelRefused)
    assert repr(kind) in sentence and "gpt_neox, gpt2, gpt_neo" in sentence


def test_a_model_with_code_of_its_own_is_refused(tmp_path):
    write_pythia(tmp_path)
    change_config(tmp_path, auto_map={"AutoModelForCausalLM": "modeling_mine.MyModel"})
    assert "never runs a model's code" in refused(tmp_path, errors.ModelRefused)


NEOX = '{"model_type": "gpt_neox", '


@pytest.mark.parametrize(
    "content", ["{", "[]", NEOX + '"hidden_size": "wide"}', NEOX + '"rotary_pct": []}', "\xff"]
)
def test_a_config_that_makes_no_sense(content, tmp_path):
    write_pythia(tmp_path)
    (tmp_path / "config.json").write_text(content, encoding="latin-1")
    assert "config.json" in refused(tmp_path, errors.ModelDamaged)


def test_a_tokenizer_that_makes_no_sense(tmp_path):
    write_pythia(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    assert "tokenizer" in refused(tmp_path, errors.ModelDamaged)


def test_a_tokenizer_that_makes_no_sense_only_in_use(tmp_path):
    write_pythia(tmp_path)
    change_config(tmp_path, file="tokenizer_config.json", model_max_length="long")
    assert "tokenizer" in refused(tmp_path, errors.ModelDamaged)


@pytest.mark.parametrize("index", ["{", "{}", '{"weight_map": {"a": "../../secret.safetensors"}}'])
def test_an_index_that_makes_no_sense_or_leads_elsewhere(index, tmp_path):
    write_pythia(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "model-00001-of-00001.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(index)
    assert "model.safetensors.index.json" in refused(tmp_path, errors.ModelDamaged)


def test_truncated_weights(tmp_path):
    write_pythia(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert "weights" in refused(tmp_path, errors.ModelDamaged)


def test_weights_of_another_size(tmp_path):
    write_pythia(tmp_path)
    change_config(tmp_path, intermediate_size=128)
    assert "weights" in refused(tmp_path, errors.ModelDamaged)


def test_missing_tensors_are_not_made_up(tmp_path):
    write_pythia(tmp_path)
    change_config(tmp_path, num_hidden_layers=4)
    assert "12 tensors are missing" in refused(tmp_path, errors.ModelDamaged)


# -------------------------------------------------------------------------------------------- cards


def test_the_card_says_what_the_model_is(tmp_path):
    write_pythia(tmp_path / "a<b>&c")
    lm = load(tmp_path / "a<b>&c")
    card = lm._repr_html_()
    assert "a&lt;b&gt;&amp;c" in card and "<b>" not in card
    text = re.sub("<[^>]+>", " ", card)
    facts = ("GPT-NeoX", "3 × 4", "rotary, 4 of each head", "in parallel", f"{suite.total(lm.spec):,}")
    assert [fact for fact in facts if fact not in text] == []
    assert not re.search(r"0x[0-9a-f]{6}", card + repr(lm))
    again = load(tmp_path / "a<b>&c")
    assert (again._repr_html_(), repr(again)) == (card, repr(lm))


def test_the_plain_card_is_one_line(tmp_path):
    write_gpt_neo(tmp_path / "neo")
    assert repr(load(tmp_path / "neo")) == "<neo: 4 layers × 4 heads, width 64, 252,544 parameters>"
    assert "last 256 tokens" in load(tmp_path / "neo")._repr_html_()


def test_the_card_counts_what_is_there(tmp_path):
    for family, (write, _) in LAYOUTS.items():
        write(tmp_path / family)
        lm = load(tmp_path / family)
        assert suite.total(lm.spec) == sum(p.numel() for p in lm.model.parameters())
