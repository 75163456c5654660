// A tiny model in the page: one forward pass -> a Trace of arrays, and ablation, patching and the logit lens.
// Names, axes and meanings are those of Python's `pythia_course.inside`; tests hold every number to torch's.

import { addPositions, softmax } from "./arithmetic.js";
import { ForwardPass } from "./forward.js";
import { ablation, patching, several } from "./interventions.js";
import { Tensor, readSafetensors } from "./safetensors.js";
import { Tokenizer } from "./tokenizer.js";
import { readSpec } from "./weights.js";

// The axes of every array in a trace; "layer + 1" counts the stream before the first layer too.
export const AXES = {
  attention: ["layer", "head", "query", "key"], // each row over the keys sums to 1
  residual: ["layer + 1", "position", "width"], // [0] the embedding, [l + 1] after layer l, before the final LayerNorm
  attn_out: ["layer", "position", "width"], // what attention adds to the stream
  mlp_out: ["layer", "position", "width"],
  queries: ["layer", "head", "position", "head_dim"], // as in the scores: after rotation
  keys: ["layer", "head", "position", "head_dim"],
  values: ["layer", "head", "position", "head_dim"],
  logits: ["position", "vocab"],
  queries_unrotated: ["layer", "head", "position", "head_dim"],
  keys_unrotated: ["layer", "head", "position", "head_dim"],
  z: ["layer", "head", "position", "head_dim"], // attention @ values: what each head hands to the output matrix
};
const UNROTATED = ["queries_unrotated", "keys_unrotated"], ONLY_IF_ASKED = [...UNROTATED, "z"];

// config, tokenizer: texts of config.json and tokenizer.json.  weights: the ArrayBuffer of model.safetensors.
export function load({ name, config, tokenizer, weights, wasm = true }) {
  return new LanguageModel(name, readSpec(config), readSafetensors(weights), new Tokenizer(tokenizer), wasm);
}

// What one forward pass computed. Asking for an array that was not kept throws a sentence that says how to get it.
export class Trace {
  constructor(tokens, ids, arrays) {
    Object.assign(this, { tokens, ids }, arrays); // tokens: one printable string each
    for (const name of Object.keys(AXES).filter((name) => !(name in arrays))) {
      const get = () => { throw new Error(`This trace did not keep '${name}'; ask for it: { keep: ["${name}"] }.`); };
      Object.defineProperty(this, name, { get });
    }
  }
}

export class LanguageModel {
  constructor(name, spec, tensors, tokenizer, wasm) {
    Object.assign(this, { name, spec, tokenizer, forward: new ForwardPass(name, spec, tensors, wasm), made: new Map() });
  }

  // Run the model once over `text`, or over token ids.
  // keep: names of the arrays to keep, all but `z` when left out.  changes: what `ablate` and `patch` gave, in order,
  // or what they take, as plain data: { ablate: { heads: [[1, 3]] } }, { patch: { residual: [2, 1] }, clean: "a text" }.
  trace(text, options = {}) {
    const steps = this.tracing(text, options);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  }

  // The same as a generator, with a pause after each layer.
  *tracing(text, { keep = null, unrotated = false, changes = [] } = {}) {
    const fields = fieldsToKeep(keep, unrotated), ids = this.readable(text);
    const pass = yield* this.forward.run(ids, this.changes(several(changes)), fields.includes("logits"));
    const arrays = fields.map((name) => [name, new Tensor(pass[name].slice(), shapeOf(name, this.spec, ids.length))]);
    return new Trace(this.labels(ids), ids, Object.fromEntries(arrays));
  }

  // The k likeliest next tokens, likeliest first: [printable token, probability].
  predict(text, k = 10, options = {}) {
    return this.likeliest(this.trace(text, { ...options, keep: "residual" }).residual, k);
  }

  // The same of a trace's stream (layer + 1, position, width), after all layers or so many.
  likeliest(residual, k, layer = this.spec.layers) {
    const next = this.logitLens(residual.at(layer, residual.shape[1] - 1)).data;
    const best = [...next.keys()].sort((a, b) => next[b] - next[a] || a - b).slice(0, k);
    return best.map((id) => [this.tokenizer.label(id), next[id]]);
  }

  // Silence parts, as a change for `trace`. heads: pairs [layer, head], their `z`; attention, mlps, layers: numbers.
  // by: "zero", or "mean": of what the part computes over a reference `over`, a text, several, or what `means` gave.
  ablate({ by = "zero", over = null, ...parts }) {
    if (!["zero", "mean"].includes(by) || (by === "mean") === (over === null)) {
      const came = `by="${by}" came ${over === null ? "without" : "with"} over`;
      throw new Error(`Silence parts by "zero", or by "mean" with a reference, over: "some text"; ${came}.`);
    }
    return ablation(this.spec, parts, over === null || over.z ? over : this.means(over));
  }

  // Put values of another run into this one, as a change for `trace`. clean: a trace that kept them, or its prompt.
  // heads: [layer, head, position]; attn_out, mlp_out, residual: [layer, position]; without a position, at each.
  patch(clean, parts) {
    const keep = Object.keys(parts).map((part) => (part === "heads" ? "z" : part));
    return patching(this.spec, clean instanceof Trace ? clean : this.trace(clean, { keep }), parts);
  }

  // What each part computes on average over every position of a reference: a text, or several.
  means(over) {
    const sums = {};
    let positions = 0;
    for (const prompt of several(over)) {
      const trace = this.trace(prompt, { keep: ["z", "attn_out", "mlp_out"] });
      positions += trace.ids.length;
      for (const field of ["z", "attn_out", "mlp_out"]) sums[field] = addPositions(trace[field], sums[field]);
    }
    const mean = ({ data, shape }) => new Tensor(Float32Array.from(data, (sum) => sum / positions), shape);
    return Object.fromEntries(Object.entries(sums).map(([field, sum]) => [field, mean(sum)]));
  }

  // Next-token probabilities if the model stopped there: final LayerNorm, output matrix, softmax.
  // stream: a Tensor (..., width) before the final LayerNorm.  Back: (..., vocab).
  logitLens({ data, shape }) {
    const { vocab, width } = this.spec, logits = this.forward.readOut(data, data.length / width);
    for (let row = 0; row < logits.length; row += vocab) softmax(logits, row, vocab);
    return new Tensor(logits, [...shape.slice(0, -1), vocab]);
  }

  // What it would say next if it stopped after each layer, at every position: the likeliest token and its probability.
  // residual: (layer + 1, position, width).  Back: words, a list, and sure, a Tensor, both (layer + 1, position).
  likeliestByLayer({ data, shape: [rows, number, width] }) {
    const { vocab } = this.spec, words = [], sure = new Float32Array(rows * number);
    for (let row = 0; row < rows; row++) {
      const logits = this.forward.readOut(data.subarray(row * number * width, (row + 1) * number * width), number);
      for (let position = 0; position < number; position++) {
        const said = logits.subarray(position * vocab, (position + 1) * vocab);
        let best = 0, sum = 0;
        for (let id = 1; id < vocab; id++) if (said[id] > said[best]) best = id;
        for (let id = 0; id < vocab; id++) sum += Math.exp(said[id] - said[best]);
        words.push(this.tokenizer.label(best));
        sure[row * number + position] = 1 / sum;
      }
    }
    return { words, sure: new Tensor(sure, [rows, number]) };
  }

  labels(ids) {
    return Array.from(ids, (id) => this.tokenizer.label(id));
  }

  // Token ids of a prompt, refused where the model cannot read them.
  readable(prompt) {
    const { vocab, context } = this.spec, isId = (id) => Number.isInteger(id) && id >= 0 && id < vocab;
    const isList = typeof prompt === "object" && prompt?.[Symbol.iterator];
    const ids = isList ? [...prompt] : this.tokenizer.ids(prompt);
    if (!ids.length) throw new Error("The prompt is empty: the model needs at least one token to read.");
    if (ids.length > context) {
      throw new Error(`The prompt has ${ids.length} tokens and ${this.name} reads ${context} at most: shorten the text.`);
    }
    const wrong = ids.findIndex((id) => !isId(id));
    if (wrong >= 0) throw new Error(`Token ids here go from 0 to ${vocab - 1}; the prompt holds ${ids[wrong]}.`);
    return Int32Array.from(ids);
  }

  // The same data give the same change, so that the next pass sees that nothing but the text is new.
  changes(given) {
    const before = this.made, keys = given.map((change) => (change.ablate || change.patch ? JSON.stringify(change) : change));
    const make = ({ ablate, patch, clean }) => (ablate ? this.ablate(ablate) : this.patch(clean, patch));
    const all = given.map((change, i) => (keys[i] === change ? change : before.get(keys[i]) ?? make(change)));
    this.made = new Map(keys.map((key, i) => [key, all[i]]));
    return all;
  }
}

// Names of the arrays to keep, in the order of AXES.
function fieldsToKeep(keep, unrotated) {
  const all = Object.keys(AXES), names = keep === null ? all.filter((name) => !ONLY_IF_ASKED.includes(name)) : several(keep);
  const wrong = names.find((name) => !all.includes(name) && name !== "tokens" && name !== "ids");
  if (wrong !== undefined) throw new Error(`A trace has no '${wrong}'. It can keep: ${all.join(", ")}.`);
  return all.filter((name) => names.includes(name) || (unrotated && UNROTATED.includes(name)));
}

function shapeOf(name, { layers, heads, head_dim, width, vocab }, position) {
  const sizes = { layer: layers, "layer + 1": layers + 1, head: heads, head_dim, width, vocab, position, query: position, key: position };
  return AXES[name].map((axis) => sizes[axis]);
}
