// What site/link.js makes of these links: what is seen, the link that it writes of that again, or why it is refused.
import { readFileSync } from "node:fs";
import { readLink, writeLink } from "../../pythia_course/site/link.js";

const { links, models, initial } = JSON.parse(readFileSync(0, "utf8"));
const answers = links.map((link) => {
  try {
    const seen = readLink(link, models, initial);
    return { seen, again: seen && writeLink(seen.panels, seen.linked) };
  } catch ({ message }) {
    return { refused: message };
  }
});
console.log(JSON.stringify(answers));
