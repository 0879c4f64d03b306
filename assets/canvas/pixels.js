/* Canvas elements as pixels. Colours are "#rrggbb". */

import { element } from "../page/element.js";

export const WHITE = "#ffffff";

/**
 * A canvas kept in main memory: it is read often, and must give back exactly what was put in.
 *
 * @param {number} width
 * @param {number} height
 * @param {CanvasImageSource | null} [source] what is on it, moved to the left and up by x and y
 * @param {number} [x]
 * @param {number} [y]
 */
export function surface(width, height, source = null, x = 0, y = 0) {
  const canvas = element("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = pen(canvas);
  if (source) context.drawImage(source, -x, -y);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
export function pen(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser has no more room for a canvas.");
  return context;
}

/** @param {HTMLCanvasElement} canvas */
export const pixels = (canvas) => pen(canvas).getImageData(0, 0, canvas.width, canvas.height);

/** @param {HTMLCanvasElement} canvas */
export const isBlank = (canvas) => !new Uint32Array(pixels(canvas).data.buffer).some(Boolean);

/**
 * Colour whatever is painted on a canvas, keeping how strongly it is painted.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} color
 */
export function tint(canvas, color) {
  const context = pen(canvas);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = color;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = "source-over";
  return canvas;
}

/**
 * Draw into the middle, as large as it fits without distortion.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLCanvasElement | HTMLImageElement} source
 */
export function drawContained(canvas, source) {
  const scale = Math.min(canvas.width / source.width, canvas.height / source.height);
  const width = Math.abs(source.width * scale - canvas.width) < 1 ? canvas.width : source.width * scale;
  const height = Math.abs(source.height * scale - canvas.height) < 1 ? canvas.height : source.height * scale;
  const context = pen(canvas);
  context.imageSmoothingQuality = "high";
  // On whole pixels, or the edges of a hard mask would turn gray.
  const [x, y] = [(canvas.width - width) / 2, (canvas.height - height) / 2].map(Math.round);
  context.drawImage(source, x, y, Math.round(width), Math.round(height));
  return canvas;
}

/** @param {string} color */
export const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

/** @param {Iterable<number>} channels of which the first three count */
export function hex(channels) {
  return (
    "#" +
    Array.from(channels)
      .slice(0, 3)
      .map((c) => c.toString(16).padStart(2, "0"))
      .join("")
  );
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
export function png(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no room for a PNG"))), "image/png");
  });
}

/**
 * The mask as the server reads it: opaque gray, white where the picture may change.
 *
 * @param {HTMLCanvasElement} mask
 */
export function grayMask(mask) {
  const gray = surface(mask.width, mask.height);
  pen(gray).fillRect(0, 0, gray.width, gray.height);
  pen(gray).drawImage(tint(surface(mask.width, mask.height, mask), WHITE), 0, 0);
  return gray;
}

/**
 * And back: gray becomes how strongly the mask is painted.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} color
 */
export function maskFromGray(canvas, color) {
  const image = pixels(canvas);
  for (let i = 0; i < image.data.length; i += 4) image.data[i + 3] = image.data[i];
  pen(canvas).putImageData(image, 0, 0);
  return tint(canvas, color);
}
