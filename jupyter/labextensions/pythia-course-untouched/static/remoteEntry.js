// When a kernel connects, JupyterLab writes into the notebook what that kernel is: its display name, its Python's
// version. With this, that alone does not make it a changed notebook, one that JupyterLab saves and asks about.
// Written by hand as the container that JupyterLab's loader asks for: init(shared modules), then get(module).
var _JUPYTERLAB = window._JUPYTERLAB || {};
(() => {
  const OF_THE_KERNEL = ["kernelspec", "language_info"];
  let shared;

  // A module that JupyterLab shares, in whichever version it has.
  async function lab(name) {
    const versions = Object.values(shared[name]);
    return (await versions[0].get())();
  }

  // Another kernel or another language, by its name, is a change as before; so is everything else that is written.
  function keepUntouched(model) {
    const set = model.setMetadata.bind(model);
    model.setMetadata = (key, value) => {
      const changed = model.dirty;
      const same = OF_THE_KERNEL.includes(key) && value?.name === model.getMetadata(key)?.name;
      set(key, value);
      if (same) model.dirty = changed;
    };
  }

  async function extension() {
    const { INotebookTracker } = await lab("@jupyterlab/notebook");
    const plugin = {
      id: "pythia-course-untouched:plugin",
      autoStart: true,
      requires: [INotebookTracker],
      activate(app, notebooks) {
        notebooks.widgetAdded.connect((_, panel) => keepUntouched(panel.context.model));
      },
    };
    return () => ({ __esModule: true, default: [plugin] });
  }

  _JUPYTERLAB["pythia-course-untouched"] = {
    init: (scope) => { shared = scope; },
    get: () => extension(),
  };
})();
window._JUPYTERLAB = _JUPYTERLAB;
