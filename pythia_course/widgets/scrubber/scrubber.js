// The training scrubber in the browser. Python sends once what every checkpoint does with the first text; live.js has what
// it does with others. Tokens are only ever set as text, never as HTML.

import { Attention } from "./heads.js";
import { Lens } from "./lens.js";
import { Live } from "./live.js";
import { NextTokens } from "./next_tokens.js";
import { sent } from "./record.js";
import { Score } from "./score.js";
import { bytes, palette } from "../common/attention.js";
import { HIDDEN, KEYS, follow, make, shortened, within } from "../common/elements.js";

export default {
  render({ model, el }) {
    const scrubber = new Scrubber(model);
    el.append(scrubber.root);
    return () => scrubber.dispose();
  },
};

const TICK = 36; // pixels that the number of a step takes
const words = (number) => number.toLocaleString("en");
const tickOf = (step) => (step >= 1000 ? `${+(step / 1000).toPrecision(3)}k` : `${step}`);

// The slider, the button and all that moves with them.
class Scrubber {
  constructor(model) {
    this.colors = palette(bytes(model.get("_colors")));
    this.steps = model.get("_data").steps;
    if (model.get("_live")?.first !== undefined) this.live = new Live(model, this);
    this.build(model.get("_title"));
    this.open(sent(model));
    const shown = () => this.show(this.steps.indexOf(model.get("step")), model.get("layer"), model.get("head"));
    this.follower = follow(model, ["step", "layer", "head"], shown);
    shown();
    this.live?.begin();
  }

  build(title) {
    this.status = make("div", "pcw-status", { role: "status", "aria-live": "polite" });
    this.parts = make("div", "pcs-parts");
    this.root = make("div", "pcw pcs", { role: "group", "aria-label": title || "training scrubber" },
      make("div", "pcw-title", { title }, title), ...(this.live ? [this.live.root] : []), this.buildTime(), this.status, this.parts);
  }

  // Show what is recorded of a text, at the step and head chosen.
  open(record) {
    const { data, weights, said, sure } = record, { colors } = this;
    this.record = record;
    this.scores?.forEach(({ label, chart }) => { label.remove(); chart.remove(); });
    this.scores = data.scores.map((score, number) => new Score(score, number, data.heads));
    this.ticks.before(...this.scores.flatMap(({ label, chart }) => [label, chart]));
    this.attention = data.layers ? new Attention(data, weights, colors, this) : null;
    this.next = data.predictions.length ? new NextTokens(data) : null;
    this.lens = data.lens_rows ? new Lens(data, said, sure, colors, this) : null;
    this.parts.replaceChildren(...[this.attention, this.next, this.lens].filter(Boolean).map(({ root }) => root));
    this.redraw();
  }

  // More of the record is there.  at: of which checkpoint.
  arrived(at) {
    this.scores.forEach((score) => score.measure());
    if (at === this.at) return this.redraw();
    this.showScores();
  }

  redraw() {
    const { at, layer, head } = this;
    this.at = undefined;
    if (at !== undefined) this.show(at, layer, head);
  }

  dispose() {
    this.pause();
    this.live?.dispose();
    this.watcher.disconnect();
    this.follower.stop();
    this.root.remove();
  }

  // Button, slider and charts in two columns, so that the slider's thumb stands on the charts' line.
  buildTime() {
    const last = this.steps.length - 1;
    this.button = make("button", "pcs-play", { ...KEYS, type: "button" }, "▶\ufe0e Play");
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    this.step = make("span", "pcs-step");
    this.slider = make("input", "pcs-slider", { ...KEYS, type: "range", min: 0, max: last, step: 1, "aria-label": "training step" });
    this.slider.addEventListener("input", () => { this.pause(); this.moveTo(Number(this.slider.value)); });
    this.line = make("div", "pcs-line");
    const time = make("div", "pcs-time", {}, make("div", "pcs-controls", {}, this.button, this.step), this.slider,
      this.buildTicks(), make("div", "pcs-over", HIDDEN, this.line));
    time.addEventListener("click", ({ target, clientX }) => {
      const chart = target.closest(".pcs-chart")?.getBoundingClientRect();
      if (chart) this.moveTo(within(Math.round(((clientX - chart.left) / chart.width) * last), last + 1));
    });
    return time;
  }

  // As many steps by number as there is room for, and always the last.
  buildTicks() {
    const last = this.steps.length - 1, ticks = this.ticks = make("div", "pcs-ticks", HIDDEN, ...this.steps.map(() => make("span", "")));
    const write = (width) => {
      const every = Math.max(1, Math.ceil((last * TICK) / Math.max(width, 1)));
      const shown = (i) => i === last || (i % every === 0 && last - i >= every);
      [...ticks.children].forEach((tick, i) => { tick.textContent = shown(i) ? tickOf(this.steps[i]) : ""; });
    };
    [...ticks.children].forEach((tick, i) => { tick.style.left = `${(100 * i) / last}%`; });
    this.watcher = new ResizeObserver(([{ contentRect }]) => write(contentRect.width));
    this.watcher.observe(ticks);
    return ticks;
  }

  // From the first checkpoint on if the last one is shown.
  play() {
    if (this.at === this.steps.length - 1) this.moveTo(0);
    this.timer = setInterval(() => {
      this.moveTo(this.at + 1);
      if (this.at === this.steps.length - 1) this.pause();
    }, Math.max(60, Math.min(450, 9000 / this.steps.length)));
    this.running(true);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.running(false);
  }

  // A reader is not told of every step that goes by.
  running(on) {
    this.button.textContent = on ? "❚❚ Pause" : "▶\ufe0e Play";
    this.status.setAttribute("aria-live", on ? "off" : "polite");
  }

  moveTo(at) {
    this.tell(at, this.layer, this.head);
  }

  choose(layer, head) {
    this.tell(this.at, layer, head);
  }

  // Draw first, then tell Python.
  tell(at, layer, head) {
    this.show(at, layer, head);
    this.follower.tell({ step: this.steps[at], layer, head });
  }

  show(at, layer, head) {
    if (at === this.at && layer === this.layer && head === this.head) return;
    const moved = at !== this.at;
    Object.assign(this, { at, layer, head });
    const there = this.record.there(at);
    this.parts.classList.toggle("pcs-waiting", !there);
    if (there) this.attention?.show(at, layer, head);
    this.showScores();
    if (moved) this.showStep(there);
    this.say();
  }

  showScores() {
    for (const score of this.scores) score.show(this.at, this.layer, this.head, this.steps.length);
  }

  showStep(there) {
    if (there) {
      this.next?.show(this.at);
      this.lens?.show(this.at);
    }
    const text = `step ${words(this.steps[this.at])}`, share = this.at / (this.steps.length - 1);
    this.step.textContent = text;
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", `${text} of ${words(this.steps.at(-1))}`);
    this.line.style.left = `${100 * share}%`;
  }

  say() {
    const says = [`step ${words(this.steps[this.at])}`];
    if (!this.record.there(this.at)) return this.tellReader([...says, "being computed"]);
    const pointed = this.lens?.says() ?? [];
    if (this.attention && !pointed.length) says.push(this.attention.says());
    says.push(...pointed);
    if (this.next) says.push("next: " + this.next.predictions[this.at].slice(0, 1).map(([token, p]) => `${shortened(token)} ${p.toFixed(2)}`));
    return this.tellReader(says);
  }

  tellReader(says) {
    this.status.title = this.status.textContent = says.join(" · ");
  }
}
