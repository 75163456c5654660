"""`pythia-course page`: one HTML file with a tiny model inside."""

from pathlib import Path

from pythia_course.commands import UsageError, add_command

ABOUT = """\
Write one web page with a tiny model inside: type a sentence, and see where each head looks. It needs no course, no
server and no network to open; mail it, or put it on a stick. A page that is there already is written anew.
"""
EXAMPLES = """\
  pythia-course page tiny-pythia.html
      the model of the lessons, trained
  pythia-course page untrained.html tiny-pythia --step 0
      the same before training
"""


def add_to(commands) -> None:
    """Describe the command."""
    parser = add_command(commands, "page", run, about=ABOUT, examples=EXAMPLES)
    parser.add_argument("out", metavar="OUT.html", type=Path, help="the file to write")
    parser.add_argument("name", metavar="NAME", nargs="?", default="tiny-pythia", help="a model that ships")
    parser.add_argument("--step", type=int, metavar="N", help="the training step (default: the last)")


def run(options) -> int:
    """Write it; gives the exit code."""
    from pythia_course.site.page import page_text

    if options.out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"A page is a file that ends in .html, and {options.out.name!r} does not.")
    try:
        text = page_text(options.name, options.step)
    except ValueError as error:
        raise UsageError(str(error)) from None
    options.out.write_text(text, encoding="utf-8")
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB; open it in any browser.")
    return 0
