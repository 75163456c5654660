// The playground of the site. Models and checkpoints are scripts, fetched when they are first asked for.

import { Playground } from "./playground.js";

const arrived = (key, file) => new Promise((resolve, reject) => {
  if (key in PYTHIA.held) return resolve(PYTHIA.held[key]);
  const script = document.createElement("script");
  script.src = file;
  script.onload = () => resolve(PYTHIA.held[key]);
  script.onerror = () => reject(new Error(`The file ${file} is missing, or cannot be fetched now.`));
  document.head.append(script);
});

async function begin() {
  const place = document.getElementById("playground"), { worker, ...offered } = PYTHIA.held.playground;
  const thread = new Worker(URL.createObjectURL(new Blob([worker], { type: "text/javascript" })));
  const fetched = async (name, step) => {
    const { config, weights } = await arrived(`${name}-${step}`, `models/${name}-${step}.js`);
    return { config, weights: weights.base64 };
  };
  const playground = new Playground(offered, thread, fetched);
  place.replaceChildren(playground.root);
  addEventListener("hashchange", () => { if (location.hash.includes("=")) playground.follow(location.hash); });
  await playground.follow(location.hash);
  place.dataset.ready = "true";
}

begin();
