// The two who can compute what a widget shows: an engine in this page, with weights that the kernel sends once, and the
// kernel itself. Either is asked for the picture of a run:
//
//     run      { model, step, prompt, silenced, patched, clean }, the last three as live/changes.js has them
//     picture  { tokens, layers, heads, scores, next: [[token, probability], …], weights }, weights as `packed` makes them
//
// A picture is null where a newer request on the same channel came first.

import { changesOf } from "../../live/changes.js";
import { Engine } from "../../live/engine.js";
import { Shelf } from "../../live/shelf.js";
import { bytes } from "./attention.js";
import { headScores, packed } from "./reading.js";

const MOST_NEXT = 6; // next tokens listed

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
  constructor(kernel) {
    Object.assign(this, { kernel, where: "computed in this page", refused: false });
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
      });
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

  async picture({ model, step, prompt, ...changed }, channel) {
    const changes = changesOf(changed), keep = ["attention"];
    const answer = await (await this.start()).trace({ model, step, prompt, keep, changes, next: MOST_NEXT, channel });
    if (!answer) return null;
    const { trace: { tokens, attention }, next } = answer, [layers, heads] = attention.shape;
    return { tokens, layers, heads, scores: headScores(attention, tokens), next, weights: packed(attention) };
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

  // One question of a channel at a time; of those that come meanwhile the newest is asked next.
  async picture(run, channel) {
    const turn = {};
    this.newest.set(channel, turn);
    await this.busy.get(channel);
    if (this.newest.get(channel) !== turn) return null;
    const answer = this.kernel.ask({ want: "picture", run, next: MOST_NEXT });
    this.busy.set(channel, answer.catch(() => {}));
    const { picture, buffers: [weights] } = await answer;
    return this.newest.get(channel) === turn ? { ...picture, weights: bytes(weights) } : null;
  }

  dispose() {}
}
