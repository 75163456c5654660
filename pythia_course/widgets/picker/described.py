"""What opening a model takes, in a few sentences."""

import sys

from pythia_course.machine.budget import what_fits
from pythia_course.machine.memory import available_memory, in_words


def describe(name, plan):
    """What a model takes, in a few sentences.  plan: as `download_plan` gives it."""
    if plan.bytes_to_download:
        cached = f" ({in_words(plan.bytes_cached)} of it are here already)" if plan.bytes_cached else ""
        first = f"{name}: {in_words(plan.bytes_to_download)} to download{cached}"
    else:
        first = f"{name} is on this machine: nothing to download"
    free = available_memory()
    here = f"; {in_words(free)} are free here" if free < sys.maxsize else ""
    memory = f"It takes {in_words(plan.memory_needed)} of memory{_in_half(plan)}{here}."
    return " ".join(filter(None, [f"{first}.", memory, _warning(plan, free), plan.note]))


def _in_half(plan):
    """Says so where the model would be opened in fewer bytes than usual."""
    return "" if plan.dtype == "float32" else f" in {plan.dtype}, since float32 would leave too little"


def _warning(plan, free):
    """What keeps a model from being opened, if anything does."""
    if plan.memory_needed > free:
        return f"That is too much: {what_fits(free)}."
    if plan.bytes_to_download > plan.disk_free:
        return f"The disk has room for {in_words(plan.disk_free)} only."
    return ""
