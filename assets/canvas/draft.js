import { pen, surface } from "./pixels.js";
import { union } from "./rectangles.js";

/**
 * @typedef {import("./rectangles.js").Area} Area
 * @typedef {import("./sheet.js").Layer} Layer
 */

/**
 * What a step that can be undone holds: a part of one layer as it was, or a whole sheet.
 *
 * @typedef {{layer: Layer, x: number, y: number, pixels: HTMLCanvasElement, sheet?: undefined}} Part
 * @typedef {{sheet: import("./sheet.js").Sheet, layer?: undefined}} Whole
 * @typedef {Part | Whole} Step
 */

/** A change of one layer while it happens: what it was before, with the change painted over it. */
export class Draft {
  /** @type {Area | null} */
  touched = null;

  /**
   * @param {import("./sheet.js").Sheet} sheet
   * @param {Layer} layer
   */
  constructor(sheet, layer) {
    this.layer = layer;
    this.canvas = sheet[layer];
    this.dry = surface(sheet.width, sheet.height, this.canvas);
  }

  /**
   * @param {Area | null} area
   * @param {(context: CanvasRenderingContext2D) => void} [paint]
   */
  redraw(area, paint) {
    if (!area) return;
    const { x, y, width, height } = area;
    const context = pen(this.canvas);
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.clearRect(x, y, width, height);
    context.drawImage(this.dry, x, y, width, height, x, y, width, height);
    paint?.(context);
    context.restore();
    this.touched = union(this.touched, area);
  }

  cancel() {
    this.redraw(this.touched);
  }

  /**
   * The step, or null if nothing was touched.
   *
   * @returns {Part | null}
   */
  finish() {
    if (!this.touched) return null;
    const { x, y, width, height } = this.touched;
    return { layer: this.layer, x, y, pixels: surface(width, height, this.dry, x, y) };
  }
}
