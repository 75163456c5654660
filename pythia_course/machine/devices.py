"""Where a model's numbers go: the processor, a graphics card, or several devices by way of accelerate."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from pythia_course.errors import shown
from pythia_course.machine.budget import memory_for_weights

AUTO = "auto"


@dataclass(frozen=True)
class Placement:
    """One device for the whole model, or a device_map that accelerate follows: "auto", or module name -> device."""

    device: str | None = None
    device_map: str | dict | None = None

    def room(self) -> int:
        """Bytes that a model's weights may take there."""
        if self.device_map == AUTO:
            return sum(map(room, ["cpu", *_cards()]))
        if self.device_map:
            return sum(map(room, {str(device) for device in self.device_map.values()}))
        return min(map(room, {self.device, "cpu"}))  # it passes through the memory


def placement(device) -> Placement:
    """Read `device` as `pythia_course.load` takes it.

    Raises ValueError for a device that this machine lacks, ImportError where accelerate is needed and missing.
    """
    if device == "cpu":  # without torch, which takes a second to import
        return Placement("cpu")
    if isinstance(device, Mapping):
        return _spread(dict(device))
    if device == AUTO:
        return _automatic()
    _refuse_missing(str(device))
    return _on_card(str(device))


def _automatic() -> Placement:
    """All graphics cards together; a Mac's one; or the processor."""
    import torch

    if len(_cards()) > 1 or (_cards() and find_spec("accelerate")):
        return _spread(AUTO)
    if _cards():
        return _on_card("cuda:0")
    return _on_card("mps") if torch.backends.mps.is_available() else Placement("cpu")


def _on_card(device: str) -> Placement:
    """All of a model on one device: straight from the disk with accelerate, by way of the memory without."""
    return Placement(device_map={"": device}) if find_spec("accelerate") else Placement(device)


def _spread(device_map) -> Placement:
    if find_spec("accelerate") is None:
        raise ImportError(
            "Spreading a model over several devices takes the package accelerate, which is not installed: run "
            "`pip install accelerate` and restart the kernel."
        )
    for device in device_map.values() if isinstance(device_map, dict) else ():
        if device != "disk":
            _refuse_missing(f"cuda:{device}" if isinstance(device, int) else str(device))
    return Placement(device_map=device_map)


def _refuse_missing(device: str) -> None:
    import torch

    kind, _, number = device.partition(":")
    there = {"cpu": ["cpu"], "cuda": _cards(), "mps": ["mps"] if torch.backends.mps.is_available() else []}
    if not re.fullmatch(r"(cpu|mps|cuda(:\d+)?)", device):
        raise ValueError(f'device is "cpu", "cuda", "cuda:1", "mps" or "auto", but {shown(device)} came.')
    if not there[kind] or (number and device not in there[kind]):
        found = ", ".join(["cpu", *_cards(), *there["mps"]])
        raise ValueError(f'torch finds no {device} on this machine, only {found}: device="auto" takes the best.')


def _cards() -> list[str]:
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def room(device) -> int:
    """Bytes that arrays may still take on one device; a Mac's card shares the machine's memory."""
    device = str(device)
    if device.startswith("cuda") or device.isdecimal():
        import torch

        number = int(device.removeprefix("cuda").removeprefix(":") or 0)
        kept_for_later = torch.cuda.memory_reserved(number) - torch.cuda.memory_allocated(number)
        return torch.cuda.mem_get_info(number)[0] + kept_for_later
    return memory_for_weights()
