"""A stand-in for a graphics card: torch's meta device, which computes shapes only, with all that a real one would make
the processor wait for written down.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {"_local_scalar_dense", "equal", "is_nonzero", "nonzero"}  # a number or a shape that only the card knows


class Card(TorchDispatchMode):
    """While a `with` block runs, `seen` gains "launch" for each operation on the card, "up" for each copy to it, and
    "wait" for each copy from it and each answer that the processor waits for."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name, kwargs = function.overloadpacket.__name__, kwargs or {}
        tensors = [value for value in args if isinstance(value, torch.Tensor)]
        there = [tensor.is_meta for tensor in tensors]
        to = str(kwargs.get("device"))
        if name == "_to_copy" and there == [True] and to == "cpu":
            return self._note("wait", torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype))
        if name == "copy_" and there[:2] == [False, True]:
            return self._note("wait", args[0].zero_())
        if name in WAITS and any(there):
            return self._note("wait", False if name == "equal" else 0.0)
        if to == "meta" and not any(there) and tensors:
            self._note("up", None)
        elif any(there):
            self._note("launch", None)
        return function(*args, **kwargs)

    def _note(self, what, answer):
        self.seen.append(what)
        return answer
