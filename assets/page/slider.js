/* A labelled range with its number, and the windows of steps that such ranges set. */

import { element } from "./element.js";

/** @typedef {number | [number, number]} Window of steps: its two ends, or where it closes */

/** @param {Window} window @returns {[number, number]} */
export const ends = (window) => (Array.isArray(window) ? window : [0, window]);

/** @param {Window} window */
export function spoken(window) {
  return ends(window)
    .filter((end, i) => i || end)
    .map((end) => end.toFixed(2))
    .join("–");
}

/**
 * @typedef {object} About a slider
 * @property {string} label
 * @property {number} low
 * @property {number} high
 * @property {number} step
 * @property {string} [about] more about it
 * @property {string} [aria] what is read aloud instead of the label
 * @property {string[]} [ends] what it means to pull it there
 */

/** @type {WeakMap<Element, () => void>} */
const shows = new WeakMap();

/**
 * @param {About} about
 * @param {() => number} read
 * @param {(value: number) => void} write
 * @param {(value: number) => string} [say]
 */
export function slider(
  { label, low, high, step, about, aria = label, ends: sides = [] },
  read,
  write,
  say = (value) => value.toFixed(2),
) {
  const range = element("input", {
    type: "range",
    min: low,
    max: high,
    step,
    "aria-label": aria,
    oninput: () => write(Number(range.value)),
  });
  const number = element("span", {});
  const node = element(
    "label",
    { class: "pt-slider", title: about },
    element("span", { class: "pt-slider-name" }, label, number),
    range,
    element("span", { class: "pt-ends", "aria-hidden": "true" }, ...sides.map((side) => element("span", {}, side))),
  );
  const show = () => {
    range.value = String(read());
    number.textContent = say(read());
  };
  shows.set(node, show);
  show();
  return node;
}

/**
 * Read all sliders within it anew: what one has changed, others may show as well.
 *
 * @param {Element} within
 */
export function showAll(within) {
  for (const each of within.querySelectorAll(".pt-slider")) shows.get(each)?.();
}
