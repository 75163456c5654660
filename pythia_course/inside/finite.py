"""Numbers that would be wrong without a word, said before anything is shown of them: nan, inf, rounded frequencies."""

from math import isfinite

from pythia_course.inside.anatomy import FAMILIES
from pythia_course.inside.recording import hooks


def refuse_no_numbers(lm, ids, arrays) -> None:
    """FloatingPointError that names the first part of the model to compute nan or inf, where an array holds any.

    arrays: the logits and what the last layer computed; what breaks earlier at a position, breaks there too.
    The model runs once more for the name, only then.
    """
    # A sum is quicker than a look at each number; it may grow too large by itself, so the look has the last word.
    if all(isfinite(array.sum().item()) or array.isfinite().all() for array in arrays):
        return
    seen = []
    layers = lm.model.get_submodule(FAMILIES[lm.spec.family].layers)
    places = [(layers[0].register_forward_pre_hook, lambda module, args: seen.append(args[0]))]
    places += [(layer.register_forward_hook, lambda module, args, out: seen.append(out)) for layer in layers]
    with hooks(places):
        lm._forward(ids, every_position=False)
    streams = [stream[0] if isinstance(stream, tuple) else stream for stream in seen]
    first = next((number for number, stream in enumerate(streams) if not stream.isfinite().all()), len(streams))
    part = ("the embedding", *(f"layer {n}" for n in range(len(layers))), "the output")[first]
    raise FloatingPointError(f"{lm.name} computes numbers that are none (nan or inf), first in {part}: {_why(lm)}.")


def _why(lm) -> str:
    broken = [name for name, weights in lm.model.named_parameters() if not weights.isfinite().all()]
    if broken:
        return f"its {broken[0]} holds some, so open another step or model"
    if lm.model.dtype.itemsize < 4:
        return f'they grew too large for {str(lm.model.dtype).removeprefix("torch.")}, so open it with dtype="float32"'
    return "its weights hold none, so look at what changes its passes, or at weights that are too large"


def refuse_rounded_frequencies(lm) -> None:
    """ValueError where a cast of the whole model rounded its rotary frequencies, which a cast back does not undo.

    Frequencies that somebody set on purpose pass.
    """
    import torch

    path = FAMILIES[lm.spec.family].rotary
    if not path or lm.model.config.rope_parameters.get("rope_type", "default") != "default":
        return
    there = lm.model.get_submodule(path).inv_freq
    kinds = [kind for kind in (torch.bfloat16, torch.float16) if torch.equal(there.to(kind).float(), there.float())]
    if not kinds:
        return  # quick, for this is asked before each pass
    # as in `GPTNeoXRotaryEmbedding.compute_default_rope_parameters`
    right = 1 / lm.spec.rope_base ** (torch.arange(0, 2 * len(there), 2).float() / (2 * len(there)))
    right, there = right.to(there.device), there.float()
    rounded = any(there.allclose(right.to(kind).float(), rtol=1e-6) for kind in kinds)
    if rounded and not there.allclose(right, rtol=1e-4):
        raise ValueError(
            f"The rotary frequencies of {lm.name} were rounded when it was cast to another dtype: open it anew, "
            "load(…, dtype=…), which keeps them."
        )
