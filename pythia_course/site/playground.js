// The playground: a text field, every head's attention, what comes next, and heads to silence. All of it is computed in
// this page, in a worker. Tokens and texts are only ever set as text, never as HTML.

import { HeadMap, drawHead, headSize, looksAt, nameOf, palette } from "../widgets/common/attention.js";
import { HIDDEN, make, stepOf, within } from "../widgets/common/elements.js";
import { Engine } from "../live/engine.js";
import { Shelf } from "../live/shelf.js";
import { decoded } from "./held.js";
import { readLink, writeLink } from "./link.js";

const MOST_NEXT = 8, THUMBNAIL = 64, QUIET = 400; // tokens listed; pixels; milliseconds before a picture is read out
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;

// offered: { models: {name: {layers, heads, steps}}, labels, colors, prompt, model, tokenizer };
// fetched(model, step): a promise of that checkpoint's { config, weights }, texts and base64.
export class Playground {
  constructor(offered, worker, fetched) {
    const { colors, prompt, model, models } = offered, step = models[model].steps.at(-1);
    Object.assign(this, { ...offered, colors: palette(decoded(colors)) });
    this.shelf = new Shelf(new Engine(worker), async (name, at) => {
      const { config, weights } = await fetched(name, at);
      return { config, tokenizer: offered.tokenizer, weights: decoded(weights).buffer };
    });
    Object.assign(this, { layer: 1, head: 0, step, silenced: new Set(), initial: { prompt, model } });
    this.text = make("textarea", "pg-text", { rows: 2, spellcheck: "false", "aria-describedby": "pg-said" });
    this.text.value = prompt;
    this.text.addEventListener("input", () => this.ask());
    this.said = make("div", "pg-said", { id: "pg-said", role: "status", "aria-live": "polite" });
    this.refused = make("p", "pg-refused", { role: "alert" });
    this.silence = make("button", "", { type: "button", "aria-pressed": "false" }, "silence it");
    this.silence.addEventListener("click", () => this.toggle(this.layer, this.head));
    this.restore = make("button", "", { type: "button" }, "bring all back");
    this.restore.addEventListener("click", () => { this.silenced.clear(); this.ask(); });
    this.large = make("div", "pg-large");
    this.title = make("h2", "", { id: "pg-head" });
    this.rows = make("ol", "pg-rows", { start: 0 });
    this.told = make("details", "pg-told", {}, make("summary", "", {}, "this head in words"), this.rows);
    this.told.addEventListener("toggle", () => this.drawWords());
    this.next = make("ol", "pg-next");
    this.lens = make("tbody", "");
    this.grid = make("div", "pg-heads");
    this.root = make("div", "pcw pg", {}, this.refused, this.buildChoices(),
      make("label", "pg-label", {}, "Type, and see where each head looks:", this.text), this.said,
      make("div", "pg-sides", {},
        make("section", "", { "aria-label": "all heads" }, make("h2", "", {}, "All heads"), this.grid),
        make("section", "", { "aria-labelledby": "pg-head" }, this.title,
          make("div", "pcw-controls", {}, this.silence, this.restore), this.large, this.told),
        make("section", "", {}, make("h2", "", {}, "What comes next"), this.next,
          make("h2", "", {}, "If it stopped there: the logit lens"),
          make("table", "pg-lens", {}, make("thead", "", {}, make("tr", "", {},
            make("th", "", { scope: "col" }, "layers read"), make("th", "", { scope: "col" }, "likeliest next tokens"))), this.lens))),
      this.buildLink());
  }

  // Which model and which checkpoint, where there are several.
  buildChoices() {
    const options = Object.keys(this.models).map((name) => make("option", "", { value: name }, name));
    this.select = make("select", "", {}, ...options);
    this.select.addEventListener("change", () => this.open(this.select.value, this.models[this.select.value].steps.at(-1)));
    this.slider = make("input", "pg-step", { type: "range", min: 0, step: 1 });
    this.slider.addEventListener("input", () => this.open(this.model, this.models[this.model].steps[this.slider.value]));
    this.stepSaid = make("output", "pg-at");
    this.steps = make("label", "", {}, "training step", this.slider, this.stepSaid);
    const choices = make("div", "pcw-controls pg-choices", {}, make("label", "", {}, "model", this.select), this.steps);
    choices.hidden = options.length < 2 && this.models[this.model].steps.length < 2;
    return choices;
  }

  // A link to all that is chosen, made when asked for: what is typed goes nowhere by itself, not even into the address.
  buildLink() {
    const field = make("input", "pg-link", { readonly: "", "aria-label": "link to what is seen here", hidden: "" });
    const button = make("button", "", { type: "button" }, "make a link to this");
    button.addEventListener("click", () => {
      const link = writeLink({ ...this, prompt: this.text.value });
      history.replaceState(null, "", link);
      field.hidden = false;
      field.value = location.href;
      field.select();
    });
    return make("div", "pcw-controls pg-linked", {}, button, field);
  }

  // Show what a link says, or why not; without a link, what is there at first.
  async follow(hash) {
    const { model, step } = this;
    try {
      const link = readLink(hash, this.models, this.initial);
      this.refused.textContent = "";
      if (!link) return this.open(model, step);
      this.text.value = link.prompt;
      Object.assign(this, { layer: link.layer, head: link.head, silenced: link.silenced });
      return this.open(link.model, link.step);
    } catch (error) {
      this.refused.textContent = error.message;
      return this.open(model, step);
    }
  }

  // Choose a checkpoint; while it is fetched the last picture stays.
  open(model, step) {
    const { layers, heads, steps } = this.models[model];
    if (model !== this.model || !this.cells) {
      this.silenced = new Set([...this.silenced].filter((key) => { const [l, h] = key.split(","); return l < layers && h < heads; }));
      Object.assign(this, { model, layers, heads, layer: within(this.layer, layers), head: within(this.head, heads), weights: null });
      this.buildHeads();
    }
    this.step = step;
    this.select.value = model;
    this.slider.max = steps.length - 1;
    this.slider.value = steps.indexOf(step);
    this.slider.disabled = steps.length < 2;
    this.stepSaid.textContent = step.toLocaleString("en");
    this.slider.setAttribute("aria-valuetext", `step ${step}`);
    return this.ask();
  }

  // A button a head, a row a layer; arrow keys move, s silences.
  buildHeads() {
    const { grid } = this;
    this.cells = [];
    grid.style.gridTemplateColumns = `repeat(${this.heads}, max-content)`;
    for (let layer = 0; layer < this.layers; layer++) {
      for (let head = 0; head < this.heads; head++) {
        const canvas = make("canvas", "", HIDDEN), cell = make("button", "pg-cell", { type: "button" }, canvas, `L${layer} H${head}`);
        cell.addEventListener("click", () => this.choose(layer, head));
        cell.addEventListener("keydown", (event) => this.pressed(event, layer, head));
        this.cells.push(cell);
      }
    }
    grid.replaceChildren(...this.cells);
  }

  pressed(event, layer, head) {
    const here = layer * this.heads + head, last = this.cells.length;
    const step = stepOf(event, { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.heads, ArrowDown: this.heads, Home: -last, End: last, s: 0 });
    if (step === undefined) return;
    if (event.key === "s") return this.toggle(layer, head);
    const to = within(here + step, last);
    this.choose(Math.floor(to / this.heads), to % this.heads);
    this.cells[to].focus();
  }

  choose(layer, head) {
    Object.assign(this, { layer, head });
    this.draw();
  }

  toggle(layer, head) {
    const key = `${layer},${head}`;
    if (!this.silenced.delete(key)) this.silenced.add(key);
    Object.assign(this, { layer, head });
    return this.ask();
  }

  // Ask the worker; what was asked before and is not answered yet is forgotten.
  async ask() {
    const heads = [...this.silenced].map((key) => key.split(",").map(Number)), { model, step } = this;
    try {
      const changes = heads.length ? [{ ablate: { heads } }] : [];
      const answer = await this.shelf.trace({ model, step, prompt: this.text.value, keep: ["attention"], changes, lens: true });
      if (!answer) return;
      this.read(answer);
      this.draw();
    } catch (error) {
      this.say(error.message);
    }
  }

  // Every head's weights in 1/255, query q's keys 0 to q from headSize(q) on, as attention.js draws them.
  read({ trace, lens }) {
    const { tokens, attention: { data } } = trace, number = tokens.length;
    this.weights = this.cells.map((_, which) => {
      const packed = new Uint8Array(headSize(number));
      for (let query = 0, next = 0; query < number; query++) {
        const row = (which * number + query) * number;
        for (let key = 0; key <= query; key++, next++) packed[next] = Math.round(255 * data[row + key]);
      }
      return packed;
    });
    if (tokens.join("\0") !== this.tokens?.join("\0")) {
      this.map = new HeadMap(tokens, this.colors, (query, key) => this.look(query, key), Math.min(384, innerWidth - 110));
      this.large.replaceChildren(this.map.root);
      this.query = number - 1;
    }
    Object.assign(this, { tokens, number, shares: lens });
  }

  draw() {
    if (!this.weights) return;
    const here = this.layer * this.heads + this.head, name = nameOf(this.layer, this.head), side = Math.round(THUMBNAIL * (devicePixelRatio || 1));
    this.cells.forEach((cell, which) => {
      const silent = this.silenced.has(`${Math.floor(which / this.heads)},${which % this.heads}`);
      cell.firstChild.width = cell.firstChild.height = Math.min(this.number, side);
      drawHead(cell.firstChild, this.weights[which], this.number, this.colors.pixels);
      cell.tabIndex = which === here ? 0 : -1;
      cell.classList.toggle("pg-silent", silent);
      cell.setAttribute("aria-current", which === here);
      cell.setAttribute("aria-label", nameOf(Math.floor(which / this.heads), which % this.heads) + (silent ? ", silenced" : ""));
    });
    const silent = this.silenced.has(`${this.layer},${this.head}`);
    this.silence.setAttribute("aria-pressed", silent);
    this.silence.textContent = silent ? "bring it back" : "silence it";
    this.restore.disabled = !this.silenced.size;
    this.title.textContent = silent ? `${name}, silenced` : name;
    this.map.draw(this.weights[here], name);
    this.look(this.query);
    this.drawNext();
    this.drawWords();
  }

  // The picture as text, a line a token, while it is open.
  drawWords() {
    if (!this.told.open || !this.weights) return;
    const weights = this.weights[this.layer * this.heads + this.head];
    this.rows.replaceChildren(...this.tokens.map((_, query) => make("li", "", {}, looksAt(weights, this.tokens, query))));
  }

  drawNext() {
    const best = (row, count) => [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, count).map((id) => [this.labels[id], row[id]]);
    const likely = best(this.shares.at(this.layers).data, MOST_NEXT);
    this.next.replaceChildren(...likely.map(([token, share]) => {
      const bar = make("span", "pg-bar", HIDDEN);
      bar.style.width = `${100 * share}%`;
      return make("li", "", {}, make("span", "pg-token", {}, token), make("span", "pg-share", {}, percent(share)), bar);
    }));
    this.lens.replaceChildren(...Array.from({ length: this.layers + 1 }, (_, layer) => {
      const said = best(this.shares.at(layer).data, 3).map(([token, share]) => `${token} ${percent(share)}`).join(", ");
      return make("tr", "", {}, make("th", "", { scope: "row" }, String(layer)), make("td", "", {}, said));
    }));
    this.likeliest = likely.slice(0, 3).map(([token, share]) => `${token} ${percent(share)}`).join(", ");
    this.tell();
  }

  look(query, key = null) {
    Object.assign(this, { query, key });
    this.map.look(query, key);
    this.tell();
  }

  tell() {
    const silent = this.silenced.size ? ` ${this.silenced.size} silenced;` : "";
    const looks = looksAt(this.weights[this.layer * this.heads + this.head], this.tokens, this.query, this.key);
    this.say(`${nameOf(this.layer, this.head)}: ${looks};${silent} next: ${this.likeliest ?? ""}`);
  }

  // Once nothing new has come for a moment, so that a screen reader is not flooded.
  say(sentence) {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => { this.said.textContent = sentence; }, this.said.textContent ? QUIET : 0);
  }
}
