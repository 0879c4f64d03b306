import { drawContained, maskFromGray, pen, WHITE } from "./pixels.js";
import { Sheet } from "./sheet.js";

/**
 * Layers of a large picture are smaller than it, of the same aspect.
 *
 * @param {import("./rectangles.js").Size} size
 * @param {number} limit
 */
export function limited({ width, height }, limit) {
  const scale = Math.min(1, limit / Math.max(width, height));
  return [width, height].map((side) => Math.max(1, Math.round(side * scale)));
}

/**
 * A new sheet from given images and the layers of the old sheet named in `keep`. Its size is the
 * picture's; without one, that of the strokes or the mask given; else what it was.
 *
 * @param {Sheet} old
 * @param {object} given
 * @param {import("./sheet.js").Source | null} [given.source]
 * @param {Partial<Record<import("./sheet.js").Layer, HTMLImageElement>>} given.images
 * @param {import("./sheet.js").Layer[]} given.keep
 * @param {[number, number]} [given.size]
 * @param {number} given.limit
 * @param {string} given.maskColor
 */
export function compose(old, { source = null, images, keep, size, limit, maskColor }) {
  const stays = !images.picture && keep.includes("picture");
  const picture = images.picture ?? (stays && old.source ? old.picture : null);
  const [width, height] = size ?? limited(picture ?? images.strokes ?? images.mask ?? old, limit);
  const paper = stays ? old.paper : WHITE;
  const sheet = new Sheet(width, height, paper, source ?? (stays ? old.source : null), picture);
  for (const layer of /** @type {const} */ (["strokes", "mask"])) {
    const image = images[layer];
    // Made smaller, a thin mask is not lost.
    if (layer === "mask") pen(sheet.mask).imageSmoothingEnabled = (image?.width ?? 0) > width;
    if (image) pen(sheet[layer]).drawImage(image, 0, 0, width, height);
    else if (keep.includes(layer)) drawContained(sheet[layer], old[layer]);
  }
  if (images.mask) maskFromGray(sheet.mask, maskColor);
  return sheet;
}
