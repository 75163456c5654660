// Text -> token ids by the model's own tokenizer.json: byte-level BPE, as GPT-2 and Pythia have it.
// What the file asks for beyond that is refusedTokenizer, so that no text is ever read otherwise than in Python.

// How a text is cut into pieces before any are merged; \s means Unicode's white space, as in Python's tokenizers.
// Source: openai/gpt-2, src/encoder.py. Which letters there are is the engine's Unicode, so a letter younger than it
// counts as a sign here.
const PIECES =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu; // as in Python's str.isprintable
const MOST_PIECES = 20_000, LONGEST_PIECE = 32; // remembered, with their ids

const refusedTokenizer = (why) => new Error(`This tokenizer.json cannot be used here: ${why}.`);

// The letter that stands for each byte in the vocabulary. Source: openai/gpt-2, src/encoder.py, bytes_to_unicode.
const LETTERS = (() => {
  const itself = (byte) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let others = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(itself(byte) ? byte : others++));
})();

export class Tokenizer {
  // json: tokenizer.json, its text or what is parsedTokenizer from it.  Throws one sentence where it asks for something else.
  constructor(json) {
    const file = parsedTokenizer(json);
    refuseOtherTokenizers(file);
    this.vocabulary = new Map(Object.entries(file.model.vocab)); // token -> id
    this.tokens = new Map([...this.vocabulary].map(([token, id]) => [id, token]));
    this.form = file.normalizer && "NFC";
    this.readMerges(file.model.merges);
    for (const { id, content } of file.added_tokens) this.tokens.set(id, content);
    this.added = new Map(file.added_tokens.map(({ id, content }) => [content, id]));
    [this.marks, this.normalMarks] = [false, true].map((normalized) =>
      alternatives(file.added_tokens.filter((token) => token.normalized === normalized).map(({ content }) => content)));
    this.remembered = new Map(); // piece -> ids
  }

  // "left right" -> [rank, what it makes]; the tokens of single bytes come first, and merges only of what there is.
  readMerges(merges) {
    const made = new Set(LETTERS);
    const missing = LETTERS.find((letter) => !this.vocabulary.has(letter));
    if (missing) throw refusedTokenizer(`its vocabulary lacks the byte ${LETTERS.indexOf(missing)}`);
    this.merges = new Map(merges.map((merge, rank) => {
      const [left, right] = typeof merge === "string" ? merge.split(" ") : merge;
      if (!made.has(left) || !made.has(right) || !this.vocabulary.has(left + right)) {
        throw refusedTokenizer(`its merge ${rank} is of tokens that are not there`);
      }
      made.add(left + right);
      return [`${left} ${right}`, rank];
    }));
  }

  // Token ids of a text, of any length.
  ids(text) {
    if (typeof text !== "string") throw new TypeError(`A prompt is one text, not a ${typeof text}.`);
    const half = /\p{Cs}/u.exec(text);
    if (half) {
      const code = half[0].charCodeAt(0).toString(16), place = [...text.slice(0, half.index)].length;
      throw new Error(`The prompt holds half a character, '\\u${code}', at place ${place}: it was cut inside an emoji ` +
        "or read with the wrong encoding.");
    }
    return splitBy(text, this.marks).flatMap(([part, isMark]) => {
      if (isMark) return [this.added.get(part)];
      const normal = this.form ? part.normalize(this.form) : part;
      return splitBy(normal, this.normalMarks).flatMap(([piece, mark]) => (mark ? [this.added.get(piece)] : this.bare(piece)));
    });
  }

  // Ids of a text without added tokens.
  bare(text) {
    const ids = [];
    for (const [piece] of text.matchAll(PIECES)) {
      let found = this.remembered.get(piece);
      if (!found) {
        found = this.merged(piece);
        if (this.remembered.size >= MOST_PIECES) this.remembered.clear();
        if (piece.length <= LONGEST_PIECE) this.remembered.set(piece, found);
      }
      for (const id of found) ids.push(id);
    }
    return ids;
  }

  // Bytes as letters, then again and again the pair that was merged first in training, wherever it stands.
  merged(piece) {
    let parts = Array.from(new TextEncoder().encode(piece), (byte) => LETTERS[byte]);
    for (;;) {
      let best = Infinity, pair = "";
      for (let i = 1; i < parts.length; i++) {
        const rank = this.merges.get(`${parts[i - 1]} ${parts[i]}`);
        if (rank < best) [best, pair] = [rank, `${parts[i - 1]} ${parts[i]}`];
      }
      if (best === Infinity) return parts.map((part) => this.vocabulary.get(part));
      const next = [];
      for (let i = 0; i < parts.length; i++) {
        const joins = i + 1 < parts.length && `${parts[i]} ${parts[i + 1]}` === pair;
        next.push(joins ? parts[i] + parts[++i] : parts[i]);
      }
      parts = next;
    }
  }

  // A printable string for an id, as `plots.labels.token_labels` gives it: " the" is "␣the", half a character "\xf0".
  label(id) {
    const token = this.tokens.get(id);
    if (token === undefined) return `<${id}>`;
    const text = this.added.has(token) ? token : decodedBytes(Uint8Array.from(token, (letter) => LETTERS.indexOf(letter)));
    const visible = text.replace(/[ \n\t]/g, (space) => ({ " ": "␣", "\n": "↵", "\t": "⇥" })[space]);
    return visible.replace(UNPRINTABLE, escapedCharacter);
  }
}

function parsedTokenizer(json) {
  let file = json;
  try {
    if (typeof json === "string") file = JSON.parse(json);
  } catch {
    throw refusedTokenizer("it is no JSON");
  }
  const { vocab, merges } = file?.model ?? {}, isId = (id) => Number.isSafeInteger(id) && id >= 0;
  const isMerge = (merge) => typeof merge === "string" || (Array.isArray(merge) && merge.length === 2);
  if (!vocab || typeof vocab !== "object" || !Object.values(vocab).every(isId)) throw refusedTokenizer("it has no vocabulary");
  if (!Array.isArray(merges) || !merges.every(isMerge)) throw refusedTokenizer("it has no list of merges");
  const added = file.added_tokens ?? [], isToken = (token) => isId(token?.id) && token.content && typeof token.content === "string";
  if (!Array.isArray(added) || !added.every(isToken)) throw refusedTokenizer("its added tokens are no list of tokens");
  return { ...file, added_tokens: added };
}

function refuseOtherTokenizers({ model, normalizer, pre_tokenizer: cut, post_processor: after, truncation, padding, added_tokens }) {
  const { dropout, unk_token, continuing_subword_prefix, end_of_word_suffix, byte_fallback, ignore_merges } = model;
  const adds = after?.type === "TemplateProcessing" ? !after.single?.every?.((part) => part?.Sequence) : after?.type !== "ByteLevel";
  const others = {
    [`its model is ${model.type}, not BPE`]: model.type !== "BPE",
    "its BPE has an option that is not known here":
      dropout || unk_token || continuing_subword_prefix || end_of_word_suffix || byte_fallback || ignore_merges,
    [`its normalizer is ${normalizer?.type}, not NFC`]: normalizer && normalizer.type !== "NFC",
    "its text is not cut as GPT-2 does it":
      cut?.type !== "ByteLevel" || cut.add_prefix_space !== false || cut.use_regex === false,
    "it adds tokens around a text": after && adds,
    "it cuts or fills up texts": truncation || padding,
    "it has added tokens that take in what stands beside them": added_tokens.some((t) => t.single_word || t.lstrip || t.rstrip),
  };
  const why = Object.keys(others).find((reason) => others[reason]);
  if (why) throw refusedTokenizer(why);
}

// A pattern that finds any of these, the longest first; null for none.
function alternatives(words) {
  if (!words.length) return null;
  const longest = [...words].sort((a, b) => b.length - a.length);
  return new RegExp(`(${longest.map((word) => word.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|")})`);
}

// [part, whether it is one of the alternatives], in order, none empty.
function splitBy(text, pattern) {
  const parts = pattern ? text.split(pattern) : [text];
  return parts.map((part, i) => [part, i % 2 === 1]).filter(([part]) => part);
}

const escapedCharacter = (char) => {
  const code = char.codePointAt(0), hex = (digits) => code.toString(16).padStart(digits, "0");
  if (char === "\r") return "\\r";
  return code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
};

// UTF-8, with each byte that is part of no wholeCharacter character as "\xf0".
function decodedBytes(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const [size, char] = [4, 3, 2, 1].map((size) => [size, wholeCharacter(bytes.subarray(at, at + size))])
      .find(([, char]) => [...char].length === 1) ?? [1, `\\x${bytes[at].toString(16)}`];
    text += char;
    at += size;
  }
  return text;
}

function wholeCharacter(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "";
  }
}
