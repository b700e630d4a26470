// Texts as token ids, as TextPreprocessor makes them with TensorFlow.

// Capitals of Unicode 14 and later, which TensorFlow leaves as they are.
const CAPITALS = new RegExp(
  "([\\u2c2f\\ua7c0\\ua7cb\\ua7cc\\ua7ce\\ua7d0\\ua7d2\\ua7d4\\ua7d6\\ua7d8\\ua7da" +
    "\\ua7dc\\u{10570}-\\u{10595}\\u{10d50}-\\u{10d65}\\u{16ea0}-\\u{16eb8}])",
  "u",
);
const WIDE = /[\uff00-\uffef]/gu;
const HIDDEN = /['’\p{Cf}\ufe00-\ufe0f]/gu;
const OTHERS = /[^\p{L}\p{M}\p{N}]+/gu;
const OTHERS_WITHOUT_SYMBOLS = /(?:[<>]|[^\p{L}\p{M}\p{N}\p{S}])+/gu;
// Chinese is written without spaces, and each symbol stands alone.
const ALONE = /\p{Script=Han}|\p{S}\p{M}*/gu;
// Half width Hangul: first, last, and what the first one stands for.
const HANGUL = [
  [0xffa0, 0xffa0, 0x3164],
  [0xffa1, 0xffbe, 0x3131],
  [0xffc2, 0xffc7, 0x314f],
  [0xffca, 0xffcf, 0x3155],
  [0xffd2, 0xffd7, 0x315b],
  [0xffda, 0xffdc, 0x3161],
];

/** Lower case, usual width, and words with single spaces between. */
export function standardize(text, keepSymbols = false) {
  return lower(text.replaceAll("\0", " ").replace(WIDE, usualWidth))
    .replaceAll("i\u0307", "i")
    .replaceAll("\u200b", " ")
    .replace(HIDDEN, "")
    .replace(keepSymbols ? OTHERS_WITHOUT_SYMBOLS : OTHERS, " ")
    .trim();
}

/** Tokens of a standardized text, as n-grams if they are asked for. */
export function split(text, tokenizer) {
  if (!text) return [];
  const end = tokenizer.end_token;
  let tokens, separator;
  if (tokenizer.split === "character") {
    tokens = [...(end ? "" : "<"), ...text, ">"];
    separator = "";
  } else {
    tokens = text.replace(ALONE, " $& ").trim().split(/ +/);
    if (end) tokens.push(">");
    separator = " ";
  }
  if (tokenizer.ngrams === null) return tokens;
  const ngrams = [];
  for (const width of widths(tokenizer.ngrams)) {
    for (let start = 0; start + width <= tokens.length; start++) {
      ngrams.push(tokens.slice(start, start + width).join(separator));
    }
  }
  return ngrams.length ? ngrams : [tokens.join(separator)];
}

/** Ids of the tokens of a text; 1 is a token outside the vocabulary. */
export function tokenIds(text, vocabulary, tokenizer) {
  const standardized = standardize(text, tokenizer.keep_symbols);
  let ids = split(standardized, tokenizer).map((t) => vocabulary.get(t) ?? 1);
  if (tokenizer.drop_unknown) ids = ids.filter((id) => id !== 1);
  if (!tokenizer.end_token) return ids;
  if (ids.length < 2) return []; // The end may be all that is left.
  const body = ids.slice(0, -1).slice(0, tokenizer.sequence_length - 1);
  return [...body, ids.at(-1)];
}

/** Ids padded with 0 or cut to a length. */
export function pad(ids, length) {
  const padded = new Array(length).fill(0);
  ids.slice(0, length).forEach((id, place) => (padded[place] = id));
  return padded;
}

/** Ids by token, of a file with the token of id n in line n + 1. */
export function readVocabulary(content) {
  const tokens = content.split("\n").slice(0, -1);
  return new Map(tokens.map((token, id) => [token, id]));
}

function widths(ngrams) {
  if (Array.isArray(ngrams)) return new Set(ngrams);
  return Array.from({ length: ngrams }, (_, place) => place + 1);
}

function lower(text) {
  return text
    .split(CAPITALS)
    .map((part, place) => (place % 2 ? part : part.toLowerCase()))
    .join("");
}

/** Full and half width forms become what they are a form of. */
function usualWidth(char) {
  if (char === "\uffe3") return "\u00af";
  const code = char.codePointAt(0);
  for (const [first, last, usual] of HANGUL) {
    if (first <= code && code <= last) {
      return String.fromCodePoint(usual + code - first);
    }
  }
  return char.normalize("NFKC");
}
