// Search: every section that has all the words, those with a word in the heading first, and of those alike the glossary's
// before lessons before code. The words stand in the address.

const MOST = 40, AROUND = 90; // results; letters of the text before and after the first word
const plain = (text) => text.toLowerCase().normalize("NFKD").replaceAll(/\p{M}/gu, "");
const sections = PYTHIA.held.search.map((each) => ({ ...each, folded: plain(`${each.heading} ${each.text}`) }));
const kinds = ["api.html", "", "glossary.html"], kind = ({ page }) => kinds.indexOf(kinds.includes(page) ? page : "");
const field = document.getElementById("words"), list = document.getElementById("found"), said = document.getElementById("said");

function search() {
  const words = plain(field.value).split(/\s+/).filter(Boolean);
  const score = ({ heading }) => words.filter((word) => plain(heading).includes(word)).length;
  const fits = words.length ? sections.filter(({ folded }) => words.every((word) => folded.includes(word))) : [];
  const best = fits.map((each) => [score(each) + kind(each) / kinds.length, each]).sort(([a], [b]) => b - a).slice(0, MOST);
  list.replaceChildren(...best.map(([, each]) => result(each, words)));
  said.textContent = words.length ? `${fits.length} ${fits.length === 1 ? "section" : "sections"}` : "";
  history.replaceState(null, "", words.length ? `#${new URLSearchParams({ words: field.value })}` : "#");
}

function result({ page, title, heading, id, text }, words) {
  const item = document.createElement("li"), link = document.createElement("a"), said = document.createElement("p");
  const first = Math.max(0, plain(text).indexOf(words[0])), start = Math.max(0, first - AROUND);
  link.href = id ? `${page}#${id}` : page;
  link.textContent = heading === title ? title : `${title}: ${heading}`;
  said.textContent = `${start ? "… " : ""}${text.slice(start, first + AROUND)} …`;
  item.append(link, said);
  return item;
}

field.addEventListener("input", search);
field.value = new URLSearchParams(location.hash.slice(1)).get("words") ?? "";
search();
