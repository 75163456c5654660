// What a Shelf does with a worker that is none: which models it fetches, keeps and forgets, and whom it answers.
import { Shelf } from "../../pythia_course/live/shelf.js";

const done = [], failing = new Set(["gone"]);
const engine = {
  load: async ({ name }) => { done.push(`load ${name}`); },
  forget: (name) => { done.push(`forget ${name}`); },
  trace: async ({ model, channel, prompt }) => `${model} ${channel} ${prompt}`,
};
const waiting = [];
const fetchFiles = (name, step) => new Promise((resolve, reject) => {
  done.push(`fetch ${name}@${step}`);
  if (failing.has(name)) return reject(new Error("no such model"));
  waiting.push(() => resolve({}));
});
const settled = () => new Promise((next) => setTimeout(next));
const arrive = async () => { await settled(); waiting.splice(0).forEach((go) => go()); await settled(); };
const shelf = new Shelf(engine, fetchFiles, 2), ask = (step, channel = "", model = "m") => shelf.trace({ model, step, channel, prompt: "p" });
const found = {};

const first = ask(0);
await settled();
const slid = [1, 2, 4, 8].map((step) => ask(step)); // a slider passes four more before the first is there
await arrive(); await arrive();
found.slid = await Promise.all([first, ...slid]);
found.fetched = done.splice(0);
found.again = await ask(8); // is there already
const others = [ask(0, "left"), ask(16, "right")];
await arrive(); await arrive();
found.others = await Promise.all(others);
found.forgot = done.splice(0);
found.error = await ask(1, "", "gone").catch(({ message }) => message);
failing.clear();
const retried = ask(1, "", "gone");
await arrive();
found.retried = await retried;
console.log(JSON.stringify(found));
