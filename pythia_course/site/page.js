// The one HTML file: a playground with one model, all of it held in the page.

import { Playground } from "./playground.js";

const held = (id) => document.getElementById(id).textContent;

async function begin() {
  const { config, ...models } = JSON.parse(held("data")), offered = { ...models, tokenizer: held("tokenizer") }, place = document.getElementById("playground");
  const worker = new Worker(URL.createObjectURL(new Blob([held("worker")], { type: "text/javascript" })));
  const playground = new Playground(offered, worker, async () => ({ config, weights: held("weights") }));
  place.replaceChildren(playground.root);
  addEventListener("hashchange", () => playground.follow(location.hash));
  await playground.follow(location.hash);
  place.dataset.ready = "true";
}

begin();
