"""The commands of `pythia-course`, a module each: `add_to(commands)` describes one, `run(options)` does it.

What they say on the way goes to stdout, what went wrong to stderr in one sentence, progress bars to stderr
where that is a terminal.
"""

import argparse
import glob
import os
import sys
from pathlib import Path

from pythia_course import suite
from pythia_course.machine import budget


class UsageError(ValueError):
    """A command line that makes no sense, whatever the state of the machine."""


def add_command(commands, name: str, run, *, about: str, examples: str, **options) -> argparse.ArgumentParser:
    """Add a command to a parser's subparsers.  about: its first sentence is the summary in the list of commands."""
    parser = commands.add_parser(
        name,
        help=about.partition(". ")[0].rstrip(".\n"),
        description=about,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **options,
    )
    parser.set_defaults(run=run)
    return parser


def say(sentence: str) -> None:
    """Say what went wrong, on stderr."""
    print(f"pythia-course: {sentence}", file=sys.stderr)


def opens_as(spec: suite.Spec, room: int) -> str | None:
    """The numbers in which load() would open a model of this size: "float32", "bfloat16" or None.

    room: bytes that weights may take here, `budget.memory_for_weights()`.
    """
    dtype = budget.choose_dtype(spec, budget.AUTO, room)
    return dtype if budget.weights(spec, dtype) <= room else None


def model_cache() -> Path:
    """The folder that downloaded models go to, whether it exists yet or not."""
    from pythia_course.hub.snapshots import root

    return root()


def cache_size() -> int:
    """Bytes of the models in the cache, each file once, parts of interrupted downloads included."""
    folders = glob.iglob(f"{glob.escape(str(model_cache()))}/models--*")
    return sum(_size(Path(root, name)) for folder in folders for root, _, names in os.walk(folder) for name in names)


def _size(path: Path) -> int:
    """Bytes of a file; 0 of a link, and of what is gone or cannot be looked at."""
    try:
        return 0 if path.is_symlink() else path.stat().st_size
    except OSError:
        return 0
