"""What a folder of model files must hold, and reading its config and tokenizer.

The same rules serve a folder on disk and a listing of the hub, so what would be refused is refused
before its weights are fetched.
"""

import json
import os
import pickle
import re
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pythia_course import suite
from pythia_course.errors import ModelDamaged, ModelNotFound, ModelRefused, ModelTooLarge
from pythia_course.hub.addresses import Place

# model_type in config.json -> how transformers' classes begin
ARCHITECTURES = {"gpt_neox": "GPTNeoX", "gpt2": "GPT2", "gpt_neo": "GPTNeo"}


@dataclass(frozen=True)
class Kind:
    """A way to keep weights in files: all in one, or in shards that an index lists."""

    file: str
    shard: re.Pattern

    @property
    def index(self) -> str:
        return f"{self.file}.index.json"


# In order of preference. Only numbers fit into safetensors; a pickle could hold code, and is opened as numbers only.
SAFETENSORS = Kind("model.safetensors", re.compile(r"model-\d+-of-\d+\.safetensors"))
PICKLE = Kind("pytorch_model.bin", re.compile(r"pytorch_model-\d+-of-\d+\.bin"))
KINDS = (SAFETENSORS, PICKLE)
FETCH_AGAIN = "delete it and fetch it again"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_OLD_TOKENIZER = ("vocab.json", "merges.txt")


def needed_files(files: Iterable[str], name: str) -> list[str]:
    """Which of a model's files opening it takes: config first, weights last.

    Raises ModelNotFound when something is missing.
    """
    files = set(files)
    if "config.json" not in files:
        raise ModelNotFound(f"{name} holds no model: it has no config.json.")
    weights = _weight_files(files, name)
    return ["config.json", *files & {"generation_config.json"}, *_tokenizer_files(files, name), *weights]


def _weight_files(files: set[str], name: str) -> list[str]:
    for kind in KINDS:
        if kind.file in files:
            return [kind.file]
        if kind.index in files and (shards := sorted(filter(kind.shard.fullmatch, files))):
            return [kind.index, *shards]
    raise ModelNotFound(f"{name} holds no weights that the course reads: it has no {SAFETENSORS.file}.")


def shards(index: Path, name: str) -> set[str]:
    """The files that an index says the weights are in.

    Raises ModelDamaged for an index that cannot be read, or that names anything but shards beside it.
    """
    with damage(f"{index.name} of {name}"):
        found = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if strays := [file for file in found if not any(kind.shard.fullmatch(file) for kind in KINDS)]:
            raise ValueError(f"it lists {strays[0]!r}")
    return found


def check_indexes(folder: Path, name: str) -> None:
    """Raises what `shards` raises, before a library follows an index to wherever it leads."""
    for kind in KINDS:
        if (folder / kind.index).exists():
            shards(folder / kind.index, name)


def only_pickle(files: Iterable[str]) -> bool:
    """Whether the weights among a model's files are in a pickle only."""
    files = set(files)
    return files.isdisjoint((SAFETENSORS.file, SAFETENSORS.index)) and not files.isdisjoint((PICKLE.file, PICKLE.index))


def pickle_note(files: Iterable[str], name: str) -> str:
    """What to say of a model that has its weights in a pickle only; else nothing."""
    if not only_pickle(files):
        return ""
    return (
        f"{name} keeps its weights in a pickle ({PICKLE.file}), a kind of file that can hold code: only numbers are "
        "read from it, and anything else is refused."
    )


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
    fields = read_fields(folder, name)
    import transformers

    config_class = getattr(transformers, f"{ARCHITECTURES[fields['model_type']]}Config")
    with damage(f"config.json of {name}"):
        return config_class.from_dict(fields)


def read_fields(folder: Path, name: str) -> dict:
    """The fields of config.json, of a model that the course opens; quick, because no library has to come in.

    Raises what `read_config` raises, save for fields that only a library finds senseless.
    """
    with damage(f"config.json of {name}"):
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = fields.get("model_type")
    if "auto_map" in fields:
        raise ModelRefused(f"{name} wants to run code of its own, and the course never runs a model's code.")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise ModelRefused(
            f"{name} is a model of type {kind!r}, and the course understands {', '.join(ARCHITECTURES)}."
        )
    return fields


def read_spec(config, place: Place) -> suite.Spec:
    """What the course has to know of a model, from its config.  Raises ModelDamaged for fields that make no sense."""
    with damage(f"config.json of {place}"):
        return suite.spec_from_config(config, place.name)


def read_tokenizer(folder: Path, name: str):
    """The fast tokenizer in `folder`: tokenizer.json, or GPT-2's older vocab.json and merges.txt.

    The concrete classes, because AutoTokenizer takes seconds to find out the same.
    """
    import transformers

    newer = (folder / "tokenizer.json").is_file()
    kind = transformers.PreTrainedTokenizerFast if newer else transformers.GPT2Tokenizer
    with damage(f"tokenizer of {name}"):
        tokenizer = kind.from_pretrained(folder, local_files_only=True)
        tokenizer("a")  # some nonsense shows only in use
    return tokenizer


@contextmanager
def damage(what: str):
    """Turn whatever a parser says of a malformed file into one sentence."""
    try:
        yield
    except (MemoryError, ModelRefused):
        raise
    except Exception as error:  # parsers written in Rust raise plain Exception
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelDamaged(
            f"The {what} cannot be read, so a file is incomplete or damaged ({reason}): {FETCH_AGAIN}."
        ) from error


@contextmanager
def damaged_weights(folder: Path, name: str):
    """Turn what a library says of weights into one sentence: ModelDamaged only where a file shows that it is.

    A safetensors file shows it by its header and length, or by sizes other than config.json's; a pickle that cannot be
    read may be anything.  Else it is ModelTooLarge where memory was refused, ModelRefused for the rest.
    """
    try:
        yield
    except (MemoryError, ModelRefused):
        raise
    except Exception as error:  # of torch, transformers, accelerate, safetensors: they raise every kind
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        if re.search(r"allocat|out of memory", str(error), re.IGNORECASE):
            raise ModelTooLarge(
                f"There was not enough memory to open {name}: close other notebooks, or take a smaller model."
            ) from error
        unlike = "mismatch" in str(error)  # whole by themselves, but not what config.json says
        headers = map(unreadable_header, folder.glob("*.safetensors"))
        if unlike or only_pickle(os.listdir(folder)) or any(headers):
            with damage(f"weights of {name}"):
                raise
        raise ModelRefused(
            f"The weights of {name} are whole, but cannot be opened in this way ({reason}): look at device and dtype."
        ) from error


def unreadable_header(path: Path) -> str:
    """What is wrong with the header of a safetensors file, which also tells its length; "" for any other file."""
    if path.suffix != ".safetensors":
        return ""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):
            return ""
    except SafetensorError as error:
        return str(error)


@contextmanager
def only_numbers(name: str):
    """Say in one sentence that a pickle holds more than numbers, as torch found when it was told to read no more."""
    try:
        yield
    except pickle.UnpicklingError as error:
        # torch's own text advises to read the file without this protection
        if "unsupported" not in str(error).lower():
            raise pickle.UnpicklingError("it is no pickle") from None
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = found.group(1) if found else "an operation that weights do not need"
        raise ModelRefused(
            f"The weights of {name} are a pickle that holds more than numbers ({what}), and that could run code: the "
            "course does not open it."
        ) from None
