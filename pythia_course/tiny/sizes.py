"""How large the tiny models are, and what they are called: known without torch, which takes seconds to import."""

from typing import NamedTuple


class Size(NamedTuple):
    """How large a model is: its layers, the width of its residual stream, the heads of a layer."""

    layers: int
    width: int
    heads: int


POSITIONS = 512
MIDDLE = Size(4, 128, 4)  # of tiny-pythia and the other three of the 2×2
LADDER = {  # name -> its size, smallest first; a name tells the parameters
    "tiny-pythia-91k": Size(2, 32, 2),
    "tiny-pythia-281k": Size(3, 64, 4),
    "tiny-pythia": MIDDLE,  # a million
    "tiny-pythia-5m": Size(6, 256, 8),
    "tiny-pythia-26m": Size(8, 512, 8),
}
SQUARE = ("tiny-pythia", "tiny-pythia-sequential", "tiny-gpt2", "tiny-gpt2-parallel")
NAMES = tuple(dict.fromkeys((*SQUARE, *LADDER)))  # all that can be trained


def size_of(name: str) -> Size:
    """The size of one of NAMES.  Raises ValueError where there is no such tiny model."""
    if name not in NAMES:
        raise ValueError(f"No tiny model is called {name!r}; there are {', '.join(NAMES)}.")
    return LADDER.get(name, MIDDLE)
