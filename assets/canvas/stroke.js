/* A brush or eraser stroke. */

import { Draft } from "./draft.js";
import { clamp, mix } from "./numbers.js";
import { pen, rgb, surface } from "./pixels.js";
import { union, within } from "./rectangles.js";

/**
 * Where the brush is, how large, and how strongly it paints.
 *
 * @typedef {{x: number, y: number, radius: number, alpha: number}} Touch
 * @typedef {import("./rectangles.js").Area} Area
 */

/**
 * Wet the pixels of a tapered capsule from a to b; return the area. The wetter of old and new wins, so
 * a stroke crossing itself does not build up and its soft edge has one profile at any speed of the hand.
 *
 * @param {Uint8ClampedArray} wet how strongly each pixel is painted
 * @param {import("./rectangles.js").Size} canvas
 * @param {Touch} a
 * @param {Touch} b
 * @param {number} softness 0 to 1
 */
export function wetten(wet, canvas, a, b, softness) {
  const reach = Math.max(a.radius, b.radius) + 1;
  const area = within(
    canvas,
    Math.min(a.x, b.x) - reach,
    Math.min(a.y, b.y) - reach,
    Math.max(a.x, b.x) + reach,
    Math.max(a.y, b.y) + reach,
  );
  if (!area) return null;
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length2 = dx * dx + dy * dy;
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x++) {
      const px = x + 0.5 - a.x;
      const py = y + 0.5 - a.y;
      const along = length2 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
      const distance = Math.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2);
      const radius = mix(a.radius, b.radius, along);
      const cover = clamp((radius + 0.5 - distance) / (1 + softness * radius), 0, 1);
      const value = 255 * mix(a.alpha, b.alpha, along) * cover * cover * (3 - 2 * cover);
      const at = y * canvas.width + x;
      if (value > wet[at]) wet[at] = value;
    }
  }
  return area;
}

/** Smoothed: curves between the middles of what the hand sent. */
export class Stroke {
  /** @type {Touch | null} */
  last = null;
  /** @type {Touch | null} */
  middle = null;

  /**
   * @param {import("./sheet.js").Sheet} sheet
   * @param {import("./sheet.js").Layer} layer
   * @param {{color: string, softness: number, erase: boolean}} how
   */
  constructor(sheet, layer, { color, softness, erase }) {
    this.draft = new Draft(sheet, layer);
    this.ink = surface(sheet.width, sheet.height);
    this.wet = new Uint8ClampedArray(sheet.width * sheet.height);
    this.channels = rgb(color);
    this.softness = softness;
    this.erase = erase;
  }

  /** @param {Touch[]} points */
  extend(points) {
    /** @type {Area | null} */
    let area = null;
    for (const point of points) area = union(area, this.to(point));
    this.show(area);
  }

  /** @param {Touch} point */
  to(point) {
    const from = this.last;
    this.last = point;
    if (!from || !this.middle) {
      this.middle = point;
      return wetten(this.wet, this.ink, point, point, this.softness);
    }
    const middle = between(from, point, 0.5);
    const area = this.curve(this.middle, from, middle);
    this.middle = middle;
    return area;
  }

  /**
   * @param {Touch} start
   * @param {Touch} control
   * @param {Touch} end
   */
  curve(start, control, end) {
    const parts = Math.ceil(Math.hypot(end.x - start.x, end.y - start.y) / 4) || 1;
    /** @type {Area | null} */
    let area = null;
    for (let i = 1, here = start; i <= parts; i++) {
      const t = i / parts;
      const next = between(between(start, control, t), between(control, end, t), t);
      area = union(area, wetten(this.wet, this.ink, here, next, this.softness));
      here = next;
    }
    return area;
  }

  /** @param {Area | null} area */
  show(area) {
    if (!area) return;
    const { x, y, width, height } = area;
    const image = new ImageData(width, height);
    const [red, green, blue] = this.channels;
    for (let row = 0, to = 0; row < height; row++) {
      for (let at = (y + row) * this.ink.width + x, end = at + width; at < end; at++) {
        image.data[to++] = red;
        image.data[to++] = green;
        image.data[to++] = blue;
        image.data[to++] = this.wet[at];
      }
    }
    pen(this.ink).putImageData(image, x, y);
    this.draft.redraw(area, (context) => {
      context.globalCompositeOperation = this.erase ? "destination-out" : "source-over";
      context.drawImage(this.ink, 0, 0);
    });
  }

  cancel() {
    this.draft.cancel();
  }

  finish() {
    if (this.last && this.middle) this.show(wetten(this.wet, this.ink, this.middle, this.last, this.softness));
    return this.draft.finish();
  }
}

/**
 * @param {Touch} a
 * @param {Touch} b
 * @param {number} t
 * @returns {Touch}
 */
function between(a, b, t) {
  return {
    x: mix(a.x, b.x, t),
    y: mix(a.y, b.y, t),
    radius: mix(a.radius, b.radius, t),
    alpha: mix(a.alpha, b.alpha, t),
  };
}
