import { Draft } from "./draft.js";
import { union, within } from "./rectangles.js";

/** @typedef {{x: number, y: number}} Point */

/** A filled rectangle or lasso; `erase` cuts it out instead. */
export class Shape {
  /** @type {Point[]} */
  points = [];

  /**
   * @param {import("./sheet.js").Sheet} sheet
   * @param {import("./sheet.js").Layer} layer
   * @param {{color: string, alpha: number, erase: boolean, lasso: boolean}} how
   */
  constructor(sheet, layer, { color, alpha, erase, lasso }) {
    this.draft = new Draft(sheet, layer);
    this.color = color;
    this.alpha = alpha;
    this.erase = erase;
    this.lasso = lasso;
  }

  /** @param {Point[]} points */
  extend(points) {
    this.points.push(...points);
    if (!this.lasso) this.points = [this.points[0], this.points[this.points.length - 1]];
    const xs = this.points.map((point) => point.x);
    const ys = this.points.map((point) => point.y);
    const area = within(this.draft.canvas, Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
    this.draft.redraw(union(this.draft.touched, area), (context) => this.fill(context, area));
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import("./rectangles.js").Area | null} area
   */
  fill(context, area) {
    context.globalCompositeOperation = this.erase ? "destination-out" : "source-over";
    context.globalAlpha = this.alpha;
    context.fillStyle = this.color;
    context.beginPath();
    if (this.lasso) for (const { x, y } of this.points) context.lineTo(x, y);
    else if (area) context.rect(area.x, area.y, area.width, area.height);
    context.fill();
  }

  cancel() {
    this.draft.cancel();
  }

  finish() {
    return this.draft.finish();
  }
}
