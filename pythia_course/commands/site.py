"""`pythia-course site`: the course as a folder of static files."""

from pathlib import Path

from pythia_course.commands import UsageError, add_command

ABOUT = """\
Write the course as a web site. Its lessons have their figures, widgets that are alive and solutions folded up; a
playground stands in front, with the models that ship. It needs no server and no network to open: put the folder on a
web server or on a stick. An earlier site in the same folder is written anew; a folder with anything else is refused.
"""
EXAMPLES = """\
  pythia-course site course
      then open course/index.html
"""


def add_to(commands) -> None:
    """Describe the command."""
    parser = add_command(commands, "site", run, about=ABOUT, examples=EXAMPLES)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to write into")


def run(options) -> int:
    """Write it; gives the exit code."""
    from pythia_course.site.folder import write_site

    print("Reading the lessons and running what their widgets need: about a minute.", flush=True)
    try:
        size = write_site(options.out)
    except FileExistsError as error:
        raise UsageError(str(error)) from None
    print(f"{options.out}: {size / 1e6:.0f} MB; open {options.out / 'index.html'} in any browser.")
    return 0
