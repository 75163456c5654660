// The two who can compute what a widget shows: an engine in this page, with weights that the kernel sends once, and the
// kernel itself. Either is asked for one of three:
//
//     picture(run)    of a run { model, step, prompt, silenced, patched, clean }, the last three as live/changes.js has them
//                     -> { tokens, layers, heads, scores, next: [[token, probability], …], weights }, weights as `packed`
//                     makes them
//     moment(run)     of { model, step, prompt } -> the same and { words, sure }, (layer + 1, position): what it would say
//                     if it stopped after each layer, and the probability in 1/255
//     vectors(run)    of { model, step, prompt, layer, head } -> { tokens, queries, keys }, (position, head_dim), unrotated
//
// Each is null where a newer request on the same channel came first.

import { changesOf } from "../../live/changes.js";
import { Engine } from "../../live/engine.js";
import { Shelf } from "../../live/shelf.js";
import { bytes } from "./attention.js";
import { headScores, packed } from "./reading.js";

const MOST_NEXT = 6; // next tokens that a picture lists
export const MOST_LATER = 8; // and a moment

// Questions to the Python side of a widget, and its answers.
export class Kernel {
  constructor(model) {
    Object.assign(this, { model, asked: new Map(), name: `${Math.random()}`, ids: 0 });
    this.listen = ({ id, error, ...reply }, buffers) => {
      const waiting = this.asked.get(id); // other views of the widget hear this too
      this.asked.delete(id);
      if (error) waiting?.reject(new Error(error));
      else waiting?.resolve({ ...reply, buffers });
    };
    model.on("msg:custom", this.listen);
  }

  ask(content) {
    const id = `${this.name} ${this.ids++}`;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.model.send({ ...content, id });
    });
  }

  dispose() {
    this.model.off("msg:custom", this.listen);
  }
}

export class InPage {
  // most: models that stay in the worker.
  constructor(kernel, most) {
    Object.assign(this, { kernel, most, where: "computed in this page", refused: false });
  }

  // The worker, once somebody is about to need it.
  start() {
    this.shelf ??= this.begin();
    this.shelf.catch(() => {}); // whoever asks for a picture hears of it
    return this.shelf;
  }

  begin() {
    return this.kernel.ask({ want: "worker" }).then(({ worker, tokenizer }) => {
      this.engine = this.opened(worker);
      if (this.over) this.engine.close();
      return new Shelf(this.engine, async (name, step) => {
        const { config, buffers: [weights] } = await this.kernel.ask({ want: "weights", model: name, step });
        return { config, tokenizer, weights: bytes(weights).slice().buffer };
      }, this.most);
    });
  }

  // Throws, or the engine fails later, where a page forbids workers.
  opened(code) {
    try {
      return new Engine(new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" }))));
    } catch (error) {
      this.refused = true;
      throw error;
    }
  }

  picture({ model, step, prompt, ...changed }, channel) {
    return this.seen({ model, step, prompt, changes: changesOf(changed), next: MOST_NEXT, channel });
  }

  moment({ model, step, prompt }, channel) {
    return this.seen({ model, step, prompt, words: true, next: MOST_LATER, channel });
  }

  async seen(request) {
    const answer = await (await this.start()).trace({ ...request, keep: ["attention"] });
    if (!answer) return null;
    const { trace: { tokens, attention }, words, next } = answer, [layers, heads] = attention.shape;
    const sure = words && Uint8Array.from(answer.sure.data, (share) => Math.round(255 * share));
    return { tokens, layers, heads, scores: headScores(attention, tokens), next, words, sure, weights: packed(attention) };
  }

  async vectors({ layer, head, ...run }, channel) {
    const answer = await (await this.start()).trace({ ...run, keep: ["queries_unrotated", "keys_unrotated"], channel });
    if (!answer) return null;
    const { tokens, queries_unrotated: queries, keys_unrotated: keys } = answer.trace;
    return { tokens, queries: queries.at(layer, head).data, keys: keys.at(layer, head).data };
  }

  // Whether nothing can be computed here.
  get broken() {
    return this.refused || (Boolean(this.engine?.broken) && !this.over);
  }

  dispose() {
    this.over = true;
    this.engine?.close();
  }
}

export class InKernel {
  constructor(kernel) {
    Object.assign(this, { kernel, where: "computed by the kernel", newest: new Map(), busy: new Map() });
  }

  start() {}

  async picture(run, channel) {
    const answer = await this.ask({ want: "picture", run, next: MOST_NEXT }, channel);
    return answer && { ...answer.picture, weights: bytes(answer.buffers[0]) };
  }

  async moment(run, channel) {
    const answer = await this.ask({ want: "moment", run }, channel);
    return answer && { ...answer.moment, weights: bytes(answer.buffers[0]), sure: bytes(answer.buffers[1]) };
  }

  async vectors(run, channel) {
    const answer = await this.ask({ want: "vectors", run }, channel);
    if (!answer) return null;
    const [queries, keys] = answer.buffers.map((view) => new Float32Array(bytes(view).slice().buffer));
    return { tokens: answer.tokens, queries, keys };
  }

  // One question of a channel at a time; of those that come meanwhile the newest is asked next.
  async ask(question, channel) {
    const turn = {};
    this.newest.set(channel, turn);
    await this.busy.get(channel);
    if (this.newest.get(channel) !== turn) return null;
    const answer = this.kernel.ask(question);
    this.busy.set(channel, answer.catch(() => {}));
    const told = await answer;
    return this.newest.get(channel) === turn ? told : null;
  }

  dispose() {}
}
