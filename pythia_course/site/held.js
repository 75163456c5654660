// What a page holds, or fetches: scripts that put it into PYTHIA.held, since from a disk nothing else can be fetched.

export const decoded = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

export const arrived = (key, file) => new Promise((resolve, reject) => {
  if (key in PYTHIA.held) return resolve(PYTHIA.held[key]);
  const script = document.createElement("script");
  script.src = file;
  script.onload = () => resolve(PYTHIA.held[key]);
  script.onerror = () => reject(new Error(`The file ${file} is missing, or cannot be fetched now.`));
  document.head.append(script);
});

// A checkpoint's { config, weights }, as text and base64.
export async function checkpoint(model, step) {
  const { config, weights } = await arrived(`${model}-${step}`, `models/${model}-${step}.js`);
  return { config, weights: weights.base64 };
}
