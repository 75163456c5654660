// The attention explorer in the browser. Python sends every weight once; from then on the kernel is not asked
// for pictures. Tokens are only ever set as text, never as HTML.

export default {
  render({ model, el }) {
    const explorer = new Explorer(model);
    el.append(explorer.root);
    return () => explorer.dispose();
  },
};

// For what can have the focus: JupyterLab would take its keys otherwise (`d d` deletes the cell).
const KEYS = { "data-lm-suppress-shortcuts": "true" };
const HIDDEN = { "aria-hidden": "true" };
let ids = 0;

function make(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const nameOf = (layer, head) => `layer ${layer}, head ${head}`;
const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const within = (token, number) => Math.max(0, Math.min(number - 1, token));

// The step that a key stands for, undefined if none; a key used here does nothing else.
function stepOf(event, steps) {
  if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return undefined;
  event.preventDefault();
  event.stopPropagation();
  return steps[event.key];
}

// Scroll a box, and nothing around it, until one of its elements is seen.
function reveal(box, { offsetTop, offsetHeight }) {
  box.scrollTop = Math.min(offsetTop, Math.max(box.scrollTop, offsetTop + offsetHeight - box.clientHeight));
}

// The models, each with weights(layer, head) in 1/255, null if there is no such head: query q has its keys 0 to q
// from q (q + 1) / 2 on.
function unpack(model) {
  const all = bytes(model.get("_weights"));
  let end = 0;
  return model.get("_models").map((described) => {
    const { tokens, layers, heads } = described, start = end, size = (tokens.length * (tokens.length + 1)) / 2;
    end += layers * heads * size;
    const weights = (layer, head) => {
      const at = start + (layer * heads + head) * size;
      return layer < layers && head < heads ? all.subarray(at, at + size) : null;
    };
    return { ...described, weights };
  });
}

// The 256 colours: as pixels, as CSS, and black or white to write on each.
function palette(rgb) {
  const pixels = new Uint32Array(256), channels = new Uint8Array(pixels.buffer);
  const colors = Array.from(pixels, (_, level) => rgb.subarray(3 * level, 3 * level + 3));
  colors.forEach((color, level) => channels.set([...color, 255], 4 * level));
  const ink = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 127 ? "black" : "white");
  return { pixels, css: colors.map((color) => `rgb(${color})`), ink: colors.map(ink) };
}

// One head on a square canvas. Where it has fewer pixels than tokens, a pixel takes the largest weight of its
// block, so that thin lines stay. What lies in the future is left transparent.
function draw(canvas, weights, number, pixels) {
  const side = canvas.width, image = new ImageData(side, side);
  const levels = new Int16Array(side * side).fill(-1), out = new Uint32Array(image.data.buffer);
  const place = Array.from({ length: number }, (_, token) => Math.floor((token * side) / number));
  for (let query = 0, next = 0; query < number; query++) {
    for (let key = 0; key <= query; key++, next++) {
      const pixel = place[query] * side + place[key];
      if (weights[next] > levels[pixel]) levels[pixel] = weights[next];
    }
  }
  levels.forEach((level, pixel) => { if (level >= 0) out[pixel] = pixels[level]; });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// One model: its thumbnails, the head shown, and the tokens with what the one that looks gives them.
class Panel {
  constructor(model, colors, explorer) {
    const { name, tokens } = model, prefix = name ? `${name}: ` : "", number = tokens.length;
    Object.assign(this, { model, colors, explorer, tokens, number, prefix, query: number - 1, text: tokens.join("\0") });
    const sides = make("div", "pce-sides", {}, this.buildHeads(), this.buildMap());
    this.root = make("section", "pce-panel", { "aria-label": name || "attention" }, sides, this.buildTokens());
    if (name) this.root.prepend(make("div", "pce-name", {}, name));
  }

  buildHeads() {
    const { layers, heads } = this.model, label = `${this.prefix}all heads, arrow keys choose one`;
    this.side = Math.max(26, Math.min(72, Math.floor(390 / heads) - 6));
    this.grid = make("div", "pce-heads", { ...KEYS, role: "grid", tabindex: 0, "aria-label": label });
    this.grid.style.setProperty("--side", `${this.side}px`);
    this.grid.addEventListener("keydown", (event) => this.explorer.pressed(event, this));
    this.cells = Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: heads }, (_, head) => this.thumbnail(layer, head)));
    return this.grid;
  }

  thumbnail(layer, head) {
    const canvas = make("canvas", "");
    canvas.width = canvas.height = Math.min(this.number, Math.round(this.side * (window.devicePixelRatio || 1)));
    draw(canvas, this.model.weights(layer, head), this.number, this.colors.pixels);
    const cell = make("div", "pce-head", { role: "gridcell", id: `pce-${ids++}` }, canvas, make("div", "pce-caption"));
    cell.addEventListener("click", () => this.explorer.choose(layer, head));
    return cell;
  }

  // Put the thumbnails in this order, `columns` a row.  score: which of its scores to write below, if any.
  arrange(order, columns, inPlace, score) {
    const header = (role, text) => make("div", "pce-number", { role }, text);
    const rows = [];
    if (inPlace) rows.push([header("columnheader", "")]);
    for (let head = 0; inPlace && head < columns; head++) rows[0].push(header("columnheader", `H${head}`));
    order.forEach(({ layer, head, out }, place) => {
      if (place % columns === 0) rows.push(inPlace ? [header("rowheader", `L${layer}`)] : []);
      const cell = this.cells[layer]?.[head];
      rows.at(-1).push(cell ?? make("div", "", { role: "gridcell" }));
      if (cell) this.caption(cell, layer, head, out, inPlace, score);
    });
    this.grid.style.gridTemplateColumns = `${inPlace ? "24px " : ""}repeat(${columns}, max-content)`;
    this.grid.style.width = `${24 + columns * (this.side + 6)}px`; // a filter moves nothing beside it
    this.grid.replaceChildren(...rows.map((row) => make("div", "pce-row", { role: "row" }, ...row)));
  }

  caption(cell, layer, head, out, inPlace, score) {
    const value = this.model.scores[score]?.[layer][head].toFixed(2);
    cell.title = nameOf(layer, head) + (value ? `, ${score} ${value}` : "");
    cell.setAttribute("aria-label", cell.title);
    cell.classList.toggle("pce-out", out);
    cell.lastChild.textContent = inPlace ? value ?? "" : `L${layer} H${head}\n${value ?? ""}`;
  }

  buildMap() {
    const room = Math.min(76, 14 + 7 * Math.max(...this.tokens.map((token) => [...token].length)));
    const fits = Math.max(1, Math.min(26, 384 / this.number)), cell = fits >= 4 ? Math.floor(fits) : fits;
    const sizes = { map: this.number * cell, cell, line: Math.max(cell, 13), room };
    const labels = (side) => this.tokens.map((token, i) => {
      const label = make("span", "pce-label", { title: `${i}: ${token}` }, i % Math.ceil(12 / cell) ? "" : token);
      label.style[side] = `${i * cell}px`;
      return label;
    });
    Object.assign(this, { cell, rows: labels("top"), columns: labels("left"), marker: make("div", "pce-marker") });
    this.canvas = make("canvas", "pce-canvas", { role: "img", width: this.number, height: this.number });
    this.canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      const [key, query] = [offsetX, offsetY].map((at) => within(Math.floor(at / cell), this.number));
      this.explorer.look(this, query, key <= query ? key : null);
    });
    this.map = make("div", "pce-map", {},
      make("div", "pce-rows", HIDDEN, ...this.rows), make("div", "pce-picture", {}, this.canvas, this.marker),
      make("div", "pce-columns", HIDDEN, ...this.columns), make("div", "pce-axes", HIDDEN, "rows look at columns"));
    for (const [name, size] of Object.entries(sizes)) this.map.style.setProperty(`--${name}`, `${size}px`);
    return this.map;
  }

  buildTokens() {
    const label = `${this.prefix}tokens, arrow keys choose the one that looks`;
    const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -this.number, End: this.number };
    this.options = this.tokens.map((token, i) => {
      const parts = [make("span", "pce-token", {}, token), make("span", "pce-value")];
      const option = make("span", "pce-option", { role: "option", id: `pce-${ids++}` }, ...parts);
      for (const event of ["pointerenter", "click"]) option.addEventListener(event, () => this.explorer.look(this, i));
      return option;
    });
    this.list = make("div", "pce-tokens", { ...KEYS, role: "listbox", tabindex: 0, "aria-label": label }, ...this.options);
    this.list.addEventListener("keydown", (event) => {
      const step = stepOf(event, steps);
      if (!step) return;
      this.explorer.look(this, within(this.query + step, this.number));
      reveal(this.list, this.options[this.query]);
    });
    return this.list;
  }

  // Draw the head and where the token looks.
  show(layer, head) {
    this.current?.removeAttribute("aria-selected");
    Object.assign(this, { weights: this.model.weights(layer, head), current: this.cells[layer]?.[head] });
    this.map.classList.toggle("pce-none", !this.current);
    if (this.current) {
      draw(this.canvas, this.weights, this.number, this.colors.pixels);
      this.canvas.setAttribute("aria-label", `${this.prefix}${nameOf(layer, head)}: tokens (rows) look at tokens (columns)`);
      this.current.setAttribute("aria-selected", true);
      this.grid.setAttribute("aria-activedescendant", this.current.id);
    }
    this.look(this.query);
  }

  // Mark the query and colour the tokens by what it gives them.  key: the token pointed at, if any.
  look(query, key = null) {
    const mark = (on) => {
      const marked = [this.rows[this.query], this.options[this.query], this.columns[this.key]];
      for (const element of marked) element?.classList.toggle("pce-here", on);
      this.options[this.query].setAttribute("aria-selected", on);
    };
    mark(false);
    Object.assign(this, { query, key });
    mark(true);
    this.list.setAttribute("aria-activedescendant", this.options[query].id);
    this.marker.style.transform = `translateY(${query * this.cell}px)`;
    this.options.forEach((option, token) => {
      const level = token <= query ? this.weights?.[(query * (query + 1)) / 2 + token] : undefined;
      option.style.background = this.colors.css[level] ?? "";
      option.style.color = this.colors.ink[level] ?? "";
      option.lastChild.textContent = level === undefined ? "" : (level / 255).toFixed(2);
    });
  }

  // "␣ball looks at ␣red 0.83, ␣the 0.10, …": the most, or the one pointed at.
  says() {
    if (!this.weights) return `${this.prefix}no such head`;
    const { query, key, tokens } = this, start = (query * (query + 1)) / 2;
    const row = [...this.weights.subarray(start, start + query + 1)];
    const most = row.map((_, token) => token).sort((a, b) => row[b] - row[a] || a - b);
    const told = key === null ? most.filter((token) => row[token] > 1).slice(0, 3) : [key];
    const named = told.map((token) => `${tokens[token]} ${(row[token] / 255).toFixed(2)}`);
    if (key === null && query >= told.length) named.push("…");
    return `${this.prefix}${tokens[query]} looks at ${named.join(", ")}`;
  }
}

// The panels, what they have in common, and the controls above them.
class Explorer {
  constructor(model) {
    this.model = model;
    const title = model.get("_title"), models = unpack(model), colors = palette(bytes(model.get("_colors")));
    this.layers = Math.max(...models.map(({ layers }) => layers));
    this.heads = Math.max(...models.map(({ heads }) => heads));
    this.panels = models.map((each) => new Panel(each, colors, this));
    this.status = make("div", "pce-status", { role: "status", "aria-live": "polite" });
    this.root = make("div", "pce", { role: "group", "aria-label": title || "attention explorer" },
      make("div", "pce-title", {}, title), this.buildControls(), this.status,
      make("div", "pce-panels", {}, ...this.panels.map(({ root }) => root)));
    this.arrange();
    this.follow = () => { if (!this.telling) this.show(model.get("layer"), model.get("head")); };
    model.on("change:layer change:head", this.follow);
    this.follow();
  }

  dispose() {
    this.model.off("change:layer change:head", this.follow);
    this.root.remove();
  }

  // Which score, of which model; whether to sort by it; and the least that stays.
  buildControls() {
    this.choices = this.panels.flatMap(({ model, prefix }) =>
      Object.entries(model.scores).map(([score, values]) => ({ heads: model.heads, score, values, text: prefix + score })));
    const options = [{ text: "none" }, ...this.choices].map(({ text }, value) => make("option", "", { value }, text));
    this.select = make("select", "pce-select", KEYS, ...options);
    this.sorted = make("input", "", { ...KEYS, type: "checkbox", checked: "" });
    this.least = make("input", "pce-least", { ...KEYS, type: "range", step: 0.01 });
    this.count = make("span", "");
    this.filter = make("span", "pce-controls", {}, make("label", "", {}, this.sorted, "best first"),
      make("label", "", {}, "at least", this.least), this.count);
    this.select.addEventListener("change", () => this.chooseScore());
    for (const control of [this.sorted, this.least]) control.addEventListener("input", () => this.arrange());
    return make("div", "pce-controls", {}, make("label", "", {}, "score", this.select), this.filter);
  }

  // The slider spans the score's values, and the best head is shown.
  chooseScore() {
    this.choice = this.choices[this.select.value - 1];
    const values = this.choice?.values.flat() ?? [0], best = values.indexOf(Math.max(...values));
    this.least.min = this.least.value = Math.floor(100 * Math.min(...values)) / 100;
    this.least.max = Math.floor(100 * values[best]) / 100;
    this.least.value = this.least.min;
    this.arrange();
    if (this.choice) this.choose(Math.floor(best / this.choice.heads), best % this.choice.heads);
  }

  arrange() {
    const { choice, layers, heads } = this, inPlace = !choice || !this.sorted.checked;
    const all = Array.from({ length: layers * heads }, (_, i) => {
      const layer = Math.floor(i / heads), head = i % heads, value = choice?.values[layer]?.[head] ?? -Infinity;
      return { layer, head, value, out: Boolean(choice) && value < Number(this.least.value) };
    });
    const kept = all.filter(({ out }) => !out);
    this.order = inPlace ? all : kept.sort((a, b) => b.value - a.value);
    this.filter.hidden = !choice;
    this.count.textContent = `${Number(this.least.value).toFixed(2)}: ${kept.length} of ${all.length} heads`;
    for (const panel of this.panels) panel.arrange(this.order, heads, inPlace, choice?.score);
  }

  // Arrows move through the thumbnails as they lie there, past those that the filter leaves out.
  pressed(event, panel) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.heads, ArrowDown: this.heads, Home: 1, End: -1 };
    const step = stepOf(event, steps), ends = { Home: 0, End: this.order.length - 1 };
    if (!step) return;
    const here = this.order.findIndex(({ layer, head }) => layer === this.layer && head === this.head);
    let to = ends[event.key] ?? (here < 0 ? 0 : here + step);
    while (this.order[to]?.out) to += step;
    if (!this.order[to]) return;
    this.choose(this.order[to].layer, this.order[to].head);
    if (panel.current) reveal(panel.grid, panel.current);
  }

  // Draw first, then tell Python.
  choose(layer, head) {
    this.show(layer, head);
    this.telling = true; // between the two, the model names a head that nobody chose
    this.model.set("layer", layer);
    this.model.set("head", head);
    this.telling = false;
    this.model.save_changes();
  }

  show(layer, head) {
    if (layer === this.layer && head === this.head) return;
    Object.assign(this, { layer, head });
    for (const panel of this.panels) panel.show(layer, head);
    this.say();
  }

  // A token was pointed at. Models that read the same tokens look from the same one.
  look(panel, query, key = null) {
    if (panel.query === query && panel.key === key) return;
    for (const other of this.panels.filter(({ text }) => text === panel.text)) other.look(query, key);
    this.say();
  }

  say() {
    const lines = this.panels.map((panel) => panel.says()), gap = lines.length > 1 ? "\n" : " ";
    this.status.textContent = `${nameOf(this.layer, this.head)}:${gap}${lines.join("\n")}`;
  }
}
