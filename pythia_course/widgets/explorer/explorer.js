// The attention explorer in the browser. Of arrays, Python sends every weight once, and from then on the kernel is not
// asked for pictures; where it knows the models too, `live` gets new ones. Tokens are only ever set as text, never as HTML.

import { bytes, headSize, nameOf, palette } from "../common/attention.js";
import { KEYS, follow, make, reveal, stepOf, within } from "../common/elements.js";
import { bestHead } from "../common/reading.js";
import { Live } from "./live.js";
import { Panel, withWeights } from "./panel.js";

export default {
  render({ model, el }) {
    const explorer = new Explorer(model);
    el.append(explorer.root);
    return () => explorer.dispose();
  },
};

// The models as they were when the cell ran, with the weights that Python sent then.
function unpack(model) {
  const all = bytes(model.get("_weights"));
  let end = 0;
  return model.get("_models").map((described) => {
    const start = end;
    end += described.layers * described.heads * headSize(described.tokens.length);
    return withWeights(described, all.subarray(start, end));
  });
}

// The panels, what they have in common, and the controls above them.
class Explorer {
  constructor(model) {
    const title = model.get("_title"), models = unpack(model), colors = palette(bytes(model.get("_colors")));
    if (model.get("_live")?.linked) this.live = new Live(model, this);
    this.panels = models.map((each) => new Panel(each, colors, this));
    this.measure();
    this.status = make("div", "pcw-status", { role: "status", "aria-live": "polite" });
    this.root = make("div", "pcw pce", { role: "group", "aria-label": title || "attention explorer" },
      make("div", "pcw-title", { title }, title), this.buildControls(), this.status,
      make("div", "pce-panels", {}, ...this.panels.map(({ root }) => root)));
    this.live?.build(this.panels, this.root);
    this.arrange();
    const shown = () => this.show(model.get("layer"), model.get("head"));
    this.follower = follow(model, ["layer", "head"], shown);
    shown();
  }

  dispose() {
    this.follower.stop();
    this.live?.dispose();
    this.root.remove();
  }

  // How many layers and heads there are; those of the larger model.
  measure() {
    this.layers = Math.max(...this.panels.map(({ model }) => model.layers));
    this.heads = Math.max(...this.panels.map(({ model }) => model.heads));
  }

  // One panel has another picture.
  redraw(panel, picture) {
    panel.update(picture);
    this.measure();
    this.listScores();
    this.arrange();
    const [layer, head] = [within(this.layer, this.layers), within(this.head, this.heads)];
    if (layer !== this.layer || head !== this.head) return this.choose(layer, head);
    panel.show(layer, head);
    this.say();
  }

  // Which score, of which model; whether to sort by it; and the least that stays.
  buildControls() {
    this.select = make("select", "", KEYS);
    this.listScores();
    this.sorted = make("input", "", { ...KEYS, type: "checkbox", checked: "" });
    this.least = make("input", "pce-least", { ...KEYS, type: "range", step: 0.01 });
    this.count = make("span", "");
    this.filter = make("span", "pcw-controls", {}, make("label", "", {}, this.sorted, "best first"),
      make("label", "", {}, "at least", this.least), this.count);
    this.select.addEventListener("change", () => this.chooseScore());
    for (const control of [this.sorted, this.least]) control.addEventListener("input", () => this.arrange());
    return make("div", "pcw-controls", {}, make("label", "", {}, "score", this.select), this.filter);
  }

  // What there is to choose; what was chosen stays so if it still is there.
  listScores() {
    this.choices = this.panels.flatMap(({ model, prefix }) =>
      Object.entries(model.scores).map(([score, values]) => ({ score, values, text: prefix + score })));
    const texts = ["none", ...this.choices.map(({ text }) => text)];
    this.choice = this.choices.find(({ text }) => text === this.choice?.text);
    if (texts.join("\0") === [...this.select.options].map(({ text }) => text).join("\0")) return;
    this.select.replaceChildren(...texts.map((text, value) => make("option", "", { value }, text)));
    this.select.value = this.choices.indexOf(this.choice) + 1;
  }

  // The slider spans the score's values, and the best head is shown.
  chooseScore() {
    this.choice = this.choices[this.select.value - 1];
    const values = this.choice?.values.flat() ?? [0];
    this.least.min = this.least.value = Math.floor(100 * Math.min(...values)) / 100;
    this.least.max = Math.floor(100 * Math.max(...values)) / 100;
    this.least.value = this.least.min;
    this.arrange();
    if (this.choice) this.choose(...bestHead(this.choice.values));
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
    if (this.live?.pressed(event, panel)) return;
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
    this.live?.pointed();
    this.say();
  }

  // A token was pointed at. Models that read the same tokens look from the same one.
  look(panel, query, key = null) {
    if (panel.query === query && panel.key === key) return;
    for (const other of this.panels.filter(({ text }) => text === panel.text)) other.look(query, key);
    this.live?.pointed();
    this.say();
  }

  say() {
    const lines = this.panels.map((panel) => panel.says()), gap = lines.length > 1 ? "\n" : " ";
    this.status.title = this.status.textContent = `${nameOf(this.layer, this.head)}:${gap}${lines.join("\n")}`;
  }
}
