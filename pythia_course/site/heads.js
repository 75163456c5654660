// All heads of a model as buttons with a thumbnail each, a row a layer; arrow keys move, s silences, p brings one over.

import { drawHead, nameOf } from "../widgets/common/attention.js";
import { HIDDEN, make, stepOf, within } from "../widgets/common/elements.js";

const THUMBNAIL = 64; // pixels

export class Heads {
  // told: { choose, silence, bring, hold }, each called with (layer, head).
  constructor({ layers, heads }, told) {
    Object.assign(this, { layers, heads, told });
    this.places = Array.from({ length: layers * heads }, (_, which) => [Math.floor(which / heads), which % heads]);
    this.cells = this.places.map((place) => {
      const cell = make("button", "pg-cell", { type: "button" }, make("canvas", "", HIDDEN), `L${place[0]} H${place[1]}`);
      cell.addEventListener("click", () => told.choose(...place));
      cell.addEventListener("keydown", (event) => this.pressed(event, place));
      cell.addEventListener("pointerdown", () => told.hold(...place));
      return cell;
    });
    this.root = make("div", "pg-heads", {}, ...this.cells);
    this.root.style.gridTemplateColumns = `repeat(${heads}, max-content)`;
  }

  pressed(event, [layer, head]) {
    const last = this.cells.length, { told } = this;
    const step = stepOf(event, { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.heads, ArrowDown: this.heads, Home: -last, End: last, s: 0, p: 0 });
    if (step === undefined) return;
    if (event.key === "s") return told.silence(layer, head);
    if (event.key === "p") return told.bring(layer, head);
    const to = within(layer * this.heads + head + step, last);
    told.choose(...this.places[to]);
    this.cells[to].focus();
  }

  // weights(layer, head): in 1/255.  changed(layer, head): "", or what was done to it, "silenced" or "patched in".
  draw(weights, number, colors, here, changed) {
    const side = Math.round(THUMBNAIL * (devicePixelRatio || 1));
    this.cells.forEach((cell, which) => {
      const place = this.places[which], isHere = String(place) === String(here), what = changed(...place);
      cell.firstChild.width = cell.firstChild.height = Math.min(number, side);
      drawHead(cell.firstChild, weights(...place), number, colors.pixels);
      cell.tabIndex = isHere ? 0 : -1;
      cell.classList.toggle("pg-silent", what === "silenced");
      cell.classList.toggle("pg-patched", what === "patched in");
      cell.setAttribute("aria-current", isHere);
      cell.setAttribute("aria-label", nameOf(...place) + (what && `, ${what}`));
    });
  }
}
