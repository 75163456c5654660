// The playground: a panel, or two beside each other, another model on the same text or another text by the same model. All
// of it is computed in this page, in a worker.

import { palette } from "../widgets/common/attention.js";
import { make } from "../widgets/common/elements.js";
import { Engine } from "../live/engine.js";
import { Shelf } from "../live/shelf.js";
import { decoded } from "./held.js";
import { readLink, writeLink } from "./link.js";
import { Panel } from "./panel.js";

const SHARED = { prompt: ["prompt"], model: ["model", "step"] }; // by what two panels have in common, `linked`

// offered: { models: {name: {layers, heads, steps}}, colors, prompt, other, model, tokenizer };
// fetched(model, step): a promise of that checkpoint's { config, weights }, texts and base64;
// reading(panel): { root, show() }, what the panel's model was trained on, where that can be fetched.
export class Playground {
  constructor(offered, worker, fetched, reading = null) {
    Object.assign(this, { ...offered, colors: palette(decoded(offered.colors)), reading, linked: null, panels: [] });
    this.shelf = new Shelf(new Engine(worker), async (name, at) => {
      const { config, weights } = await fetched(name, at);
      return { config, tokenizer: offered.tokenizer, weights: decoded(weights).buffer };
    });
    this.refused = make("p", "pg-refused", { role: "alert" });
    this.common = make("div", "");
    this.beside = make("div", "pg-panels");
    this.root = make("div", "pcw pg", {}, this.refused, this.buildCompare(), this.common, this.beside, this.buildLink());
  }

  // One model at one step leaves nothing to compare it with but another text.
  buildCompare() {
    const button = (text, press) => { const made = make("button", "", { type: "button" }, text); made.addEventListener("click", press); return made; };
    this.compares = [button("another text", () => this.compare("model")), button("another model or step", () => this.compare("prompt"))];
    this.back = button("back to one", () => this.alone());
    this.one = Object.values(this.models).flatMap(({ steps }) => steps).length < 2;
    return make("div", "pcw-controls pg-compare", { role: "group", "aria-label": "compare beside it" }, "Compare beside it:",
      ...(this.one ? this.compares.slice(0, 1) : this.compares), this.back);
  }

  // A link to all that is chosen, made when asked for: what is typed goes nowhere by itself, not even into the address.
  buildLink() {
    const field = make("input", "pg-link", { readonly: "", "aria-label": "link to what is seen here", hidden: "" });
    const button = make("button", "", { type: "button" }, "make a link to this");
    button.addEventListener("click", () => {
      history.replaceState(null, "", writeLink(this.panels.map(({ seen }) => seen), this.linked));
      field.hidden = false;
      field.value = location.href;
      field.select();
    });
    return make("div", "pcw-controls pg-linked", {}, button, field);
  }

  // Show what a link says, or why not; without a link, what is there, and at first one panel.
  follow(hash) {
    const { model, models, prompt } = this, shown = { panels: this.panels.map(({ seen }) => seen), linked: this.linked };
    const first = { model, step: models[model].steps.at(-1), prompt, layer: 1, head: 0, silenced: [], patched: [] };
    const there = this.panels.length ? shown : { panels: [first], linked: null };
    try {
      const link = readLink(hash, models, { model, prompt });
      this.refused.textContent = "";
      return this.show(link ?? there);
    } catch (error) {
      this.refused.textContent = error.message;
      return this.show(there);
    }
  }

  // runs: what each panel shall show, as Panel.seen gives it.
  show({ panels: runs, linked }) {
    this.linked = linked;
    this.panels = runs.map((_, i) => this.panels[i] ?? new Panel(this, i));
    this.panels.forEach((panel, i) => panel.set(runs[i]));
    this.arrange();
    return Promise.all(this.panels.map((panel) => panel.ask()));
  }

  // What both panels have in common stands above them.
  arrange() {
    const { linked, panels, panels: [first, second] } = this, two = panels.length > 1;
    first.said.before(first.choices, first.field);
    if (two) this.common.replaceChildren(linked === "prompt" ? first.field : first.choices);
    for (const { choices, field } of panels) Object.assign(field, { hidden: false }), Object.assign(choices, { hidden: this.one });
    if (two) (linked === "prompt" ? second.field : second.choices).hidden = true;
    this.beside.replaceChildren(...panels.map(({ root }) => root));
    this.beside.classList.toggle("pg-two", two);
    this.beside.classList.toggle("pg-texts", linked === "model");
    for (const button of this.compares) button.hidden = two;
    this.back.hidden = !two;
  }

  // Open a second panel, on something that is worth a look beside the first.
  async compare(linked) {
    const first = this.panels[0].seen, { prompt } = first, second = { ...first, silenced: [], patched: [] };
    const other = linked === "prompt" ? this.another(first) : { prompt: prompt === this.prompt ? this.other : prompt };
    const shown = this.show({ panels: [first, { ...second, ...other }], linked });
    this.back.focus();
    return shown;
  }

  // A checkpoint half way, or else the next model.
  another({ model, step }) {
    const { steps } = this.models[model], half = steps[Math.floor(steps.length / 2)], names = Object.keys(this.models);
    if (steps.length > 1) return { step: [half, steps.at(-1), steps[0]].find((other) => other !== step) };
    const next = names[(names.indexOf(model) + 1) % names.length];
    return { model: next, step: this.models[next].steps.at(-1) };
  }

  async alone() {
    const shown = this.show({ panels: [{ ...this.panels[0].seen, patched: [] }], linked: null });
    this.compares[0].focus();
    return shown;
  }

  nameOf({ i, run: { model, step } }) {
    const which = ["first", "second"][i];
    if (!this.linked) return "";
    return this.linked === "model" ? `${which} text` : `${which}: ${model}, step ${step.toLocaleString("en")}`;
  }

  otherText({ i }) {
    return this.linked === "model" ? this.panels[1 - i].run.prompt : null;
  }

  // Change what one panel shows, and what the other has in common with it, or from it.
  change(panel, part) {
    const common = Object.fromEntries(Object.entries(part).filter(([name]) => SHARED[this.linked]?.includes(name)));
    const told = this.panels.map((each) => (each === panel ? part : common));
    this.panels.forEach((each, i) => each.set(told[i]));
    const touched = (each, i) => Object.keys(told[i]).length || (each.run.patched.length && "prompt" in part);
    return Promise.all(this.panels.filter(touched).map((each) => each.ask()));
  }

  // The other panel follows, as far as its model has such a head.
  choose(panel, layer, head) {
    for (const each of this.panels) {
      const { layers, heads } = each.size;
      if (each === panel || (layer < layers && head < heads)) each.choose(layer, head);
    }
  }

  // Something is dragged with the pointer out of one text: patch(panel) is what is brought over where it is let go.
  // With pointer events, since Firefox drags no buttons.
  hold(from, patch) {
    if (from.other === null) return;
    const end = new AbortController(), { signal } = end;
    const over = ({ clientX, clientY }) => this.panels.find(({ root }) => root !== from.root && root.contains(document.elementFromPoint(clientX, clientY)));
    const mark = (panel) => this.panels.forEach(({ root }) => root.classList.toggle("pg-target", root === panel?.root));
    const drop = (panel) => {
      end.abort();
      mark(null);
      if (panel) panel.patches.bring(patch(panel));
    };
    addEventListener("pointermove", (event) => mark(over(event)), { signal });
    addEventListener("pointerup", (event) => drop(over(event)), { signal });
    addEventListener("pointercancel", () => drop(null), { signal });
  }
}
