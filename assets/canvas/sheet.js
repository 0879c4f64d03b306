import { decode } from "./files.js";
import { isBlank, pen, pixels, surface, WHITE } from "./pixels.js";

/**
 * @typedef {"picture" | "strokes" | "mask"} Layer
 *
 * Where a picture is from:
 * @typedef {object} Source
 * @property {string} path of the file on the server, which a run names
 * @property {Blob} preview the file as the server reads it, at most as large as layers are
 * @property {Blob | null} bytes what the server can be sent where it has the file no longer: the file, or
 *   the preview where that has all its pixels; null while they come
 * @property {number} natural the file's width in its own pixels
 *
 * What a store keeps of a sheet:
 * @typedef {{width: number, height: number, paper: string, source: Source | null,
 *   strokes: ImageData, mask: ImageData}} Kept
 */

/** @type {Layer[]} */
export const LAYERS = ["picture", "strokes", "mask"];

/**
 * What there is to lose: three layers of one size, each an element of the page, and where the picture
 * is from; a blank sheet has no source.
 */
export class Sheet {
  picture;
  strokes;
  mask;

  /**
   * @param {number} width
   * @param {number} height
   * @param {string} [paper]
   * @param {Source | null} [source]
   * @param {HTMLImageElement | HTMLCanvasElement | null} [image]
   */
  constructor(width, height, paper = WHITE, source = null, image = null) {
    this.width = width;
    this.height = height;
    this.paper = paper;
    this.source = source;
    const [picture, strokes, mask] = LAYERS.map((layer) => {
      const canvas = surface(width, height);
      canvas.className = `pm-${layer}`;
      return canvas;
    });
    this.picture = picture;
    this.strokes = strokes;
    this.mask = mask;
    const context = pen(picture);
    context.fillStyle = paper;
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    if (image) context.drawImage(image, 0, 0, width, height);
    pen(mask).imageSmoothingEnabled = false; // a hard mask stays hard at any size
  }

  /** The width of the picture's own file, in its pixels. */
  get natural() {
    return this.source?.natural ?? this.width;
  }

  get bytes() {
    return this.width * this.height * 4 * LAYERS.length;
  }

  get isEmpty() {
    return !this.source && this.paper === WHITE && isBlank(this.strokes) && isBlank(this.mask);
  }

  /**
   * What a store keeps of it; of a half-painted stroke as well.
   *
   * @returns {Kept}
   */
  kept() {
    const { width, height, paper, source, strokes, mask } = this;
    return { width, height, paper, source, strokes: pixels(strokes), mask: pixels(mask) };
  }

  /** @param {Kept} kept */
  static async of({ width, height, paper, source, strokes, mask }) {
    const sheet = new Sheet(width, height, paper, source, source && (await decode(source.preview)));
    pen(sheet.strokes).putImageData(strokes, 0, 0);
    pen(sheet.mask).putImageData(mask, 0, 0);
    return sheet;
  }

  /** The picture with its strokes, as the eye sees it. */
  seen() {
    const canvas = surface(this.width, this.height, this.picture);
    pen(canvas).drawImage(this.strokes, 0, 0);
    return canvas;
  }
}
