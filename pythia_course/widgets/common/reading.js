// What widgets read from attention that the page has computed: as common/attention.py does it, and the tests hold the two
// to each other.

import { headSize } from "./attention.js";

const SHORTEST_PERIOD = 3; // a repetition shorter than that is more often chance than a prompt made for induction

// A Tensor (layer, head, query, key) -> a byte a weight, round(255 w): head follows head, query q has its keys 0 to q.
export function packed({ data, shape: [layers, heads, number] }) {
  const out = new Uint8Array(layers * heads * headSize(number));
  for (let row = 0, next = 0; row < layers * heads * number; row++) {
    const keys = (row % number) + 1, at = row * number;
    for (let key = 0; key < keys; key++) out[next++] = Math.round(255 * data[at + key]);
  }
  return out;
}

// { name: (layer, head) as nested lists }: what each head does on these tokens, as far as it can be told there.
export function headScores(attention, tokens) {
  const number = tokens.length, [start, period] = repetition(tokens), scores = {};
  if (number < 2) return scores;
  scores["previous token"] = means(attention, range(1, number).map((query) => [query, query - 1]));
  scores["first token"] = means(attention, range(1, number).map((query) => [query, 0]));
  if (period) { // position i of the second copy looks at the token after its first
    scores.induction = means(attention, range(period, 2 * period).map((i) => [start + i, start + i - period + 1]));
  }
  return scores;
}

// (start, period) of a prompt that is one text again and again, perhaps after one special token; else (0, 0).
export function repetition(tokens) {
  for (const start of [0, 1]) {
    const length = tokens.length - start;
    for (let period = SHORTEST_PERIOD; period <= Math.floor(length / 2); period++) {
      let same = 0;
      while (same < length - period && tokens[start + same + period] === tokens[start + same]) same++;
      if (same === length - period && new Set(tokens.slice(start, start + period)).size > 1) return [start, period];
    }
  }
  return [0, 0];
}

// The [layer, head] with the highest score.
export function bestHead(scores) {
  const all = scores.flat(), best = all.indexOf(Math.max(...all));
  return [Math.floor(best / scores[0].length), best % scores[0].length];
}

const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

// Mean weight at these places [query, key] of every head.
function means({ data, shape: [layers, heads, number] }, places) {
  const mean = (block) => places.reduce((sum, [query, key]) => sum + data[(block * number + query) * number + key], 0) / places.length;
  return range(0, layers).map((layer) => range(0, heads).map((head) => mean(layer * heads + head)));
}
