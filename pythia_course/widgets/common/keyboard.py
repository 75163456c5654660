"""Keys that belong to a focused slider or button, kept from JupyterLab's command mode."""

import anywidget


class KeyGuard(anywidget.AnyWidget):
    """An invisible child for a widget's outermost box: keys pressed in that box stay in it.

    In command mode JupyterLab would otherwise act on them: `d d` on a focused slider deletes the cell, Enter on
    a button edits the cell instead of pressing it. JupyterLab leaves an element alone that carries this
    attribute, but only the very element with the focus, and ipywidgets has no way to set it from Python.
    """

    _esm = """
    export default {
      render({ el }) {
        el.style.display = "none";
        const guard = ({ target }) => {
          if (el.closest(".widget-vbox")?.contains(target)) {
            target.setAttribute("data-lm-suppress-shortcuts", "true");
          }
        };
        document.addEventListener("focusin", guard);
        return () => document.removeEventListener("focusin", guard);
      },
    };
    """
