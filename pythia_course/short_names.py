"""Public modules by a short name: `pythia_course.sweep` is `pythia_course.training.sweep`, the same module, not a copy.

Lessons, learners and other programs use the short names; the rooms may be rearranged without their noticing.  Nothing
is imported before it is asked for.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys

PUBLIC = {
    "attribution": "inside.attribution",
    "audit": "training.audit",
    "axes": "plots.axes",
    "compare": "inside.compare",
    "defects": "suite.defects",
    "lens": "inside.lens",
    "paths": "inside.module_paths",
    "pile": "training.pile",
    "places": "errors",  # where the errors were before they had a module of their own
    "progress": "lessons.progress",
    "recording": "inside.recording",
    "sweep": "training.sweep",
    "tracing": "inside.tracing",
    "zero_shot": "suite.zero_shot",
}


class ShortNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers an import of `pythia_course.SHORT` with the module in its room."""

    def find_spec(self, fullname, path=None, target=None):
        package, _, short = fullname.rpartition(".")
        if package == __package__ and short in PUBLIC:
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def create_module(self, spec):
        module = importlib.import_module(f"{__package__}.{PUBLIC[spec.name.rpartition('.')[2]]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module):
        # The import system has written the short name's spec over the module's own.
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Make the short names importable, once in a process."""
    if not any(isinstance(finder, ShortNames) for finder in sys.meta_path):
        sys.meta_path.append(ShortNames())
