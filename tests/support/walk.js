// Read by walk.py: what a notebook in JupyterLab or Notebook 7 says of itself.
const LIVE = ".jp-OutputArea-child > .lm-Panel.jp-OutputArea-output";
const all = (selector) => [...document.querySelectorAll(selector)];
const notebook = () => jupyterapp.shell.currentWidget.content;
const codeCells = () => [...notebook().model.cells].filter(({ type }) => type === "code").map((cell) => cell.sharedModel);

// What failed, or was written to stderr; from the notebook itself, since cells out of sight may not be drawn.
function failed() {
  const outputs = codeCells().flatMap((cell) => cell.getOutputs());
  return outputs.filter((out) => out.output_type === "error" || out.name === "stderr").map((out) => out.evalue ?? out.text);
}

// Asked for many times: copies no output.
function done() {
  const cells = [...notebook().model.cells].filter(({ type }) => type === "code");
  const wrong = ({ outputs }) => Array.from({ length: outputs.length }, (_, at) => outputs.get(at).type).includes("error");
  return cells.some(wrong) || cells.every(({ executionCount, sharedModel }) => executionCount || !sharedModel.source.trim());
}

// Live views whose place is empty, and large pictures of one colour.
function blank() {
  return all(LIVE).filter((view) => {
    const { width, height } = view.getBoundingClientRect(), text = view.innerText;
    const drawn = view.querySelectorAll("canvas, svg, button, select").length;
    const pictures = [...view.querySelectorAll(".pcw-canvas, .pcs-words")];
    return width < 50 || height < 20 || !drawn || /Loading widget|Error/.test(text) || pictures.some(uniform);
  }).map((view) => view.innerText.slice(0, 200) || "nothing");
}

function uniform(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Uint32Array(data.buffer).every((pixel, _, [first]) => pixel === first);
}

// Pictures that did not arrive, or that say nothing to whoever cannot see them.
function nameless() {
  return all(".jp-OutputArea-output img").filter((image) => !image.alt.trim() || !image.naturalWidth).length;
}

// What axe finds, by all its rules or by some; a notebook of which it has seen no text is one that it has not looked at.
async function violations(roots, some) {
  const rules = { "link-in-text-block": { enabled: false } }; // how a link in prose looks is JupyterLab's theme
  const by = some ? { runOnly: some } : { rules };
  const exclude = [".jp-RenderedMarkdown pre span"]; // as are the colours of code in prose
  const found = await axe.run({ include: [roots], exclude }, { ...by, resultTypes: ["violations", "incomplete", "passes"] });
  const texts = found.passes.find(({ id }) => id === "color-contrast")?.nodes.length ?? 0;
  const twice = found.incomplete.filter(({ id }) => id === "duplicate-id-aria");
  const told = ({ target, html, failureSummary }) =>
    `${html.slice(0, 160)} (${target.join(" ").slice(-80)}): ${failureSummary?.split("\n")[1]?.trim()}`;
  const said = [...found.violations, ...twice].flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${told(node)}`));
  return texts > 4 ? said : [...said, `axe has looked at ${texts} texts only`];
}

const live = ({ sharedModel: cell }) => cell.getOutputs().filter(({ data }) => data?.["application/vnd.jupyter.widget-view+json"]);

// Has ipywidgets found that nobody is behind any of the live views?  It looks for two seconds.
function abandoned() {
  const found = all(".jp-OutputArea-output").filter(({ textContent }) => textContent === "Error displaying widget: model not found");
  return found.length === [...notebook().model.cells].filter(({ type }) => type === "code").flatMap(live).length;
}

// Cells with a live view for which nothing stands once nobody is behind it.
function lost() {
  const words = ".pythia-still, .jp-RenderedText, .jp-RenderedHTML";
  return notebook().widgets.filter(({ model, node }) => {
    return model.type === "code" && live(model).length && ![...node.querySelectorAll(words)].some((one) => one.checkVisibility());
  }).map(({ model }) => `nothing stands for ${model.sharedModel.source.slice(0, 80)}`);
}
