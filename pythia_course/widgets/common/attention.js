// Attention as the explorer, the scrubber and the viewer draw it. Tokens are only ever set as text, never as HTML.

import { HIDDEN, make, pointing, shortened } from "./elements.js";

export const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
export const nameOf = (layer, head) => `layer ${layer}, head ${head}`;
export const headSize = (number) => (number * (number + 1)) / 2; // query q has its keys 0 to q from q (q + 1) / 2 on

// The 256 colours: as pixels, as CSS, and black or white to write on each.
export function palette(rgb) {
  const pixels = new Uint32Array(256), channels = new Uint8Array(pixels.buffer);
  const colors = Array.from(pixels, (_, level) => rgb.subarray(3 * level, 3 * level + 3));
  colors.forEach((color, level) => channels.set([...color, 255], 4 * level));
  const ink = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 127 ? "black" : "white");
  return { pixels, css: colors.map((color) => `rgb(${color})`), ink: colors.map(ink) };
}

// Which pixel of so many each token falls on.
export const places = (number, side) => Array.from({ length: number }, (_, token) => Math.floor((token * side) / number));

// Put one head's weights, in 1/255, into the levels of a picture `wide` pixels wide, from pixel `start` on. Where
// there are fewer pixels than tokens, a pixel takes the largest weight of its block, so that thin lines stay.
export function fillLevels(levels, weights, place, start, wide) {
  for (let query = 0, next = 0; query < place.length; query++) {
    const line = start + place[query] * wide;
    for (let key = 0; key <= query; key++, next++) {
      const pixel = line + place[key];
      if (weights[next] > levels[pixel]) levels[pixel] = weights[next];
    }
  }
}

// One head on a square canvas. What lies in the future is left transparent.
export function drawHead(canvas, weights, number, pixels) {
  const side = canvas.width, context = canvas.getContext("2d", { willReadFrequently: true }); // too small for a graphics card
  const image = context.createImageData(side, side), out = new Uint32Array(image.data.buffer);
  const levels = new Int16Array(side * side).fill(-1);
  fillLevels(levels, weights, places(number, side), 0, side);
  for (let pixel = 0; pixel < levels.length; pixel++) if (levels[pixel] >= 0) out[pixel] = pixels[levels[pixel]];
  context.putImageData(image, 0, 0);
}

// "␣ball looks at ␣red 0.83, ␣the 0.10, …": the most, or the one pointed at.
export function looksAt(weights, tokens, query, key = null) {
  const start = headSize(query), row = [...weights.subarray(start, start + query + 1)];
  const most = row.map((_, token) => token).sort((a, b) => row[b] - row[a] || a - b);
  const told = key === null ? most.filter((token) => row[token] > 1).slice(0, 3) : [key];
  const named = told.map((token) => `${shortened(tokens[token])} ${(row[token] / 255).toFixed(2)}`);
  if (key === null && query >= told.length) named.push("…");
  return `${shortened(tokens[query])} looks at ${named.join(", ")}`;
}

// One head, large, between the labels of its tokens; point(query, key) is told where one points, key null in the future.
export class HeadMap {
  constructor(tokens, colors, point, most = 384) {
    Object.assign(this, { colors, most, number: 0, rows: [], columns: [], marked: [], marker: make("div", "pcw-marker") });
    this.canvas = make("canvas", "pcw-canvas", { role: "img" });
    pointing(this.canvas, () => [this.number, this.number], (key, query) => point(query, key <= query ? key : null));
    this.beside = make("div", "pcw-rows", HIDDEN);
    this.below = make("div", "pcw-columns", HIDDEN);
    this.root = make("div", "pcw-map", {}, this.beside, make("div", "pcw-picture", {}, this.canvas, this.marker),
      this.below, make("div", "pcw-axes", HIDDEN, "rows look at columns"));
    this.retoken(tokens);
  }

  // Other tokens; what stays as it was is not touched, so that one can type.
  retoken(tokens) {
    const number = tokens.length, fits = Math.max(1, Math.min(26, this.most / number)), before = this.cell;
    Object.assign(this, { tokens, number, cell: fits >= 4 ? Math.floor(fits) : fits });
    this.look(0); // no label stays marked that is about to go
    this.canvas.width = this.canvas.height = number;
    this.label(this.beside, this.rows, "top", before);
    this.label(this.below, this.columns, "left", before);
    const room = Math.min(76, 14 + 7 * Math.max(...tokens.map((token) => [...token].length)));
    const sizes = { map: number * this.cell, cell: this.cell, line: Math.max(this.cell, 13), room };
    for (const [name, size] of Object.entries(sizes)) this.root.style.setProperty(`--${name}`, `${size}px`);
  }

  // side: from which they are counted, "top" or "left".  before: how large a cell was.
  label(box, labels, side, before) {
    const every = Math.ceil(12 / this.cell), known = before === this.cell ? labels.length : 0;
    while (labels.length > this.number) labels.pop().remove();
    while (labels.length < this.number) box.append(labels[labels.push(make("span", "pcw-label")) - 1]);
    labels.forEach((label, i) => {
      const title = `${i}: ${this.tokens[i]}`, text = i % every ? "" : this.tokens[i];
      if (label.title !== title) label.title = title;
      if (label.textContent !== text) label.textContent = text;
      if (i >= known) label.style[side] = `${i * this.cell}px`;
    });
  }

  draw(weights, name) {
    drawHead(this.canvas, weights, this.number, this.colors.pixels);
    this.canvas.setAttribute("aria-label", `${name}: tokens (rows) look at tokens (columns)`);
  }

  // Mark the token that looks and, where one points at it, the one looked at.
  look(query, key = null) {
    for (const label of this.marked) label?.classList.remove("pcw-here");
    this.marked = [this.rows[query], this.columns[key]];
    for (const label of this.marked) label?.classList.add("pcw-here");
    this.marker.style.transform = `translateY(${query * this.cell}px)`;
  }
}
