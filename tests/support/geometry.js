// Read by geometry.py. `misplaced(selector)` gives a sentence for each thing that overlaps another or is cut off.
const SLACK = 2; // pixels: fractions of a pixel, and the air that a font keeps around its letters
const CONTROLS = "button, input, select, textarea, img, canvas, [role=slider]";
const SCROLLS = /auto|scroll/;

function misplaced(selector) {
  const roots = [...document.querySelectorAll(selector)].filter((root) => root.checkVisibility());
  return [...new Set(roots.flatMap((root) => {
    const things = [...texts(root), ...controls(root)];
    const visible = things.map((thing) => ({ ...thing, boxes: thing.boxes.map((box) => clipped(box, thing.element, root)) }));
    return [...things.flatMap((thing) => cut(thing, root)), ...overlaps(visible)];
  }))];
}

// What is left of a box inside the ancestors that hide what does not fit.
function clipped(box, element, root) {
  for (let around = element; around && around !== root.parentElement; around = around.parentElement) {
    if (getComputedStyle(around).overflowX === "visible") continue;
    const { left, right, top, bottom } = around.getBoundingClientRect();
    box = { left: Math.max(box.left, left), right: Math.min(box.right, right), top: Math.max(box.top, top), bottom: Math.min(box.bottom, bottom) };
  }
  return box;
}

// Text that stands in <details> itself, with no element of its own, counts as visible though it is folded away.
const folded = (element) => !element.closest("summary") && element.closest("details:not([open])");
const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !folded(element);
const inShort = (text) => `"${text.trim().replace(/\s+/g, " ").slice(0, 40)}"`;

// Every line of every text: {element, name, boxes}.
function texts(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.data.trim() || !seen(element) || element.closest("mjx-container, style, script, option, title")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter(({ width, height }) => width > 1 && height > 1).map(inked);
    if (boxes.length) found.push({ element, name: inShort(node.data), boxes });
  }
  return found;
}

// A line's box is higher than its letters: a quarter of it is air.
function inked({ left, right, top, bottom }) {
  const air = (bottom - top) / 8;
  return { left, right, top: top + air, bottom: bottom - air };
}

function controls(root) {
  return [...root.querySelectorAll(CONTROLS)].filter(seen).map((element) => ({
    element, name: `<${element.tagName.toLowerCase()} ${element.className}>`, boxes: [element.getBoundingClientRect()],
  })).filter(({ boxes: [box] }) => box.width && box.height);
}

// Is part of it outside an ancestor that hides what does not fit, or outside the root, with nothing to scroll?
function cut({ element, name, boxes }, root) {
  for (let box = element; box; box = box === root ? null : box.parentElement) {
    const style = getComputedStyle(box), outside = boxes.map((one) => beyond(one, box.getBoundingClientRect()));
    const sideways = Math.max(...outside.map(([x]) => x)), down = Math.max(...outside.map(([, y]) => y));
    if (SCROLLS.test(style.overflowX) && SCROLLS.test(style.overflowY)) return [];
    const hides = (overflow) => box === root || (overflow !== "visible" && !SCROLLS.test(overflow));
    const ends = style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none", told = ends && element.closest("[title]");
    if (hides(style.overflowX) && sideways > SLACK && !told) return [`${name} is cut off ${Math.round(sideways)} px sideways`];
    if (hides(style.overflowY) && down > SLACK && box !== root && !told) return [`${name} is cut off ${Math.round(down)} px in its height`];
    if (SCROLLS.test(style.overflowX) || SCROLLS.test(style.overflowY)) return [];
  }
  return [];
}

const beyond = (one, box) => [
  Math.max(box.left - one.left, one.right - box.right), Math.max(box.top - one.top, one.bottom - box.bottom),
];

function overlaps(things) {
  const found = [];
  things.forEach((one, at) => {
    for (const other of things.slice(at + 1)) {
      if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
      if (one.boxes.some((a) => other.boxes.some((b) => over(a, b)))) found.push(`${one.name} lies over ${other.name}`);
    }
  });
  return found;
}

const over = (a, b) =>
  Math.min(a.right, b.right) - Math.max(a.left, b.left) > SLACK && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > SLACK;
