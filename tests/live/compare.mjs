// What the page's engine computes beside what torch computed: the same for node and for a browser.

import { load } from "../../pythia_course/live/model.js";
import { readSafetensors } from "../../pythia_course/live/safetensors.js";
import { Tokenizer } from "../../pythia_course/live/tokenizer.js";

// job: { models: [{ name, files, reference, wasm, cases }], tokenizers: [{ file, cases }], refused: [{ … }] }.
// read(path): a promise of an ArrayBuffer.  Back: for each, what differs, in words, and the largest differences.
export async function compareAll(job, read) {
  const text = async (path) => new TextDecoder().decode(await read(path));
  const models = [];
  for (const { name, files, reference, cases, wasm } of job.models ?? []) {
    const [config, tokenizer] = await Promise.all([text(files.config), text(files.tokenizer)]);
    const lm = load({ name, config, tokenizer, weights: await read(files.weights), wasm });
    models.push(compareModel(lm, cases, readSafetensors(await read(reference))));
  }
  const tokenizers = [];
  for (const { file, cases } of job.tokenizers ?? []) {
    const tokenizer = new Tokenizer(await text(file));
    const wrong = cases.filter(([prompt, ids]) => String(tokenizer.ids(prompt)) !== String(ids));
    const labels = tokenizer.tokens.size && [...tokenizer.tokens.keys()].sort((a, b) => a - b).map((id) => tokenizer.label(id));
    tokenizers.push({ wrong: wrong.map(([prompt]) => prompt), labels });
  }
  return { models, tokenizers, refused: await Promise.all((job.refused ?? []).map((files) => saysOf(files, read, text))) };
}

function compareModel(lm, cases, reference) {
  const wrong = [], worst = {}, note = (number, what) => wrong.push(`case ${number}: ${what}`);
  cases.forEach(({ prompt, changes, keep, tokens, error, predicted, words }, number) => {
    let trace, said = null;
    try {
      trace = lm.trace(prompt, { keep, changes });
    } catch (thrown) {
      said = thrown.message;
    }
    if (error || said) return error?.startsWith(said?.slice(0, -1)) || note(number, `${said} instead of ${error}`);
    if (trace.tokens.join("\0") !== tokens.join("\0")) return note(number, `tokens ${trace.tokens} instead of ${tokens}`);
    const ids = reference.get(`${number}.ids`).data; // whole numbers below 2 ** 24 are exact in float32
    if (String([...trace.ids]) !== String([...ids])) return note(number, "other token ids");
    for (const name of keep) {
      const there = reference.get(`${number}.${name}`), here = trace[name];
      if (String(here.shape) !== String(there.shape)) return note(number, `${name} has shape ${here.shape}, not ${there.shape}`);
      worst[name] = Math.max(worst[name] ?? 0, largestDifference(here.data, there.data));
    }
    if (reference.has(`${number}.lens`)) {
      const lens = lm.logitLens(lastOf(trace.residual)), there = reference.get(`${number}.lens`);
      if (String(lens.shape) !== String(there.shape)) return note(number, `lens has shape ${lens.shape}`);
      worst.lens = Math.max(worst.lens ?? 0, largestDifference(lens.data, there.data));
    }
    if (words) {
      const here = lm.likeliestByLayer(trace.residual), there = reference.get(`${number}.sure`);
      if (String(here.words) !== String(words) || String(here.sure.shape) !== String(there.shape)) note(number, `says ${here.words}, not ${words}`);
      worst.sure = Math.max(worst.sure ?? 0, largestDifference(here.sure.data, there.data));
    }
    if (predicted) {
      const here = lm.predict(prompt, predicted.length, { changes });
      if (here.some(([token, share], i) => token !== predicted[i][0] || !(Math.abs(share - predicted[i][1]) < 1e-4))) note(number, `predicts ${here}`);
    }
    return null;
  });
  return { wrong, worst, cases: cases.length };
}

// (layer + 1, width) of the last position.
function lastOf({ data, shape: [layers, positions, width] }) {
  const rows = Array.from({ length: layers }, (_, layer) => data.subarray(((layer + 1) * positions - 1) * width, (layer + 1) * positions * width));
  return { data: Float32Array.from(rows.flatMap((row) => [...row])), shape: [layers, width] };
}

// Of a number above 10, a share of it: float32 has seven digits, and in the last MLP large ones cancel.
function largestDifference(here, there) {
  let most = 0;
  for (let i = 0; i < there.length; i++) {
    const difference = Math.abs(here[i] - there[i]) / (1 + Math.abs(there[i]) / 10);
    if (!(difference <= most)) most = difference; // nan too
  }
  return most;
}

// What is said where files are no model: the sentence, or null.
async function saysOf({ files, text: ownText = {}, prompt = "Mia", options = {} }, read, text) {
  try {
    const [config, tokenizer] = await Promise.all(["config", "tokenizer"].map((name) => ownText[name] ?? text(files[name])));
    load({ name: "broken", config, tokenizer, weights: await read(files.weights) }).trace(prompt, options);
    return null;
  } catch (error) {
    return error.constructor === Error || error instanceof TypeError ? error.message : `${error.name}: ${error.message}`;
  }
}
