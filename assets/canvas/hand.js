import { fill, pick } from "./acts.js";
import { mix } from "./numbers.js";
import { Shape } from "./shape.js";
import { Stroke } from "./stroke.js";

/**
 * What pointers do from down to up: painting, or moving the sheet.
 *
 * @typedef {object} Painting
 * @property {(points: import("./stroke.js").Touch[]) => void} extend
 * @property {() => import("./draft.js").Part | null} finish
 * @property {() => void} cancel
 * @property {undefined} [moved]
 *
 * @typedef {object} Moving
 * @property {(event: PointerEvent, before: PointerEvent) => void} moved
 */

/** Pointers become gestures, one at a time. */
export class Hand {
  /** @type {Map<number, PointerEvent>} */
  pointers = new Map();
  /** @type {Painting | Moving | null} */
  gesture = null;
  byPen = false; // whether the gesture is a pen's
  panning = false;

  /** @param {import("./studio.js").Studio} studio */
  constructor(studio) {
    this.studio = studio;
    this.view = studio.view;
    const { element } = this.view;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.up(event));
    element.addEventListener("pointercancel", (event) => this.up(event));
    element.addEventListener("pointerleave", () => {
      this.view.ring.hidden = true;
    });
    element.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault()); // no autoscroll
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /**
   * @param {PointerEvent} event
   * @returns {Painting | null}
   */
  begin(event) {
    const { sheet, layer, ink: color, tool, brush } = this.studio;
    if (tool === "brush" || tool === "eraser") {
      const erase = tool === "eraser" || Boolean(event.buttons & 32); // a pen's other end
      return new Stroke(sheet, layer, { color, softness: brush.softness / 100, erase });
    }
    if (tool === "rectangle" || tool === "lasso") {
      const alpha = brush.opacity / 100;
      return new Shape(sheet, layer, { color, alpha, erase: event.altKey, lasso: tool === "lasso" });
    }
    if (tool === "eyedropper") {
      return { extend: (points) => pick(this.studio, points[points.length - 1]), finish: () => null, cancel() {} };
    }
    fill(this.studio, this.view.locate(event));
    return null;
  }

  /**
   * What the brush does here: a pen's pressure makes it wider and stronger.
   *
   * @param {PointerEvent} event
   */
  touch(event) {
    const force = event.pointerType === "pen" ? event.pressure : 1;
    const { size, opacity } = this.studio.brush;
    return {
      ...this.view.locate(event),
      radius: (size / 2) * mix(0.2, 1, force),
      alpha: (opacity / 100) * Math.min(1, 0.25 + 1.25 * force),
    };
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (!this.studio.isReady) return;
    if (this.gesture && this.byPen && event.pointerType === "touch") return; // the palm beside the pen
    this.view.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size > 1) this.gesture = this.pinch();
    else if (event.button === 1 || (event.button === 0 && this.panning)) this.gesture = this.drag();
    else if (event.button === 0) {
      const painting = this.begin(event);
      this.gesture = painting;
      painting?.extend([this.touch(event)]);
    }
    if (this.gesture) this.byPen = event.pointerType === "pen";
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { tool, brush } = this.studio;
    const ring = event.pointerType !== "touch" && !this.panning && ["brush", "eraser"].includes(tool);
    this.view.follow(event, ring ? brush.size : 0);
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.gesture) return;
    this.pointers.set(event.pointerId, event);
    if (this.gesture.moved) return this.gesture.moved(event, before);
    const events = event.getCoalescedEvents?.() ?? [];
    this.gesture.extend((events.length ? events : [event]).map((each) => this.touch(each)));
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (!this.gesture?.moved) this.finish(event.type === "pointercancel");
    else if (!this.pointers.size) this.gesture = null;
  }

  /** @param {boolean} [cancelled] */
  finish(cancelled = false) {
    const { gesture } = this;
    if (!gesture || gesture.moved) return;
    this.gesture = null;
    if (cancelled) gesture.cancel();
    else this.studio.record(gesture.finish(), "stroke");
  }

  /** @returns {Moving} */
  drag() {
    return {
      moved: (event, before) => this.view.pan(event.clientX - before.clientX, event.clientY - before.clientY),
    };
  }

  /**
   * A second finger: what the first one began was no stroke.
   *
   * @returns {Moving}
   */
  pinch() {
    this.finish(true);
    const spread = () => {
      const [a, b] = this.pointers.values();
      const [dx, dy] = [b.clientX - a.clientX, b.clientY - a.clientY];
      return { x: a.clientX + dx / 2, y: a.clientY + dy / 2, distance: Math.hypot(dx, dy) || 1 };
    };
    let last = spread();
    return {
      moved: () => {
        if (this.pointers.size < 2) return;
        const now = spread();
        this.view.pan(now.x - last.x, now.y - last.y);
        this.view.zoomAt(now, now.distance / last.distance);
        last = now;
      },
    };
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    const speed = event.deltaMode ? 0.05 : event.ctrlKey ? 0.01 : 0.002; // lines, pinch, pixels
    this.view.zoomAt({ x: event.clientX, y: event.clientY }, Math.exp(-event.deltaY * speed));
  }

  /** @param {boolean} on */
  setPanning(on) {
    this.panning = on;
    this.studio.root.classList.toggle("pm-panning", on);
  }
}
