// The playground of the site. Models and checkpoints are scripts, fetched when they are first asked for.

import { checkpoint } from "./held.js";
import { Playground } from "./playground.js";

async function begin() {
  const place = document.getElementById("playground"), { worker, ...offered } = PYTHIA.held.playground;
  const thread = new Worker(URL.createObjectURL(new Blob([worker], { type: "text/javascript" })));
  const playground = new Playground(offered, thread, checkpoint);
  place.replaceChildren(playground.root);
  addEventListener("hashchange", () => { if (location.hash.includes("=")) playground.follow(location.hash); });
  await playground.follow(location.hash);
  place.dataset.ready = "true";
}

begin();
