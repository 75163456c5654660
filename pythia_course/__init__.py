"""See inside Pythia language models.

    from pythia_course import load
    lm = load()                            # tiny-pythia, which ships with the course: no network
    lm = load("pythia-160m", step=3000)    # a real Pythia, in the middle of its training
    lm.trace("The cat sat on the mat")     # one forward pass, as arrays

The pictures, exercises and numbers live in `plots`, `checks` and `measures`, the interactive ones in `widgets`;
`compare`, `sweep`, `audit` and `pile` are modules by short names (docs/api.md lists all that is public,
docs/architecture.md the rooms behind it).  Importing this package is quick: torch and transformers come in when a
model is first opened.
"""

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from pythia_course import missing_names, short_names
from pythia_course.machine.processor import ask_for_large_pages
from pythia_course.machine.versions import warn_of_untried
from pythia_course.suite import steps

if TYPE_CHECKING:
    from pythia_course.inside.tracing import LanguageModel

__all__ = ["checks", "errors", "load", "measures", "plots", "steps", "suite", "tiny", "widgets"]

short_names.install()
missing_names.install()
warn_of_untried()
ask_for_large_pages()


def load(
    name: str | os.PathLike | None = None,
    step: int | None = None,
    *,
    seed: int | None = None,
    dtype: str = "auto",
    device: str | dict = "cpu",
    local_only: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> "LanguageModel":
    """Open a model and its tokenizer, ready to look inside.

    name: "tiny-pythia", "pythia-160m", "EleutherAI/pythia-1.4b", "gpt2", "gpt-neo-125m", any "owner/name" of
        these architectures, or a folder.  Without one: what PYTHIA_COURSE_MODEL in the environment says, else
        "tiny-pythia".
    step: how far into its training; without one, the end.  `steps(name)` lists what there is.
    seed: another training of the same model, from other first weights and with other data: 1 or 2 of tiny-pythia,
        tiny-pythia-91k and -281k, 1 to 9 of pythia-14m to -410m (PolyPythias, van der Wal et al. 2025).
    dtype: "float32", "bfloat16" for half the memory and less exact numbers, or "auto": float32 where memory has
        room for it and more, else bfloat16; the card of the model says which.  "float16" too, in which nothing above
        65,504 fits: a pass that goes beyond is refused.
    device: "cpu"; "cuda", "cuda:1" or "mps"; "auto" for all graphics cards together, and the processor for what
        does not fit on them; or a dict, module name -> device.  Several devices take the package accelerate.
    local_only: never ask the network, even for a model that is not here yet.
    progress: called as progress(bytes_done, bytes_total) during a download, instead of a bar.  If it has a method
        `waiting`, that is called each second with the seconds that a busy hub asks to wait.

    Raises ModelNotFound, StepNotFound or ModelRefused (all ValueError), HubUnreachable, ModelDamaged or DiskFull
    (OSError), or ModelTooLarge (MemoryError): one sentence that names the nearest right thing.  All are in
    `pythia_course.errors`.  What a download brought before it failed stays: the next try fetches the rest.
    """
    from pythia_course.inside.tracing import LanguageModel

    return LanguageModel.open(
        name, step, seed=seed, dtype=dtype, device=device, local_only=local_only, progress=progress
    )


def __getattr__(name: str):
    """Import a submodule when it is first asked for."""
    if name in __all__ or name in short_names.PUBLIC:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *short_names.PUBLIC})
