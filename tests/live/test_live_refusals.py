"""What is no model, no tokenizer or no prompt gets one clear sentence, and nothing computed from it."""

import json
import struct

import pytest
from support.live import TOKENIZER, files_of, in_node

FILES = files_of("tiny-pythia-91k", 0)
TOKENIZER_JSON = json.loads(TOKENIZER.read_text(encoding="utf-8"))


def weights(header, data=b"", length=None):
    """A .safetensors file with this header, a dict or bytes."""
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(written) if length is None else length) + written + data


def tensor(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


with open(FILES["weights"], "rb") as file:
    SHIPPED = file.read()

# what stands in the file -> a piece of the sentence
WEIGHTS = {
    "shorter than a header": (b"\1\2", "shorter than a header"),
    "header goes on": (weights({}, length=1 << 20), "header goes on"),
    "huge header": (weights({}, length=(1 << 64) - 1), "header goes on"),
    "no JSON": (weights(b"{'a': 1}"), "no JSON"),
    "no UTF-8": (weights(b'{"\xff": 1}'), "no JSON"),
    "a list": (weights(b"[]"), "no table"),
    "null": (weights(b"null"), "no table"),
    "bfloat16": (weights(tensor("BF16", (2,)), bytes(4)), "a holds BF16 and only F16 and F32"),
    "dtype of Object": (weights(tensor("constructor"), bytes(4)), "a holds constructor"),
    "no entry": (weights({"a": None}), "a holds undefined"),
    "no shape": (weights(tensor(shape="1"), bytes(4)), "the shape of a"),
    "negative shape": (weights(tensor(shape=(-1, -1)), bytes(4)), "the shape of a"),
    "huge shape": (weights(tensor(shape=(2**31, 2**31)), bytes(4)), "a has 4 bytes"),
    "no place": (weights(tensor(offsets=(0,)), bytes(4)), "a has no place"),
    "place before the start": (weights(tensor(offsets=(-4, 0)), bytes(4)), "a has no place"),
    "place behind the end": (weights(tensor(offsets=(0, 4))), "behind the end"),
    "place with a hole before": (weights(tensor(offsets=(4, 8)), bytes(8)), "does not begin"),
    "two at one place": (weights({**tensor(), "b": tensor()["a"]}, bytes(4)), "does not begin"),
    "more behind": (weights(tensor(), bytes(8)), "more behind"),
    "cut off": (SHIPPED[:-1], "cut off"),
    "another model's": (weights(tensor(), bytes(4)), "its weights lack gpt_neox.embed_in.weight"),
}
CONFIG = {
    "no JSON": ("{", "no JSON"),
    "null": ("null", "its family is undefined"),
    "another family": ({"model_type": "llama"}, "its family is llama"),
    "family of Object": ({"model_type": "toString"}, "its family is toString"),
    "other rotation": ({"rope_parameters": {"rope_type": "yarn"}}, "rotate by yarn"),
    "other activation": ({"hidden_act": "gelu_new"}, "computes gelu_new"),
    "no layers": ({"num_hidden_layers": 0}, "its layers is 0"),
    "a million layers": ({"num_hidden_layers": 10**6}, "its weights lack gpt_neox.layers.2."),
    "text for a number": ({"hidden_size": "32"}, "its width is 32"),
    "heads that do not fit": ({"num_attention_heads": 3}, "3 heads do not share"),
    "odd width": ({"hidden_size": 34}, "no multiple of 4"),
    "another width": ({"hidden_size": 64}, "has shape (1024,32) and not (1024,64)"),
    "endless context": ({"max_position_embeddings": 10**12}, "more than 2048"),
    "no eps": ({"layer_norm_eps": None}, "eps of its LayerNorms"),
    "no biases": ({"attention_bias": False}, "no biases"),
}
JSON = {
    "no JSON": ("[", "no JSON"),
    "null": ("null", "no vocabulary"),
    "no merges": ({"model": {"type": "BPE", "vocab": {}}}, "no list of merges"),
    "another model": ({"model": {**TOKENIZER_JSON["model"], "type": "Unigram"}}, "Unigram, not BPE"),
    "byte fallback": ({"model": {**TOKENIZER_JSON["model"], "byte_fallback": True}}, "an option"),
    "a vocabulary without bytes": ({"model": {**TOKENIZER_JSON["model"], "vocab": {"a": 0}}}, "lacks the byte 0"),
    "ids that are none": ({"model": {**TOKENIZER_JSON["model"], "vocab": {"a": -1}}}, "no vocabulary"),
    "merges of what is not there": ({"model": {**TOKENIZER_JSON["model"], "merges": [["the", "n"]]}}, "its merge 0"),
    "another normalizer": ({"normalizer": {"type": "Lowercase"}}, "Lowercase, not NFC"),
    "another cut": ({"pre_tokenizer": {"type": "Whitespace"}}, "not cut as GPT-2"),
    "a space before": ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "not cut as GPT-2"),
    "a token before": (
        {"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {}}]}}, "it adds tokens",
    ),
    "a post-processor of another kind": ({"post_processor": {"type": "BertProcessing"}}, "it adds tokens"),
    "a cut of long texts": ({"truncation": {"max_length": 4}}, "cuts or fills up"),
    "tokens that take spaces": ({"added_tokens": [{"id": 0, "content": "x", "lstrip": True}]}, "beside them"),
    "an empty token": ({"added_tokens": [{"id": 0, "content": ""}]}, "no list of tokens"),
}  # fmt: skip
ASKED = {
    "no text": ({"prompt": None}, "one text"),
    "empty": ({"prompt": ""}, "The prompt is empty"),
    "an id too high": ({"prompt": [1, 1024]}, "Token ids here go from 0 to 1023; the prompt holds 1024."),
    "no whole id": ({"prompt": [1.5]}, "Token ids here go from 0 to 1023"),
    "no such field": ({"options": {"keep": ["attentions"]}}, "A trace has no 'attentions'"),
    "no such layer": ({"options": {"changes": [{"ablate": {"mlps": [2]}}]}}, "no layer 2 here: they go from 0 to 1"),
    "no such head": ({"options": {"changes": [{"ablate": {"heads": [[0, 9]]}}]}}, "no head 9 here"),
    "no head at all": ({"options": {"changes": [{"ablate": {"heads": [[1]]}}]}}, "A head is named by whole numbers"),
    "nothing to silence": ({"options": {"changes": [{"ablate": {}}]}}, "Nothing is named"),
    "no such part": ({"options": {"changes": [{"ablate": {"head": [[0, 0]]}}]}}, "ablate silences heads"),
    "a mean of nothing": ({"options": {"changes": [{"ablate": {"mlps": [0], "by": "mean"}}]}}, "came without over"),
    "a patch of another length": (
        {"options": {"changes": [{"patch": {"residual": [1]}, "clean": "Mia had a ball"}]}}, "comes from a prompt of",
    ),
}  # fmt: skip
TABLES = {"weights": WEIGHTS, "config": CONFIG, "tokenizer": JSON, "asked": ASKED}


def cases(folder):
    for name, (content, wanted) in WEIGHTS.items():
        path = folder / f"{len(list(folder.iterdir()))}.safetensors"
        path.write_bytes(content)
        yield f"weights: {name}", {"files": {**FILES, "weights": str(path)}}, wanted
    with open(FILES["config"], encoding="utf-8") as file:
        good = json.load(file)
    for name, (change, wanted) in CONFIG.items():
        text = change if isinstance(change, str) else json.dumps({**good, **change})
        yield f"config: {name}", {"files": FILES, "text": {"config": text}}, wanted
    for name, (change, wanted) in JSON.items():
        text = change if isinstance(change, str) else json.dumps({**TOKENIZER_JSON, **change})
        yield f"tokenizer: {name}", {"files": FILES, "text": {"tokenizer": text}}, wanted
    for name, (asked, wanted) in ASKED.items():
        yield f"asked: {name}", {"files": FILES, **asked}, wanted


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """{name: (the sentence, a piece that it should hold)}."""
    names, jobs, wanted = zip(*cases(tmp_path_factory.mktemp("refused")), strict=True)
    sentences = in_node(tmp_path_factory.mktemp("job"), {"refused": [{"files": FILES}, *jobs]})["refused"]
    assert sentences[0] is None  # as it ships, it runs
    return dict(zip(names, zip(sentences[1:], wanted, strict=True), strict=True))


@pytest.mark.parametrize(
    "name",
    [f"{what}: {name}" for what, table in TABLES.items() for name in table],
)
def test_one_sentence_says_what_is_wrong(said, name):
    sentence, wanted = said[name]
    assert sentence and wanted in sentence
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 300
