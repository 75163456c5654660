"""A name -> a model and its tokenizer, wherever they live; the only module that picks device and dtype.

Every model comes out the same way: float32 unless asked otherwise or short of memory, eager attention (the
only kind that hands over its weights), evaluation mode, no gradients.
"""

import html
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any, Self

from pythia_course import suite
from pythia_course.errors import shown
from pythia_course.hub import fetching, model_files
from pythia_course.hub.addresses import Place, find
from pythia_course.inside.opened import checked_spec, other_rotation
from pythia_course.machine import budget
from pythia_course.machine.devices import Placement, placement


@dataclass(frozen=True, repr=False, eq=False)
class Loaded:
    """A model one can look inside, with its tokenizer and its facts."""

    name: str
    step: int | None  # training step of this checkpoint; None where a model has only one
    model: Any  # a transformers causal language model
    tokenizer: Any
    spec: suite.Spec
    note: str = ""  # why the numbers are not float32, if memory decided it, and whether they are slow here

    @classmethod
    def open(
        cls,
        name: str | os.PathLike | None = None,
        step: int | None = None,
        *,
        seed: int | None = None,
        dtype: str = budget.AUTO,
        device: str | dict = "cpu",
        local_only: bool = False,
        progress: fetching.Progress | None = None,
    ) -> Self:
        """Open a model by name; see `pythia_course.load` for what a name may be and what is raised."""
        if dtype not in (budget.AUTO, *budget.BYTES_PER_PARAMETER):
            known = ", ".join(budget.BYTES_PER_PARAMETER)
            raise ValueError(f"dtype is auto or one of {known}, but {shown(dtype)} came.")
        if device == {}:
            raise ValueError('device={} names no place for any part: leave it out, or say device="auto".')
        place, where = find(name, step, seed), placement(device)

        def check(spec: suite.Spec) -> str:
            """The dtype to open it in, once it is known to fit."""
            room = where.room()
            chosen = budget.choose_dtype(spec, dtype, room)
            budget.check_memory(spec, chosen, room, str(place))
            return chosen

        def read(folder: Path) -> tuple:
            with quiet():
                beside = [path.name for root in {folder, place.tokenizer or folder} for path in root.iterdir()]
                model_files.needed_files(beside, str(place))
                model_files.check_indexes(folder, str(place))
                config = model_files.read_config(folder, str(place))
                spec = model_files.read_spec(config, place)
                chosen = check(spec)
                tokenizer = model_files.read_tokenizer(place.tokenizer or folder, str(place))
                _name_the_end(tokenizer, config)
                model, report = _read_model(folder, config, chosen, where, place)
                return model, tokenizer, checked_spec(model, spec, report, str(place)), chosen

        opened = fetching.opened(place, read, local_only=local_only, progress=progress, check=check)
        model, tokenizer, spec, chosen = opened
        note = budget.note(dtype, chosen, on_processor=where.device == "cpu")
        return cls(place.name, place.step, model, tokenizer, spec, note)

    @property
    def input_device(self):
        """The device that takes the token ids: a torch.device."""
        import torch

        first = self.model.device
        # What accelerate fetches when it is needed is nowhere meanwhile, and its hooks move what comes from the CPU.
        return torch.device("cpu") if first.type == "meta" else first

    def __repr__(self) -> str:
        spec = self.spec
        size = f"{spec.layers} layers × {spec.heads} heads, width {spec.width}"
        return f"<{self._title()}: {size}, {suite.total(spec):,} parameters{self.note and ', ' + _numbers(self)}>"

    def _title(self) -> str:
        return self.name if self.step is None else f"{self.name} at step {self.step:,}"

    def _repr_html_(self) -> str:
        """An architecture card; the same text for the same model, in a light and a dark theme."""
        rows = "".join(
            f'<tr style="background:none"><th style="{_CELL};font-weight:normal">{html.escape(key)}</th>'
            f'<td style="{_CELL}">{html.escape(value)}</td></tr>'
            for key, value in _card(self)
        )
        return (
            '<table style="border-collapse:collapse;margin:0;color:inherit">'
            '<caption style="caption-side:top;text-align:left;font-weight:bold;padding:2px 0;color:inherit">'
            f"{html.escape(self._title())}</caption><tbody>{rows}</tbody></table>"
        )


_CELL = "text-align:left;padding:2px 16px 2px 0;border:none;border-top:1px solid rgba(128,128,128,.35)"

_FAMILIES = {"gpt_neox": "GPT-NeoX", "gpt2": "GPT-2", "gpt_neo": "GPT-Neo"}
_ACTIVATIONS = {"gelu": "GELU, exact", "gelu_new": "GELU, tanh form"}


def _card(loaded: Loaded) -> list[tuple[str, str]]:
    """The facts that a card shows, in order."""
    spec = loaded.spec
    rows = [
        ("architecture", f"{_FAMILIES[spec.family]} ({type(loaded.model).__name__})"),
        ("layers × heads", f"{spec.layers} × {spec.heads}"),
        ("width", f"{spec.width:,}, each head {spec.head_dim}"),
        ("MLP", f"{spec.mlp_width:,} wide, {_ACTIVATIONS.get(spec.activation, spec.activation)}"),
        ("block", "attention and MLP in parallel" if spec.parallel else "attention, then MLP"),
        ("positions", _positions(loaded)),
        ("context", f"{spec.context:,} tokens"),
        ("vocabulary", f"{spec.vocab:,} rows, {len(loaded.tokenizer):,} of them tokens"),
        ("output matrix", "the embedding again (tied)" if spec.tied else "its own (untied)"),
        ("parameters", f"{suite.total(spec):,}"),
        ("… without embeddings", f"{suite.without_embeddings(spec):,}"),
        ("numbers", _numbers(loaded)),
    ]
    if spec.attention_window:
        rows.insert(6, ("attention", f"every second layer sees the last {spec.attention_window} tokens"))
    return rows


def _numbers(loaded: Loaded) -> str:
    """ "float32 on cpu": the dtype, and where the model is."""
    spread = getattr(loaded.model, "hf_device_map", {"": loaded.model.device})
    devices = sorted({f"cuda:{device}" if isinstance(device, int) else str(device) for device in spread.values()})
    return f"{str(loaded.model.dtype).removeprefix('torch.')} on {', '.join(devices)}{loaded.note}"


def _positions(loaded: Loaded) -> str:
    spec = loaded.spec
    if spec.positions == "rotary":
        more = other_rotation(spec, loaded.model.config)
        return f"rotary, {spec.rotary_dims} of each head's {spec.head_dim} dimensions{more}"
    return "a learned table"


def _read_model(folder: Path, config, dtype: str, where: Placement, place: Place):
    """The model in `folder`, and what the library says of its weights."""
    import torch

    limit_threads()
    name, files = str(place), [path.name for path in folder.iterdir()]
    if note := model_files.pickle_note(files, place.name):
        warnings.warn(note, stacklevel=6)
    config.return_dict = True  # some say no, and then nothing the model gives has a name
    with model_files.damaged_weights(folder, name), model_files.only_numbers(name):
        model, report = _model_class(config).from_pretrained(
            folder,
            config=config,
            dtype=getattr(torch, dtype),
            attn_implementation="eager",
            use_safetensors=not model_files.only_pickle(files),
            weights_only=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # `checked_spec` says it in a sentence
            device_map=where.device_map,
        )
    if where.device:
        model.to(where.device)
    return model.eval().requires_grad_(False), report


def _name_the_end(tokenizer, config) -> None:
    """The end-of-text token, which a tokenizer without tokenizer_config.json does not know and the config does."""
    if tokenizer.eos_token is None and isinstance(config.eos_token_id, int):
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(config.eos_token_id)


def _model_class(config) -> type:
    import transformers

    if getattr(config, "parallel_block", False):
        from pythia_course.tiny.models import model_class

        return model_class(config)
    kind = model_files.ARCHITECTURES[config.model_type]
    return getattr(transformers, f"{kind}LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM")


def limit_threads() -> None:
    """Give torch no more threads than the processors a Binder or JupyterHub server may use (CPU_LIMIT)."""
    import torch

    limit = float(os.environ.get("CPU_LIMIT") or 0)
    if limit > 0:
        torch.set_num_threads(min(torch.get_num_threads(), max(1, int(limit))))


@contextmanager
def quiet():
    """Keep the notices and progress bars of transformers and accelerate still, and leave their settings as they were.

    What they would say of old buffers in old files is of no use to a learner; what matters is checked.
    """
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging

    accelerate = getLogger("accelerate")
    level = accelerate.level
    accelerate.setLevel(ERROR)
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_bars = not are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        accelerate.setLevel(level)
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # the hub's bars too
        if not hub_bars:
            disable_progress_bars()
