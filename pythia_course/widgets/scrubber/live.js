// What the scrubber has where it knows its model: a text to type on. Of another text the step shown is computed first, then
// the one nearest to wherever the slider stands, until all are there or another text comes.

import { KEYS, make } from "../common/elements.js";
import { PATIENCE, Quietly, UNANSWERED, setText, textField } from "../common/field.js";
import { headSize } from "../common/attention.js";
import { InKernel, InPage, Kernel } from "../common/sources.js";
import { Record } from "./record.js";

const PAUSE = 300; // milliseconds without a key before a kernel is asked

export class Live {
  constructor(model, scrubber) {
    const kernel = new Kernel(model), limits = model.get("_live"), { steps } = scrubber;
    Object.assign(this, { model, scrubber, kernel, limits, steps, text: limits.first, wished: limits.first, turn: null });
    this.page = new InPage(kernel, Math.max(8, steps.length)); // all of them: else each text would fetch them anew
    this.far = new InKernel(kernel);
    this.quietly = new Quietly(scrubber);
    this.source = limits.where === "page" ? this.page : this.far;
    this.told = () => { if (model.get("text") !== this.text) this.wish(model.get("text")); };
    model.on("change:text", this.told);
    this.build();
  }

  build() {
    this.field = textField("Type, and see what each checkpoint makes of it:", this.text, (text) => this.wish(text));
    this.again = make("button", "", { ...KEYS, type: "button" }, "First text again");
    this.again.addEventListener("click", () => this.wish(this.limits.first));
    this.progress = make("span", "pcs-progress");
    this.root = make("div", "pcs-live", {}, this.field.root, this.field.note,
      make("div", "pcw-controls", {}, this.again, this.progress, this.field.where));
    for (const event of ["pointerenter", "focusin"]) this.root.addEventListener(event, () => this.source.start(), { once: true });
    this.refresh();
  }

  begin() {
    this.first = this.scrubber.record;
    this.told(); // saved, or changed, since the picture was made
  }

  dispose() {
    this.stop();
    this.model.off("change:text", this.told);
    for (const part of [this.page, this.far, this.kernel, this.quietly]) part.dispose();
  }

  // What is being computed is not wanted any more.
  stop() {
    this.turn = null;
    for (const timer of [this.slow, this.soon]) clearTimeout(timer);
  }

  // Show this text, as soon as something of it is there.
  wish(text) {
    this.stop();
    Object.assign(this, { wished: text, record: null });
    this.refresh();
    if (text === this.limits.first) return this.show(this.first, text);
    const turn = this.turn = {};
    this.slow = setTimeout(() => setText(this.field.note, UNANSWERED), PATIENCE);
    this.soon = setTimeout(() => this.fill(text, turn), this.source === this.page ? 0 : PAUSE);
  }

  async fill(prompt, turn) {
    try {
      for (let at = this.nearest(); at >= 0; at = this.nearest()) {
        const moment = await this.source.moment({ model: this.limits.model, step: this.steps[at], prompt }, "moments");
        if (this.turn !== turn || !moment) return;
        this.put(at, moment, prompt);
      }
    } catch (error) {
      if (this.turn !== turn) return;
      if (this.source === this.page && this.page.broken) {
        this.source = this.far;
        this.wish(prompt);
        return;
      }
      clearTimeout(this.slow);
      setText(this.field.note, error.message);
    }
  }

  // Which checkpoint comes next, -1 for none.
  nearest() {
    const missing = [...this.steps.keys()].filter((at) => !this.record?.there(at));
    const far = (at) => Math.abs(at - this.scrubber.at);
    return missing.reduce((best, at) => (best < 0 || far(at) < far(best) ? at : best), -1);
  }

  put(at, moment, text) {
    if (this.record) {
      this.record.put(at, moment);
      this.quietly.draw(() => this.scrubber.arrived(at));
    } else {
      this.refuseSize(moment);
      this.record = new Record(this.steps, moment);
      this.record.put(at, moment);
      this.show(this.record, text);
    }
    this.refresh();
  }

  show(record, text) {
    clearTimeout(this.slow);
    setText(this.field.note, "");
    this.text = text;
    this.quietly.draw(() => this.scrubber.open(record));
    this.refresh();
    this.model.set("text", text);
    this.model.save_changes();
  }

  // The sentences of Python.
  refuseSize({ tokens: { length: number }, layers, heads }) {
    const { most, bytes } = this.limits, size = this.steps.length * layers * heads * headSize(number), mega = (n) => (n / 1e6).toFixed(0);
    if (number > most) throw new Error(`TrainingScrubber draws texts of 1 to ${most} tokens, and this one has ${number}: shorten it.`);
    if (size <= bytes) return;
    throw new Error(`Of this text TrainingScrubber would hold ${mega(size)} MB in the browser, more than its ${mega(bytes)} MB: shorten it.`);
  }

  refresh() {
    const { field, again, progress, record, steps, wished } = this, number = record ? record.whole.size : 0;
    if (field.text.value !== wished) field.text.value = wished;
    again.disabled = wished === this.limits.first;
    setText(field.where, this.source.where);
    setText(progress, again.disabled ? "" : `${number} of ${steps.length} checkpoints`);
  }
}
