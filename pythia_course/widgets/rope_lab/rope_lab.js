// The RoPE lab: everything is drawn here, from two short vectors. The kernel sends them once, or live.js has them computed.

import { KEYS, make } from "../common/elements.js";
import { Live } from "./live.js";

const TURN = 2 * Math.PI;
const BASES = [10, 100, 1000, 10000, 100000, 1000000];
const FRACTIONS = [0, 0.25, 0.5, 0.75, 1];
const MOST_DIALS = 16;
const TICK = 90; // milliseconds between two positions while it plays

/** How many dimensions of a head turn: an even number, in halves (j, j + dims / 2). */
export function turningDims(headDim, fraction) {
  return 2 * Math.floor(Math.floor(headDim * fraction) / 2);
}

/** Radians that pair j turns from one position to the next. */
export function frequency(pair, dims, base) {
  return base ** ((-2 * pair) / dims);
}

/** What each pair, and the rest that does not turn, gives to the score at a distance; before it is divided. */
export function shares(distance, query, key, dims, base) {
  const half = dims / 2;
  const pairs = [];
  for (let j = 0; j < half; j++) {
    const [a, b, c, d] = [query[j], query[j + half], key[j], key[j + half]];
    const angle = distance * frequency(j, dims, base);
    pairs.push((a * c + b * d) * Math.cos(angle) + (a * d - b * c) * Math.sin(angle));
  }
  let rest = 0;
  for (let i = dims; i < query.length; i++) rest += query[i] * key[i];
  return { pairs, rest };
}

/** The score as attention uses it: the sum of all shares over the root of the head's dimensions. */
export function score(distance, query, key, dims, base) {
  const { pairs, rest } = shares(distance, query, key, dims, base);
  return pairs.reduce((sum, share) => sum + share, rest) / Math.sqrt(query.length);
}

const SHOWN = ["query_position", "key_position", "pair", "base", "rotary_fraction", "_query", "_key"];

export default {
  render({ model, el }) {
    const view = build(model);
    let telling = false; // several at once are drawn once
    const draw = () => { if (!telling) redraw(model, view); };
    const together = (change) => { telling = true; change(); telling = false; draw(); };
    view.live = model.get("_live")?.model ? new Live(model, together) : null;
    if (view.live) view.root.prepend(view.live.root);
    el.append(view.root);
    SHOWN.forEach((name) => model.on(`change:${name}`, draw));
    draw();
    return () => {
      view.stop();
      view.live?.dispose();
      view.root.remove();
      SHOWN.forEach((name) => model.off(`change:${name}`, draw));
    };
  },
};

function build(model) {
  const root = make("div", "rope-lab", { role: "group", "aria-label": "RoPE lab" });
  const last = model.get("positions") - 1;
  const controls = make("div", "rope-controls");
  const view = { root, controls: {} };
  const add = (name, label, input) => {
    view.controls[name] = input;
    const value = make("output", "rope-value");
    input.valueText = value;
    controls.append(make("label", "", {}, make("span", "", {}, label), input, value));
  };
  add("query_position", "query position", slider(last));
  add("key_position", "key position", slider(last));
  add("pair", "pair", slider(0));
  add("base", "base", choices(withOwn(BASES, model.get("base")), (base) => base.toLocaleString("en")));
  const fractions = withOwn(FRACTIONS, model.get("rotary_fraction"));
  add("rotary_fraction", "rotary fraction", choices(fractions, (share) => `${+(100 * share).toFixed(1)}%`));
  for (const [name, input] of Object.entries(view.controls)) {
    input.addEventListener("input", () => change(model, name, Number(input.value)));
  }
  view.play = make("button", "", { ...KEYS, type: "button" }, "move both");
  view.stop = player(model, view.play);
  controls.append(view.play);
  view.strip = picture("rope-strip", "0 0 640 54");
  view.dial = picture("rope-dial", "0 0 220 220");
  view.dials = picture("rope-dials", "0 0 208 220");
  view.curve = picture("rope-curve", "0 0 380 220");
  for (const drawing of [view.strip, view.dials]) {
    drawing.addEventListener("click", ({ target }) => {
      if (target.dataset.pair !== undefined) change(model, "pair", Number(target.dataset.pair));
    });
  }
  view.status = make("p", "rope-status", { role: "status" });
  root.append(controls, view.strip, make("div", "rope-panels", {}, view.dial, view.dials, view.curve), view.status);
  return view;
}

/** One change by the learner, with what follows from it: a key never stands after its query. */
function change(model, name, value, save = true) {
  model.set(name, value);
  const [query, key] = [model.get("query_position"), model.get("key_position")];
  if (key > query) model.set(name === "key_position" ? "query_position" : "key_position", value);
  const pairs = turningDims(model.get("_query").length, model.get("rotary_fraction")) / 2;
  if (model.get("pair") >= pairs) model.set("pair", Math.max(pairs - 1, 0));
  if (save) model.save_changes();
}

/** Let a button move query and key on together, one position a tick; returns what stops it. */
function player(model, button) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "move both";
    button.setAttribute("aria-pressed", "false");
  };
  const step = () => {
    const distance = model.get("query_position") - model.get("key_position");
    const next = model.get("query_position") + 1;
    const query = next < model.get("positions") ? next : distance;
    change(model, "query_position", query, false);
    change(model, "key_position", query - distance, false);
  };
  button.addEventListener("click", () => {
    if (timer !== null) {
      stop();
      model.save_changes();
      return;
    }
    timer = setInterval(step, TICK);
    button.textContent = "stop";
    button.setAttribute("aria-pressed", "true");
  });
  stop();
  return stop;
}

function redraw(model, view) {
  const state = read(model);
  show(view.controls, state);
  drawStrip(view.strip, state);
  drawDial(view.dial, state);
  drawDials(view.dials, state);
  drawCurve(view.curve, state);
  view.status.textContent = inWords(state) + inTheModel(model, view.live, state);
}

function read(model) {
  const [query, key, base] = [model.get("_query"), model.get("_key"), model.get("base")];
  const dims = turningDims(query.length, model.get("rotary_fraction"));
  const [at, from] = [model.get("query_position"), model.get("key_position")];
  const state = { query, key, base, dims, at, from, positions: model.get("positions"), pair: model.get("pair") };
  state.fraction = model.get("rotary_fraction");
  state.distance = at - from;
  state.score = score(state.distance, query, key, dims, base);
  return state;
}

function show(controls, state) {
  const pairs = state.dims / 2;
  controls.pair.max = Math.max(pairs - 1, 0);
  controls.pair.disabled = pairs === 0;
  set(controls.query_position, state.at, state.at);
  set(controls.key_position, state.from, state.from);
  set(controls.pair, state.pair, pairs ? `${state.pair} of ${pairs}` : "none");
  set(controls.base, state.base, "");
  set(controls.rotary_fraction, state.fraction, `${state.dims} of ${state.query.length}`);
}

function set(input, value, text) {
  if (input.tagName === "SELECT" && ![...input.options].some((option) => Number(option.value) === value)) {
    input.append(make("option", "", { value }, String(value)));
  }
  input.value = String(value);
  input.valueText.textContent = text;
}

function inWords(state) {
  const where = `Query at ${state.at}, key at ${state.from}: distance ${state.distance}. Score ${state.score.toFixed(3)}.`;
  if (!state.dims) return `${where} Nothing turns, so the score is the same at every distance.`;
  const speed = frequency(state.pair, state.dims, state.base);
  const turns = (state.distance * speed) / TURN;
  return `${where} Pair ${state.pair} turns once in ${(TURN / speed).toFixed(1)} positions: ${turns.toFixed(2)} turns apart.`;
}

/** Where a model is known, what the score is there. */
function inTheModel(model, live, { query, key }) {
  if (!live) return "";
  if (live.isOwn()) return " The score is the model's own, before the softmax.";
  const [at, from] = [model.get("query_token"), model.get("key_token")];
  const own = score(at - from, query, key, turningDims(query.length, live.about.rotary_fraction), live.about.base);
  return ` In the model itself, at ${at} and ${from}, the score is ${own.toFixed(3)}.`;
}

// ------------------------------------------------------------------------------------------------ pictures

/** The head's dimensions in a row: those that turn, those that pass, and the two of the pair. */
function drawStrip(svg, { query, dims, pair }) {
  const [count, half, wide] = [query.length, dims / 2, 620 / query.length];
  const middle = (i) => 10 + (i + 0.5) * wide;
  let marks = "";
  for (let i = 0; i < count; i++) {
    const kind = i >= dims ? "passes" : i < half ? "first" : "second";
    const chosen = i < dims && i % half === pair ? " chosen" : "";
    const to = i < dims ? ` data-pair="${i % half}"` : "";
    marks += `<rect class="${kind}${chosen}"${to} x="${10 + i * wide}" y="24" width="${Math.max(wide - 1, 0.8)}" height="14"/>`;
  }
  if (dims) {
    const [x, y] = [middle(pair), middle(pair + half)];
    marks += `<path class="link" d="M${x} 23 C${x} 4 ${y} 4 ${y} 23"/>`;
  }
  marks += text(10, 51, `${dims} dimensions turn`, "start") + text(630, 51, `${count - dims} pass`, "end");
  const which = dims ? `pair ${pair} is dimensions ${pair} and ${pair + half}` : "no dimension turns";
  fill(svg, marks, `${dims} of ${count} dimensions turn; ${which}.`);
}

/** The chosen pair: dashed as it was projected, solid as its position turned it. */
function drawDial(svg, state) {
  let marks = `<circle class="rim" cx="110" cy="110" r="92"/>`;
  if (state.dims) {
    marks += vectors(state, state.pair, 110, 110, 88, true);
    marks += text(12, 16, `pair ${state.pair}`, "start");
  }
  marks += `<text class="query" x="12" y="212">● query</text><text class="key" x="208" y="212" text-anchor="end">■ key</text>`;
  fill(svg, marks, `Query and key of pair ${state.pair}, turned by their positions ${state.at} and ${state.from}.`);
}

/** All pairs at once, or sixteen of them: the first turn fast, the last slowly. */
function drawDials(svg, state) {
  const pairs = state.dims / 2;
  const shown = Math.min(pairs, MOST_DIALS);
  let marks = "";
  for (let n = 0; n < shown; n++) {
    const pair = shown < 2 ? 0 : Math.round((n * (pairs - 1)) / (shown - 1));
    const [x, y] = [28 + 50 * (n % 4), 26 + 54 * Math.floor(n / 4)];
    marks += vectors(state, pair, x, y, 19, false);
    const chosen = pair === state.pair ? " chosen" : "";
    marks += text(x, y + 31, pair, "middle");
    marks += `<circle class="rim button${chosen}" data-pair="${pair}" cx="${x}" cy="${y}" r="21"/>`;
  }
  fill(svg, marks, `Small dials of ${shown} of the ${pairs} pairs.`);
}

function vectors({ query, key, dims, base, at, from }, pair, x, y, radius, dashed) {
  const half = dims / 2;
  const two = [[query[pair], query[pair + half], at, "query"], [key[pair], key[pair + half], from, "key"]];
  const longest = Math.max(...two.map(([a, b]) => Math.hypot(a, b)), 1e-12);
  let marks = "";
  for (const [a, b, position, kind] of two) {
    const [angle, length] = [Math.atan2(b, a), (radius * Math.hypot(a, b)) / longest];
    const turned = angle + position * frequency(pair, dims, base);
    if (dashed) marks += line(x, y, angle, length, `${kind} dashed`);
    marks += line(x, y, turned, length, kind);
    if (dashed) marks += tip(x + length * Math.cos(turned), y - length * Math.sin(turned), kind);
  }
  return marks;
}

function line(x, y, angle, length, kind) {
  const [to, up] = [x + length * Math.cos(angle), y - length * Math.sin(angle)];
  return `<line class="${kind}" x1="${x}" y1="${y}" x2="${to.toFixed(2)}" y2="${up.toFixed(2)}"/>`;
}

/** Shape as well as colour tells the two apart. */
function tip(x, y, kind) {
  if (kind === "query") return `<circle class="query tip" cx="${x.toFixed(2)}" cy="${y.toFixed(2)}" r="6"/>`;
  return `<rect class="key tip" x="${(x - 5).toFixed(2)}" y="${(y - 5).toFixed(2)}" width="10" height="10"/>`;
}

/** The score against the distance, the share of the chosen pair, and where the two stand now. */
function drawCurve(svg, state) {
  const root = Math.sqrt(state.query.length);
  const whole = [];
  const own = [];
  for (let distance = 0; distance < state.positions; distance++) {
    const { pairs, rest } = shares(distance, state.query, state.key, state.dims, state.base);
    whole.push(pairs.reduce((sum, share) => sum + share, rest) / root);
    own.push((pairs[state.pair] ?? 0) / root);
  }
  const low = Math.min(...whole, ...own, 0);
  const high = Math.max(...whole, ...own, low + 1e-9);
  const across = (distance) => 46 + (322 * distance) / (state.positions - 1);
  const down = (value) => 184 - (160 * (value - low)) / (high - low);
  const path = (values) => "M" + values.map((v, i) => `${across(i).toFixed(1)} ${down(v).toFixed(1)}`).join("L");
  const [x, y] = [across(state.distance), down(state.score)];
  let marks = `<path class="axis" d="M46 20V184H368"/><path class="zero" d="M46 ${down(0)}H368"/>`;
  marks += `<path class="own" d="${path(own)}"/><path class="whole" d="${path(whole)}"/>`;
  marks += `<path class="now" d="M${x} 184V${y}"/><circle class="now tip" cx="${x.toFixed(2)}" cy="${y.toFixed(2)}" r="5"/>`;
  for (const value of [low, high]) marks += text(42, down(value) + 4, value.toFixed(1), "end");
  for (const distance of [0, state.positions - 1]) marks += text(across(distance), 198, distance, "middle");
  marks += text(207, 214, "distance", "middle") + text(46, 13, "score (line), share of this pair (dashes)", "start");
  fill(svg, marks, `Score against distance: ${state.score.toFixed(3)} at distance ${state.distance}.`);
}

function text(x, y, what, anchor) {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${what}</text>`;
}

/** Only numbers and words of this file are ever drawn, so markup is safe here. */
function fill(svg, marks, label) {
  svg.innerHTML = marks;
  svg.setAttribute("aria-label", label);
}

// ------------------------------------------------------------------------------------------------ elements

function picture(kind, box) {
  return make("svg", kind, { viewBox: box, role: "img" });
}

function slider(last) {
  return make("input", "", { ...KEYS, type: "range", min: 0, max: last, step: 1 });
}

function choices(values, name) {
  return make("select", "", KEYS, ...values.map((value) => make("option", "", { value }, name(value))));
}

function withOwn(values, own) {
  return values.includes(own) ? values : [...values, own].sort((a, b) => a - b);
}
