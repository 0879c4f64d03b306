import { drawing, element } from "../page/element.js";
import { fit } from "../page/fit.js";
import { clamp } from "./numbers.js";
import { LAYERS } from "./sheet.js";

const MAX_ZOOM = 64;

/** A place on the screen, in CSS pixels. @typedef {{clientX: number, clientY: number}} Place */

/**
 * Where the sheet lies on the screen: zoom, pan, fit. The browser scales the sheet's canvases, which are
 * elements of the page: there is no redraw loop.
 */
export class View {
  width = 1;
  height = 1;
  zoom = 1;
  x = 0;
  y = 0;
  fitted = true;
  silence = 0;

  /** @param {string} label */
  constructor(label) {
    this.page = element("div", { class: "pm-page" });
    this.outline = drawing("svg", { class: "pm-outline", "aria-hidden": "true" });
    this.ring = element("div", { class: "pm-ring", hidden: true });
    this.notice = element("div", { class: "pm-notice", role: "status" });
    this.caption = element("div", { class: "pm-caption", "aria-hidden": "true" });
    this.element = element(
      "div",
      { class: "pm-view", tabindex: 0, role: "application", "aria-label": label },
      this.page,
      this.ring,
      this.caption,
      this.notice,
    );
    new ResizeObserver(() => this.settle()).observe(this.element);
  }

  /**
   * @param {import("./sheet.js").Sheet} sheet
   * @param {Node} hint
   */
  lay(sheet, hint) {
    this.page.replaceChildren(...LAYERS.map((layer) => sheet[layer]), this.outline, hint);
    const same = sheet.width === this.width && sheet.height === this.height;
    this.width = sheet.width;
    this.height = sheet.height;
    if (same) this.settle();
    else this.fit();
  }

  /**
   * Closed lines over the sheet, in its pixels, by the name of their style.
   *
   * @param {{width: number, height: number, lines: Record<string, [number, number][][]>}} outline
   */
  trace({ width, height, lines }) {
    this.outline.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.outline.replaceChildren(
      ...Object.entries(lines).map(([name, closed]) =>
        drawing("path", { class: `pm-line pm-${name}`, d: closed.map((line) => `M${line.join("L")}Z`).join("") }),
      ),
    );
  }

  /** A hidden tab has no size: wait for the observer to call again. */
  settle() {
    if (!this.element.clientWidth) return;
    if (this.fitted) this.fit();
    else this.place(this.zoom, this.x, this.y);
  }

  /** The whole sheet, and the view as high as the sheet. */
  fit() {
    this.fitted = true;
    const { clientWidth } = this.element;
    if (!clientWidth) return;
    const { scale, high, left, top } = fit(this.width, this.height, clientWidth, MAX_ZOOM);
    this.element.style.height = `${high}px`;
    this.place(scale, left, top);
  }

  /** @param {number} zoom @param {number} x @param {number} y */
  place(zoom, x, y) {
    const { clientWidth, clientHeight } = this.element;
    const width = this.width * zoom;
    const height = this.height * zoom;
    this.zoom = zoom;
    this.x = clamp(x, 32 - width, clientWidth - 32);
    this.y = clamp(y, 32 - height, clientHeight - 32);
    const [left, top] = [Math.round(this.x), Math.round(this.y)]; // what is rounded would drift
    this.page.style.cssText = `width:${width}px;height:${height}px;transform:translate(${left}px,${top}px)`;
    this.page.classList.toggle("pm-crisp", zoom * (window.devicePixelRatio || 1) >= 1);
    this.caption.textContent = `${this.width} × ${this.height} · ${Math.round(zoom * 100)} %`;
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.fitted = false;
    this.place(this.zoom, this.x + dx, this.y + dy);
  }

  /**
   * Zoom so that the point under the pointer stays under it.
   *
   * @param {{x: number, y: number}} client
   * @param {number} factor
   */
  zoomAt(client, factor) {
    this.fitted = false;
    const box = this.element.getBoundingClientRect();
    const zoom = clamp(this.zoom * factor, 0.05, MAX_ZOOM);
    const x = client.x - box.left - this.element.clientLeft;
    const y = client.y - box.top - this.element.clientTop;
    const ratio = zoom / this.zoom;
    this.place(zoom, x - (x - this.x) * ratio, y - (y - this.y) * ratio);
  }

  /**
   * Zoom about the middle.
   *
   * @param {number} factor
   */
  zoomBy(factor) {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    this.zoomAt({ x: left + width / 2, y: top + height / 2 }, factor);
  }

  /**
   * From the screen to the sheet, in its pixels.
   *
   * @param {Place} event
   */
  locate(event) {
    const box = this.page.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * this.width,
      y: ((event.clientY - box.top) / box.height) * this.height,
    };
  }

  /**
   * Show how large the brush is, or nothing if `size` is 0.
   *
   * @param {Place} event
   * @param {number} size
   */
  follow(event, size) {
    const box = this.element.getBoundingClientRect();
    const across = Math.max(3, size * this.zoom);
    this.ring.hidden = !size;
    this.ring.style.cssText =
      `width:${across}px;height:${across}px;left:${event.clientX - box.left}px;` + `top:${event.clientY - box.top}px`;
  }

  /** @param {string} sentence */
  say(sentence) {
    this.notice.textContent = sentence;
    clearTimeout(this.silence);
    this.silence = window.setTimeout(() => {
      this.notice.textContent = "";
    }, 8000);
  }
}
