// The scrubber's attention: all heads on one canvas, and the chosen one large.

import { HeadMap, headSize, fillLevels, looksAt, nameOf, places } from "../common/attention.js";
import { HIDDEN, KEYS, make, newId, stepOf } from "../common/elements.js";

const GAP = 3; // pixels between two thumbnails
const FUTURE = [128, 128, 128, 80]; // red, green, blue and opacity of keys a query may not look at
const LARGE = 230; // pixels of the chosen head, at most: beside a lens of 12 layers, a laptop still shows all

// Rows and columns of heads on one canvas, each `side` pixels and `gap` apart. Where a head has fewer pixels than
// tokens, a pixel takes the largest weight of its block, so that thin lines stay. The future is a grey that lets the
// page through, so it suits any theme.
class Heads {
  constructor(rows, columns, number, side, gap) {
    const pitch = side + gap, wide = columns * pitch, high = rows * pitch;
    Object.assign(this, { rows, columns, pitch, wide });
    this.place = places(number, side);
    this.canvas = make("canvas", "", { width: wide, height: high });
    this.image = new ImageData(wide, high);
    this.out = new Uint32Array(this.image.data.buffer);
    this.levels = new Int16Array(this.out.length);
    this.out.forEach((_, pixel) => {
      const inside = (pixel % wide) % pitch < side && Math.floor(pixel / wide) % pitch < side;
      if (inside) this.image.data.set(FUTURE, 4 * pixel);
    });
  }

  // weights(row, column): query q has its keys 0 to q from q (q + 1) / 2 on, in 1/255.
  draw(weights, pixels) {
    const { levels, out, place, pitch, wide } = this;
    levels.fill(-1);
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        fillLevels(levels, weights(row, column), place, row * pitch * wide + column * pitch, wide);
      }
    }
    for (let pixel = 0; pixel < out.length; pixel++) if (levels[pixel] >= 0) out[pixel] = pixels[levels[pixel]];
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
  }
}

// All heads as thumbnails, of which one is chosen, and that one large.
export class Attention {
  // data: as Python describes it.  weights: of all checkpoints one after another.
  constructor(data, weights, colors, scrubber) {
    const { tokens, layers, heads } = data, number = tokens.length, size = headSize(number);
    Object.assign(this, { tokens, layers, heads, colors, scrubber, number, query: number - 1, key: null });
    this.weights = (layer, head) => {
      const start = ((this.at * layers + layer) * heads + head) * size;
      return weights.subarray(start, start + size);
    };
    this.root = make("div", "pcs-attention", {}, this.buildHeads(), this.buildMap());
  }

  buildHeads() {
    const { layers, heads } = this, side = Math.max(16, Math.min(49, Math.floor(228 / heads) - GAP));
    this.all = new Heads(layers, heads, this.number, Math.min(this.number, side), 1);
    this.all.canvas.setAttribute("aria-hidden", true);
    const numbers = (letter, number) => Array.from({ length: number }, (_, i) => make("span", "", {}, letter + i));
    const picture = make("div", "pcs-thumbnails", {},
      make("div", "pcs-numbers", HIDDEN, ...numbers("H", heads)), make("div", "pcs-numbers pcs-down", HIDDEN, ...numbers("L", layers)),
      make("div", "pcs-stack", {}, this.all.canvas, this.buildGrid()));
    const sizes = { pitch: `${side + GAP}px`, gap: `${GAP}px`, heads, layers };
    for (const [name, value] of Object.entries(sizes)) picture.style.setProperty(`--${name}`, value);
    return make("figure", "pcs-part", {}, make("figcaption", "", {}, "all heads"), picture);
  }

  // What lies over the canvas, to be clicked, reached with the arrow keys and read aloud.
  buildGrid() {
    this.cells = Array.from({ length: this.layers }, (_, layer) => Array.from({ length: this.heads }, (_, head) => {
      const name = nameOf(layer, head);
      const cell = make("div", "pcs-head", { role: "gridcell", id: newId(), "aria-label": name, title: name });
      cell.addEventListener("click", () => this.scrubber.choose(layer, head));
      return cell;
    }));
    const rows = this.cells.map((cells) => make("div", "pcs-row", { role: "row" }, ...cells));
    const label = "all heads, arrow keys choose one";
    this.grid = make("div", "pcs-grid", { ...KEYS, role: "grid", tabindex: 0, "aria-label": label }, ...rows);
    this.grid.addEventListener("keydown", (event) => this.pressed(event));
    return this.grid;
  }

  buildMap() {
    this.map = new HeadMap(this.tokens, this.colors, (query, key) => this.point(query, key), LARGE);
    this.map.canvas.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType === "mouse") this.point(this.number - 1, null); // a finger leaves as soon as it has tapped
    });
    this.caption = make("figcaption", "");
    return make("figure", "pcs-part", {}, this.caption, this.map.root);
  }

  point(query, key) {
    Object.assign(this, { query, key });
    this.map.look(query, key);
    this.scrubber.say();
  }

  pressed(event) {
    const step = stepOf(event, { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.heads, ArrowDown: this.heads });
    const to = this.layer * this.heads + this.head + step;
    if (to >= 0 && to < this.layers * this.heads) this.scrubber.choose(Math.floor(to / this.heads), to % this.heads);
  }

  // at: which checkpoint.
  show(at, layer, head) {
    if (at !== this.at) {
      this.at = at;
      this.all.draw(this.weights, this.colors.pixels);
    }
    this.cells[this.layer]?.[this.head].removeAttribute("aria-selected");
    Object.assign(this, { layer, head });
    this.cells[layer][head].setAttribute("aria-selected", true);
    this.grid.setAttribute("aria-activedescendant", this.cells[layer][head].id);
    this.map.draw(this.weights(layer, head), nameOf(layer, head));
    this.map.look(this.query, this.key);
    this.caption.textContent = `${nameOf(layer, head)}: rows look at columns`;
  }

  // "layer 1, head 3: ␣ball looks at ␣red 0.83, ␣the 0.10": the last token, or where one points.
  says() {
    return `${nameOf(this.layer, this.head)}: ${looksAt(this.weights(this.layer, this.head), this.tokens, this.query, this.key)}`;
  }
}
