"""`pythia-course COMMAND`, also `python -m pythia_course COMMAND`: what is done in a shell, not in a notebook."""

import argparse
import codecs
import os
import sys
import threading
from importlib.metadata import PackageNotFoundError, version

from pythia_course.commands import UsageError, doctor, free, lab, labs, listing, page, prefetch, progress, say, site
from pythia_course.errors import ModelNotFound, ModelRefused, StepNotFound

EPILOG = """\
Each command explains itself, with examples:

  pythia-course prefetch --help

Exit codes: 0 all went well, 1 something failed, 2 the command line makes no sense, 130 stopped with Ctrl-C.

Environment: HF_HUB_CACHE is the folder of downloaded models, HF_HUB_OFFLINE=1 keeps the course off the network,
HF_ENDPOINT names another hub, PYTHIA_COURSE_MODEL is the model that load() opens.
"""
# Failures that carry a sentence for the reader; anything else is a mistake of ours and shows where.
EXPECTED = (ModelNotFound, StepNotFound, ModelRefused, OSError)
NEAREST = {"…": "...", "–": "-", "—": "-", "×": "x", "●": "*", "◐": "+", "○": "."}  # in an encoding that lacks them


def main(arguments: list[str] | None = None) -> int:
    """Do what a command line says; gives the exit code.

    Raises SystemExit for --help, --version and what argparse refuses.
    """
    _write_what_can_be_written()
    try:
        code = _do(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `… | head` has seen enough; Python would complain when it flushes at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:  # what a full disk says of `… > file`
        say(_in_words(error))
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    if arguments is None:
        _leave(code)
    return code


def _do(arguments: list[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
    except SystemExit:
        sys.stdout.flush()
        raise
    try:
        return options.run(options)
    except UsageError as error:
        say(f"{error} See `pythia-course {options.command} --help`.")
        return 2
    except KeyboardInterrupt as error:
        say(str(error) or "Stopped.")
        return 130
    except BrokenPipeError:
        raise
    except EXPECTED as error:
        say(_in_words(error))
        return 1


def _in_words(error: Exception) -> str:
    """A failure as a sentence; those of the system itself are only a number and a few words."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    where = f" ({error.filename})" if error.filename else ""
    return f"This machine refused something that is needed: {error.strerror}{where}."


def _write_what_can_be_written() -> None:
    """Where the terminal or file takes few characters, as in ASCII, write the nearest instead of failing."""
    codecs.register_error("nearest", _nearest)
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", "") in ("strict", "surrogateescape"):
            stream.reconfigure(errors="nearest")


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(NEAREST.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def _leave(code: int) -> None:
    """End the process; at once where checks of the doctor are still at work, which would abort Python's own end."""
    if any(thread.daemon for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pythia-course",
        description="Open the course, check a machine, fetch, see and free models, make assignments and web pages.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pythia-course {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (lab, progress, doctor, prefetch, listing, free, labs, page, site):
        command.add_to(commands)
    return parser


def _version() -> str:
    try:
        return version("pythia-course")
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
