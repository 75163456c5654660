"""Is this machine ready for the course? Each line says OK, or what to do."""

import sys
from importlib.metadata import PackageNotFoundError, version


def environment():
    """Print one line for each thing the course needs; the same lines on every machine where all is well."""
    for what, problem in _findings():
        print(f"{'OK ' if problem is None else 'TO DO'} {what}" + (f": {problem}" if problem else ""))


NEEDED = ("torch", "transformers", "matplotlib", "ipywidgets", "anywidget", "jupyterlab")


def _findings():
    old = None if sys.version_info >= (3, 11) else "install a newer Python, then run `make lab` again"
    yield "Python 3.11 or newer", old
    for package in NEEDED:
        yield package, _missing(package)
    yield "1 GB of memory free", _short_of_memory()


def _missing(package):
    try:
        version(package)
    except PackageNotFoundError:
        return "not installed here; choose the kernel that `make lab` set up (Kernel > Change Kernel)"
    return None


def _short_of_memory():
    from pythia_course.machine.memory import available_memory

    left = available_memory()
    return (
        None if left >= 1e9 else f"{left / 1e9:.1f} GB is left; close other notebooks (Kernel > Shut Down All Kernels)"
    )
