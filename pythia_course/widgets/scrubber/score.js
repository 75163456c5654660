// One score over all checkpoints, evenly spaced as on the slider; of the chosen head, where each head has its own.

import { HIDDEN, make } from "../common/elements.js";

// Okabe and Ito's colours, those of the static plots.
const LINES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "currentColor"];
const inShort = (value) => (value === null ? "–" : Math.abs(value) < 100 ? value.toFixed(2) : value.toFixed(0));

export class Score {
  // values: one a checkpoint, null where there is none or it is not there yet.  number: which of the scores this is.
  constructor({ name, values }, number, heads) {
    const perHead = values.some(Array.isArray);
    Object.assign(this, { name, values, heads, perHead, color: LINES[number % LINES.length] });
    this.of = (at, layer, head) => (perHead ? values[at]?.[layer][head] ?? null : values[at]);
    this.build();
    this.measure();
  }

  build() {
    this.value = make("span", "pcs-value");
    this.range = make("span", "pcs-range");
    this.path = make("path", "", { stroke: this.color });
    this.label = make("div", "pcs-score", {}, make("span", "pcs-name", { title: this.name }, this.name), this.value, this.range);
    this.label.style.setProperty("--line", this.color);
    this.chart = make("svg", "pcs-chart", { ...HIDDEN, viewBox: "0 0 1000 100", preserveAspectRatio: "none" }, this.path);
  }

  // The range of all values that are there.
  measure() {
    const all = this.values.flat(2).filter((value) => value !== null);
    [this.low, this.high] = [Math.min(0, ...all), Math.max(...all)];
    this.range.textContent = `${inShort(this.low)} to ${inShort(this.high)}`;
    this.which = null; // whose line is drawn
  }

  show(at, layer, head, steps) {
    const which = this.perHead ? layer * this.heads + head : 0;
    if (which !== this.which) this.path.setAttribute("d", this.line(layer, head, steps));
    this.which = which;
    this.value.textContent = inShort(this.of(at, layer, head));
  }

  // The line through all checkpoints; a step without a number leaves a gap.
  line(layer, head, steps) {
    const points = Array.from({ length: steps }, (_, at) => this.of(at, layer, head));
    const high = (value) => 96 - (92 * (value - this.low)) / (this.high - this.low || 1);
    const pen = (at) => (at && points[at - 1] !== null ? "L" : "M");
    return points.map((value, at) => (value === null ? "" : `${pen(at)}${(1000 * at) / (steps - 1)},${high(value)}`)).join("");
  }
}
