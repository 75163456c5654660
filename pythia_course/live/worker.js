// The models in a worker, so that typing never waits for them. Of requests on one channel the newest counts: an older
// one that still waits, or is between two layers, is answered { id, superseded: true }.
//
//     { id, load: { name, config, tokenizer, weights } }                                 -> { id }
//     { id, forget: name }                                                               -> { id }
//     { id, channel, model, prompt, keep, changes, lens, words, next }            -> { id, trace, lens, words, sure, next }
//     what cannot be done                                                                -> { id, error: "a sentence" }

import { load } from "./model.js";

const MODELS = new Map(), WAITING = new Map(); // name -> model; channel -> its newest request
const PATIENCE = 5; // milliseconds of work between two looks at what has come meanwhile
const BELL = new MessageChannel();
let RUNNING = false;

self.onmessage = ({ data: request }) => {
  if (request.load) return answer(request.id, () => void MODELS.set(request.load.name, load(request.load)));
  if (request.forget) return answer(request.id, () => void MODELS.delete(request.forget));
  const older = WAITING.get(request.channel);
  if (older) self.postMessage({ id: older.id, superseded: true });
  WAITING.set(request.channel, { ...request, lm: MODELS.get(request.model) }); // what is forgotten later still answers
  if (!RUNNING) runAll();
};

// Resumes behind all messages that have come by now.
const othersFirst = () => new Promise((resume) => { BELL.port1.onmessage = resume; BELL.port2.postMessage(null); });

async function runAll() {
  RUNNING = true;
  await othersFirst();
  for (const [channel, request] of WAITING) { // also those that come while it runs
    WAITING.delete(channel);
    await runOne(channel, request);
  }
  RUNNING = false;
}

async function runOne(channel, { id, lm, model, prompt, keep, changes, lens, words, next }) {
  try {
    if (!lm) throw new Error(`No model called ${model} is loaded here.`);
    const steps = lm.tracing(prompt, { keep: lens || words || next ? [...keep, "residual"] : keep, changes });
    let since = performance.now(), step = steps.next();
    for (; !step.done; step = steps.next()) {
      if (performance.now() - since < PATIENCE) continue;
      await othersFirst();
      if (WAITING.has(channel)) return self.postMessage({ id, superseded: true });
      since = performance.now();
    }
    answer(id, () => {
      const trace = { ...step.value }, { residual } = trace;
      if (!keep.includes("residual")) delete trace.residual; // asked for by lens, words and next alone
      const said = words ? lm.likeliestByLayer(residual) : {};
      return { trace, lens: lens ? lensOf(lm, residual, lens) : null, ...said, next: next ? lm.likeliest(residual, next) : null };
    });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
}

// What comes next at the last position, read after each layer.
const lensOf = (lm, residual, k) => Array.from({ length: lm.spec.layers + 1 }, (_, layer) => lm.likeliest(residual, k, layer));

function answer(id, make) {
  try {
    const reply = make() ?? {}, tensors = [reply.sure, ...Object.values(reply.trace ?? {})];
    const buffers = tensors.map((tensor) => tensor?.data?.buffer).filter(Boolean);
    self.postMessage({ id, ...reply }, buffers);
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
}
