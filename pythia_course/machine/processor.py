"""What this processor is good at, and what it is spared."""

import os
import sys
from functools import cache
from pathlib import Path

# Settings by which torch's libraries are told to do without newer instructions, and the values that rule bfloat16 out.
_OLDER = {
    "ATEN_CPU_CAPABILITY": {"default", "avx2"},
    "ONEDNN_MAX_CPU_ISA": {"sse41", "avx", "avx2", "avx2_vnni"},
}
# The instructions without which torch falls back on a loop (aten/src/ATen/native/mkldnn/Utils.h, as of torch 2.13).
_X86 = {"avx512bw", "avx512vl", "avx512dq"}
_ARM = {"bf16"}


def fast_bfloat16() -> bool:
    """Whether torch multiplies bfloat16 numbers about as fast here as float32 ones; if not, it is ten times slower."""
    if any(os.environ.get(name, "").lower() in older for name, older in _OLDER.items()):
        return False
    return _has_instructions()


@cache
def _has_instructions(cpuinfo=Path("/proc/cpuinfo")) -> bool:
    if sys.platform == "linux":  # without torch, which takes a second to import
        words = _words(cpuinfo)
        return words >= _X86 or words >= _ARM
    import torch

    try:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    except (AttributeError, RuntimeError):  # a torch without oneDNN has nothing fast to offer
        return False


def _words(cpuinfo: Path) -> set[str]:
    """The features of the first processor."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.lower().startswith(("flags", "features"))), set())


def ask_for_large_pages() -> None:
    """Have torch ask Linux for pages of 2 MB instead of 4 kB where an array fills one; call it before torch makes any.

    A pass makes its arrays anew, and Linux hands out their memory page by page: 16 rows of 512 tokens took tiny-pythia
    2.2 s of an AMD EPYC's core, and 1.2 s so.  Somebody's own setting stays; elsewhere than on Linux it means nothing.
    Source: c10/core/impl/alloc_cpu.cpp of torch 2.2 and later (pytorch/pytorch, pull request 107697).
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
