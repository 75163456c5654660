// Change what a model computes during a pass: silence (ablate) heads or layers, patch in another run.
// As in Python's `inside/interventions.py`: later changes cover earlier ones at the same place, and what a pass computes
// later covers what was changed before it: a head, then its layer's attention, then the stream after that layer.

// What can be changed, called as in a Trace -> the numbers that name one place of it, besides a position.
const PLACES = { z: ["layer", "head"], attn_out: ["layer"], mlp_out: ["layer"], residual: ["layer"] };
const PARTS = { heads: ["z"], attention: ["attn_out"], mlps: ["mlp_out"], layers: ["attn_out", "mlp_out"] };

export const several = (given) => (Array.isArray(given) ? given : [given]);

// Values for places of a pass.  length: of the prompt that they came from, null where they fit any.
export class Intervention {
  constructor(changes, length = null) {
    Object.assign(this, { changes, length });
  }

  // Those of one layer's field: { head, position (null for each), value (head_dim or width, or one row a position) }.
  at(field, layer) {
    return this.changes.filter((change) => change.field === field && change.layer === layer);
  }
}

// parts: { heads: [[layer, head], …], attention, mlps, layers: [layer, …] }.  means: as `means` gives them, or null.
export function ablation(spec, parts, means) {
  const changes = [];
  for (const [part, given] of Object.entries(parts)) {
    if (!Object.hasOwn(PARTS, part)) throw new Error(`ablate silences ${Object.keys(PARTS).join(", ")}; ${part} came.`);
    for (const field of PARTS[part]) {
      for (const place of listed(given, PLACES[field])) {
        const numbers = checked(place, field, PLACES[field], spec), size = field === "z" ? spec.head_dim : spec.width;
        const value = means ? fitting(means, field, spec).at(...numbers).data.slice() : new Float32Array(size);
        changes.push({ field, layer: numbers[0], head: numbers[1] ?? 0, position: null, value });
      }
    }
  }
  if (!changes.length) throw new Error("Nothing is named that could be silenced; ablate({ heads: [[1, 3]] }) silences one head.");
  return new Intervention(changes);
}

// source: the trace of another run.  parts: { heads: [[layer, head, position], …], attn_out, mlp_out, residual: [[layer,
// position], …] }, each without its position too.
export function patching(spec, source, parts) {
  const length = source.ids.length, changes = [];
  for (const [part, given] of Object.entries(parts)) {
    const field = part === "heads" ? "z" : part;
    if (!Object.hasOwn(PLACES, field) || part === "z") throw new Error(`patch puts in heads, attn_out, mlp_out, residual; ${part} came.`);
    const axes = [...PLACES[field], "position"];
    for (const place of listed(given, axes)) {
      const numbers = checked(place, field, axes, spec, length), [layer, ...rest] = numbers;
      const head = field === "z" ? rest.shift() : 0, value = fitting(source, field, spec, length).at(...numbers).data.slice();
      changes.push({ field, layer, head, position: rest[0] ?? null, value });
    }
  }
  return new Intervention(changes, changes.length ? length : null);
}

// Throws for a pass over another number of tokens than the patch came from.
export function refuseLength(changes, came) {
  for (const { length } of changes) {
    if (length === null || length === came) continue;
    throw new Error(`The patch comes from a prompt of ${length} tokens and this one has ${came}: each value goes to the ` +
      "position it came from, so word both prompts to be equally long.");
  }
}

// One place or several as a list of lists; numbers in a row are one place where a place may have several.
function listed(given, axes) {
  if (given === null || given === undefined) return [];
  const all = several(given);
  return axes.length > 1 && all.length && all.every(Number.isInteger) ? [all] : all.map(several);
}

function checked(place, field, axes, spec, length) {
  const fewest = PLACES[field].length;
  if (place.length < fewest || place.length > axes.length || !place.every(Number.isInteger)) {
    const forms = axes.slice(fewest - 1).map((_, more) => `[${axes.slice(0, fewest + more).join(", ")}]`).join(" or ");
    throw new Error(`${field === "z" ? "A head" : "A layer"} is named by whole numbers, ${forms}; ${JSON.stringify(place)} came.`);
  }
  const sizes = { layer: spec.layers + (field === "residual" ? 1 : 0), head: spec.heads, position: length };
  return place.map((number, i) => {
    const size = sizes[axes[i]];
    if (number < -size || number >= size) throw new Error(`There is no ${axes[i]} ${number} here: they go from 0 to ${size - 1}.`);
    return (number + size) % size;
  });
}

// The array of a field; throws where this model's has another shape.
function fitting(arrays, field, { layers, heads, head_dim, width }, length) {
  const axes = { z: [layers, heads, length, head_dim], residual: [layers + 1, length, width] };
  const wanted = (axes[field] ?? [layers, length, width]).filter((size) => size !== undefined), came = arrays[field]?.shape;
  if (!came || String(came) !== String(wanted)) {
    throw new Error(`'${field}' of this model has shape (${wanted}), and what was given (${came}): was it made by another model?`);
  }
  return arrays[field];
}
