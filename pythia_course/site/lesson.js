// Widgets in a lesson's page. Each module gets what ipywidgets would give it, a model with traits, and an element.

import { arrived, checkpoint, decoded } from "./held.js";
import { make } from "../widgets/common/elements.js";

// As much of a Backbone model as anywidgets use. No kernel is behind it: what is saved is saved here, and of what a widget
// asks Python, the page answers what it has itself.
class Traits {
  constructor(values) {
    this.values = values;
    this.heard = [];
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    if (this.values[name] === value) return;
    this.values[name] = value;
    for (const event of [`change:${name}`, "change"]) this.tell(event);
  }

  tell(event, ...words) {
    for (const { events, call } of [...this.heard]) if (events.includes(event)) call(...words);
  }

  on(events, call) {
    this.heard.push({ events: events.split(" "), call });
  }

  off(events, call) {
    this.heard = this.heard.filter((each) => each.call !== call);
  }

  save_changes() {}

  async send({ id, ...question }) {
    const [answer, buffers] = await answered(question).catch(({ message }) => [{ error: message }, []]);
    this.tell("msg:custom", { id, ...answer }, buffers);
  }
}

// { want: "worker" } and { want: "weights", model, step } are in the site's files.
async function answered({ want, model, step }) {
  if (want === "worker") {
    const { worker, tokenizer } = await arrived("playground", "files/playground.js");
    return [{ worker, tokenizer }, []];
  }
  if (want !== "weights") throw new Error("That takes a running kernel, which a page of the site does not have.");
  const { config, weights } = await checkpoint(model, step);
  return [{ config }, [new DataView(decoded(weights).buffer)]];
}

// Where Python has bytes, a module is given a DataView.
function given(value) {
  if (Array.isArray(value)) return value.map(given);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.base64 === "string") return new DataView(decoded(value.base64).buffer);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, given(each)]));
}

// What stands beside a widget in Python as a slider of ipywidgets.
function slider(model, [name, largest]) {
  const said = make("output", "", {}, String(model.get(name)));
  const input = make("input", "", { type: "range", min: 0, max: largest, value: model.get(name), "aria-label": name });
  input.addEventListener("input", () => { model.set(name, Number(input.value)); said.textContent = input.value; });
  return make("label", "", {}, name, input, said);
}

for (const place of document.querySelectorAll(".alive")) {
  const { kind, traits, sliders } = PYTHIA.held[place.dataset.held], model = new Traits(given(traits)), el = make("div", "");
  try {
    PYTHIA.widgets[kind].render({ model, el });
    if (sliders.length) el.prepend(make("div", "pcw pcw-controls", {}, ...sliders.map((each) => slider(model, each))));
    place.replaceChildren(el);
    place.dataset.ready = "true";
  } catch (error) {
    console.error(error); // its picture stays
  }
}
