"""Files that are there whole or not at all, whenever the process stops."""

import os
import uuid
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".part"


@contextmanager
def whole_file(path: Path):
    """A binary file to write, which takes its place only when all of it is on the disk.

    Whenever this process stops, `path` is as it was before or complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with open(unfinished, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
