"""A text or a sequence of numbers -> token ids that the model can read, or one sentence saying why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def token_ids(tokenizer, prompt) -> torch.Tensor:
    """Token ids (position) of a string, or of ids in a list, array or tensor; TypeError for anything else."""
    import torch

    if isinstance(prompt, str):
        _refuse_broken_text(prompt)
        return torch.tensor(tokenizer(prompt, verbose=False)["input_ids"], dtype=torch.int64)
    if not isinstance(prompt, list | tuple | range) and not hasattr(prompt, "__array__"):
        raise TypeError(f"A prompt is one text or one list of token ids, not a {type(prompt).__name__}.")
    if isinstance(prompt, list | tuple) and any(isinstance(part, str) for part in prompt):
        raise TypeError(f"A prompt is one text and this is a list of {len(prompt)}: take them one at a time.")
    return _whole_numbers(prompt)


def several(prompts) -> list:
    """A list of prompts, of one or of several: texts, or rows of ids."""
    if isinstance(prompts, str | Mapping | type) or not hasattr(prompts, "__getitem__"):
        return [prompts]
    try:
        first = list(prompts[:1])
    except (TypeError, ValueError, LookupError, RuntimeError):  # no sequence, or one without an axis
        return [prompts]
    several = any(isinstance(prompt, str | list | tuple) or getattr(prompt, "ndim", 0) for prompt in first)
    return list(prompts) if several else [prompts]


def refuse_unknown_ids(ids, vocab: int) -> None:
    """ValueError for ids that have no row in the embedding (vocab rows)."""
    wrong = [i for i in ids.tolist() if not 0 <= i < vocab]
    if wrong:
        raise ValueError(f"Token ids here go from 0 to {vocab - 1}; the prompt holds {wrong[0]}.")


def refuse_length(ids, context: int, name: str) -> None:
    """ValueError for an empty prompt and for one longer than the context (in tokens)."""
    if len(ids) == 0:
        raise ValueError("The prompt is empty: the model needs at least one token to read.")
    if len(ids) > context:
        raise ValueError(
            f"The prompt has {len(ids)} tokens and {name} reads {context} at most: shorten the text, or give "
            f"only the first tokens, lm.tokenizer(text)['input_ids'][:{context}]."
        )


def refuse_padding(tokenizer, rows) -> None:
    """ValueError for rows of ids that were filled up, at either end, with a token that is no text."""
    filler = tokenizer.pad_token_id
    if filler is None or filler in (tokenizer.eos_token_id, tokenizer.bos_token_id):
        return
    for number, row in enumerate(rows):
        ids = [] if isinstance(row, str) else token_ids(tokenizer, row).tolist()
        if filler in (*ids[:1], *ids[-1:]):
            raise ValueError(
                f"Row {number} holds {tokenizer.pad_token}, which is no text: give the texts themselves, in a list; "
                "each is read alone, without padding."
            )


def _refuse_broken_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The prompt holds half a character, {text[error.start]!a}, at place {error.start}: it was cut "
            "inside an emoji or read with the wrong encoding."
        ) from None


def _whole_numbers(prompt) -> torch.Tensor:
    import torch

    ids = prompt if isinstance(prompt, torch.Tensor) else torch.from_numpy(_numbers(prompt))
    if ids.layout != torch.strided or ids.is_meta or ids.is_quantized or ids.is_nested:
        layout = "meta" if ids.is_meta else "nested" if ids.is_nested else str(ids.layout).removeprefix("torch.")
        kind = "quantized" if ids.is_quantized else layout
        raise TypeError(f"Token ids are an ordinary tensor of whole numbers, and this one is {kind}.")
    if ids.ndim == 2 and len(ids) == 1:  # a batch of one, as tokenizers return it
        ids = ids[0]
    if ids.ndim != 1:
        raise TypeError(f"A prompt is one sequence of token ids; this has shape {tuple(ids.shape)}.")
    if len(ids) and (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool):
        raise TypeError(f"Token ids are whole numbers; these are {ids.dtype}.")
    return ids.detach().to("cpu", torch.int64)


def _numbers(prompt) -> np.ndarray:
    """A copy as int64, whatever the order of its bytes and of its places in memory."""
    if np.ma.is_masked(prompt):
        raise TypeError("Some of these token ids are masked: give those that count, ids.compressed().")
    try:
        numbers = np.array(prompt)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # rows of different lengths, among others
        raise TypeError(
            f"Token ids are whole numbers in one sequence, and this {type(prompt).__name__} holds something else."
        ) from None
    if numbers.size and (numbers.dtype.kind not in "iu" or _holds_truth(prompt)):
        raise TypeError(f"Token ids are whole numbers; {_odd_one(numbers)} is among these.")
    return numbers.astype(np.int64)


def _holds_truth(prompt) -> bool:
    """Whether True or False, which numpy takes for 1 and 0, is in a list, or in one inside it."""
    if not isinstance(prompt, list | tuple):
        return isinstance(prompt, bool | np.bool)
    return any(map(_holds_truth, prompt))


def _odd_one(numbers) -> str:
    odd = (number for number in numbers.flat if not isinstance(number, int | np.integer))
    return next((f"a {type(number).__name__}" for number in odd), "one too large, or True or False,")
