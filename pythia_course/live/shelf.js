// Models by name and step, each fetched when it is first asked for. The few used last stay in the worker.

export class Shelf {
  // engine: an Engine.  fetchFiles: async (name, step) -> { config, tokenizer, weights }, the weights an ArrayBuffer that
  // is handed over.  most: models that stay; one of a million parameters takes about 9 MB.
  constructor(engine, fetchFiles, most = 8) {
    Object.assign(this, { engine, fetchFiles, most, held: new Map(), newest: new Map(), fetching: new Map() });
  }

  // As Engine.trace, of a model at a step: null where a newer request on the same channel came first, also while its
  // model was on the way.  Of a channel one model is fetched at a time, so that a slider does not fetch all it passes.
  async trace({ model, step, channel = "", ...request }) {
    const turn = {}, isOld = () => this.newest.get(channel) !== turn;
    this.newest.set(channel, turn);
    await this.fetching.get(channel);
    if (isOld()) return null;
    const name = `${model}@${step}`, ready = this.take(name, model, step);
    this.fetching.set(channel, ready.catch(() => {}));
    await ready;
    return isOld() ? null : this.engine.trace({ model: name, channel, ...request });
  }

  // A promise that the model is in the worker.
  take(name, model, step) {
    const ready = this.held.get(name) ?? this.load(name, model, step);
    this.held.delete(name);
    this.held.set(name, ready); // the last in the row is the one used last
    for (const [oldest] of this.held) {
      if (this.held.size <= this.most) break;
      this.held.delete(oldest);
      this.engine.forget(oldest);
    }
    return ready;
  }

  async load(name, model, step) {
    try {
      await this.engine.load({ ...(await this.fetchFiles(model, step)), name });
    } catch (error) {
      this.held.delete(name); // the next who asks tries again
      throw error;
    }
  }
}
