// The page's side of worker.js: promises instead of messages.

import { Tensor } from "./safetensors.js";

export class Engine {
  // worker: a Worker that runs worker.js.
  constructor(worker) {
    Object.assign(this, { worker, asked: new Map(), ids: 0 });
    worker.onmessage = ({ data }) => this.answered(data);
    worker.onerror = ({ message }) => this.failed(new Error(`The worker stopped: ${message || "it could not be read"}.`));
  }

  // name, config and tokenizer (texts of config.json and tokenizer.json), weights (the ArrayBuffer, handed over).
  load(files) {
    return this.ask({ load: files }, [files.weights]);
  }

  // What is asked of it later is refused; what was asked before is still answered.
  forget(name) {
    return this.ask({ forget: name });
  }

  // { model, prompt, keep: [names], changes, lens: k, words: true, next: k } -> { trace, lens, words, sure, next }, or null
  // where a newer request on the same channel came first.  next: the k likeliest next tokens, likeliest first: [printable
  // token, probability].  lens: so many of each layer + 1, as they are if the model stops there.  words, sure: the
  // likeliest one and its probability if it stops after each layer, at every position, (layer + 1, position).
  trace(request) {
    return this.ask({ channel: "", keep: [], changes: [], lens: 0, words: false, next: 0, ...request });
  }

  ask(request, transferred = []) {
    const id = this.ids++;
    if (this.broken) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...request }, transferred);
    });
  }

  answered({ id, error, superseded, trace, lens, words, sure, next }) {
    const { resolve, reject } = this.asked.get(id), tensor = (value) => (value?.shape ? new Tensor(value.data, value.shape) : value);
    this.asked.delete(id);
    if (error !== undefined) return reject(new Error(error));
    const named = Object.entries(trace ?? {}).map(([name, value]) => [name, tensor(value)]); // a message carries no classes
    resolve(superseded ? null : { trace: Object.fromEntries(named), lens, words, sure: tensor(sure), next });
  }

  // No worker, no answers: neither to what was asked nor to what will be.
  failed(error) {
    this.broken = error;
    for (const { reject } of this.asked.values()) reject(error);
    this.asked.clear();
  }

  close() {
    this.worker.terminate();
    this.failed(new Error("The worker was closed."));
  }
}
