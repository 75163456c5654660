// JupyterLab 4 draws a picture without the alt text that its output holds (metadata["image/png"].alt). This reads it.
// Written by hand as the container that JupyterLab's loader asks for: init(shared modules), then get(module).
var _JUPYTERLAB = window._JUPYTERLAB || {};
(() => {
  let shared;

  // A module that JupyterLab shares, in whichever version it has.
  async function lab(name) {
    const versions = Object.values(shared[name]);
    return (await versions[0].get())();
  }

  function withAlt(factory, mimeType) {
    return {
      ...factory,
      createRenderer(options) {
        const renderer = factory.createRenderer(options);
        const draw = renderer.renderModel.bind(renderer);
        renderer.renderModel = async (model) => {
          await draw(model);
          const image = renderer.node.querySelector("img");
          const alt = model.metadata[mimeType]?.alt;
          if (image && typeof alt === "string") image.alt = alt;
        };
        return renderer;
      },
    };
  }

  async function extension() {
    const { IRenderMimeRegistry } = await lab("@jupyterlab/rendermime");
    const plugin = {
      id: "pythia-course-alt-text:plugin",
      autoStart: true,
      requires: [IRenderMimeRegistry],
      activate(app, rendermime) {
        for (const mimeType of ["image/png", "image/jpeg", "image/gif"]) {
          const factory = rendermime.getFactory(mimeType);
          if (factory) rendermime.addFactory({ ...withAlt(factory, mimeType), mimeTypes: [mimeType] }, 89);
        }
      },
    };
    return () => ({ __esModule: true, default: [plugin] });
  }

  _JUPYTERLAB["pythia-course-alt-text"] = {
    init: (scope) => { shared = scope; },
    get: () => extension(),
  };
})();
window._JUPYTERLAB = _JUPYTERLAB;
