"""Is what was opened what its files say?"""

import re
from dataclasses import replace

from pythia_course import suite
from pythia_course.errors import ModelDamaged, ModelRefused
from pythia_course.inside.anatomy import FAMILIES

# Masks and frequencies that old files hold, and today's classes compute.
_OLD_BUFFERS = re.compile(r"attention\.(masked_)?bias|attn\.(masked_)?bias|rotary_emb\.inv_freq")


def checked_spec(model, spec: suite.Spec, report: dict, name: str) -> suite.Spec:
    """The facts of a model, held against the model itself and the library's report of reading its weights.

    Raises ModelDamaged where weights are missing or of another size, ModelRefused where the config leaves some out or
    says what the model does not do.
    """
    if missing := report["missing_keys"]:  # the library fills them with random numbers and only warns
        raise ModelDamaged(
            f"The weights of {name} are incomplete: {len(missing)} tensors are missing, {min(missing)} among them."
        )
    if others := [str(key[0] if isinstance(key, tuple) else key) for key in report["mismatched_keys"]]:
        raise ModelDamaged(f"The weights of {name} do not fit its config.json: {min(others)} is of another size.")
    if unread := [key for key in report["unexpected_keys"] if not _OLD_BUFFERS.search(key)]:
        raise ModelRefused(
            f"config.json of {name} leaves out weights that its files hold, {min(unread)} among them, and without "
            "them it would be another model."
        )
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    spec = replace(spec, tied=tied)
    _refuse_other_sizes(model, spec, name)
    return spec


def _refuse_other_sizes(model, spec, name):
    there = sum(parameter.numel() for parameter in model.parameters())
    if there != suite.total(spec):
        raise ModelRefused(
            f"{name} has {there:,} parameters and by its config.json {suite.total(spec):,}: it holds parts that the "
            "course does not know."
        )
    if rotary := FAMILIES[spec.family].rotary:
        turned = 2 * model.get_submodule(rotary).inv_freq.numel()  # dimensions turn in pairs
        if turned != spec.rotary_dims or turned > spec.head_dim:
            raise ModelRefused(
                f"{name} turns {turned} dimensions of each head and by its config.json {spec.rotary_dims} of "
                f"{spec.head_dim}: the course opens models in which both agree."
            )


def other_rotation(spec: suite.Spec, config) -> str:
    """What is not as in Pythia: ", base 50,000", or frequencies scaled for long texts; "" where nothing is."""
    if spec.positions != "rotary":
        return ""
    base = "" if spec.rope_base == 10_000 else f", base {spec.rope_base:,.0f}"
    rope = config.rope_parameters
    kind, factor = rope.get("rope_type", "default"), f", {rope['factor']}" if "factor" in rope else ""
    return base + ("" if kind == "default" else f", scaled ({kind}{factor})")
