// One head of those that Python sent, as the two sliders beside it say; drawn here, so that it follows within a frame.

import { HeadMap, bytes, headSize, looksAt, nameOf, palette } from "../common/attention.js";
import { follow, make } from "../common/elements.js";

export default {
  render({ model, el }) {
    const { tokens, heads } = model.get("_described"), all = bytes(model.get("_weights")), size = headSize(tokens.length);
    const status = make("div", "pcw-status", { role: "status", "aria-live": "polite" });
    let weights, place;
    const map = new HeadMap(tokens, palette(bytes(model.get("_colors"))), look);

    function look(query, key) {
      place = [query, key];
      map.look(query, key);
      status.title = status.textContent = `${nameOf(model.get("layer"), model.get("head"))}: ${looksAt(weights, tokens, query, key)}`;
    }

    function show() {
      const [layer, head] = [model.get("layer"), model.get("head")], start = (layer * heads + head) * size;
      weights = all.subarray(start, start + size);
      map.draw(weights, nameOf(layer, head));
      look(...(place ?? [tokens.length - 1, null]));
    }

    const follower = follow(model, ["layer", "head"], show);
    show();
    el.append(make("div", "pcw", {}, status, map.root));
    return follower.stop;
  },
};
