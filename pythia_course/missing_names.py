"""A cell that was run without those above it: its NameError says, in one more sentence, where the menu runs them."""

import sys

ADVICE = "If a cell above makes {name!r}, run it first: Run > Run All Above Selected Cell."


def install() -> None:
    """From now on a notebook's NameError has the advice as a note.  Nothing happens outside a Jupyter kernel, nor where
    somebody else already handles errors of cells."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is not None and not shell.custom_exceptions:
        shell.set_custom_exc((NameError,), _with_advice)


def _with_advice(shell, kind, error, trace, tb_offset=None):
    """IPython's handler of an error: show it as always, with the note if a name of the notebook is missing."""
    if kind is NameError and error.name and _innermost(trace).f_globals is shell.user_ns:  # no UnboundLocalError
        error.add_note(ADVICE.format(name=error.name))
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def _innermost(trace):
    """The frame in which an error was raised."""
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame
