// The attention explorer in the browser. Python sends every weight once; from then on the kernel is not asked
// for pictures. Tokens are only ever set as text, never as HTML.

import { HeadMap, bytes, drawHead, headSize, looksAt, nameOf, palette } from "../common/attention.js";
import { KEYS, follow, make, newId, reveal, shortened, stepOf, within } from "../common/elements.js";

export default {
  render({ model, el }) {
    const explorer = new Explorer(model);
    el.append(explorer.root);
    return () => explorer.dispose();
  },
};

// The models, each with weights(layer, head) in 1/255, null if there is no such head: query q has its keys 0 to q
// from headSize(q) on.
function unpack(model) {
  const all = bytes(model.get("_weights"));
  let end = 0;
  return model.get("_models").map((described) => {
    const { tokens, layers, heads } = described, start = end, size = headSize(tokens.length);
    end += layers * heads * size;
    const weights = (layer, head) => {
      const at = start + (layer * heads + head) * size;
      return layer < layers && head < heads ? all.subarray(at, at + size) : null;
    };
    return { ...described, weights };
  });
}

// One model: its thumbnails, the head shown, and the tokens with what the one that looks gives them.
class Panel {
  constructor(model, colors, explorer) {
    const { name, tokens } = model, prefix = name ? `${shortened(name)}: ` : "", number = tokens.length;
    Object.assign(this, { model, colors, explorer, tokens, number, prefix, query: number - 1, text: tokens.join("\0") });
    this.map = new HeadMap(tokens, colors, (query, key) => explorer.look(this, query, key));
    const sides = make("div", "pce-sides", {}, this.buildHeads(), this.map.root);
    this.root = make("section", "pce-panel", { "aria-label": name || "attention" }, sides, this.buildTokens());
    if (name) this.root.prepend(make("div", "pce-name", { title: name }, name));
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
    drawHead(canvas, this.model.weights(layer, head), this.number, this.colors.pixels);
    const cell = make("div", "pce-head", { role: "gridcell", id: newId() }, canvas, make("div", "pce-caption"));
    cell.addEventListener("click", () => this.explorer.choose(layer, head));
    return cell;
  }

  // Put the thumbnails in this order, `columns` a row.  score: which of its scores to write below, if any.
  arrange(order, columns, inPlace, score) {
    const header = (role, text) => make("div", "pce-number", { role }, text);
    const rows = [];
    if (inPlace) rows.push([header("gridcell", "")]); // a corner heads nothing
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

  buildTokens() {
    const label = `${this.prefix}tokens, arrow keys choose the one that looks`;
    const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -this.number, End: this.number };
    this.options = this.tokens.map((token, i) => {
      const parts = [make("span", "pce-token", { title: token }, token), make("span", "pce-value")];
      const option = make("span", "pce-option", { role: "option", id: newId() }, ...parts);
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
    this.map.root.classList.toggle("pce-none", !this.current);
    if (this.current) {
      this.map.draw(this.weights, this.prefix + nameOf(layer, head));
      this.current.setAttribute("aria-selected", true);
      this.grid.setAttribute("aria-activedescendant", this.current.id);
    }
    this.look(this.query);
  }

  // Mark the query and colour the tokens by what it gives them.  key: the token pointed at, if any.
  look(query, key = null) {
    const mark = (on) => {
      this.options[this.query].classList.toggle("pcw-here", on);
      this.options[this.query].setAttribute("aria-selected", on);
    };
    mark(false);
    Object.assign(this, { query, key });
    mark(true);
    this.map.look(query, key);
    this.list.setAttribute("aria-activedescendant", this.options[query].id);
    this.options.forEach((option, token) => {
      const level = token <= query ? this.weights?.[headSize(query) + token] : undefined;
      option.style.background = this.colors.css[level] ?? "";
      option.style.color = this.colors.ink[level] ?? "";
      option.lastChild.textContent = level === undefined ? "" : (level / 255).toFixed(2);
    });
  }

  says() {
    return this.prefix + (this.weights ? looksAt(this.weights, this.tokens, this.query, this.key) : "no such head");
  }
}

// The panels, what they have in common, and the controls above them.
class Explorer {
  constructor(model) {
    const title = model.get("_title"), models = unpack(model), colors = palette(bytes(model.get("_colors")));
    this.layers = Math.max(...models.map(({ layers }) => layers));
    this.heads = Math.max(...models.map(({ heads }) => heads));
    this.panels = models.map((each) => new Panel(each, colors, this));
    this.status = make("div", "pcw-status", { role: "status", "aria-live": "polite" });
    this.root = make("div", "pcw pce", { role: "group", "aria-label": title || "attention explorer" },
      make("div", "pcw-title", { title }, title), this.buildControls(), this.status,
      make("div", "pce-panels", {}, ...this.panels.map(({ root }) => root)));
    this.arrange();
    const shown = () => this.show(model.get("layer"), model.get("head"));
    this.follower = follow(model, ["layer", "head"], shown);
    shown();
  }

  dispose() {
    this.follower.stop();
    this.root.remove();
  }

  // Which score, of which model; whether to sort by it; and the least that stays.
  buildControls() {
    this.choices = this.panels.flatMap(({ model, prefix }) =>
      Object.entries(model.scores).map(([score, values]) => ({ heads: model.heads, score, values, text: prefix + score })));
    const options = [{ text: "none" }, ...this.choices].map(({ text }, value) => make("option", "", { value }, text));
    this.select = make("select", "", KEYS, ...options);
    this.sorted = make("input", "", { ...KEYS, type: "checkbox", checked: "" });
    this.least = make("input", "pce-least", { ...KEYS, type: "range", step: 0.01 });
    this.count = make("span", "");
    this.filter = make("span", "pcw-controls", {}, make("label", "", {}, this.sorted, "best first"),
      make("label", "", {}, "at least", this.least), this.count);
    this.select.addEventListener("change", () => this.chooseScore());
    for (const control of [this.sorted, this.least]) control.addEventListener("input", () => this.arrange());
    return make("div", "pcw-controls", {}, make("label", "", {}, "score", this.select), this.filter);
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
    this.follower.tell({ layer, head });
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
    this.status.title = this.status.textContent = `${nameOf(this.layer, this.head)}:${gap}${lines.join("\n")}`;
  }
}
