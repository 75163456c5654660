// The playground of the site. Models and checkpoints are scripts, fetched when they are first asked for.

import { Batch } from "./batch.js";
import { arrived, checkpoint } from "./held.js";
import { Playground } from "./playground.js";

async function begin() {
  const place = document.getElementById("playground"), { worker, seeds, ...offered } = PYTHIA.held.playground;
  const thread = new Worker(URL.createObjectURL(new Blob([worker], { type: "text/javascript" })));
  // The last batch that a checkpoint has read; before the first step, the first.
  const batch = (model, step) => {
    const seed = seeds[model], last = Math.max(step - 1, 0);
    return arrived(`batch-${seed}-${last}`, `batches/${seed}-${last}.js`);
  };
  const playground = new Playground(offered, thread, checkpoint, (panel) => new Batch(panel, batch));
  place.replaceChildren(playground.root);
  addEventListener("hashchange", () => { if (location.hash.includes("=")) playground.follow(location.hash); });
  await playground.follow(location.hash);
  place.dataset.ready = "true";
}

begin();
