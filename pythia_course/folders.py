"""What a folder of model files must hold, and reading its config and tokenizer.

The same rules serve a folder on disk and a listing of the hub, so what would be refused is refused
before its weights are fetched.
"""

import json
import re
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

from pythia_course.places import ModelDamaged, ModelNotFound, ModelRefused

# model_type in config.json -> how transformers' classes begin
ARCHITECTURES = {"gpt_neox": "GPTNeoX", "gpt2": "GPT2", "gpt_neo": "GPTNeo"}

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_PICKLE = re.compile(r"pytorch_model.*\.(bin|pt|pth)|model\.(pt|pth|ckpt)")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_OLD_TOKENIZER = ("vocab.json", "merges.txt")


def needed_files(files: Iterable[str], name: str) -> list[str]:
    """Which of a model's files opening it takes: config first, weights last.

    Raises ModelNotFound when something is missing and ModelRefused when the weights are only a pickle.
    """
    files = set(files)
    if "config.json" not in files:
        raise ModelNotFound(f"{name} holds no model: it has no config.json.")
    weights = _weight_files(files, name)
    return ["config.json", *files & {"generation_config.json"}, *_tokenizer_files(files, name), *weights]


def _weight_files(files: set[str], name: str) -> list[str]:
    if WEIGHTS in files:
        return [WEIGHTS]
    shards = sorted(filter(_SHARD.fullmatch, files))
    if shards and INDEX in files:
        return [INDEX, *shards]
    pickles = sorted(filter(_PICKLE.fullmatch, files))
    if pickles:
        raise ModelRefused(
            f"{name} keeps its weights only in a pickle ({pickles[0]}), a kind of file that can run any code "
            f"when it is opened: the course opens {WEIGHTS} only."
        )
    raise ModelNotFound(f"{name} holds no model weights: it has no {WEIGHTS}.")


def _tokenizer_files(files: set[str], name: str) -> list[str]:
    found = [file for file in _TOKENIZER if file in files]
    if "tokenizer.json" in files:
        return found
    if files.issuperset(_OLD_TOKENIZER):
        return [*found, *_OLD_TOKENIZER]
    raise ModelNotFound(f"{name} holds no tokenizer: it has no tokenizer.json.")


def read_config(folder: Path, name: str):
    """The transformers config of the model in `folder`.

    Raises ModelRefused for another architecture or a model that brings its own code, ModelDamaged for a
    config that makes no sense.
    """
    import transformers

    with damage(f"config.json of {name}"):
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = fields.get("model_type")
    if "auto_map" in fields:
        raise ModelRefused(f"{name} wants to run code of its own, and the course never runs a model's code.")
    if kind not in ARCHITECTURES:
        raise ModelRefused(
            f"{name} is a model of type {kind!r}, and the course understands {', '.join(ARCHITECTURES)}."
        )
    config_class = getattr(transformers, f"{ARCHITECTURES[kind]}Config")
    with damage(f"config.json of {name}"):
        return config_class.from_dict(fields)


def read_tokenizer(folder: Path, name: str):
    """The fast tokenizer in `folder`: tokenizer.json, or GPT-2's older vocab.json and merges.txt.

    The concrete classes, because AutoTokenizer takes seconds to find out the same.
    """
    import transformers

    newer = (folder / "tokenizer.json").is_file()
    kind = transformers.PreTrainedTokenizerFast if newer else transformers.GPT2Tokenizer
    with damage(f"tokenizer of {name}"):
        return kind.from_pretrained(folder, local_files_only=True)


@contextmanager
def damage(what: str):
    """Turn whatever a parser says of a malformed file into one sentence."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # parsers written in Rust raise plain Exception
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelDamaged(
            f"The {what} cannot be read, so a file is incomplete or damaged ({reason}): delete it and fetch it again."
        ) from error
