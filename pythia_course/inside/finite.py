"""Where a model's numbers stop being numbers: nan and inf are said before anything is shown of them."""

from pythia_course.inside.anatomy import FAMILIES
from pythia_course.inside.recording import hooks


def refuse_no_numbers(lm, ids, logits) -> None:
    """FloatingPointError that names the first part of the model to compute nan or inf, where the logits hold any.

    The model runs once more for that, only then.
    """
    if logits.isfinite().all():
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
