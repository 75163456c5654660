// What comes next, and what would if the model stopped after fewer layers.

import { HIDDEN, make } from "../widgets/common/elements.js";

const LENS = 3; // tokens a layer
export const MOST_NEXT = 8; // tokens likely
const percent = (share) => `${(100 * share).toFixed(share < 0.1 || share > 0.99 ? 1 : 0)}%`;
const likely = (tokens) => tokens.slice(0, LENS).map(([token, share]) => `${token} ${percent(share)}`).join(", ");

export class Next {
  constructor() {
    this.list = make("ol", "pg-next");
    this.rows = make("tbody", "");
    this.root = make("section", "", {}, make("h2", "", {}, "What comes next"), this.list,
      make("h2", "", {}, "If it stopped there: the logit lens"),
      make("table", "pg-lens", {}, make("thead", "", {}, make("tr", "", {},
        make("th", "", { scope: "col" }, "layers read"), make("th", "", { scope: "col" }, "likeliest next tokens"))), this.rows));
  }

  // lens: after each number of layers the likeliest tokens, [token, share], likeliest first.  Back: the last in words.
  draw(lens) {
    this.list.replaceChildren(...lens.at(-1).map(([token, share]) => {
      const bar = make("span", "pg-bar", HIDDEN);
      bar.style.width = `${100 * share}%`;
      return make("li", "", {}, make("span", "pg-token", {}, token), make("span", "pg-share", {}, percent(share)), bar);
    }));
    this.rows.replaceChildren(...lens.map((tokens, layer) =>
      make("tr", "", {}, make("th", "", { scope: "row" }, String(layer)), make("td", "", {}, likely(tokens)))));
    return likely(lens.at(-1));
  }
}
