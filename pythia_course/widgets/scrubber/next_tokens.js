import { HIDDEN, make } from "../common/elements.js";

// The likeliest next tokens as bars; what the last checkpoint says is in bold.
export class NextTokens {
  // predictions: for each checkpoint [[token, probability, percent], …], none where it is not there yet.
  constructor({ predictions }) {
    this.predictions = predictions;
    this.rows = Array.from({ length: Math.max(...predictions.map((said) => said.length)) }, () => {
      const [token, bar, share] = [make("span", "pcs-token"), make("span", "pcs-bar"), make("span", "pcs-share")];
      return { token, bar, share, row: make("li", "pcs-next", {}, token, make("span", "pcs-track", HIDDEN, bar), share) };
    });
    this.root = make("figure", "pcs-part", {}, make("figcaption", "", {}, "next token (bold: the last checkpoint's)"),
      make("ol", "", { "aria-label": "likeliest next tokens" }, ...this.rows.map(({ row }) => row)));
  }

  show(at) {
    const answer = this.predictions.at(-1)[0]?.[0];
    this.rows.forEach(({ token, bar, share, row }, place) => {
      const [said, p, percent] = this.predictions[at][place] ?? ["", 0, ""];
      token.title = token.textContent = said;
      bar.style.transform = `scaleX(${p})`;
      share.textContent = percent;
      row.classList.toggle("pcs-answer", said !== "" && said === answer);
    });
  }
}
