"""What ipywidgets' own sliders, fields and buttons lack: keys kept from JupyterLab, names, and a focus one can see."""

import anywidget


class KeyGuard(anywidget.AnyWidget):
    """An invisible child for a widget's outermost box: keys pressed in that box stay in it.

    In command mode JupyterLab would otherwise act on them: `d d` on a focused slider deletes the cell, Enter on
    a button edits the cell instead of pressing it. JupyterLab leaves an element alone that carries this
    attribute, but only the very element with the focus, and ipywidgets has no way to set it from Python.
    Nor does it tell a screen reader what a slider is called: its name stands beside it, as text.
    """

    _esm = """
    const name = (box) => box.querySelectorAll(".widget-slider").forEach((slider) => {
      const text = slider.querySelector(".widget-label")?.textContent ?? "";
      slider.querySelector("[role=slider]")?.setAttribute("aria-label", text);
      const number = slider.querySelector(".widget-readout");
      number?.setAttribute("role", "textbox");
      number?.setAttribute("aria-label", `${text}, as a number`);
    });

    export default {
      render({ el }) {
        el.style.display = "none";
        const guard = ({ target }) => {
          if (el.closest(".widget-vbox")?.contains(target)) {
            target.setAttribute("data-lm-suppress-shortcuts", "true");
          }
        };
        let box, frame;
        const watcher = new MutationObserver(() => name(box));
        const start = () => {
          box = el.closest(".widget-vbox");
          if (!box) return void (frame = requestAnimationFrame(start)); // not put into its box yet
          box.classList.add("pcw-guarded");
          watcher.observe(box, { childList: true, subtree: true });
          name(box);
        };
        start();
        document.addEventListener("focusin", guard);
        return () => {
          cancelAnimationFrame(frame);
          watcher.disconnect();
          document.removeEventListener("focusin", guard);
        };
      },
    };
    """
    _css = """
    .pcw-guarded :is(select, input[type="text"], button, .widget-readout, [role="slider"]):focus-visible {
      outline: 2px solid var(--jp-ui-font-color1, currentColor) !important;
      outline-offset: -1px;
    }
    """
