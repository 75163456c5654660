// What the model would say next if it stopped after each layer: a row a layer, a column a token read. On a canvas:
// hundreds of words set as elements take the browser longer than a frame.

import { HIDDEN, KEYS, make, pointing, shortened } from "../common/elements.js";

export class Lens {
  // said: places in the vocabulary, sure: their probabilities in 1/255; both (step, row, position), one after another.
  constructor({ tokens, lens_rows: rows, vocabulary }, said, sure, colors, scrubber) {
    Object.assign(this, { tokens, rows, said, sure, vocabulary, colors, scrubber, fitting: [], shown: [] });
    this.wide = Math.max(42, Math.min(64, Math.floor(860 / tokens.length)));
    this.deep = rows > 8;
    this.high = this.deep ? 12 : 17; // a deep model's words are set closer, so that all is seen at once
    this.buildCanvas();
    this.root = this.build();
  }

  buildCanvas() {
    const size = [this.tokens.length * this.wide, this.rows * this.high], scale = Math.max(1, window.devicePixelRatio || 1);
    this.canvas = make("canvas", "pcs-words", { role: "img", width: size[0] * scale, height: size[1] * scale });
    Object.assign(this.canvas.style, { width: `${size[0]}px`, height: `${size[1]}px` });
    this.pen = this.canvas.getContext("2d");
    this.pen.scale(scale, scale);
    Object.assign(this.pen, { font: `${this.deep ? 10 : 11}px monospace`, textAlign: "center", textBaseline: "middle" });
    pointing(this.canvas, () => [this.tokens.length, this.rows], (position, row) => this.point([row, position]));
    this.canvas.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType === "mouse") this.point(null); // a finger leaves as soon as it has tapped
    });
  }

  build() {
    const rows = Array.from({ length: this.rows }, (_, row) => make("div", "", {}, this.nameOf(row)));
    const heads = this.tokens.map((token) => make("div", "", { title: token }, token));
    const table = make("div", "pcs-lens", {}, make("div", "pcs-read", HIDDEN, "it has read"),
      make("div", "pcs-heads", HIDDEN, ...heads), make("div", "pcs-layers", HIDDEN, ...rows), this.canvas);
    for (const [name, value] of [["wide", this.wide], ["row", this.high]]) table.style.setProperty(`--${name}`, `${value}px`);
    const label = "logit lens: what it would say next, layer by layer; yellow is sure (underlined: what really came next)";
    const scroll = make("div", "pcs-scroll", { ...KEYS, tabindex: 0, role: "group", "aria-label": "logit lens" }, table);
    requestAnimationFrame(() => { scroll.scrollLeft = scroll.scrollWidth; }); // the last tokens first, if not all fit
    return make("figure", "pcs-part pcs-wide", {}, make("figcaption", "", {}, label), scroll);
  }

  nameOf(row) {
    return row ? `after layer ${row - 1}` : "embedding";
  }

  // place: [row, position], null for none.
  point(place) {
    this.pointed = place;
    this.scrubber.say();
  }

  cell(row, position) {
    const place = (this.at * this.rows + row) * this.tokens.length + position;
    return [this.said[place], this.sure[place]];
  }

  show(at) {
    const number = this.tokens.length;
    this.at = at;
    for (let place = 0; place < this.rows * number; place++) {
      const [word, level] = this.cell(Math.floor(place / number), place % number);
      if (this.shown[place] === word * 256 + level) continue; // an early checkpoint changes little
      this.shown[place] = word * 256 + level;
      this.write(Math.floor(place / number), place % number, word, level);
    }
    const last = Array.from({ length: this.rows }, (_, row) => `${this.nameOf(row)} ${this.told(row, number - 1)}`);
    this.canvas.setAttribute("aria-label", `logit lens after the last token: ${last.join(", ")}`);
  }

  write(row, position, word, level) {
    const { pen, wide, high, colors } = this, [x, y] = [position * wide, row * high], text = this.vocabulary[word];
    pen.fillStyle = colors.css[level];
    pen.fillRect(x, y, wide - 1, high - 1);
    pen.fillStyle = colors.ink[level];
    pen.fillText((this.fitting[word] ??= this.fit(text)), x + (wide - 1) / 2, y + high / 2);
    if (text === this.tokens[position + 1]) pen.fillRect(x + 3, y + high - 4, wide - 7, 2);
  }

  // As much of a word as a cell holds.
  fit(text) {
    const letters = [...text], fits = (what) => this.pen.measureText(what).width < this.wide - 4;
    const cut = (number) => letters.slice(0, number).join("") + "…";
    if (fits(text)) return text;
    let number = letters.length;
    while (number > 1 && !fits(cut(number))) number--;
    return cut(number);
  }

  told(row, position) {
    const [word, level] = this.cell(row, position);
    return `${shortened(this.vocabulary[word])} ${(level / 255).toFixed(2)}`;
  }

  // "after layer 2, having read ␣red, it says ␣ball 0.57", where one points; else nothing.
  says() {
    if (!this.pointed) return [];
    const [row, position] = this.pointed;
    return [`${this.nameOf(row)}, having read ${shortened(this.tokens[position])}, it says ${this.told(row, position)}`];
  }
}
