"""A live widget on an empty page, its Python side at the other end, as anywidget connects the two: no JupyterLab."""

import base64
from contextlib import contextmanager

# What anywidget gives a widget: `window.model` is the model; `ask` and `saved` reach Python.
MOUNT = """
async ({ esm, css, state, binary }) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  for (const name in binary) state[name] = bytes(binary[name]);
  const listeners = new Set(), dirty = new Set();
  const call = (event, ...rest) => {
    for (const [names, hear] of [...listeners]) if (names.split(" ").includes(event)) hear(...rest);
  };
  window.model = {
    listeners, state, get: (name) => state[name],
    set: (name, value) => {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      dirty.add(name);
      call(`change:${name}`);
    },
    save_changes: () => {
      const changed = Object.fromEntries([...dirty].map((name) => [name, state[name]]));
      dirty.clear();
      if (Object.keys(changed).length) window.saved?.(changed);
    },
    send: async (content) => {
      const answer = await window.ask(content);
      if (answer) call("msg:custom", answer.content, answer.buffers.map(bytes));
    },
    on: (names, hear) => listeners.add([names, hear]),
    off: (names, hear) => listeners.forEach((entry) => { if (entry[1] === hear) listeners.delete(entry); }),
  };
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const widget = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  window.dispose = widget.default.render({ model: window.model, el: document.body });
}
"""
HOUSEKEEPING = ("_model_", "_view_", "_dom_", "_anywidget", "_esm", "_css", "layout", "tabbable", "tooltip")


@contextmanager
def mounted(browser, widget, *, kernel=True, seconds=30):
    """(page, what was asked of Python): the widget, drawn.  kernel: False for nobody at the other end.

    At the end nothing may have failed on the page, and nobody else may have been asked.
    """
    page, asked, wrong, answers = browser.new_page(viewport={"width": 1100, "height": 1300}), [], [], []
    page.set_default_timeout(1000 * seconds)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith("blob:") else None)
    widget.send = lambda content, buffers=None: answers.append((content, buffers or []))

    def ask(content):
        asked.append(content)
        if not kernel:
            return None
        widget._handle_custom_msg(content, [])
        content, buffers = answers.pop()
        return {"content": content, "buffers": [base64.b64encode(each).decode() for each in buffers]}

    page.expose_function("ask", ask)
    page.expose_function("saved", lambda changed: widget.set_state(changed) if kernel else None)
    state = {name: value for name, value in widget.get_state().items() if not name.startswith(HOUSEKEEPING)}
    binary = {name: base64.b64encode(value).decode() for name, value in state.items() if isinstance(value, bytes)}
    state = {name: value for name, value in state.items() if name not in binary}
    page.set_content("<!doctype html><html lang=en><title>a widget</title><body></body>")
    page.evaluate(MOUNT, {"esm": str(widget._esm), "css": str(widget._css), "state": state, "binary": binary})
    try:
        yield page, asked
        assert wrong == []
    finally:
        page.close()
