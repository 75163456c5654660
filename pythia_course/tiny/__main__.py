"""`python -m pythia_course.tiny train NAME`: train a tiny model of your own, or go on where it was stopped."""

import argparse
import sys

MAINTAINERS = "for maintainers: when all is done, put it in the place of what ships with the course"


def main(arguments=None):
    """Read the command line and do what it says; gives the exit code."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    command = options.pop("command")
    try:
        _COMMANDS[command](**options)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"{parser.prog}: {_in_words(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m pythia_course.tiny", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train", help="train a model; stop it when you like, the same command goes on")
    one.add_argument("name", help="tiny-pythia, one of its sizes (tiny-pythia-91k, -281k, -5m, -26m), or of the 2×2")
    one.add_argument("--as", dest="run", metavar="RUN", help="what load() opens it by (default: my-NAME)")
    one.add_argument("--seed", type=int, default=0, help="of first weights and corpus (default: 0, as shipped)")
    one.add_argument("--stop", type=int, help="the last step (default: all of them)")
    one.add_argument("--threads", type=int, default=1, help="processor threads; the shipped weights were made with 1")
    one.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    one.add_argument("--dtype", choices=("bfloat16", "float32"), help="default: bfloat16, as shipped, where it is fast")
    one.add_argument("--peak", type=float, help="the highest learning rate (default: the model's own)")
    more = commands.add_parser("seed", help="train another draw of a model to step 2,400, to compare its log")
    more.add_argument("name", help="as above")
    more.add_argument("seed", type=int, help="any but 0; of 1 and 2 the logs ship with the course")
    tokens = commands.add_parser("tokenizer", help="train the tokenizer anew")
    for command in (one, more, tokens):
        command.add_argument("--into-package", action="store_true", help=MAINTAINERS)
    return parser


def _train(name, stop, into_package, **options):
    from .corpus import STEPS
    from .train import train

    run = train(name, stop=STEPS if stop is None else stop, publish=into_package, **options)
    print(f'load("{run.name}") opens it, training_log("{run.name}") has its log; its files are in {run}')


def _seed(name, seed, into_package):
    from .seeds import make

    make(name, seed, publish=into_package)


def _tokenizer(into_package):
    from .tokenizer import save_tokenizer

    if not into_package:
        raise ValueError("the shipped weights know the shipped tokenizer only: --into-package replaces it all the same")
    save_tokenizer()


_COMMANDS = {"train": _train, "seed": _seed, "tokenizer": _tokenizer}


def _in_words(error):
    """An error of the disk in a sentence."""
    if error.strerror is None:
        return str(error)
    where = f" in {error.filename}" if error.filename else ""
    return f"{error.strerror}{where}: what was saved before is kept, and the same command goes on from there."


if __name__ == "__main__":
    sys.exit(main())
