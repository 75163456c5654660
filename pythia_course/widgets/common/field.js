// A text to type on, above what a widget shows of it.

import { KEYS, make, newId } from "./elements.js";

// typed(text) is told at each key.  Back: the root, the text itself, and a line for what cannot be done.
export function textField(label, value, typed) {
  const id = newId(), text = make("textarea", "pcw-text", { ...KEYS, id, rows: 2, spellcheck: "false", autocomplete: "off" });
  text.value = value;
  text.addEventListener("input", () => typed(text.value));
  const root = make("div", "pcw-field", {}, make("label", "", { for: id }, label), text);
  return { root, text, note: make("div", "pcw-note", { role: "alert" }), where: make("span", "pcw-where") };
}

export const setText = (element, text) => { if (element.textContent !== text) element.textContent = text; };
export const UNANSWERED = "The kernel has not answered yet: it is busy, or gone. Run the cell again to go on here.";
export const PATIENCE = 6000; // milliseconds before that is said
const QUIET = 400; // milliseconds without a new picture before it is read out

// Pictures that come one upon another while somebody types: a screen reader is told of the last, once it has stood a moment.
export class Quietly {
  // widget: what is drawn, with a `status` and `say()`.
  constructor(widget) {
    this.widget = widget;
  }

  draw(picture) {
    const { status } = this.widget;
    status.setAttribute("aria-live", "off");
    picture();
    clearTimeout(this.soon);
    this.soon = setTimeout(() => {
      status.setAttribute("aria-live", "polite");
      this.widget.say();
    }, QUIET);
  }

  dispose() {
    clearTimeout(this.soon);
  }
}
