"""`python -m pythia_course.tiny train NAME`: train one of the tiny models anew, or go on where it was stopped."""

import argparse


def main(arguments=None):
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m pythia_course.tiny", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train", help="train a model; stop it when you like, the same command goes on")
    one.add_argument("name", help="tiny-pythia, tiny-pythia-sequential, tiny-gpt2 or tiny-gpt2-parallel")
    one.add_argument(
        "--seed", type=int, default=0, help="of the first weights and of the corpus (default: 0, as shipped)"
    )
    one.add_argument("--stop", type=int, default=None, help="the last step (default: all of them)")
    one.add_argument("--weights", default=None, help="where checkpoints and log go (default: into the package)")
    one.add_argument("--runs", default="runs", help="where the file to resume from is kept (default: runs)")
    one.add_argument("--threads", type=int, default=1, help="processor threads; the shipped weights were made with 1")
    one.add_argument("--device", default=None, help="cpu or cuda (default: cuda where there is one)")
    more = commands.add_parser("seed", help="train another draw of a model to step 2,400; only its log is kept")
    more.add_argument("name", help="as above")
    more.add_argument("seed", type=int, help="1 or 2, as shipped, or another")
    more.add_argument("--runs", default="runs", help="as above")
    commands.add_parser("tokenizer", help="train the tokenizer anew")
    options = vars(parser.parse_args(arguments))
    command = options.pop("command")
    if command == "tokenizer":
        from .tokenizer import save_tokenizer

        return save_tokenizer()
    chosen = {key: value for key, value in options.items() if value is not None}
    try:
        _work(command, chosen.pop("name"), **chosen)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        parser.exit(130, "\nStopped. The same command goes on where it was.\n")


def _work(command, name, **options):
    if command == "seed":
        from .seeds import make as work
    else:
        from .train import train as work
    work(name, **options)


if __name__ == "__main__":
    main()
