// One model of the explorer on its prompt: its thumbnails, the head shown, and the tokens with what the one that looks
// gives them.

import { HeadMap, drawHead, headSize, looksAt, nameOf } from "../common/attention.js";
import { HIDDEN, KEYS, make, newId, reveal, shortened, stepOf, within } from "../common/elements.js";

// A model as it was described, with weights(layer, head) in 1/255, null if there is no such head: query q has its keys
// 0 to q from headSize(q) on.
export function withWeights(described, all) {
  const { tokens, layers, heads } = described, size = headSize(tokens.length);
  const weights = (layer, head) => {
    const at = (layer * heads + head) * size;
    return layer < layers && head < heads ? all.subarray(at, at + size) : null;
  };
  return { ...described, weights };
}

export class Panel {
  constructor(model, colors, explorer) {
    Object.assign(this, { colors, explorer, options: [], silent: new Set() });
    this.title = make("div", "pce-name");
    this.sides = make("div", "pce-sides", {}, this.buildGrid());
    this.root = make("div", "pce-panel", { role: "group" }, this.title, this.sides, this.buildList());
    this.next = make("ol", "pce-next", { "aria-label": "likeliest next tokens" });
    if (model.next) this.root.append(make("div", "pce-after", {}, make("span", "", HIDDEN, "comes next:"), this.next));
    this.update(model);
  }

  buildGrid() {
    this.grid = make("div", "pce-heads", { ...KEYS, role: "grid", tabindex: 0 });
    this.grid.addEventListener("keydown", (event) => this.explorer.pressed(event, this));
    return this.grid;
  }

  buildList() {
    this.list = make("div", "pce-tokens", { ...KEYS, role: "listbox", tabindex: 0 });
    this.list.addEventListener("keydown", (event) => {
      const ends = { Home: -this.number, End: this.number };
      const step = stepOf(event, { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, ...ends });
      if (!step) return;
      this.explorer.look(this, within(this.query + step, this.number));
      reveal(this.list, this.options[this.query]);
    });
    return this.list;
  }

  // Another picture, of this prompt or another, by this model or another.
  update(model) {
    const before = this.model, text = model.tokens.join("\0"), others = text !== this.text;
    Object.assign(this, { model, text, tokens: model.tokens, prefix: model.name ? `${shortened(model.name)}: ` : "" });
    if (before?.name !== model.name) this.rename(model.name);
    if (before?.layers !== model.layers || before.heads !== model.heads) this.buildHeads();
    if (others) this.retoken(before?.tokens.length);
    this.cells.flat().forEach((cell, place) => {
      const canvas = cell.firstChild, fits = Math.min(this.number, Math.round(this.width * (window.devicePixelRatio || 1)));
      if (canvas.width !== fits) canvas.width = canvas.height = fits;
      drawHead(canvas, model.weights(Math.floor(place / model.heads), place % model.heads), this.number, this.colors.pixels);
    });
    if (model.next) this.showNext(model.next);
  }

  rename(name) {
    this.title.title = this.title.textContent = name;
    this.title.hidden = !name;
    this.root.setAttribute("aria-label", name || "attention");
    this.grid.setAttribute("aria-label", `${this.prefix}all heads, arrow keys choose one`);
    this.list.setAttribute("aria-label", `${this.prefix}tokens, arrow keys choose the one that looks`);
  }

  buildHeads() {
    const { layers, heads } = this.model;
    this.width = Math.max(26, Math.min(72, Math.floor(390 / heads) - 6));
    this.grid.style.setProperty("--side", `${this.width}px`);
    this.cells = Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: heads }, (_, head) => this.thumbnail(layer, head)));
  }

  thumbnail(layer, head) {
    const cell = make("div", "pce-head", { role: "gridcell", id: newId() }, make("canvas", ""), make("div", "pce-caption"));
    cell.addEventListener("click", () => this.explorer.choose(layer, head));
    this.explorer.live?.prepare(cell, this, { head: [layer, head] });
    return cell;
  }

  // Other tokens: the one that looks stays in its place, or the last.
  retoken(before = 0) {
    const number = this.tokens.length, atEnd = (this.query ?? 0) >= before - 1;
    while (this.options.length > number) this.options.pop().remove();
    while (this.options.length < number) this.list.append(this.options[this.options.push(this.option(this.options.length)) - 1]);
    this.tokens.forEach((token, i) => {
      const [shown] = this.options[i].children;
      if (shown.textContent !== token) shown.title = shown.textContent = token;
    });
    this.options[this.query]?.classList.remove("pcw-here");
    this.options[this.query]?.setAttribute("aria-selected", false);
    Object.assign(this, { number, query: atEnd ? number - 1 : Math.min(this.query, number - 1), key: null });
    if (this.map) return this.map.retoken(this.tokens);
    this.map = new HeadMap(this.tokens, this.colors, (query, key) => this.explorer.look(this, query, key));
    this.sides.append(this.map.root);
  }

  option(i) {
    const parts = [make("span", "pce-token"), make("span", "pce-value")];
    const option = make("span", "pce-option", { role: "option", id: newId() }, ...parts);
    for (const event of ["pointerenter", "click"]) option.addEventListener(event, () => this.explorer.look(this, i));
    this.explorer.live?.prepare(option, this, { position: i });
    return option;
  }

  showNext(next) {
    this.next.replaceChildren(...next.map(([token, share]) => {
      const bar = make("span", "pce-bar", HIDDEN), percent = `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
      bar.style.width = `${Math.max(1, 60 * share)}px`;
      return make("li", "", {}, make("span", "pce-token", { title: token }, token), bar, make("span", "pce-share", {}, percent));
    }));
  }

  // Put the thumbnails in this order, `columns` a row.  score: which of its scores to write below, if any.
  arrange(order, columns, inPlace, score) {
    const lies = order.map(({ layer, head }) => this.cells[layer]?.[head]?.id), as = [columns, inPlace, ...lies].join();
    if (as !== this.lies) this.layOut(order, columns, inPlace);
    this.lies = as;
    for (const { layer, head, out } of order) {
      const cell = this.cells[layer]?.[head];
      if (cell) this.caption(cell, layer, head, out, inPlace, score);
    }
  }

  layOut(order, columns, inPlace) {
    const header = (role, text) => make("div", "pce-number", { role }, text);
    const rows = [];
    if (inPlace) rows.push([header("gridcell", "")]); // a corner heads nothing
    for (let head = 0; inPlace && head < columns; head++) rows[0].push(header("columnheader", `H${head}`));
    order.forEach(({ layer, head }, place) => {
      if (place % columns === 0) rows.push(inPlace ? [header("rowheader", `L${layer}`)] : []);
      rows.at(-1).push(this.cells[layer]?.[head] ?? make("div", "", { role: "gridcell" }));
    });
    this.grid.style.gridTemplateColumns = `${inPlace ? "24px " : ""}repeat(${columns}, max-content)`;
    this.grid.style.width = `${24 + columns * (this.width + 6)}px`; // a filter moves nothing beside it
    this.grid.replaceChildren(...rows.map((row) => make("div", "pce-row", { role: "row" }, ...row)));
  }

  caption(cell, layer, head, out, inPlace, score) {
    const value = this.model.scores[score]?.[layer][head].toFixed(2), silent = this.silent.has(`${layer},${head}`);
    const title = nameOf(layer, head) + (value ? `, ${score} ${value}` : "") + (silent ? ", silenced" : "");
    const text = inPlace ? value ?? "" : `L${layer} H${head}\n${value ?? ""}`;
    if (cell.title !== title) cell.setAttribute("aria-label", cell.title = title);
    if (cell.lastChild.textContent !== text) cell.lastChild.textContent = text;
    cell.classList.toggle("pce-out", out);
    cell.classList.toggle("pce-silent", silent);
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
      if (option.level === level) return;
      option.level = level;
      option.style.background = this.colors.css[level] ?? "";
      option.style.color = this.colors.ink[level] ?? "";
      option.lastChild.textContent = level === undefined ? "" : (level / 255).toFixed(2);
    });
  }

  says() {
    return this.prefix + (this.weights ? looksAt(this.weights, this.tokens, this.query, this.key) : "no such head");
  }
}
