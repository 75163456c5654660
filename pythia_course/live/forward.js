// The forward pass, layer by layer, of both families: rotary or learned positions, parallel or sequential blocks.
// Shapes are in comments; arrays lie flat, the last axis contiguous. Every product of matrices is the kernel's `affine`.

import { gelu, layerNorm, rotations, softmax } from "./arithmetic.js";
import { refuseLength } from "./interventions.js";
import { Memory } from "./kernel.js";
import { readWeights } from "./weights.js";

const BY_HEAD = ["queries", "keys", "values", "z", "queries_unrotated", "keys_unrotated"]; // (layer, head, position, head_dim)

export class ForwardPass {
  constructor(name, spec, tensors, wasm) {
    const { width, mlp_width, vocab, context, head_dim } = spec, rows = upTo(4, context), wide = Math.max(3 * width, mlp_width, vocab);
    const held = [...tensors.values()].reduce((sum, { data }) => sum + data.length + 4, vocab);
    const memory = new Memory(held + rows * (2 * width + wide + 4 * head_dim + rows + 1), wasm);
    Object.assign(this, { name, spec, memory, weights: readWeights(spec, tensors, memory), turns: rotations(spec) });
    this.narrow = memory.take(rows * width); // (position, width), into a product
    this.wide = memory.take(rows * wide); // (position, 3 width, mlp_width or vocab), out of one and into the next
    this.added = memory.take(rows * width); // (position, width), out of a product
    const [q, k, v, z] = [1, 2, 3, 4].map(() => memory.take(rows * head_dim)); // of one head
    this.head = { q, k, v, z, scores: memory.take(rows * rows), zeros: memory.take(rows) };
    this.last = null; // the pass before: what it shares with the next, up to the first other token, is taken over
  }

  // Every array of a trace, for all positions.  A generator, with a pause after each layer.
  *run(ids, changes, logits) {
    refuseLength(changes, ids.length);
    const pass = this.emptyPass(ids, changes), { last } = this;
    if (last?.changes.length === changes.length && changes.every((change, i) => change === last.changes[i])) {
      takeOver(pass, last, this.spec);
    }
    this.embed(pass);
    for (let layer = 0; layer < this.spec.layers; layer++) {
      this.attend(pass, layer);
      this.think(pass, layer);
      yield layer;
    }
    const final = pass.residual.subarray(-ids.length * this.spec.width);
    if (!final.every(Number.isFinite)) throw new Error(`${this.name} computes numbers that are none (nan or inf).`);
    if (logits) pass.logits = this.readOut(final, ids.length);
    return (this.last = pass);
  }

  emptyPass(ids, changes) {
    const { layers, heads, width } = this.spec, number = ids.length, all = (size) => new Float32Array(size);
    return {
      ids, changes, start: 0, // the first position to compute
      attention: all(layers * heads * number * number), residual: all((layers + 1) * number * width),
      ...Object.fromEntries(["attn_out", "mlp_out", ...BY_HEAD].map((name) => [name, all(layers * number * width)])),
    };
  }

  // residual[0]: the embedding of each token and, where those are learned, of its position.
  embed(pass) {
    const { width } = this.spec, { embedding, positions } = this.weights;
    for (let position = pass.start; position < pass.ids.length; position++) {
      const row = position * width, token = pass.ids[position] * width;
      for (let i = 0; i < width; i++) pass.residual[row + i] = embedding[token + i] + (positions ? positions[row + i] : 0);
    }
    this.change(pass, "residual", 0);
  }

  // attn_out of a layer, and all that leads to it.
  attend(pass, layer) {
    const { width, heads, head_dim: size } = this.spec, { qkv, output, norm1 } = this.weights.layers[layer];
    const number = pass.ids.length, rows = number - pass.start, at = (layer * number + pass.start) * width;
    layerNorm(this.narrow, pass.residual.subarray(at, at + rows * width), norm1); // (position, width)
    this.memory.affine(this.wide, this.narrow, qkv.weight, qkv.bias, rows); // (position, 3 width)
    for (let head = 0; head < heads; head++) {
      this.split(pass, layer, head);
      this.look(pass, (layer * heads + head) * number);
    }
    this.change(pass, "z", layer);
    for (let head = 0; head < heads; head++) { // all heads' z side by side: (position, width)
      for (let row = 0; row < rows; row++) {
        const from = ((layer * heads + head) * number + pass.start + row) * size;
        this.narrow.set(pass.z.subarray(from, from + size), row * width + head * size);
      }
    }
    this.memory.affine(this.added, this.narrow, output.weight, output.bias, rows); // (position, width)
    pass.attn_out.set(this.added.subarray(0, rows * width), at);
    this.change(pass, "attn_out", layer);
  }

  // One head's queries, keys and values out of (position, 3 width), and the first two rotated.
  split(pass, layer, head) {
    const { width, heads, head_dim: size, family } = this.spec, number = pass.ids.length;
    // GPT-NeoX: q, k and v of head 0, then of head 1, …; GPT-2: all heads' q, then all k, then all v
    const [first, next] = family === "gpt_neox" ? [3 * head * size, size] : [head * size, width];
    for (let position = pass.start; position < number; position++) {
      const row = (position - pass.start) * 3 * width + first, to = ((layer * heads + head) * number + position) * size;
      ["queries_unrotated", "keys_unrotated", "values"].forEach((name, part) =>
        pass[name].set(this.wide.subarray(row + part * next, row + part * next + size), to));
      this.rotate(pass.queries, pass.queries_unrotated, to, position);
      this.rotate(pass.keys, pass.keys_unrotated, to, position);
    }
  }

  // Dimension i turns together with dimension i + rotary_dims / 2; those from rotary_dims on pass through.
  rotate(out, vector, at, position) {
    const { head_dim, rotary_dims } = this.spec, half = rotary_dims / 2;
    for (let i = 0; i < half; i++) {
      const cos = this.turns.cos[position * half + i], sin = this.turns.sin[position * half + i];
      const a = vector[at + i], b = vector[at + half + i];
      out[at + i] = a * cos - b * sin;
      out[at + half + i] = b * cos + a * sin;
    }
    for (let i = rotary_dims; i < head_dim; i++) out[at + i] = vector[at + i];
  }

  // One head's attention (query, key) and z (position, head_dim).  first: the number of its first row in all arrays.
  look(pass, first) {
    const { head_dim: size } = this.spec, { q, k, v, z, scores, zeros } = this.head, scale = 1 / Math.sqrt(size);
    const number = pass.ids.length, keys = upTo(4, number), rows = number - pass.start, from = (first + pass.start) * size;
    for (let i = 0; i < rows * size; i++) q[i] = pass.queries[from + i] * scale;
    k.set(pass.keys.subarray(first * size, (first + number) * size)); // what is left behind them weighs nothing
    this.memory.affine(scores, q, k.subarray(0, keys * size), zeros.subarray(0, keys), rows); // (query, key)
    for (let row = 0; row < rows; row++) {
      const query = pass.start + row, at = row * keys;
      softmax(scores, at, query + 1);
      scores.fill(0, at + query + 1, at + keys); // no query looks at a later key
      pass.attention.set(scores.subarray(at, at + query + 1), (first + query) * number);
    }
    for (let i = 0; i < size; i++) { // values as (head_dim, key)
      for (let key = 0; key < keys; key++) v[i * keys + key] = key < number ? pass.values[(first + key) * size + i] : 0;
    }
    this.memory.affine(z, scores, v.subarray(0, size * keys), zeros.subarray(0, size), rows); // (position, head_dim)
    pass.z.set(z.subarray(0, rows * size), from);
  }

  // mlp_out of a layer, and the stream after it. In a parallel block the MLP does not see what attention adds.
  think(pass, layer) {
    const { width, parallel, mlp_width } = this.spec, { norm2, up, down } = this.weights.layers[layer];
    const number = pass.ids.length, rows = number - pass.start, at = (layer * number + pass.start) * width;
    const stream = pass.residual.subarray(at, at + rows * width); // (position, width)
    const joined = sum(stream, pass.attn_out.subarray(at, at + rows * width));
    layerNorm(this.narrow, parallel ? stream : joined, norm2);
    this.memory.affine(this.wide, this.narrow, up.weight, up.bias, rows); // (position, mlp_width)
    gelu(this.wide, rows * mlp_width);
    this.memory.affine(this.added, this.wide, down.weight, down.bias, rows); // (position, width)
    pass.mlp_out.set(this.added.subarray(0, rows * width), at);
    this.change(pass, "mlp_out", layer);
    pass.residual.set(sum(joined, pass.mlp_out.subarray(at, at + rows * width)), at + number * width);
    this.change(pass, "residual", layer + 1);
  }

  // Put in what ablations and patches have for a layer's field, the later over the earlier.
  change(pass, field, layer) {
    const { heads, head_dim, width } = this.spec, [count, size] = field === "z" ? [heads, head_dim] : [1, width];
    for (const { head, position, value } of pass.changes.flatMap((each) => each.at(field, layer))) {
      const [first, end] = position === null ? [pass.start, pass.ids.length] : [position, position + 1];
      for (let row = first; row < end; row++) {
        const own = value.length > size ? row * size : 0; // one value for all positions, or one for each
        pass[field].set(value.subarray(own, own + size), ((layer * count + head) * pass.ids.length + row) * size);
      }
    }
  }

  // Logits (row, vocab) of so many streams (row, width): final LayerNorm, output matrix.
  readOut(streams, rows) {
    const { width, vocab, context } = this.spec, { final, unembedding } = this.weights, logits = new Float32Array(rows * vocab);
    for (let done = 0; done < rows; done += context) { // as many at once as there is room for
      const some = Math.min(context, rows - done);
      layerNorm(this.narrow, streams.subarray(done * width, (done + some) * width), final);
      this.memory.affine(this.wide, this.narrow, unembedding.weight, unembedding.bias, some);
      logits.set(this.wide.subarray(0, some * vocab), done * vocab);
    }
    return logits;
  }
}

const upTo = (multiple, number) => Math.ceil(number / multiple) * multiple;

function sum(a, b) {
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i] + b[i];
  return out;
}

// Copy what a pass shares with the last one: everything before the first other token. No position sees a later one.
function takeOver(pass, last, { layers, heads, head_dim, width }) {
  const after = pass.ids.length, before = last.ids.length, shortest = Math.min(after, before);
  let same = 0;
  while (same < shortest && pass.ids[same] === last.ids[same]) same++;
  const copy = (name, from, to, size) => pass[name].set(last[name].subarray(from * size, (from + same) * size), to * size);
  for (let block = 0; block < layers * heads; block++) {
    for (const name of BY_HEAD) copy(name, block * before, block * after, head_dim);
    for (let query = 0; query < same; query++) copy("attention", (block * before + query) * before, (block * after + query) * after, 1);
  }
  for (let layer = 0; layer <= layers; layer++) {
    for (const name of layer < layers ? ["residual", "attn_out", "mlp_out"] : ["residual"]) copy(name, layer * before, layer * after, width);
  }
  pass.start = same;
}
