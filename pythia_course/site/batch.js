// What a model was trained on at the step shown, a click away: the documents of one batch, those that hold the words chosen.

import { make, newId } from "../widgets/common/elements.js";

const MOST = 6, MORE = 20; // documents shown at first; how many more at a time
const grouped = (number) => number.toLocaleString("en");
const escaped = (word) => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");

export class Batch {
  // panel: a Panel.  fetched(model, step): a promise of { step, documents: [[source, text], …] }, a batch and its number.
  constructor(panel, fetched) {
    const id = newId();
    Object.assign(this, { panel, fetched, shown: MOST });
    this.words = make("input", "pg-words", { id, type: "search", autocomplete: "off", spellcheck: "false" });
    this.words.addEventListener("input", () => { this.shown = MOST; this.find(); });
    this.said = make("p", "", { role: "status" });
    this.list = make("ol", "pg-documents");
    this.more = make("button", "", { type: "button" });
    this.more.addEventListener("click", () => { this.shown += MORE; this.find(); });
    this.root = make("details", "pg-batch", {}, make("summary", "", {}, "what it was trained on at this step"),
      make("div", "pcw-controls", {}, make("label", "", { for: id }, "words that a document must hold"), this.words), this.said, this.list, this.more);
    this.root.addEventListener("toggle", () => this.open());
    panel.large.addEventListener("click", () => this.take());
  }

  open() {
    if (this.root.open && !this.words.value) this.take();
    return this.show();
  }

  // The word in the token that looks.
  take() {
    if (!this.root.open) return;
    this.words.value = /[\p{L}\p{N}](.*[\p{L}\p{N}])?/u.exec(this.panel.tokens?.[this.panel.query] ?? "")?.[0] ?? "";
    this.shown = MOST;
    this.find();
  }

  // The batch of what is seen now, while this is open; a slow answer does not cover a newer one.
  async show() {
    if (!this.root.open) return;
    const { model, step } = this.panel.run, now = `${model} ${step}`;
    if (this.at === now) return;
    this.at = now;
    try {
      const batch = await this.fetched(model, step);
      if (this.at !== now) return;
      Object.assign(this, { batch, model, step, shown: MOST });
      this.find();
    } catch (error) {
      if (this.at !== now) return;
      Object.assign(this, { at: null, batch: null });
      this.list.replaceChildren();
      this.more.hidden = true;
      this.said.textContent = error.message;
    }
  }

  find() {
    if (!this.batch) return;
    const { batch: { step, documents }, model, shown } = this, words = this.words.value.split(/\s+/).filter(Boolean);
    const found = documents.filter(([, text]) => words.every((word) => text.includes(word)));
    const seen = this.step ? `the last that ${model} has read at step ${grouped(this.step)}` : `the first that ${model} will read`;
    const hold = words.length ? ` ${found.length === 1 ? "holds" : "hold"} ${words.map((word) => `“${word}”`).join(" and ")}` : ", cut where a row of the batch ends";
    this.said.textContent = `Batch ${grouped(step)}, ${seen}: ${words.length ? `${found.length} of ` : ""}${documents.length} documents${hold}.`;
    this.list.replaceChildren(...found.slice(0, shown).map(([source, text]) =>
      make("li", "", {}, make("b", "", {}, source), " ", make("span", "", {}, ...marked(text, words)))));
    this.more.hidden = found.length <= shown;
    this.more.textContent = `show ${Math.min(MORE, found.length - shown)} more`;
  }
}

// The text with these words marked wherever they stand.
function marked(text, words) {
  if (!words.length) return [text];
  const parts = text.split(new RegExp(`(${[...words].sort((a, b) => b.length - a.length).map(escaped).join("|")})`, "u"));
  return parts.map((part, i) => (i % 2 ? make("mark", "", {}, part) : part));
}
