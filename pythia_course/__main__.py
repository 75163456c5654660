"""`pythia-course COMMAND`, also `python -m pythia_course COMMAND`: what is done in a shell, not in a notebook."""

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version

from pythia_course.commands import UsageError, doctor, free, listing, prefetch, say
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


def main(arguments: list[str] | None = None) -> int:
    """Do what a command line says; gives the exit code.

    Raises SystemExit for --help, --version and what argparse refuses.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except UsageError as error:
        say(f"{error} See `pythia-course {options.command} --help`.")
        return 2
    except KeyboardInterrupt as error:
        say(str(error) or "Stopped.")
        return 130
    except BrokenPipeError:  # `… | head` has seen enough; Python would complain when it flushes at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except EXPECTED as error:
        say(str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pythia-course",
        description="Check a machine, fetch models ahead of a lesson, see what is here, and free it again.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pythia-course {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (doctor, prefetch, listing, free):
        command.add_to(commands)
    return parser


def _version() -> str:
    try:
        return version("pythia-course")
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
