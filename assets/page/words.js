/*
 * Words of a prompt, and what becomes of them in another one. Words are told apart as the studio
 * does it: runs without spaces, less the punctuation around them and the marks that say how much
 * they count; upper and lower case are one.
 */

const INNER = /[\p{L}\p{N}_](?:.*[\p{L}\p{N}_])?/su;
const fold = (/** @type {string} */ word) => word.toLowerCase();

// What says how much words count, read as pipelines/words/emphasis.py does.
const W = String.raw`[\p{L}\p{N}_]`;
const NUMBER = String.raw`\d+(?:\.\d+)?|\.\d+`;
const MARKS = new RegExp(
  [
    String.raw`\\(?<letter>[\\()\[\]+\-])`,
    String.raw`(?<open>[(\[])`,
    String.raw`(?<close>:\s*[+\-]?(?:\d+\.?\d*|\.\d+)\s*\)|\)(?:\++|-+|${NUMBER})(?!${W}|[+\-]|\.\d)|[)\]])`,
    `(?<!${W})BREAK(?!${W})`,
    String.raw`(?<!${W})(?<word>${W}(?:(?:${W}|['’\-])*${W})?)(?:\++|-+)(?!${W}|[+\-])`,
  ].join("|"),
  "gu",
);

/**
 * The text with blanks in place of its marks.
 *
 * @param {string} text
 */
function plain(text) {
  /** @type {Record<string, number>} */
  const opened = { "(": 0, "[": 0 };
  return text.replace(MARKS, (mark, ...found) => {
    const { letter, open, close, word } = found.at(-1);
    if (letter) return ` ${letter}`;
    if (word) return word.padEnd(mark.length);
    if (open) opened[open] += 1;
    if (close) {
      const other = close === "]" ? "[" : "(";
      if (!opened[other]) return mark;
      opened[other] -= 1;
    }
    return " ".repeat(mark.length);
  });
}

/**
 * The marks alone: texts of the same words and other marks draw other pictures.
 *
 * @param {string} text
 */
export const marksOf = (text) => (text.match(MARKS) ?? []).join(" ");

/**
 * @param {string} text
 * @returns {string[]}
 */
export function wordsOf(text) {
  return plain(text)
    .split(/\s+/)
    .flatMap((run) => run.match(INNER)?.[0] ?? []);
}

/**
 * The name of word `index` among `words`: itself, or "tree#2" where it stands several times.
 *
 * @param {string[]} words
 * @param {number} index
 */
export function nameOf(words, index) {
  const same = [...words.keys()].filter((i) => fold(words[i]) === fold(words[index]));
  return same.length < 2 ? words[index] : `${words[index]}#${same.indexOf(index) + 1}`;
}

/**
 * For each word of `theirs` the index of the same word in `mine`, -1 where there is none.
 *
 * @param {string[]} mine
 * @param {string[]} theirs
 * @returns {number[]}
 */
function common(mine, theirs) {
  const [a, b] = [mine.map(fold), theirs.map(fold)];
  const best = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
  const found = new Array(b.length).fill(-1);
  for (let i = 0, j = 0; i < a.length && j < b.length; )
    if (a[i] === b[j]) found[j++] = i++;
    else if (best[i + 1][j] >= best[i][j + 1]) i++;
    else j++;
  return found;
}

/**
 * What happens from `mine` to `theirs`, in order: {kind, from: [index…], to: [index…]} with kind
 * "same", "swapped", "added" or "removed".
 *
 * @param {string[]} mine
 * @param {string[]} theirs
 */
export function changes(mine, theirs) {
  const found = common(mine, theirs);
  /** @type {{kind: "same" | "swapped" | "added" | "removed", from: number[], to: number[]}[]} */
  const parts = [];
  let i = 0;
  let j = 0;
  const gap = (/** @type {number[]} */ to, /** @type {number} */ end) => {
    const from = Array.from({ length: end - i }, (_, n) => i + n);
    const kind = from.length && to.length ? "swapped" : from.length ? "removed" : "added";
    if (from.length || to.length) parts.push({ kind, from, to });
  };
  while (j < theirs.length) {
    /** @type {number[]} */
    const to = [];
    while (j < theirs.length && found[j] < 0) to.push(j++);
    const end = j < theirs.length ? found[j] : mine.length;
    gap(to, end);
    i = end;
    if (j < theirs.length) parts.push({ kind: "same", from: [i++], to: [j++] });
  }
  gap([], mine.length);
  return parts;
}

/**
 * For each word of `theirs` its counterpart's index in `mine`, or null; swapped words pair up.
 *
 * @param {string[]} mine
 * @param {string[]} theirs
 */
export function counterparts(mine, theirs) {
  /** @type {(number | null)[]} */
  const pairs = new Array(theirs.length).fill(null);
  for (const { from, to } of changes(mine, theirs))
    to.forEach((j, n) => {
      if (from.length) pairs[j] = from[Math.min(n, from.length - 1)];
    });
  return pairs;
}
