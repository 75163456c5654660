// What a model was trained on at the step shown, a click away: the documents of one batch, those that hold the words chosen.

import { make, newId } from "../widgets/common/elements.js";

const MOST = 6, MORE = 20; // documents shown at first; how many more at a time
const grouped = (number) => number.toLocaleString("en");
const escaped = (word) => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
const LETTER = "[\\p{L}\\p{N}]", IS_LETTER = new RegExp(LETTER, "u");

// Any of these words, whole: “to” is not in “town”.
function wholeOf(words) {
  const whole = (word) => {
    const letters = [...word], before = IS_LETTER.test(letters[0]) ? `(?<!${LETTER})` : "";
    return `${before}${escaped(word)}${IS_LETTER.test(letters.at(-1)) ? `(?!${LETTER})` : ""}`;
  };
  return new RegExp(`(${[...words].sort((a, b) => b.length - a.length).map(whole).join("|")})`, "u");
}

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

  // The word that the token which looks is, or is a piece of.
  take() {
    const { tokens = [], query } = this.panel, from = tokens.slice(0, query).join("").length, to = from + (tokens[query] ?? "").length;
    if (!this.root.open) return;
    const found = [...tokens.join("").matchAll(new RegExp(`${LETTER}+`, "gu"))].find(({ 0: word, index }) => index < to && index + word.length > from);
    this.words.value = found?.[0] ?? "";
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
    const tests = words.map((word) => wholeOf([word])), found = documents.filter(([, text]) => tests.every((test) => test.test(text)));
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
  return text.split(wholeOf(words)).map((part, i) => (i % 2 ? make("mark", "", {}, part) : part));
}
