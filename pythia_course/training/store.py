"""Results on disk, a file a step: numbers and arrays only, each file there whole or not at all.

A file is numpy's .npz: `np.load(path)` shows it.  Nothing is pickled, so opening one can run no code.
"""

import json
import os
import re
import time
import zipfile
from pathlib import Path

import numpy as np

from pythia_course.machine.files import UNFINISHED, whole_file

SECONDS_TILL_ABANDONED = 3600
_KINDS = "biufcU"  # numpy's letters for truth values, numbers and text


def tidy(value):
    """A measure's value as it is kept: a number (or text), a numpy array, or a dict of these, sharing no memory.

    Raises TypeError or ValueError for anything else.
    """
    if not isinstance(value, dict):
        return _plain(value)
    if not value or not all(isinstance(key, str) for key in value):
        raise TypeError(f"A measure that returns a dict gives each value a name; it returned the keys {list(value)}.")
    return {key: _plain(part) for key, part in value.items()}


def _plain(value):
    if value is None:
        raise TypeError("The measure returned nothing: end it with `return` and a number, an array or a dict of them.")
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float().numpy() if str(value.dtype) == "torch.bfloat16" else value.numpy()
    try:
        array = np.array(value)
    except ValueError:
        raise ValueError(
            "The measure returned rows of different lengths: return each under a name, in a dict."
        ) from None
    if array.dtype.kind == "O" and array.size and all(isinstance(part, int) for part in array.flat):
        raise ValueError("The measure returned a whole number of more than 64 bits: return float(…) of it.")
    if array.dtype.kind not in _KINDS:
        raise TypeError(
            f"The measure returned a {type(value).__name__}, and what is kept is a number, an array or a dict of them."
        )
    return array if array.ndim else array.item()


class Store:
    """The results of one measure of one model, in one folder, which need not exist yet."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)

    def path(self, step: int) -> Path:
        return self.folder / f"step{step}.npz"

    def read(self, step: int, weights: str | None = None):
        """The kept value, or None: not there, damaged, or of other weights.

        weights: what the checkpoint's files are (a hash), where it is known.
        """
        try:
            header, arrays = _read(self.path(step))
        except FileNotFoundError:
            return None
        except Exception:  # a damaged zip file raises almost anything; what cannot be read is measured again
            return None
        if header["step"] != step or (weights and header["weights"] and weights != header["weights"]):
            return None
        values = [array if array.ndim else array.item() for array in arrays]
        return values[0] if header["names"] is None else dict(zip(header["names"], values, strict=True))

    def write(self, step: int, value, weights: str | None = None) -> None:
        """Keep a tidy value.  Whenever this process stops, the file is there whole or not at all.  Raises OSError."""
        names = list(value) if isinstance(value, dict) else None
        arrays = [value] if names is None else value.values()
        header = json.dumps({"step": step, "weights": weights, "names": names})
        try:
            with whole_file(self.path(step)) as file:
                np.savez(file, header=header, **{f"value{number}": array for number, array in enumerate(arrays)})
        except OSError as error:
            raise OSError(
                f"The result of step {step} cannot be written into {self.folder} ({error.strerror or error}): free "
                "some of the disk, or name another folder with keep=. (What was measured before is kept.)"
            ) from error

    def prepare(self) -> None:
        """Make the folder, and delete what writers that were killed have left in it.  Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob(f"*{UNFINISHED}"):
            if time.time() - path.stat().st_mtime > SECONDS_TILL_ABANDONED:
                path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict, list[np.ndarray]]:
    """A file's header and its arrays in order, after every checksum in it was found right."""
    with zipfile.ZipFile(path) as file:
        if damaged := file.testzip():
            raise zipfile.BadZipFile(damaged)
    with np.load(path, allow_pickle=False) as file:
        count = len(file.files) - 1
        return json.loads(str(file["header"])), [file[f"value{number}"] for number in range(count)]


def folder_name(text: str) -> str:
    """A name as a folder can have it on any system."""
    return re.sub(r"[^\w.-]+", "-", text.replace("/", "--"), flags=re.ASCII).strip(".-") or "measure"
