// What every widget of the course builds its page from.

// For what can have the focus: JupyterLab would take its keys otherwise (`d d` deletes the cell), and it looks at
// the very element with the focus only.
export const KEYS = { "data-lm-suppress-shortcuts": "true" };
export const HIDDEN = { "aria-hidden": "true" };
const DRAWN = ["svg", "g", "path", "polyline", "polygon", "rect", "circle", "text"];

export function make(tag, className, attributes = {}, ...children) {
  const space = DRAWN.includes(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const element = document.createElementNS(space, tag);
  if (className) element.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// As much of a text as a line has room for; its whole is the title of whatever shows it.
export const shortened = (text, most = 40) => ([...text].length > most ? `${[...text].slice(0, most).join("")}…` : text);

// Each widget has this module to itself, so that none can count for all.
export const newId = () => `pcw-${Math.random().toString(36).slice(2)}`;
export const within = (value, number) => Math.max(0, Math.min(number - 1, value));

// The step that a key stands for, undefined if none; a key used here does nothing else.
export function stepOf(event, steps) {
  if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return undefined;
  event.preventDefault();
  event.stopPropagation();
  return steps[event.key];
}

// Scroll a box, and nothing around it, until one of its elements is seen.
export function reveal(box, { offsetTop, offsetHeight }) {
  box.scrollTop = Math.min(offsetTop, Math.max(box.scrollTop, offsetTop + offsetHeight - box.clientHeight));
}

// Tell where on an element a mouse moves or a finger taps: place(column, row, event).  size() is [columns, rows].
export function pointing(element, size, place) {
  const tell = (event) => {
    const { left, top, width, height } = element.getBoundingClientRect(), [columns, rows] = size();
    const column = Math.floor(((event.clientX - left) / width) * columns);
    place(within(column, columns), within(Math.floor(((event.clientY - top) / height) * rows), rows), event);
  };
  for (const name of ["pointermove", "pointerdown"]) element.addEventListener(name, tell);
}

// Call follow() at each change of these from Python, not at those that `tell` makes.
export function follow(model, names, show) {
  const events = names.map((name) => `change:${name}`).join(" ");
  let telling = false;
  const changed = () => { if (!telling) show(); };
  model.on(events, changed);
  return {
    tell(values) {
      telling = true; // between two of them, the model names what nobody chose
      for (const [name, value] of Object.entries(values)) model.set(name, value);
      telling = false;
      model.save_changes();
    },
    stop: () => model.off(events, changed),
  };
}
