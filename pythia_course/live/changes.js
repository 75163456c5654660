// What a picture's run changes, in the words of model.js.
//
//     silenced  [[layer, head], …]
//     patched   [{ head: [layer, head] } or { stream: [layer, position] }, …], put in from a run of the prompt `clean`

export function changesOf({ silenced, patched, clean }) {
  const patch = ({ head, stream }) => ({ patch: head ? { heads: [head] } : { residual: [stream] }, clean });
  return [...patched.map(patch), ...(silenced.length ? [{ ablate: { heads: silenced } }] : [])];
}

// Those that a model of this size has places for.
export function fitting({ silenced, patched }, { layers, heads }) {
  const there = ([layer, head]) => layer < layers && head < heads;
  return { silenced: silenced.filter(there), patched: patched.filter(({ head, stream }) => (head ? there(head) : stream[0] <= layers)) };
}
