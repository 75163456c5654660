// What is brought over from the other text's run into this one: heads, and the stream at a token before a layer.

import { nameOf } from "../widgets/common/attention.js";
import { make, shortened } from "../widgets/common/elements.js";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Patches {
  // panel: a Panel, whose run.patched is what is brought over.
  constructor(panel) {
    const button = (press) => { const made = make("button", "", { type: "button" }); made.addEventListener("click", press); return made; };
    this.panel = panel;
    this.head = button(() => this.toggle({ head: [panel.layer, panel.head] }));
    this.stream = button(() => this.toggle(this.place()));
    this.token = make("select", "pg-position");
    this.token.addEventListener("change", () => panel.look(Number(this.token.value)));
    this.before = make("select", "");
    this.before.addEventListener("change", () => this.draw());
    this.chips = make("ul", "pg-chips", { "aria-label": "brought over" });
    this.root = make("div", "pg-patches", {},
      make("p", "", {}, "Drag a head, or a token beside the large picture, from one text into the other; or:"),
      make("div", "pcw-controls", {}, this.head),
      make("div", "pcw-controls", {}, make("label", "", {}, "the stream at", this.token), make("label", "", {}, "before layer", this.before), this.stream),
      this.chips);
  }

  // The place that the two lists name, or a token at the layer they name.
  place(position = this.panel.query) {
    return { stream: [Number(this.before.value), position] };
  }

  has(patch) {
    return this.panel.run.patched.some((other) => same(other, patch));
  }

  toggle(patch) {
    const { patched } = this.panel.run;
    this.panel.change({ patched: this.has(patch) ? patched.filter((other) => !same(other, patch)) : [...patched, patch] });
  }

  bring(patch) {
    if (!this.has(patch)) this.toggle(patch);
  }

  name({ head, stream }) {
    if (head) return nameOf(...head);
    const [layer, position] = stream, { layers } = this.panel.size, token = shortened(this.panel.tokens?.[position] ?? "?", 12);
    return `the stream at ${token} (${position}) ${layer < layers ? `before layer ${layer}` : `after layer ${layer - 1}`}`;
  }

  // The lists, of other tokens or another model.
  fill() {
    const { tokens, size: { layers } } = this.panel, before = this.before.value || Math.min(1, layers);
    if (same(this.filled, [tokens, layers])) return;
    this.filled = [tokens, layers];
    const choices = Array.from({ length: layers + 1 }, (_, layer) => make("option", "", { value: layer }, layer < layers ? String(layer) : "none: the end"));
    this.token.replaceChildren(...tokens.map((token, i) => make("option", "", { value: i }, `${i}: ${shortened(token, 12)}`)));
    this.before.replaceChildren(...choices);
    this.before.value = Math.min(before, layers);
  }

  // Also while there is no picture, since what is brought over may not fit.
  draw() {
    const { panel } = this, { tokens } = panel, head = { head: [panel.layer, panel.head] };
    this.root.hidden = panel.other === null;
    if (this.root.hidden) return;
    if (tokens) {
      this.fill();
      this.token.value = panel.query;
    }
    this.stream.disabled = !tokens;
    for (const [button, patch, name] of [[this.head, head, nameOf(...head.head)], [this.stream, this.place(), "it"]]) {
      const on = this.has(patch);
      button.textContent = on ? `take ${name} back out` : `bring ${name} over from the other text`;
      button.setAttribute("aria-pressed", on);
    }
    this.drawChips();
  }

  drawChips() {
    const { run: { patched }, tokens } = this.panel;
    if (same(this.told, [patched, tokens])) return; // a chip that has the focus stays
    this.told = [patched, tokens];
    this.chips.replaceChildren(...patched.map((patch) => {
      const chip = make("button", "", { type: "button", "aria-label": `take back: ${this.name(patch)}` }, `${this.name(patch)}, from the other text ✕`);
      chip.addEventListener("click", () => { this.toggle(patch); this.head.focus(); });
      return make("li", "", {}, chip);
    }));
  }
}
