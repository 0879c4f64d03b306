/*
 * How large a picture is shown. A canvas and a result opposite it are of one height, and words and Run
 * stay in sight below them.
 */

const LEAST = 280; // CSS pixels of a mount's height
const GOOD = 424; // that it keeps, even if Run then lies below the window's end
const BESIDE = 440; // what lies above it and below, down to Run
const SHARE = 0.72; // of the window's height, at most
const MARGIN = 12; // around the picture
const CAPTION = 16; // below it, for its size

/**
 * How much larger a picture is shown that could be `most` times as large: enlarged, a pixel covers
 * whole or half screen pixels, so that none looks fat, and stays sharp.
 *
 * @param {number} most
 */
export function enlarged(most) {
  const exact = devicePixelRatio * most;
  return { scale: (exact > 1 ? Math.floor(exact * 2) / 2 : exact) / devicePixelRatio, sharp: exact >= 1 };
}

/**
 * The whole picture on its mount, as wide as the column or so high that words and Run stay in sight:
 * its scale, whether its pixels are sharp, the height of the mount, and the picture's left and top on it.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} across how wide the mount is
 * @param {number} [largest] of the scale
 */
export function fit(width, height, across, largest = Infinity) {
  const room = Math.min(innerHeight * SHARE, Math.max(GOOD, innerHeight - BESIDE));
  const tallest = Math.max(LEAST, room);
  const most = Math.min((across - 2 * MARGIN) / width, (tallest - 2 * MARGIN - CAPTION) / height);
  const { scale: whole, sharp } = enlarged(most);
  const scale = Math.min(largest, whole);
  const high = Math.max(LEAST, Math.ceil(height * scale) + 2 * MARGIN + CAPTION);
  return { scale, sharp, high, left: (across - width * scale) / 2, top: (high - CAPTION - height * scale) / 2 };
}
