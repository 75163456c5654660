// What the model read in training, a click away: documents of one batch that hold the word of the token chosen.

import { KEYS, make } from "../common/elements.js";

export class Read {
  constructor(live, i) {
    Object.assign(this, { live, i });
    this.button = make("button", "", { ...KEYS, type: "button", "aria-expanded": "false" }, "What it read");
    this.button.hidden = !live.models[live.first[i].model];
    this.button.addEventListener("click", () => (this.root.hidden ? this.open() : this.close()));
    this.root = make("div", "pce-read", { role: "group", "aria-label": "training documents", tabindex: 0, ...KEYS });
    this.root.hidden = true;
  }

  async open() {
    const { model, step } = this.live.wished[this.i], panel = this.live.panels[this.i], token = panel.tokens[panel.query];
    this.show("…");
    try {
      const { batch, word, total, found } = await this.live.kernel.ask({ want: "documents", model, step, token });
      const of = `${found.length} of the ${total} documents of batch ${batch.toLocaleString("en")}`;
      this.show(word === "" ? of : `${of} that hold “${word}”, the token chosen`, found, word);
    } catch (error) {
      this.show(error.message);
    }
  }

  show(sentence, found = [], word = "") {
    const told = found.map(({ source, text }) => make("p", "", {}, make("b", "", {}, source), " ", ...marked(text, word)));
    this.root.replaceChildren(make("div", "pce-read-what", {}, sentence), ...told);
    this.root.hidden = false;
    this.button.setAttribute("aria-expanded", true);
  }

  close() {
    this.root.hidden = true;
    this.button.setAttribute("aria-expanded", false);
  }
}

// The text with a word marked wherever it stands.
function marked(text, word) {
  if (!word) return [text];
  return text.split(word).flatMap((part, i) => (i ? [make("mark", "", {}, word), part] : [part]));
}
