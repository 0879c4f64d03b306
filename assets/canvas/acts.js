/* What is done to a whole sheet or layer at once, and the colour that is picked from one. */

import { Draft } from "./draft.js";
import { flood } from "./flood.js";
import { clamp } from "./numbers.js";
import { drawContained, hex, isBlank, pen, pixels, surface, tint } from "./pixels.js";
import { whole } from "./rectangles.js";
import { Sheet } from "./sheet.js";

/**
 * @typedef {import("./studio.js").Studio} Studio
 * @typedef {{x: number, y: number}} Point in the sheet's pixels
 */

/**
 * A new sheet, with the layers in `keep` on it.
 *
 * @param {Studio} studio
 * @param {number} width
 * @param {number} height
 * @param {string} paper
 * @param {import("./sheet.js").Layer[]} keep
 */
export function begin(studio, width, height, paper, keep) {
  const sheet = new Sheet(width, height, paper);
  for (const layer of keep) drawContained(sheet[layer], studio.settled()[layer]);
  studio.replace(sheet, "blank");
}

/**
 * @param {Studio} studio
 * @param {string} kind
 * @param {(context: CanvasRenderingContext2D) => void} paint
 */
function alter(studio, kind, paint) {
  if (studio.hand.gesture || !studio.isReady) return;
  const draft = new Draft(studio.sheet, studio.layer);
  draft.redraw(whole(draft.canvas), paint);
  studio.record(draft.finish(), kind);
}

/** @param {Studio} studio */
export function clear(studio) {
  const { width, height } = studio.sheet;
  if (isBlank(studio.sheet[studio.layer])) return;
  alter(studio, "clear", (context) => context.clearRect(0, 0, width, height));
}

/** @param {Studio} studio */
export function invert(studio) {
  const { width, height } = studio.sheet;
  studio.setLayer("mask");
  alter(studio, "invert", (context) => {
    context.globalCompositeOperation = "source-out";
    context.fillStyle = studio.maskColor;
    context.fillRect(0, 0, width, height);
  });
}

/**
 * Fill what looks alike; on the mask, what is masked alike, so an outline can be filled.
 *
 * @param {Studio} studio
 * @param {Point} point
 */
export function fill(studio, point) {
  const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
  const { sheet, layer } = studio;
  const { width, height } = sheet;
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const shape = new ImageData(width, height);
  const like = flood(pixels(layer === "mask" ? sheet.mask : sheet.seen()), x, y);
  for (const [at, alpha] of like.entries()) shape.data[at * 4 + 3] = alpha;
  const filled = surface(width, height);
  pen(filled).putImageData(shape, 0, 0);
  alter(studio, "fill", (context) => {
    context.globalAlpha = studio.brush.opacity / 100;
    context.drawImage(tint(filled, studio.ink), 0, 0);
  });
}

/**
 * @param {Studio} studio
 * @param {Point} point
 */
export function pick(studio, point) {
  const x = clamp(Math.floor(point.x), 0, studio.sheet.width - 1);
  const y = clamp(Math.floor(point.y), 0, studio.sheet.height - 1);
  studio.setColor(hex(pen(studio.sheet.seen()).getImageData(x, y, 1, 1).data));
}
