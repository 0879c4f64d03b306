/* Parts of a canvas, in whole pixels. */

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Area
 * @typedef {{width: number, height: number}} Size
 */

/**
 * Whole pixels around a box of two corners, within the canvas; null if nothing is left.
 *
 * @param {Size} canvas
 * @param {number} left
 * @param {number} top
 * @param {number} right
 * @param {number} bottom
 * @returns {Area | null}
 */
export function within(canvas, left, top, right, bottom) {
  const x = Math.max(0, Math.floor(left));
  const y = Math.max(0, Math.floor(top));
  const width = Math.min(canvas.width, Math.ceil(right)) - x;
  const height = Math.min(canvas.height, Math.ceil(bottom)) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

/**
 * The smallest area that holds both.
 *
 * @param {Area | null} a
 * @param {Area | null} b
 */
export function union(a, b) {
  if (!a || !b) return a || b;
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  const width = Math.max(a.x + a.width, b.x + b.width) - x;
  const height = Math.max(a.y + a.height, b.y + b.height) - y;
  return { x, y, width, height };
}

/** @param {Size} canvas @returns {Area} */
export const whole = (canvas) => ({ x: 0, y: 0, width: canvas.width, height: canvas.height });
