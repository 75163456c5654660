// One layer, two ways, step by step. The description comes from Python once; moving a step only changes classes.
const SVG = "http://www.w3.org/2000/svg";
const RADIUS = { plus: 12, number: 7 };

function render({ model, el }) {
  const last = model.get("panels")[0].sentences.length - 1;
  const root = html("div", { class: "block-diagram", role: "group", "aria-label": "One layer, step by step" });
  const panels = model.get("panels").map((panel) => drawPanel(panel, model.get("size"), model.get("fill")));
  const row = html("div", { class: "block-diagram-panels" }, ...panels.map((panel) => panel.node));
  const previous = button("◀ Previous", () => go(model.get("step") - 1));
  const next = button("Next ▶", () => go(model.get("step") + 1));
  const place = html("span", { class: "block-diagram-place" });
  root.append(html("div", { class: "block-diagram-buttons" }, previous, place, next), row); // above: always in sight
  el.append(root);

  const keys = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -last, End: last };
  root.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    go(model.get("step") + keys[event.key]);
  });

  function go(step) {
    model.set("step", Math.min(Math.max(step, 0), last));
    model.save_changes();
  }

  function show() {
    const step = model.get("step");
    panels.forEach((panel) => panel.show(step));
    place.textContent = `step ${step} of ${last}`;
    // Not `disabled`: a button that loses the focus would lose the arrow keys with it.
    previous.setAttribute("aria-disabled", String(step === 0));
    next.setAttribute("aria-disabled", String(step === last));
  }

  model.on("change:step", show);
  show();
  return () => model.off("change:step", show);
}

function drawPanel(panel, [width, height], fill) {
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": panel.title });
  const parts = panel.parts.map((part) => {
    const node = svg("g", { class: `block-diagram-${part.kind}` }, ...DRAW[part.kind](part, fill));
    picture.append(node);
    return { node, step: part.step };
  });
  const sentence = html("p", { "aria-live": "polite" });
  const title = html("div", { class: "block-diagram-title" }, panel.title); // the lesson's headings are its own
  const show = (step) => {
    for (const part of parts) {
      part.node.dataset.when = part.step === step ? "now" : part.step < step ? "past" : "later";
    }
    sentence.textContent = panel.sentences[step];
  };
  return { node: html("section", { "aria-label": panel.title }, title, picture, sentence), show };
}

const DRAW = {
  line: ({ points, arrow }) => {
    const nodes = [svg("polyline", { points: points.map((point) => point.join(",")).join(" ") })];
    if (arrow) nodes.push(arrowHead(points.at(-2), points.at(-1)));
    return nodes;
  },
  box: ({ x, y, width, height, text, fill }, colors) => [
    svg("rect", { x, y, width, height, rx: 6, fill: colors[fill] }),
    label(text, x + width / 2, y + height / 2),
  ],
  plus: ({ x, y }) => [svg("circle", { cx: x, cy: y, r: RADIUS.plus }), label("+", x, y)],
  text: ({ x, y, text }) => [label(text, x, y)],
  number: ({ x, y, step }) => [svg("circle", { cx: x, cy: y, r: RADIUS.number }), label(String(step), x, y)],
};

function arrowHead([fromX, fromY], [x, y]) {
  const length = Math.hypot(x - fromX, y - fromY);
  const [dx, dy] = [(7 * (x - fromX)) / length, (7 * (y - fromY)) / length];
  const back = [x - dx, y - dy];
  const side = [dy / 2, -dx / 2];
  const corners = [[x, y], [back[0] + side[0], back[1] + side[1]], [back[0] - side[0], back[1] - side[1]]];
  return svg("polygon", { points: corners.map((corner) => corner.join(",")).join(" ") });
}

function label(text, x, y) {
  const node = svg("text", { x, y });
  node.textContent = text;
  return node;
}

function button(text, onClick) {
  // JupyterLab leaves keys alone only where the focused element itself says so.
  const node = html("button", { type: "button", "data-lm-suppress-shortcuts": "true" }, text);
  node.addEventListener("click", onClick);
  return node;
}

function html(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export default { render };
