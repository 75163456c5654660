// What every checkpoint does with one text, in the form that the parts of the scrubber draw:
//
//     data          as Python describes it, `Moments.described`; `predictions` empty, and scores null, where nothing is yet
//     weights       of all checkpoints, as `packed` makes them
//     said, sure    (step, layer + 1, position): places in data.vocabulary, and probabilities in 1/255
//     there(at)     whether a checkpoint's part is there

import { bytes, headSize } from "../common/attention.js";

// The first text's, whole.
export function sent(model) {
  const said = new Uint32Array(bytes(model.get("_said")).slice().buffer);
  return { data: model.get("_data"), weights: bytes(model.get("_weights")), said, sure: bytes(model.get("_sure")), there: () => true };
}

const percent = (share) => (share >= 0.0005 ? `${(100 * share).toFixed(1)}%` : "<0.1%");

// One that grows, of what a source computes.
export class Record {
  // moment: of any checkpoint, for its tokens and sizes.
  constructor(steps, { tokens, layers, heads, words, scores }) {
    const rows = words.length / tokens.length, nothing = () => steps.map(() => null);
    Object.assign(this, { each: layers * heads * headSize(tokens.length), places: new Map(), whole: new Set() });
    this.data = {
      steps, tokens, layers, heads, lens_rows: rows, vocabulary: [], predictions: steps.map(() => []),
      scores: Object.keys(scores).map((name) => ({ name, values: nothing() })),
    };
    this.weights = new Uint8Array(steps.length * this.each);
    this.said = new Uint32Array(steps.length * words.length);
    this.sure = new Uint8Array(steps.length * words.length);
  }

  there(at) {
    return this.whole.has(at);
  }

  put(at, { weights, words, sure, next, scores }) {
    this.weights.set(weights, at * this.each);
    this.said.set(words.map((word) => this.place(word)), at * words.length);
    this.sure.set(sure, at * words.length);
    this.data.predictions[at] = next.map(([token, share]) => [token, share, percent(share)]);
    for (const { name, values } of this.data.scores) values[at] = scores[name];
    this.whole.add(at);
  }

  // Where a word stands in the vocabulary.
  place(word) {
    if (!this.places.has(word)) this.places.set(word, this.data.vocabulary.push(word) - 1);
    return this.places.get(word);
  }
}
