// What the lab has where it knows a model: a text to type on, and which head and which two tokens' query and key turn.

import { KEYS, make, shortened } from "../common/elements.js";
import { PATIENCE, UNANSWERED, setText, textField } from "../common/field.js";
import { InKernel, InPage, Kernel } from "../common/sources.js";

const PAUSE = 300; // milliseconds without a key before a kernel is asked
const CHOSEN = ["text", "layer", "head", "query_token", "key_token"];
const count = (number) => Array.from({ length: number }, (_, i) => i);

export class Live {
  // together(change): draw once what a change of several fields leaves.
  constructor(model, together) {
    const kernel = new Kernel(model), about = model.get("_live");
    Object.assign(this, { model, together, kernel, about, held: null, turn: null });
    this.page = new InPage(kernel);
    this.far = new InKernel(kernel);
    this.source = about.where === "page" ? this.page : this.far;
    this.told = () => { if (!this.telling) this.take(); };
    this.events = [...CHOSEN, "_tokens"].map((name) => `change:${name}`).join(" ");
    model.on(this.events, this.told);
    this.moved = () => this.showOwn();
    this.movements = ["query_position", "key_position", "base", "rotary_fraction"].map((name) => `change:${name}`).join(" ");
    model.on(this.movements, this.moved);
    this.build();
    this.take();
  }

  build() {
    const { layers, heads } = this.about, number = (all) => count(all).map((i) => make("option", "", { value: i }, String(i)));
    const select = (label, name, options) => {
      const made = make("select", "", { ...KEYS, "aria-label": label }, ...options);
      made.addEventListener("change", () => this.wish({ [name]: Number(made.value) }));
      this.controls[name] = made;
      return make("label", "", {}, make("span", "", {}, label), made);
    };
    this.controls = {};
    this.field = textField("Type, and turn the query and the key of two of its tokens:", "", (text) => this.wish({ text }));
    this.again = make("button", "", { ...KEYS, type: "button" }, "As in the model");
    this.again.addEventListener("click", () => this.goBack());
    this.root = make("div", "rope-live pcw", {}, this.field.root, this.field.note, make("div", "pcw-controls", {},
      select("layer", "layer", number(layers)), select("head", "head", number(heads)), select("query of", "query_token", []),
      select("key of", "key_token", []), this.again, this.field.where));
    for (const event of ["pointerenter", "focusin"]) this.root.addEventListener(event, () => this.source.start(), { once: true });
  }

  dispose() {
    this.stop();
    this.model.off(this.events, this.told);
    this.model.off(this.movements, this.moved);
    for (const part of [this.page, this.far, this.kernel]) part.dispose();
  }

  stop() {
    this.turn = null;
    clearTimeout(this.slow);
    clearTimeout(this.soon);
  }

  // What Python, or another view, has chosen; its vectors come with it.
  take() {
    this.stop();
    this.wished = Object.fromEntries(CHOSEN.map((name) => [name, this.model.get(name)]));
    setText(this.field.note, "");
    this.show();
  }

  wish(part) {
    this.stop();
    this.wished = { ...this.wished, ...part };
    const { text, layer, head } = this.wished, { held } = this;
    if (held && held.text === text && held.layer === layer && held.head === head) return this.arrived(held, part);
    const turn = this.turn = {};
    this.slow = setTimeout(() => setText(this.field.note, UNANSWERED), PATIENCE);
    const wait = "text" in part && this.source === this.far ? PAUSE : 0;
    this.soon = setTimeout(() => this.fetch({ text, layer, head }, part, turn), wait);
  }

  async fetch({ text, layer, head }, part, turn) {
    const { model, step, most } = this.about;
    try {
      const found = await this.source.vectors({ model, step, prompt: text, layer, head }, "vectors");
      if (this.turn !== turn || !found) return;
      const number = found.tokens.length;
      if (number > most) throw new Error(`RopeLab draws texts of 1 to ${most} tokens, and this one has ${number}: shorten it.`);
      this.held = { text, layer, head, ...found };
      this.arrived(this.held, part);
    } catch (error) {
      if (this.turn !== turn) return;
      if (this.source === this.page && this.page.broken) {
        this.source = this.far;
        return this.wish(part);
      }
      clearTimeout(this.slow);
      setText(this.field.note, error.message);
    }
  }

  // The vectors of what is wished, at the places of their tokens: as Python's `_follow` has it.
  arrived({ tokens, queries, keys }, part) {
    const { text, layer, head } = this.wished, number = tokens.length, size = queries.length / number;
    let { query_token: query, key_token: key } = this.wished;
    if (text !== this.model.get("text") && query >= this.model.get("_tokens").length - 1) query = number - 1; // stays the last
    query = Math.min(query, number - 1);
    if ("key_token" in part) query = Math.max(query, key);
    key = Math.min(key, query);
    clearTimeout(this.slow);
    setText(this.field.note, "");
    this.wished = { text, layer, head, query_token: query, key_token: key };
    const row = (all, token) => [...all.subarray(token * size, (token + 1) * size)];
    this.tell({ ...this.wished, _tokens: tokens, _query: row(queries, query), _key: row(keys, key), query_position: query, key_position: key });
  }

  goBack() {
    const { base, rotary_fraction } = this.about, { query_token, key_token } = this.wished;
    this.tell({ base, rotary_fraction, query_position: query_token, key_position: key_token });
  }

  tell(values) {
    this.together(() => {
      this.telling = true;
      for (const [name, value] of Object.entries(values)) this.model.set(name, value);
      this.telling = false;
    });
    this.model.save_changes();
    this.show();
  }

  show() {
    const { model, wished, controls, field } = this, tokens = model.get("_tokens");
    if (field.text.value !== wished.text) field.text.value = wished.text;
    if (this.listed !== tokens) {
      for (const name of ["query_token", "key_token"]) {
        controls[name].replaceChildren(...tokens.map((token, i) => make("option", "", { value: i }, `${i}: ${shortened(token, 14)}`)));
      }
    }
    this.listed = tokens;
    for (const [name, control] of Object.entries(controls)) control.value = String(wished[name]);
    setText(field.where, this.source.where);
    this.showOwn();
  }

  showOwn() {
    this.again.disabled = this.isOwn();
  }

  isOwn() {
    const { model, about } = this, as = (name, value) => model.get(name) === value;
    return as("query_position", model.get("query_token")) && as("key_position", model.get("key_token")) &&
      as("base", about.base) && as("rotary_fraction", about.rotary_fraction);
  }
}
