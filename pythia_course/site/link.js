// A link that holds what is seen: #prompt=…&model=…&step=…&head=layer.head&silent=layer.head,layer.head. It comes from
// anyone, so it is only ever compared with what there is; what does not fit is refused whole, with a sentence.

const LONGEST = 4000; // characters of a prompt
const PARTS = ["prompt", "model", "step", "head", "silent"];
const refuse = (reason) => { throw new Error(`This link was not followed: ${reason}`); };
const count = (number) => number.toLocaleString("en");
const quoted = (text) => (text.length > 40 ? `“${text.slice(0, 40)}…”` : `“${text}”`);

export function writeLink({ prompt, model, step, layer, head, silenced }) {
  const parts = { prompt, model, step, head: `${layer}.${head}` };
  if (silenced.size) parts.silent = [...silenced].sort().join(",").replaceAll(/(\d+),(\d+)/g, "$1.$2");
  return `#${new URLSearchParams(parts)}`;
}

// models: {name: {layers, heads, steps}}, initial: what a link that leaves it out means.  null where there is no link.
export function readLink(hash, models, initial) {
  if (!hash.includes("=")) return null; // a place on the page
  const parts = new URLSearchParams(hash.slice(1)), given = {};
  for (const [key, value] of parts) {
    if (!PARTS.includes(key)) refuse(`it says ${quoted(key)}, which means nothing here.`);
    if (key in given) refuse(`it says ${key} twice.`);
    given[key] = value;
  }
  const prompt = given.prompt ?? initial.prompt, model = given.model ?? initial.model;
  if (prompt.length > LONGEST) refuse(`its prompt has ${count(prompt.length)} characters, and ${count(LONGEST)} are the most.`);
  if (!Object.hasOwn(models, model)) refuse(`there is no model ${quoted(model)} here.`);
  const { layers, heads, steps } = models[model], step = given.step ?? String(steps.at(-1));
  if (!steps.map(String).includes(step)) refuse(`${model} is here at the steps ${steps.map(count).join(", ")}, not at ${quoted(step)}.`);
  const place = (text) => {
    const found = /^(\d{1,3})\.(\d{1,3})$/.exec(text), [layer, head] = found ? found.slice(1).map(Number) : [];
    if (!found || layer >= layers || head >= heads) refuse(`${model} has no head ${quoted(text)}.`);
    return [layer, head];
  };
  const [layer, head] = given.head === undefined ? [Math.min(1, layers - 1), 0] : place(given.head);
  const silent = given.silent ? given.silent.split(",", layers * heads + 1) : [];
  return { prompt, model, step: Number(step), layer, head, silenced: new Set(silent.map((text) => place(text).join(","))) };
}
