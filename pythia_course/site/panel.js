// One model on one text: every head's attention, one of them large, what comes next; heads to silence and, beside another
// text, values to bring over. Tokens and texts are only ever set as text, never as HTML.

import { changesOf, fitting } from "../live/changes.js";
import { HeadMap, headSize, looksAt, nameOf } from "../widgets/common/attention.js";
import { make, within } from "../widgets/common/elements.js";
import { packed } from "../widgets/common/reading.js";
import { Heads } from "./heads.js";
import { MOST_NEXT, Next } from "./next.js";
import { Patches } from "./patches.js";

const QUIET = 400; // milliseconds before a picture is read out
const ALONE = 384, BESIDE = 320, AROUND = 110; // pixels of the large head, at most, and of what is beside it on a phone

// What it shows: `run`, { model, step, prompt, silenced, patched } as live/changes.js has them; `layer` and `head`, the large
// one; `query` and `key`, the tokens pointed at.
export class Panel {
  constructor(playground, i) {
    const id = i ? `-${i + 1}` : "";
    Object.assign(this, { playground, i, id, query: 0, next: new Next(), patches: new Patches(this) });
    this.name = make("h2", "pg-name", { id: `pg-name${id}` });
    this.said = make("div", "pg-said", { id: `pg-said${id}`, role: "status", "aria-live": "polite" });
    this.text = make("textarea", "pg-text", { rows: 2, spellcheck: "false", "aria-describedby": this.said.id });
    this.text.addEventListener("input", () => this.change({ prompt: this.text.value }));
    this.field = make("label", "pg-label", {}, "Type, and see where each head looks:", this.text);
    this.all = make("section", "", { "aria-labelledby": `${this.name.id} pg-all${id}` });
    this.root = make("section", "pg-panel", {}, this.name, this.buildChoices(), this.field, this.said, this.patches.root,
      make("div", "pg-sides", {}, this.all, this.buildLarge(`pg-head${id}`), this.next.root));
    this.reading = playground.reading?.(this);
    if (this.reading) this.root.append(this.reading.root);
  }

  // Which model and which checkpoint, where there are several.
  buildChoices() {
    const { models } = this.playground, names = Object.keys(models);
    this.select = make("select", "", {}, ...names.map((name) => make("option", "", { value: name }, name)));
    this.select.addEventListener("change", () => this.change({ model: this.select.value, step: models[this.select.value].steps.at(-1) }));
    this.slider = make("input", "pg-step", { type: "range", min: 0, step: 1 });
    this.slider.addEventListener("input", () => this.change({ step: this.size.steps[this.slider.value] }));
    this.stepSaid = make("output", "pg-at");
    this.choices = make("div", "pcw-controls pg-choices", {}, make("label", "", {}, "model", this.select),
      make("label", "", {}, "training step", this.slider, this.stepSaid));
    return this.choices;
  }

  buildLarge(id) {
    const button = (text, press) => { const made = make("button", "", { type: "button" }, text); made.addEventListener("click", press); return made; };
    this.silence = button("silence it", () => this.toggle(this.layer, this.head));
    this.silence.setAttribute("aria-pressed", false);
    this.restore = button("bring all back", () => this.change({ silenced: [] }));
    this.large = make("div", "pg-large");
    this.large.addEventListener("pointerdown", ({ target }) => {
      const position = this.map?.rows.indexOf(target) ?? -1;
      if (position >= 0) this.playground.hold(this, (panel) => panel.patches.place(position));
    });
    this.title = make("h2", "", { id });
    this.rows = make("ol", "pg-rows", { start: 0 });
    this.told = make("details", "pg-told", {}, make("summary", "", {}, "this head in words"), this.rows);
    this.told.addEventListener("toggle", () => this.drawWords());
    return make("section", "", { "aria-labelledby": `${this.name.id} ${id}` }, this.title,
      make("div", "pcw-controls", {}, this.silence, this.restore), this.large, this.told);
  }

  // { layers, heads, steps } of the model.
  get size() {
    return this.playground.models[this.run.model];
  }

  get seen() {
    return { ...this.run, layer: this.layer, head: this.head };
  }

  // The other text by the same model, null if there is none.
  get other() {
    return this.playground.otherText(this);
  }

  // Something else is to be seen, here and where it is shared.
  change(part) {
    return this.playground.change(this, part);
  }

  // Take what shall be seen; while it is fetched and computed the last picture stays.
  set({ layer = this.layer, head = this.head, ...part }) {
    const before = this.run?.model;
    this.run = { ...this.run, ...part };
    const { layers, heads } = this.size;
    Object.assign(this.run, fitting(this.run, this.size));
    Object.assign(this, { layer: within(layer, layers), head: within(head, heads) });
    if (this.run.model !== before) this.buildHeads();
    this.showChoices();
  }

  buildHeads() {
    const at = (act) => (layer, head) => act({ head: [layer, head] });
    this.weights = null;
    this.heads = new Heads(this.size, {
      choose: (layer, head) => this.playground.choose(this, layer, head),
      silence: (layer, head) => this.toggle(layer, head),
      bring: at((patch) => { if (this.other !== null) this.patches.toggle(patch); }),
      hold: at((patch) => this.playground.hold(this, () => patch)),
    });
    this.all.replaceChildren(make("h2", "", { id: `pg-all${this.id}` }, "All heads"), this.heads.root);
  }

  showChoices() {
    const { run: { model, step, prompt }, size: { steps } } = this;
    if (this.text.value !== prompt) this.text.value = prompt;
    this.select.value = model;
    this.slider.max = steps.length - 1;
    this.slider.value = steps.indexOf(step);
    this.slider.disabled = steps.length < 2;
    this.stepSaid.textContent = step.toLocaleString("en");
    this.slider.setAttribute("aria-valuetext", `step ${step}`);
    this.name.textContent = this.playground.nameOf(this);
    this.reading?.show();
  }

  choose(layer, head) {
    Object.assign(this, { layer, head });
    this.draw();
  }

  toggle(layer, head) {
    const { silenced } = this.run, others = silenced.filter((place) => String(place) !== `${layer},${head}`);
    Object.assign(this, { layer, head });
    return this.change({ silenced: others.length < silenced.length ? others : [...silenced, [layer, head]] });
  }

  // Ask the worker; what was asked before and is not answered yet is forgotten.
  async ask() {
    const { model, step, prompt } = this.run, changes = changesOf({ ...this.run, clean: this.other });
    this.patches.draw();
    try {
      const answer = await this.playground.shelf.trace({ model, step, prompt, keep: ["attention"], changes, lens: MOST_NEXT, channel: this.said.id });
      if (!answer) return;
      this.root.classList.remove("pg-old");
      this.read(answer);
      this.draw();
    } catch (error) {
      this.root.classList.add("pg-old"); // its pictures are of the text before
      this.say(error.message);
    }
  }

  read({ trace: { tokens, attention }, lens }) {
    const all = packed(attention), size = headSize(tokens.length), [, heads] = attention.shape;
    const most = Math.min(this.playground.linked ? BESIDE : ALONE, innerWidth - AROUND);
    this.weights = (layer, head) => all.subarray((layer * heads + head) * size, (layer * heads + head + 1) * size);
    this.likeliest = this.next.draw(lens);
    if (tokens.join("\0") === this.tokens?.join("\0") && most === this.map.most) return;
    Object.assign(this, { tokens, query: tokens.length - 1, key: null });
    this.map = new HeadMap(tokens, this.playground.colors, (query, key) => this.look(query, key), most);
    this.large.replaceChildren(this.map.root);
  }

  // "", or what was done to a head; what is silenced is so whatever was brought over.
  done(...place) {
    const is = (other) => String(other) === String(place), { silenced, patched } = this.run;
    return silenced.some(is) ? "silenced" : patched.some(({ head }) => is(head)) ? "patched in" : "";
  }

  draw() {
    if (!this.weights) return;
    const { layer, head, run } = this, name = nameOf(layer, head), done = this.done(layer, head);
    this.heads.draw(this.weights, this.tokens.length, this.playground.colors, [layer, head], (...place) => this.done(...place));
    this.silence.setAttribute("aria-pressed", done === "silenced");
    this.silence.textContent = done === "silenced" ? "bring it back" : "silence it";
    this.restore.disabled = !run.silenced.length;
    this.title.textContent = done ? `${name}, ${done}` : name;
    this.map.draw(this.weights(layer, head), name);
    this.map.rows.forEach((row, position) => row.classList.toggle("pg-patched", run.patched.some(({ stream }) => stream?.[1] === position)));
    this.look(this.query, this.key);
    this.drawWords();
  }

  // The picture as text, a line a token, while it is open.
  drawWords() {
    if (!this.told.open || !this.weights) return;
    const weights = this.weights(this.layer, this.head);
    this.rows.replaceChildren(...this.tokens.map((_, query) => make("li", "", {}, looksAt(weights, this.tokens, query))));
  }

  look(query, key = null) {
    Object.assign(this, { query, key });
    this.map.look(query, key);
    this.patches.draw();
    this.tell();
  }

  tell() {
    if (!this.weights) return;
    const { silenced, patched } = this.run, looks = looksAt(this.weights(this.layer, this.head), this.tokens, this.query, this.key);
    const done = [[silenced, "silenced"], [patched, "patched in"]].map(([list, what]) => (list.length ? ` ${list.length} ${what};` : "")).join("");
    const name = this.name.textContent && `${this.name.textContent}: `;
    this.say(`${name}${nameOf(this.layer, this.head)}: ${looks};${done} next: ${this.likeliest}`);
  }

  // Once nothing new has come for a moment, so that a screen reader is not flooded.
  say(sentence) {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => { this.said.textContent = sentence; }, this.said.textContent ? QUIET : 0);
  }
}
