// The training scrubber in the browser. Python sends what every checkpoint does once; from then on the kernel is not
// asked for pictures. Tokens are only ever set as text, never as HTML.

export default {
  render({ model, el }) {
    const scrubber = new Scrubber(model);
    el.append(scrubber.root);
    return () => scrubber.dispose();
  },
};

// For what can have the focus: JupyterLab would take its keys otherwise (`d d` deletes the cell).
const KEYS = { "data-lm-suppress-shortcuts": "true" };
const HIDDEN = { "aria-hidden": "true" };
// Okabe and Ito's colours, those of the static plots.
const LINES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "currentColor"];
const GAP = 3; // pixels between two thumbnails
const ROW = 19; // pixels of a row of the lens
const FUTURE = [128, 128, 128, 80]; // red, green, blue and opacity of keys a query may not look at
let ids = 0;

function make(tag, className, attributes = {}, ...children) {
  const element = tag === "svg" || tag === "path" ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  element.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const nameOf = (layer, head) => `layer ${layer}, head ${head}`;
const within = (value, number) => Math.max(0, Math.min(number - 1, value));
const words = (number) => number.toLocaleString("en");
const short = (value) => (value === null ? "–" : Math.abs(value) < 100 ? value.toFixed(2) : value.toFixed(0));

// The 256 colours: as pixels, as CSS, and black or white to write on each.
function palette(rgb) {
  const pixels = new Uint32Array(256), channels = new Uint8Array(pixels.buffer);
  const colors = Array.from(pixels, (_, level) => rgb.subarray(3 * level, 3 * level + 3));
  colors.forEach((color, level) => channels.set([...color, 255], 4 * level));
  const ink = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 127 ? "black" : "white");
  return { pixels, css: colors.map((color) => `rgb(${color})`), ink: colors.map(ink) };
}

// Rows and columns of heads on one canvas, each `side` pixels and `gap` apart. Where a head has fewer pixels than
// tokens, a pixel takes the largest weight of its block, so that thin lines stay. The future is a grey that lets the
// page through, so it suits any theme.
class Heads {
  constructor(rows, columns, number, side, gap) {
    const pitch = side + gap, wide = columns * pitch, high = rows * pitch;
    Object.assign(this, { rows, columns, number, pitch, wide });
    this.place = Array.from({ length: number }, (_, token) => Math.floor((token * side) / number));
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
    const { levels, out, place, number, pitch, wide } = this;
    levels.fill(-1);
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        const all = weights(row, column), start = row * pitch * wide + column * pitch;
        for (let query = 0, next = 0; query < number; query++) {
          const line = start + place[query] * wide;
          for (let key = 0; key <= query; key++, next++) {
            const pixel = line + place[key];
            if (all[next] > levels[pixel]) levels[pixel] = all[next];
          }
        }
      }
    }
    for (let pixel = 0; pixel < out.length; pixel++) if (levels[pixel] >= 0) out[pixel] = pixels[levels[pixel]];
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
  }
}

// All heads as thumbnails, of which one is chosen, and that one large.
class Attention {
  constructor(data, weights, colors, scrubber) {
    const { tokens, layers, heads } = data;
    Object.assign(this, { tokens, layers, heads, colors, scrubber, number: tokens.length });
    const size = (tokens.length * (tokens.length + 1)) / 2;
    this.weights = (layer, head, at = this.at) => {
      const start = ((at * layers + layer) * heads + head) * size;
      return weights.subarray(start, start + size);
    };
    this.roots = [this.buildHeads(), this.buildMap()];
  }

  buildHeads() {
    const { layers, heads } = this, side = within(Math.floor(330 / heads) - GAP, 64);
    this.all = new Heads(layers, heads, this.number, Math.min(this.number, Math.max(side, 16)), 1);
    const pitch = Math.max(side, 16) + GAP;
    this.cells = Array.from({ length: layers }, (_, layer) => Array.from({ length: heads }, (_, head) => {
      const cell = make("div", "pcs-head", { role: "gridcell", id: `pcs-${ids++}`, "aria-label": nameOf(layer, head), title: nameOf(layer, head) });
      cell.addEventListener("click", () => this.scrubber.choose(layer, head));
      return cell;
    }));
    const rows = this.cells.map((cells) => make("div", "pcs-row", { role: "row" }, ...cells));
    const label = "all heads, arrow keys choose one";
    this.grid = make("div", "pcs-grid", { ...KEYS, role: "grid", tabindex: 0, "aria-label": label }, ...rows);
    this.grid.addEventListener("keydown", (event) => this.pressed(event));
    this.all.canvas.setAttribute("aria-hidden", true);
    const numbers = (letter, number) => Array.from({ length: number }, (_, i) => make("span", "", {}, letter + i));
    const picture = make("div", "pcs-thumbnails", {},
      make("div", "pcs-numbers", HIDDEN, ...numbers("H", heads)), make("div", "pcs-numbers pcs-down", HIDDEN, ...numbers("L", layers)),
      make("div", "pcs-stack", {}, this.all.canvas, this.grid));
    for (const [name, value] of [["pitch", pitch], ["gap", GAP]]) picture.style.setProperty(`--${name}`, `${value}px`);
    picture.style.setProperty("--heads", heads);
    picture.style.setProperty("--layers", layers);
    return make("figure", "pcs-part", {}, make("figcaption", "", {}, "all heads"), picture);
  }

  buildMap() {
    const cell = Math.max(1, Math.floor(Math.min(24, 340 / this.number)));
    const room = Math.min(84, 14 + 7 * Math.max(...this.tokens.map((token) => [...token].length)));
    this.one = new Heads(1, 1, this.number, this.number, 0);
    this.one.canvas.setAttribute("class", "pcs-canvas");
    this.one.canvas.setAttribute("role", "img");
    const labels = (side) => this.tokens.map((token, i) => {
      const label = make("span", "pcs-label", { title: `${i}: ${token}` }, i % Math.ceil(12 / cell) ? "" : token);
      label.style[side] = `${i * cell}px`;
      return label;
    });
    this.one.canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      const [key, query] = [offsetX, offsetY].map((at) => within(Math.floor(at / cell), this.number));
      this.point(query, key <= query ? key : null);
    });
    this.one.canvas.addEventListener("pointerleave", () => this.point(null, null));
    this.caption = make("figcaption", "");
    const map = make("div", "pcs-map", {},
      make("div", "pcs-rows", HIDDEN, ...labels("top")), this.one.canvas, make("div", "pcs-columns", HIDDEN, ...labels("left")));
    const sizes = { map: this.number * cell, cell, line: Math.max(cell, 13), room };
    for (const [name, size] of Object.entries(sizes)) map.style.setProperty(`--${name}`, `${size}px`);
    return make("figure", "pcs-part", {}, this.caption, map);
  }

  point(query, key) {
    Object.assign(this, { query, key });
    this.scrubber.say();
  }

  pressed(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.heads, ArrowDown: this.heads };
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const to = this.layer * this.heads + this.head + steps[event.key];
    if (to >= 0 && to < this.layers * this.heads) this.scrubber.choose(Math.floor(to / this.heads), to % this.heads);
  }

  // at: which checkpoint.
  show(at, layer, head) {
    const { pixels } = this.colors;
    if (at !== this.at) {
      this.at = at;
      this.all.draw((row, column) => this.weights(row, column), pixels);
    }
    this.cells[this.layer]?.[this.head].removeAttribute("aria-selected");
    Object.assign(this, { layer, head });
    this.cells[layer][head].setAttribute("aria-selected", true);
    this.grid.setAttribute("aria-activedescendant", this.cells[layer][head].id);
    this.one.draw(() => this.weights(layer, head), pixels);
    this.caption.textContent = `${nameOf(layer, head)}: rows look at columns`;
    this.one.canvas.setAttribute("aria-label", `${nameOf(layer, head)}: tokens (rows) look at tokens (columns)`);
  }

  // "layer 1, head 3: ␣ball looks at ␣red 0.83, ␣the 0.10": the last token at the most, or where one points.
  says() {
    const { tokens } = this, query = this.query ?? this.number - 1, start = (query * (query + 1)) / 2;
    const row = [...this.weights(this.layer, this.head).subarray(start, start + query + 1)];
    const most = row.map((_, key) => key).sort((a, b) => row[b] - row[a] || a - b);
    const told = this.query === undefined || this.query === null || this.key === null ? most.filter((key) => row[key] > 1).slice(0, 3) : [this.key];
    const named = told.map((key) => `${tokens[key]} ${(row[key] / 255).toFixed(2)}`);
    return `${nameOf(this.layer, this.head)}: ${tokens[query]} looks at ${named.join(", ")}`;
  }
}

// The likeliest next tokens as bars; what the last checkpoint says is in bold.
class NextTokens {
  constructor({ predictions }) {
    this.predictions = predictions;
    [[this.answer]] = predictions.at(-1);
    this.rows = Array.from({ length: Math.max(...predictions.map((said) => said.length)) }, () => {
      const [token, bar, share] = [make("span", "pcs-token"), make("span", "pcs-bar"), make("span", "pcs-share")];
      return { token, bar, share, row: make("li", "pcs-next", {}, token, make("span", "pcs-track", HIDDEN, bar), share) };
    });
    this.root = make("figure", "pcs-part pcs-predictions", {}, make("figcaption", "", {}, "next token (bold: the last checkpoint's)"),
      make("ol", "", { "aria-label": "likeliest next tokens" }, ...this.rows.map(({ row }) => row)));
  }

  show(at) {
    this.rows.forEach(({ token, bar, share, row }, place) => {
      const [said, p] = this.predictions[at][place] ?? ["", 0];
      token.textContent = said;
      bar.style.transform = `scaleX(${p})`;
      share.textContent = said === "" ? "" : p < 0.0005 ? "<0.1%" : `${(100 * p).toFixed(1)}%`;
      row.classList.toggle("pcs-answer", said === this.answer);
    });
  }
}

// What the model would say next if it stopped after each layer: a row a layer, a column a token read. On a canvas:
// hundreds of words set as elements take the browser longer than a frame.
class Lens {
  constructor({ tokens, lens_rows, vocabulary }, said, sure, colors, scrubber) {
    Object.assign(this, { tokens, rows: lens_rows, said, sure, vocabulary, colors, fitting: [], shown: [] });
    this.wide = Math.max(42, Math.min(64, Math.floor(860 / tokens.length)));
    const size = [tokens.length * this.wide, lens_rows * ROW], scale = Math.max(1, window.devicePixelRatio || 1);
    this.canvas = make("canvas", "pcs-words", { role: "img", width: size[0] * scale, height: size[1] * scale });
    Object.assign(this.canvas.style, { width: `${size[0]}px`, height: `${size[1]}px` });
    this.pen = this.canvas.getContext("2d");
    this.pen.scale(scale, scale);
    Object.assign(this.pen, { font: "11px monospace", textAlign: "center", textBaseline: "middle" });
    this.canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      this.pointed = [within(Math.floor(offsetY / ROW), lens_rows), within(Math.floor(offsetX / this.wide), tokens.length)];
      scrubber.say();
    });
    this.canvas.addEventListener("pointerleave", () => { this.pointed = null; scrubber.say(); });
    this.nameOf = (row) => (row ? `after layer ${row - 1}` : "embedding");
    const rows = Array.from({ length: lens_rows }, (_, row) => make("div", "", {}, this.nameOf(row)));
    const heads = tokens.map((token) => make("div", "", { title: token }, token));
    const table = make("div", "pcs-lens", {}, make("div", "pcs-read", HIDDEN, "it has read"),
      make("div", "pcs-heads", HIDDEN, ...heads), make("div", "pcs-layers", HIDDEN, ...rows), this.canvas);
    for (const [name, value] of [["wide", this.wide], ["row", ROW]]) table.style.setProperty(`--${name}`, `${value}px`);
    const label = "logit lens: what it would say next, layer by layer; yellow is sure (underlined: what really came next)";
    const scroll = make("div", "pcs-scroll", { ...KEYS, tabindex: 0, role: "region", "aria-label": "logit lens" }, table);
    this.root = make("figure", "pcs-part pcs-wide", {}, make("figcaption", "", {}, label), scroll);
    requestAnimationFrame(() => { scroll.scrollLeft = scroll.scrollWidth; }); // the last tokens first, if not all fit
  }

  cell(row, position, at = this.at) {
    const place = (at * this.rows + row) * this.tokens.length + position;
    return [this.said[place], this.sure[place]];
  }

  show(at) {
    const { pen, wide, colors, tokens } = this;
    this.at = at;
    for (let row = 0; row < this.rows; row++) {
      for (let position = 0; position < tokens.length; position++) {
        const [word, level] = this.cell(row, position), place = row * tokens.length + position;
        if (this.shown[place] === word * 256 + level) continue; // an early checkpoint changes little
        this.shown[place] = word * 256 + level;
        const [x, y] = [position * wide, row * ROW], text = this.vocabulary[word];
        pen.fillStyle = colors.css[level];
        pen.fillRect(x, y, wide - 1, ROW - 1);
        pen.fillStyle = colors.ink[level];
        pen.fillText((this.fitting[word] ??= this.fit(text)), x + (wide - 1) / 2, y + ROW / 2);
        if (text === tokens[position + 1]) pen.fillRect(x + 3, y + ROW - 4, wide - 7, 2);
      }
    }
    const last = Array.from({ length: this.rows }, (_, row) => `${this.nameOf(row)} ${this.told(row, tokens.length - 1)}`);
    this.canvas.setAttribute("aria-label", `logit lens after the last token: ${last.join(", ")}`);
  }

  // As much of a word as a cell holds.
  fit(text) {
    const letters = [...text], fits = (number) => this.pen.measureText(letters.slice(0, number).join("") + "…").width < this.wide - 4;
    if (this.pen.measureText(text).width < this.wide - 4) return text;
    let number = letters.length;
    while (number > 1 && !fits(number)) number--;
    return letters.slice(0, number).join("") + "…";
  }

  told(row, position) {
    const [word, level] = this.cell(row, position);
    return `${this.vocabulary[word]} ${(level / 255).toFixed(2)}`;
  }

  // "after layer 2, having read ␣red, it says ␣ball 0.57", where one points; else nothing.
  says() {
    if (!this.pointed) return [];
    const [row, position] = this.pointed;
    return [`${this.nameOf(row)}, having read ${this.tokens[position]}, it says ${this.told(row, position)}`];
  }
}

// One score over all checkpoints, evenly spaced as on the slider; of the chosen head, where each head has its own.
class Score {
  constructor({ name, values }, number, layers, heads) {
    Object.assign(this, { name, heads });
    this.perHead = Array.isArray(values[0]);
    this.of = (at, layer, head) => (this.perHead ? values[at][layer][head] : values[at]);
    const all = values.flat(2).filter((value) => value !== null);
    [this.low, this.high] = [Math.min(0, ...all), Math.max(...all)];
    this.value = make("span", "pcs-value");
    const range = make("span", "pcs-range", {}, `${short(this.low)} to ${short(this.high)}`);
    this.path = make("path", "");
    this.label = make("div", "pcs-score", {}, make("span", "pcs-name", {}, name), this.value, range);
    this.chart = make("svg", "pcs-chart", { ...HIDDEN, viewBox: "0 0 1000 100", preserveAspectRatio: "none" }, this.path);
    this.number = number;
    this.path.setAttribute("stroke", LINES[number % LINES.length]);
    this.label.style.setProperty("--line", LINES[number % LINES.length]);
  }

  show(at, layer, head, steps) {
    const which = this.perHead ? layer * this.heads + head : 0;
    if (which !== this.which) {
      this.which = which;
      let pen = "M";
      const to = (value, i) => {
        const move = value === null ? "" : `${pen}${(1000 * i) / (steps - 1)},${96 - (92 * (value - this.low)) / (this.high - this.low || 1)}`;
        pen = value === null ? "M" : "L";
        return move;
      };
      this.path.setAttribute("d", Array.from({ length: steps }, (_, i) => to(this.of(i, layer, head), i)).join(""));
    }
    this.value.textContent = short(this.of(at, layer, head));
  }
}

// The slider, the button and all that moves with them.
class Scrubber {
  constructor(model) {
    this.model = model;
    const data = model.get("_data"), title = model.get("_title"), colors = palette(bytes(model.get("_colors")));
    this.steps = data.steps;
    this.scores = data.scores.map((score, number) => new Score(score, number, data.layers, data.heads));
    if (data.layers) this.attention = new Attention(data, bytes(model.get("_weights")), colors, this);
    if (data.predictions.length) this.next = new NextTokens(data);
    if (data.lens_rows) {
      const said = bytes(model.get("_said")).slice(), view = new Uint32Array(said.buffer);
      this.lens = new Lens(data, view, bytes(model.get("_sure")), colors, this);
    }
    this.status = make("div", "pcs-status", { role: "status", "aria-live": "polite" });
    const [heads, map] = this.attention?.roots ?? [], left = [heads, this.next?.root].filter(Boolean);
    const parts = [make("div", "pcs-left", {}, ...left), map, this.lens?.root].filter(Boolean);
    this.root = make("div", "pcs", { role: "group", "aria-label": title || "training scrubber" },
      make("div", "pcs-title", {}, title), this.buildTime(), this.status, make("div", "pcs-parts", {}, ...parts));
    this.follow = () => { if (!this.telling) this.show(this.steps.indexOf(model.get("step")), model.get("layer"), model.get("head")); };
    model.on("change:step change:layer change:head", this.follow);
    this.follow();
  }

  dispose() {
    this.pause();
    this.model.off("change:step change:layer change:head", this.follow);
    this.root.remove();
  }

  // Button, slider and charts in two columns, so that the slider's thumb stands on the charts' line.
  buildTime() {
    const last = this.steps.length - 1;
    this.button = make("button", "pcs-play", { ...KEYS, type: "button" }, "▶\ufe0e Play");
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    this.step = make("span", "pcs-step");
    this.slider = make("input", "pcs-slider", { ...KEYS, type: "range", min: 0, max: last, step: 1, "aria-label": "training step" });
    this.slider.addEventListener("input", () => { this.pause(); this.moveTo(Number(this.slider.value)); });
    this.line = make("div", "pcs-line", HIDDEN);
    const every = Math.ceil((last + 1) / 12);
    this.ticks = make("div", "pcs-ticks", HIDDEN, ...this.steps.map((step, i) => {
      const tick = make("span", "", {}, i % every && i !== last || (i !== last && last - i < every) ? "" : this.tick(step));
      tick.style.left = `${(100 * i) / last}%`;
      return tick;
    }));
    const place = (element, column, row) => { element.style.gridArea = `${row} / ${column}`; return element; };
    const rows = this.scores.flatMap(({ label, chart }, i) => [place(label, 1, i + 2), place(chart, 2, i + 2)]);
    const over = make("div", "pcs-over", HIDDEN, this.line);
    over.style.gridArea = `2 / 2 / ${this.scores.length + 2}`;
    const time = make("div", "pcs-time", {}, place(make("div", "pcs-controls", {}, this.button, this.step), 1, 1),
      place(this.slider, 2, 1), ...rows, place(this.ticks, 2, this.scores.length + 2), over);
    time.addEventListener("click", ({ target, clientX }) => {
      const chart = target.closest(".pcs-chart")?.getBoundingClientRect();
      if (chart) this.moveTo(within(Math.round(((clientX - chart.left) / chart.width) * last), last + 1));
    });
    return time;
  }

  tick(step) {
    return step >= 1000 ? `${+(step / 1000).toPrecision(3)}k` : `${step}`;
  }

  // From the first checkpoint on if the last one is shown.
  play() {
    if (this.at === this.steps.length - 1) this.moveTo(0);
    this.timer = setInterval(() => {
      this.moveTo(this.at + 1);
      if (this.at === this.steps.length - 1) this.pause();
    }, Math.max(60, Math.min(450, 9000 / this.steps.length)));
    this.running(true);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.running(false);
  }

  // A reader is not told of every step that goes by.
  running(on) {
    this.button.textContent = on ? "❚❚ Pause" : "▶\ufe0e Play";
    this.status.setAttribute("aria-live", on ? "off" : "polite");
  }

  moveTo(at) {
    this.tell(at, this.layer, this.head);
  }

  choose(layer, head) {
    this.tell(this.at, layer, head);
  }

  // Draw first, then tell Python.
  tell(at, layer, head) {
    this.show(at, layer, head);
    this.telling = true; // between two of them, the model names what nobody chose
    this.model.set("step", this.steps[at]);
    this.model.set("layer", layer);
    this.model.set("head", head);
    this.telling = false;
    this.model.save_changes();
  }

  show(at, layer, head) {
    if (at === this.at && layer === this.layer && head === this.head) return;
    const moved = at !== this.at;
    Object.assign(this, { at, layer, head });
    this.attention?.show(at, layer, head);
    for (const score of this.scores) score.show(at, layer, head, this.steps.length);
    if (moved) this.showStep();
    this.say();
  }

  showStep() {
    this.next?.show(this.at);
    this.lens?.show(this.at);
    const text = `step ${words(this.steps[this.at])}`, share = this.at / (this.steps.length - 1);
    this.step.textContent = text;
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", `${text} of ${words(this.steps.at(-1))}`);
    this.line.style.transform = `translateX(${100 * share}%)`;
  }

  say() {
    const says = [`step ${words(this.steps[this.at])}`];
    const pointed = this.lens?.says() ?? [];
    if (this.attention && !pointed.length) says.push(this.attention.says());
    says.push(...pointed);
    if (this.next) says.push("next: " + this.next.predictions[this.at].slice(0, 1).map(([token, p]) => `${token} ${p.toFixed(2)}`));
    this.status.textContent = says.join(" · ");
  }
}
