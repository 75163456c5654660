// A link that holds what is seen: #prompt=…&model=…&step=…&head=layer.head&silent=layer.head,layer.head, and of a second panel
// head2 and silent2 with prompt2 (another text by the same model) or model2 and step2 (the same text by another). Of two texts
// patch, patch2: what is brought over from the other, h and layer.head or s and layer.position. It comes from anyone, so it is
// only ever compared with what there is; what does not fit is refused whole, with a sentence.

const LONGEST = 4000, MOST_PLACES = 200; // characters of a prompt; places in one list
const OF_ONE = ["prompt", "model", "step", "head", "silent", "patch"], PARTS = [...OF_ONE, ...OF_ONE.map((name) => `${name}2`)];
const refuse = (reason) => { throw new Error(`This link was not followed: ${reason}`); };
const count = (number) => number.toLocaleString("en");
const quoted = (text) => (text.length > 40 ? `“${text.slice(0, 40)}…”` : `“${text}”`);
const listed = (places) => places.map((place) => place.join(".")).sort().join(",");

// panels: one or two { prompt, model, step, layer, head, silenced, patched }.  linked: what two have in common, "prompt" or
// "model".
export function writeLink(panels, linked) {
  const parts = new URLSearchParams();
  panels.forEach(({ prompt, model, step, layer, head, silenced, patched }, i) => {
    const own = { ...(i && linked === "prompt" ? {} : { prompt }), ...(i && linked === "model" ? {} : { model, step }), head: `${layer}.${head}` };
    if (silenced.length) own.silent = listed(silenced);
    if (patched.length) own.patch = patched.map(({ head: h, stream: s }) => (h ? `h${h.join(".")}` : `s${s.join(".")}`)).join(",");
    for (const [name, value] of Object.entries(own)) parts.append(i ? `${name}2` : name, value);
  });
  return `#${parts}`;
}

// models: {name: {layers, heads, steps}}, initial: what a link that leaves it out means.  Back: { panels, linked } as
// `writeLink` takes them; null where there is no link.
export function readLink(hash, models, initial) {
  if (!hash.includes("=")) return null; // a place on the page
  const given = partsOf(hash), linked = linkedBy(given), first = readPanel(given, models, initial);
  if (!linked) return { panels: [first], linked };
  const second = Object.fromEntries(OF_ONE.filter((name) => `${name}2` in given).map((name) => [name, given[`${name}2`]]));
  return { panels: [first, readPanel(second, models, first)], linked };
}

function partsOf(hash) {
  const given = {};
  for (const [key, value] of new URLSearchParams(hash.slice(1))) {
    if (!PARTS.includes(key)) refuse(`it says ${quoted(key)}, which means nothing here.`);
    if (key in given) refuse(`it says ${key} twice.`);
    given[key] = value;
  }
  return given;
}

// What two panels have in common, null where there is one.
function linkedBy(given) {
  const text = "prompt2" in given, model = "model2" in given || "step2" in given;
  const patched = ["patch", "patch2"].find((name) => name in given), second = ["head2", "silent2"].find((name) => name in given);
  if (text && model) refuse("it compares with another text and with another model, and one of them is what is compared.");
  if (patched && !text) refuse(`it says ${patched} and has no second text, prompt2, to bring anything over from.`);
  if (second && !text && !model) refuse(`it says ${second} and has no second panel.`);
  return text ? "model" : model ? "prompt" : null;
}

function readPanel(given, models, initial) {
  const prompt = given.prompt ?? initial.prompt, model = given.model ?? initial.model;
  if (prompt.length > LONGEST) refuse(`its prompt has ${count(prompt.length)} characters, and ${count(LONGEST)} are the most.`);
  if (!Object.hasOwn(models, model)) refuse(`there is no model ${quoted(model)} here.`);
  const { layers, heads, steps } = models[model], asBefore = model === initial.model ? initial.step : undefined;
  const step = given.step ?? String(asBefore ?? steps.at(-1));
  if (!steps.map(String).includes(step)) refuse(`${model} is here at the steps ${steps.map(count).join(", ")}, not at ${quoted(step)}.`);
  const pair = (text) => /^(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number) ?? [Infinity, 0];
  const place = (text) => {
    const [layer, head] = pair(text);
    if (layer >= layers || head >= heads) refuse(`${model} has no head ${quoted(text)}.`);
    return [layer, head];
  };
  const { layer: first = 1, head: second = 0 } = initial; // of the other panel, as far as this model has such a head
  const [layer, head] = given.head === undefined ? [Math.min(first, layers - 1), Math.min(second, heads - 1)] : place(given.head);
  const silenced = several(given.silent).map((text) => place(text));
  const patched = several(given.patch).map((text) => {
    if (text.startsWith("h")) return { head: place(text.slice(1)) };
    const stream = pair(text.slice(1));
    if (!text.startsWith("s") || stream[0] > layers) refuse(`${model} has no place ${quoted(text)} in its stream.`);
    return { stream };
  });
  return { prompt, model, step: Number(step), layer, head, silenced, patched };
}

// The different ones of a list.
function several(list) {
  const all = [...new Set(list ? list.split(",") : [])];
  if (all.length > MOST_PLACES) refuse(`it lists ${count(all.length)} places, and ${MOST_PLACES} are the most.`);
  return all;
}
