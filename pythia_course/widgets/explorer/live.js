// What the explorer has where it knows its models: a text field, the checkpoint, heads to silence, values to bring over
// from another prompt's run. `_runs` says what each panel shows; it changes once the picture of it is there.

import { fitting } from "../../live/changes.js";
import { nameOf } from "../common/attention.js";
import { KEYS, make, shortened, stepOf } from "../common/elements.js";
import { PATIENCE, Quietly, UNANSWERED, setText, textField } from "../common/field.js";
import { InKernel, InPage, Kernel } from "../common/sources.js";
import { Read } from "./read.js";
import { withWeights } from "./panel.js";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const words = (number) => number.toLocaleString("en");

export class Live {
  constructor(model, explorer) {
    const { linked, first, where, models } = model.get("_live"), kernel = new Kernel(model);
    Object.assign(this, { model, explorer, linked, first, models, kernel, runs: first, wished: first, asked: [...first] });
    this.page = new InPage(kernel);
    this.far = new InKernel(kernel);
    this.quietly = new Quietly(explorer);
    this.sources = where.map((place) => (place === "page" ? this.page : this.far));
    this.told = () => { if (!same(model.get("_runs"), this.runs)) this.wish(model.get("_runs")); };
    model.on("change:_runs", this.told);
  }

  dispose() {
    this.model.off("change:_runs", this.told);
    for (const part of [this.page, this.far, this.kernel, this.quietly]) part.dispose();
  }

  build(panels, root) {
    this.panels = panels;
    this.bars = panels.map((_, i) => new Bar(this, i));
    this.bars.forEach(({ root: bar, read }, i) => {
      panels[i].title.after(bar);
      panels[i].root.append(read.root);
    });
    const [first] = this.bars, common = this.linked === "prompt" ? first.field : first.choice;
    if (this.bars.length > 1) root.querySelector(".pce-panels").before(common); // one text, or one model, for both
    for (const event of ["pointerenter", "focusin"]) {
      root.addEventListener(event, () => this.sources.forEach((source) => source.start()), { once: true });
    }
    this.refresh();
    this.told(); // saved, or changed, since the picture was made
  }

  // The prompt whose values can be patched in, null if there is none.
  clean(i, runs = this.wished) {
    return this.linked === "model" && runs.length > 1 ? runs[1 - i].prompt : null;
  }

  // Change what one panel shall show, and what hangs together with it.
  change(i, part) {
    const shared = (name) => name in part && { prompt: "prompt", model: "model", step: "model" }[name] === this.linked;
    const common = Object.fromEntries(Object.entries(part).filter(([name]) => shared(name)));
    this.wish(this.wished.map((run, other) => ({ ...run, ...(other === i ? part : common) })));
  }

  // Ask for the pictures of these runs; those that were asked for and are not there yet are forgotten.
  wish(runs) {
    this.wished = runs.map((run, i) => ({ ...run, clean: run.patched.length ? this.clean(i, runs) : null }));
    this.wished.forEach((run, i) => { if (!same(run, this.asked[i])) this.fetch(i, run); });
    this.refresh();
  }

  async fetch(i, run) {
    this.asked[i] = run;
    const slow = setTimeout(() => this.bars[i].complain(UNANSWERED), PATIENCE);
    try {
      const picture = await this.sources[i].picture(run, `panel ${i}`);
      if (picture && this.asked[i] === run) this.arrived(i, run, picture);
    } catch (error) {
      if (this.sources[i] === this.page && this.page.broken) {
        this.sources = this.sources.map(() => this.far);
        this.refresh();
        return this.fetch(i, run);
      }
      if (this.asked[i] === run) this.bars[i].complain(error.message);
    } finally {
      clearTimeout(slow);
    }
  }

  arrived(i, run, picture) {
    const panel = this.panels[i], full = run.step === null ? run.model : `${run.model}, step ${words(run.step)}`;
    const name = this.linked === "prompt" && this.runs.length > 1 ? full : panel.model.name;
    this.bars[i].complain("");
    this.runs = this.runs.map((old, other) => (other === i ? run : old));
    panel.silent = new Set(run.silenced.map(String));
    this.quietly.draw(() => this.explorer.redraw(panel, withWeights({ ...picture, name }, picture.weights)));
    this.refresh();
    this.model.set("_runs", this.runs);
    this.model.save_changes();
  }

  refresh() {
    this.bars?.forEach((bar) => bar.show());
  }

  // Another head or token is the one pointed at.
  pointed() {
    this.bars?.forEach((bar) => bar.showPlace());
  }

  toggle(i, name, place) {
    const list = this.wished[i][name], kept = list.filter((other) => !same(other, place));
    this.change(i, { [name]: kept.length < list.length ? kept : [...list, place] });
  }

  silence(i, layer = this.explorer.layer, head = this.explorer.head) {
    const { layers, heads } = this.panels[i].model;
    if (layer < layers && head < heads) this.toggle(i, "silenced", [layer, head]);
  }

  // s silences the head shown, p brings it over from the other prompt's run.
  pressed(event, panel) {
    const what = stepOf(event, { s: "silence", p: "patch" }), i = this.panels.indexOf(panel);
    if (what === "silence") this.silence(i);
    if (what === "patch" && this.clean(i) !== null) this.toggle(i, "patched", { head: [this.explorer.layer, this.explorer.head] });
    return Boolean(what);
  }

  // A thumbnail or a token can be dragged into the other prompt's panel; a thumbnail clicked twice is silenced.
  prepare(element, panel, what) {
    if (what.head) element.addEventListener("dblclick", () => this.silence(this.panels.indexOf(panel), ...what.head));
    if (this.linked !== "model" || this.first.length < 2) return;
    element.draggable = true;
    element.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", element.textContent || "head"); // some browsers drag nothing without
      this.dragged = { panel, patch: what.head ? what : { stream: [this.explorer.layer, what.position] } };
    });
    element.addEventListener("dragend", () => { this.dragged = null; });
    this.accept(panel);
  }

  // What is dragged from elsewhere is put where it came from: the same head, or the same layer and position.
  accept(panel) {
    if (panel.accepts) return;
    panel.accepts = true;
    const foreign = () => this.dragged && this.dragged.panel !== panel;
    const mark = (on) => panel.root?.classList.toggle("pce-target", on);
    const listen = (root) => {
      root.addEventListener("dragover", (event) => { if (foreign()) { event.preventDefault(); mark(true); } });
      root.addEventListener("dragleave", () => mark(false));
      root.addEventListener("drop", (event) => {
        mark(false);
        if (!foreign()) return;
        event.preventDefault();
        this.toggle(this.panels.indexOf(panel), "patched", this.dragged.patch);
      });
    };
    queueMicrotask(() => listen(panel.root)); // which is made of what is being prepared
  }
}

// The text field of a panel, and what can be chosen and changed beside it.
class Bar {
  constructor(live, i) {
    const button = (press) => { const made = make("button", "", { ...KEYS, type: "button" }); made.addEventListener("click", press); return made; };
    Object.assign(this, { live, i, read: new Read(live, i) });
    this.buildField();
    this.silence = button(() => live.silence(i));
    this.patchHead = button(() => live.toggle(i, "patched", { head: [live.explorer.layer, live.explorer.head] }));
    this.patchStream = button(() => live.toggle(i, "patched", { stream: this.stream() }));
    this.again = button(() => live.change(i, { ...live.first[i] }));
    this.again.textContent = "Start over";
    this.chips = make("span", "pce-chips");
    this.root = make("div", "pce-bar-of-run", {}, this.field, this.note, this.buildModel(),
      make("div", "pcw-controls", {}, this.silence, this.patchHead, this.patchStream, this.again, this.read.button, this.where),
      this.chips);
  }

  buildField() {
    const { live, i } = this, typed = (prompt) => live.change(i, { prompt });
    const { root: field, ...rest } = textField("Type, and see where each head looks:", live.first[i].prompt, typed);
    Object.assign(this, { field, ...rest });
    if (live.linked === "prompt" && i) this.field.hidden = true; // the first one's is for all
  }

  // Which model, and which checkpoint of it; of two prompts by one model, once for both.
  buildModel() {
    const { live, i } = this;
    this.select = make("select", "", { ...KEYS, "aria-label": "model" }, ...Object.keys(live.models).map((name) => make("option", "", { value: name }, name)));
    this.slider = make("input", "pce-steps", { ...KEYS, type: "range", min: 0, step: 1, "aria-label": "checkpoint" });
    this.step = make("span", "pce-step");
    this.select.addEventListener("change", () => {
      const model = this.select.value, steps = live.models[model].steps, { step } = live.wished[i];
      const [layers, heads] = live.models[model].shape, kept = fitting(live.wished[i], { layers, heads });
      live.change(i, { model, step: steps.includes(step) ? step : steps.at(-1), ...kept });
    });
    this.slider.addEventListener("input", () => live.change(i, { step: live.models[live.wished[i].model].steps[this.slider.value] }));
    this.choice = make("div", "pcw-controls", {}, make("label", "", {}, "model", this.select), make("label", "", {}, "checkpoint", this.slider, this.step));
    this.choice.hidden = !live.models[live.first[i].model] || (live.linked === "model" && i > 0);
    return this.choice;
  }

  stream() {
    return [this.live.explorer.layer, this.live.panels[this.i].query];
  }

  show() {
    const { live, i } = this, run = live.wished[i], steps = live.models[run.model]?.steps;
    if (this.text.value !== run.prompt) this.text.value = run.prompt;
    if (steps) {
      this.select.value = run.model;
      this.slider.max = steps.length - 1;
      this.slider.value = steps.indexOf(run.step);
      this.slider.disabled = steps.length < 2;
      setText(this.step, `step ${words(run.step)}`);
      this.slider.setAttribute("aria-valuetext", this.step.textContent);
    }
    setText(this.where, live.sources[i].where);
    this.again.disabled = same(run, live.first[i]);
    this.showChips(run);
    this.showPlace();
  }

  showChips(run) {
    const { live, i } = this, told = (text, name, place) => {
      const chip = make("button", "pce-chip", { ...KEYS, type: "button", "aria-label": `take back: ${text}` }, text, " ✕");
      chip.addEventListener("click", () => live.toggle(i, name, place));
      return chip;
    };
    if (same(run.silenced, this.told?.silenced) && same(run.patched, this.told?.patched)) return;
    this.told = run;
    this.chips.replaceChildren(
      ...run.silenced.map((place) => told(`${nameOf(...place)} silenced`, "silenced", place)),
      ...run.patched.map((patch) => told(`${this.named(patch)} patched in`, "patched", patch)));
  }

  named({ head, stream }) {
    if (head) return nameOf(...head);
    return `the stream at ${shortened(this.live.panels[this.i].tokens[stream[1]] ?? "", 12)} (position ${stream[1]}), before layer ${stream[0]}`;
  }

  // The buttons that name the head and the token pointed at.
  showPlace() {
    const { live, i } = this, { layer, head } = live.explorer, { layers, heads } = live.panels[i].model, run = live.wished[i];
    const there = layer < layers && head < heads, silent = run.silenced.some((place) => same(place, [layer, head]));
    setText(this.silence, `${silent ? "Bring back" : "Silence"} ${nameOf(layer ?? 0, head ?? 0)}`);
    this.silence.setAttribute("aria-pressed", silent);
    this.silence.disabled = !there;
    for (const [button, patch] of [[this.patchHead, { head: [layer, head] }], [this.patchStream, { stream: this.stream() }]]) {
      const on = run.patched.some((other) => same(other, patch));
      button.hidden = live.clean(i) === null;
      setText(button, `${on ? "Unpatch" : "Patch in"} ${this.named(patch)}`);
      button.setAttribute("aria-pressed", on);
    }
  }

  complain(sentence) {
    setText(this.note, sentence);
  }
}
