"""`pythia-course lab`: the lessons in a folder of one's own, open in JupyterLab."""

import os
import webbrowser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pythia_course.commands import UsageError, add_command, folder
from pythia_course.lessons import shipped

ABOUT = """\
Open the course. It copies the lessons into a folder of your own and opens JupyterLab there, on the first lesson. The
same line goes on where you were, another day: your tabs are open again, and nothing that you changed is written over.
After an upgrade, lessons that you did not touch are replaced, and what is new of the others comes beside yours.
"""
EXAMPLES = """\
  pythia-course lab
      in the folder pythia-course of your home, which is made the first time
  pythia-course lab lessons
      in a folder that you name; to have a lesson as it was, delete or rename yours and run this again
  pythia-course lab --no-browser --port 9000
      on a machine far away: only prints the address
"""
SETTINGS = Path(__file__).with_name("jupyter")  # no question about news at JupyterLab's first start
QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1"}


def add_to(commands) -> None:
    """Describe the command."""
    parser = add_command(commands, "lab", run, about=ABOUT, examples=EXAMPLES)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="of the lessons (default: pythia-course, at home)")
    parser.add_argument("--port", type=int, default=8888, metavar="N", help="8888, or the next that is free")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open no browser")


def run(options) -> int:
    """Bring the lessons, say so, and be JupyterLab until it is stopped; gives the exit code."""
    if not 0 <= options.port < 65536:
        raise UsageError(f"A port is a number below 65536, and {options.port} came.")
    where = _folder(options.folder)
    if shipped.is_clone(where):
        print(f"{where} is a clone of the course: its lessons are opened as they are.")
    else:
        print(_said(folder.bring(shipped.lessons(), where, _version()), where))
    if address := _running(where):
        print(f"JupyterLab is at work there already: {address}")
        if not options.no_browser:
            webbrowser.open(address)
        return 0
    print("Opening JupyterLab. Ctrl-C here, then y, stops it; the same line goes on another day.", flush=True)
    return _jupyterlab(where, options)


def _folder(named: str | None) -> Path:
    """Absolute, with ~ read as home, since not every shell does that."""
    try:
        return Path(named).expanduser().resolve() if named else Path.home() / "pythia-course"
    except RuntimeError as error:  # no home, or no such person
        raise UsageError(f"{str(error).rstrip('.')}: name a folder, as in `pythia-course lab lessons`.") from None


def _said(brought: folder.Brought, where: Path) -> str:
    """What was brought, in words."""
    lines = []
    if brought.new:
        lines.append(f"Brought {len(brought.new)} files to {where}.")
    if brought.updated:
        lines.append(f"Replaced {len(brought.updated)} that you had not changed by their new versions.")
    if brought.beside:
        lines.append(f"New versions, beside yours: {', '.join(brought.beside)}.")
    if brought.kept:
        names = [name.removeprefix("notebooks/").removesuffix(".ipynb") for name in brought.kept]
        lines.append(f"Left as you changed them: {', '.join(names)}.")
    return "\n".join(lines) or f"Nothing new for {where}."


def _running(where: Path) -> str | None:
    """The address of a JupyterLab that somebody with this home started in this folder, if one is at work."""
    from jupyter_server.serverapp import list_running_servers

    for server in list_running_servers():
        if Path(server["root_dir"]) == where:
            return f"{server['url']}lab?token={server['token']}"
    return None


def _jupyterlab(where: Path, options) -> int:
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    paths = [str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(flags(where, options))
    return 0


def flags(where: Path, options) -> list[str]:
    """JupyterLab's command line.  Its record of open tabs lies beside the lessons, so that each folder has its own."""
    given = [
        f"--ServerApp.root_dir={where}",
        f"--port={options.port}",
        f"--LabApp.default_url={folder.open_first(where)}",
        f"--LabApp.workspaces_dir={where / folder.OWN / 'workspaces'}",
        "--log-level=WARN",
    ]
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0  # Jupyter refuses to run as root unless told to
    return given + ["--no-browser"] * options.no_browser + ["--allow-root"] * as_root


def _version() -> str:
    try:
        return version("pythia-course")
    except PackageNotFoundError:
        return "this_version"
