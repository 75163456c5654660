"""What a model takes of memory and disk, against what there is: said before anything is fetched or opened."""

import shutil
import sys
from pathlib import Path

from pythia_course import suite
from pythia_course.errors import DiskFull, ModelTooLarge
from pythia_course.machine.memory import available_memory, in_words
from pythia_course.machine.processor import fast_bfloat16

BYTES_PER_PARAMETER = {"float32": 4, "bfloat16": 2, "float16": 2}
AUTO = "auto"

# Measured on Linux with torch 2.13 and transformers 5.23, Pythia-160M in a memory cgroup of 25 MB more or less: what
# comes with the first model and cannot be dropped again, and what loading and a short trace need beside the weights.
_IMPORTS = {"torch": 130_000_000, "transformers.modeling_utils": 75_000_000}
_WORKING = 45_000_000
# Of the memory there is, float32 may take this share: the rest is for a second model and for traces.  Where bfloat16 is
# slow it may take more: lesson 04 whole, with Pythia-160M in float32 and GPT-2 in bfloat16, takes 1.3 GB.
_COMFORTABLE, _COMFORTABLE_WHERE_SLOW = 0.5, 0.6
_ALWAYS_FITS = 50_000_000  # bytes of weights: a tiny model is opened whatever the system says
_DISK_TO_SPARE = 50_000_000  # a disk that is full to the last byte stops Jupyter itself
_ON_DISK = 2.4  # bytes a parameter: float16, and the old buffers that come along


def memory_for_weights() -> int:
    """Bytes of this process's memory that weights can take, once the libraries are there."""
    to_come = sum(size for module, size in _IMPORTS.items() if module not in sys.modules)
    return max(0, available_memory() - to_come - _WORKING)


def weights(spec: suite.Spec, dtype: str) -> int:
    """Bytes of a model's weights."""
    return suite.total(spec) * BYTES_PER_PARAMETER[dtype]


def choose_dtype(spec: suite.Spec, wanted: str, room: int) -> str:
    """The dtype to open a model in: the one wanted, or for "auto" float32 where it is no tight fit, else bfloat16.

    room: bytes that its weights may take.
    """
    if wanted != AUTO:
        return wanted
    share = _COMFORTABLE if fast_bfloat16() else _COMFORTABLE_WHERE_SLOW
    return "float32" if weights(spec, "float32") <= max(_ALWAYS_FITS, share * room) else "bfloat16"


def note(wanted: str, chosen: str, on_processor: bool) -> str:
    """What a card adds to the dtype: why it is not float32 if nobody asked for it, and that it is slow where it is."""
    why = ", since float32 would leave too little memory" if wanted == AUTO and chosen != "float32" else ""
    slow = chosen != "float32" and on_processor and not fast_bfloat16()
    return f"{why} (slow: this processor has no arithmetic for 16 bits)" if slow else why


def check_memory(spec: suite.Spec, dtype: str, room: int, title: str) -> None:
    """Raises ModelTooLarge, which names what does fit, where the weights do not fit into so many bytes of room."""
    needed, half = weights(spec, dtype), weights(spec, "bfloat16")
    if needed <= max(_ALWAYS_FITS, room):
        return
    advice = 'dtype="auto" opens it in half of that' if half < needed and half <= room else what_fits(room)
    raise ModelTooLarge(
        f"{title} takes {in_words(needed)} of memory in {dtype}, and there is room for {in_words(room)} here: {advice}."
    )


def what_fits(room: int, bytes_per_parameter: float = 2) -> str:
    """ "the largest Pythia that fits is pythia-410m", for so many bytes of room."""
    fitting = [name for name in suite.PYTHIAS if suite.total(suite.SUITE[name]) * bytes_per_parameter <= room]
    return f"the largest Pythia that fits is {fitting[-1]}" if fitting else "tiny-pythia still fits"


def free_disk(folder: Path) -> int:
    """Bytes that can still be written into a folder that may not exist yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return max(0, shutil.disk_usage(there).free - _DISK_TO_SPARE)


def check_disk(missing: int, folder: Path, title: str) -> None:
    """Raises DiskFull where `missing` more bytes do not fit beside what is in the folder."""
    free = free_disk(folder)
    if missing > free:
        raise DiskFull(
            f"{title} takes {in_words(missing)} more of the disk, and there is room for {in_words(free)} in {folder}: "
            f"free some, or set HF_HUB_CACHE to a folder on a larger disk ({what_fits(free, _ON_DISK)})."
        )
