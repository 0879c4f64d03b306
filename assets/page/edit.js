/* An edit as it is kept in the page, and as it is sent. */

import { nameOf, wordsOf } from "./words.js";

/**
 * @typedef {import("./slider.js").Window} Window
 * @typedef {import("./slider.js").About & {name: string}} Named a slider by its field
 * @typedef {Record<string, Window>} Windows by word
 * @typedef {"source" | "target" | "subtract"} Side of a local blend
 * @typedef {Record<Side, string[]> & Record<string, any>} Blend
 */

/**
 * An edit as it is kept: with what belongs to words that are gone for now.
 *
 * @typedef {object} Data
 * @property {string} prompt
 * @property {Record<string, number>} weights
 * @property {Windows} cross_replace_steps
 * @property {Window} self_replace_steps
 * @property {number} self_replace_reduction
 * @property {Blend | null} local_blend
 */

/**
 * What components/edits.py says of the rows.
 *
 * @typedef {object} About
 * @property {string} key
 * @property {number} most
 * @property {Record<string, unknown>} defaults
 * @property {Record<string, any>} blend
 * @property {Named[]} windows
 * @property {Named[]} shares
 * @property {{label: string, options: [number, string][]}} reductions
 */

/** The word whose window holds for all words that have none of their own. */
export const EVERY_WORD = "default_";

/** @param {string[]} words */
export const namesOf = (words) => words.map((_, index) => nameOf(words, index));

/**
 * An edit of a program's: windows by word, and a blend with all that it can have, whatever was left out.
 *
 * @param {Record<string, any>} data
 * @param {Record<string, any>} defaults of a blend
 * @returns {Data}
 */
export function whole({ cross_replace_steps: window, local_blend: blend, ...rest }, defaults) {
  const byWord = typeof window === "object" && !Array.isArray(window) ? window : { [EVERY_WORD]: window };
  const words = (/** @type {Side} */ side) => [blend[side] ?? []].flat();
  return {
    .../** @type {any} */ (rest),
    cross_replace_steps: { [EVERY_WORD]: 1, ...byWord },
    local_blend: blend && {
      ...defaults,
      ...blend,
      source: words("source"),
      target: words("target"),
      subtract: words("subtract"),
    },
  };
}

/**
 * Of what is held by word, that of words which stand in a prompt.
 *
 * @template Held
 * @param {Record<string, Held>} held
 * @param {string} prompt
 */
export function standing(held, prompt) {
  const names = namesOf(wordsOf(prompt));
  return Object.entries(held).filter(([name]) => names.includes(name));
}

/**
 * The edit as it is sent: what belongs to words that are gone stays here.
 *
 * @param {Data} data
 * @param {string[]} source its words
 */
export function sendable(data, source) {
  const { cross_replace_steps: windows, weights, local_blend: held } = data;
  const mine = namesOf(wordsOf(data.prompt));
  const theirs = namesOf(source);
  const blend = held && {
    ...held,
    source: held.source.filter((name) => theirs.includes(name)),
    target: held.target.filter((name) => mine.includes(name)),
    subtract: held.subtract.filter((name) => mine.includes(name) || theirs.includes(name)),
  };
  const bound = standing(windows, data.prompt);
  return {
    ...data,
    weights: Object.fromEntries(standing(weights, data.prompt)),
    cross_replace_steps: bound.length
      ? Object.fromEntries([[EVERY_WORD, windows[EVERY_WORD]], ...bound])
      : windows[EVERY_WORD],
    local_blend: blend && (blend.source.length || blend.target.length) ? blend : null,
  };
}
