"""A progress bar with the remaining time that leaves nothing behind: no line in a terminal, no text in a notebook."""

import sys
import time

SECONDS_BEFORE_IT_SHOWS = 2.0
SECONDS_BETWEEN_WORDS = 0.2


def bar(total: int, what: str, *, show: bool = True):
    """A tqdm bar over `total` things, as a context manager; `update()` counts one more, `tell(text)` says what is on.

    It appears after two seconds and is gone at the end.  In a notebook it is a widget without a text form, so that
    a stored output is the same whether it appeared or not; where stderr is a file or a pipe nothing is written.
    """
    if _in_notebook():
        return _notebook_bar()(total=total, desc=what, disable=not show)
    # None: shown only where a person can see it
    return _terminal_bar()(total=total, desc=what, disable=None if show else True)


def _in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


class _Talking:
    """What both bars add to tqdm's."""

    def tell(self, text: str) -> None:
        """Put a text behind the numbers, as often as one can read it."""
        if not self.disable:
            self.set_postfix_str(text, refresh=False)
            if time.time() > self.last_print_t + SECONDS_BETWEEN_WORDS:
                self.refresh()


def _terminal_bar() -> type:
    from tqdm import tqdm

    class TerminalBar(_Talking, tqdm):
        def __init__(self, **options):
            super().__init__(leave=False, delay=SECONDS_BEFORE_IT_SHOWS, dynamic_ncols=True, **options)

        def display(self, msg=None, pos=None):
            """Draw it, not too early, and remember that: tqdm wipes away at the end only what it knows of."""
            if msg is None:
                if time.time() < self.start_t + SECONDS_BEFORE_IT_SHOWS:
                    return None
                self.last_print_t = time.time()
            return super().display(msg, pos)

    return TerminalBar


def _notebook_bar() -> type:
    """tqdm's notebook bar, shown late and as a bare widget."""
    from tqdm.notebook import tqdm

    class NotebookBar(_Talking, tqdm):
        def __init__(self, **options):
            self.created, self.shown = time.time(), None
            super().__init__(leave=False, display=False, dynamic_ncols=True, **options)

        def display(self, msg=None, pos=None, close=False, bar_style=None, check_delay=True):
            super().display(msg, pos, close=close, bar_style=bar_style, check_delay=False)
            if not (close or self.displayed) and time.time() > self.created + SECONDS_BEFORE_IT_SHOWS:
                self.displayed, self.shown = True, _show_bare(self.container)

        def close(self):
            super().close()
            if self.shown:
                self.shown.update({}, raw=True)  # else a saved notebook would look for a bar that is gone

    return NotebookBar


def _show_bare(widget):
    """Show a widget by its model alone, and return the handle of its output: `display` would add a text that
    changes with every run.
    """
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return display({"application/vnd.jupyter.widget-view+json": view}, raw=True, display_id=True)
