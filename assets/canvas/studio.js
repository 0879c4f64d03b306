import { element } from "../page/element.js";
import { isBehind, say } from "../page/outside.js";
import { Autosave } from "./autosave.js";
import { Exchange } from "./exchange.js";
import { Hand } from "./hand.js";
import { History } from "./history.js";
import { clamp } from "./numbers.js";
import { Panel } from "./panel.js";
import { isBlank, pen, surface, tint } from "./pixels.js";
import { Sheet } from "./sheet.js";
import { View } from "./view.js";

const TELL_DELAY = 200; // ms after the mask's last change

/**
 * @typedef {import("./sheet.js").Layer} Layer
 * @typedef {"strokes" | "mask"} Painted the layers that are painted on
 * @typedef {{size: number, softness: number, opacity: number}} Brush
 *
 * What components/canvas.py says of a canvas, once:
 * @typedef {object} About
 * @property {string} key
 * @property {[string, string][]} swatches
 * @property {[number, number]} size
 * @property {number} limit of a side
 * @property {number} heaviest bytes of a file
 * @property {string} hint
 * @property {Painted} layer that the brush paints at first
 */

/** One canvas on the page: it owns a sheet, its history, a view, a panel and a hand. */
export class Studio {
  /** @type {import("./tools.js").Tool} */
  tool = "brush";
  veil = 50; // percent
  maskColor = "#d9432f";
  telling = 0;
  /** @type {Promise<void>} what is under way, one after another */
  ready;
  /** @type {Autosave} */
  autosave;
  /** @type {Exchange} */
  exchange;

  /**
   * @param {HTMLElement} root
   * @param {import("../page/gradio.d.ts").Gradio} gradio
   * @param {About} about
   * @param {Studio} [former] the studio of the same key, if Gradio builds the component anew
   */
  constructor(root, gradio, { key, swatches, size, limit, heaviest, hint, layer }, former) {
    const { props } = gradio;
    const longest = Math.max(...size);
    this.root = root;
    this.gradio = gradio;
    this.key = key;
    this.size = size;
    this.limit = limit;
    this.layer = layer;
    this.color = (swatches[0]?.[1] ?? "#1c1a17").toLowerCase();
    /** @type {Record<Painted, Brush>} */
    this.brushes = {
      strokes: { size: Math.ceil(longest / 14), softness: 0, opacity: 100 },
      mask: { size: Math.ceil(longest / 8), softness: 0, opacity: 100 },
    };
    this.history = former?.history ?? new History();
    this.sheet = former?.sheet ?? new Sheet(...size);
    this.autosave = new Autosave(this);
    this.autosave.aside = former?.autosave.aside ?? null;
    this.exchange = new Exchange(this, gradio, heaviest);
    this.exchange.shown = former?.exchange.shown;
    this.view = new View(props.label);
    this.hint = element("p", { class: "pm-hint" }, hint);
    this.hand = new Hand(this);
    this.panel = new Panel(this);
    root.replaceChildren(this.panel.bar, this.view.element, this.panel.tray);
    this.panel.offer(swatches.map(([name, color]) => [name, color.toLowerCase()]));
    this.lay(this.sheet);
    this.setLayer(layer);
    this.ready = former?.ready ?? this.autosave.restore();
    this.ready.then(() => {
      root.dataset.ready = "true";
      if (!isBlank(this.sheet.mask)) this.tell();
    });
    this.exchange.show(props.show); // Python may have spoken before this tab was ever opened
    gradio.watch("show", () => this.exchange.show(props.show));
    gradio.watch("outline", () => this.trace(props.outline));
  }

  /** Until the kept sheet is back nothing may be painted, for it would be painted over. */
  get isReady() {
    return this.root.dataset.ready === "true";
  }

  get isVisible() {
    return this.root.isConnected && this.root.clientWidth > 0;
  }

  /** @param {string} sentence */
  say(sentence) {
    if (this.isVisible && !isBehind()) this.view.say(sentence);
    else say(sentence);
  }

  // What the tools are set to

  get brush() {
    return this.brushes[this.layer];
  }

  get ink() {
    return this.layer === "mask" ? this.maskColor : this.color;
  }

  /** @param {import("./tools.js").Tool} tool */
  setTool(tool) {
    if (tool === "eyedropper") this.setLayer("strokes");
    this.tool = tool;
    this.root.dataset.tool = tool;
    this.view.ring.hidden = true;
    this.panel.update();
  }

  /** @param {Painted} layer */
  setLayer(layer) {
    this.layer = layer;
    this.root.dataset.layer = layer;
    this.setTool(layer === "mask" && this.tool === "eyedropper" ? "brush" : this.tool);
  }

  /** @param {keyof Brush} name @param {number} value */
  setBrush(name, value) {
    this.brush[name] = value;
    this.panel.update();
  }

  /** @param {-1 | 1} direction */
  resizeBrush(direction) {
    const { size } = this.brush;
    const step = Math.max(1, Math.round(size * 0.15));
    this.setBrush("size", clamp(size + direction * step, 1, Number(this.panel.sliders.size.input.max)));
  }

  /** @param {string} color */
  setColor(color) {
    this.color = color.toLowerCase();
    if (this.tool === "eraser") this.setTool("brush");
    this.panel.update();
  }

  /** @param {string} color */
  setMaskColor(color) {
    this.maskColor = color;
    tint(this.sheet.mask, color);
    this.panel.update();
  }

  /** @param {number} percent */
  setVeil(percent) {
    this.veil = percent;
    this.root.style.setProperty("--veil", String(percent / 100));
    this.panel.update();
  }

  // The sheet and its history

  /**
   * Put a sheet on the page; brushes keep their share of it.
   *
   * @param {Sheet} sheet
   */
  lay(sheet) {
    const longest = Math.max(sheet.width, sheet.height);
    const ratio = longest / Math.max(this.sheet.width, this.sheet.height);
    for (const brush of Object.values(this.brushes)) {
      brush.size = Math.max(1, Math.round(brush.size * ratio));
    }
    this.sheet = sheet;
    this.panel.sliders.size.input.max = String(Math.max(16, Math.round(longest / 2)));
    this.view.lay(sheet, this.hint);
    this.refresh();
  }

  /** The sheet with no half-painted stroke on it. */
  settled() {
    this.hand.finish();
    return this.sheet;
  }

  /** @param {Sheet} sheet @param {string} kind */
  replace(sheet, kind) {
    const step = { sheet: this.sheet };
    this.lay(sheet);
    this.record(step, kind);
  }

  /**
   * @param {import("./draft.js").Step | null} step
   * @param {string} kind what happened, for whoever listens
   */
  record(step, kind) {
    if (!step) return;
    this.history.record(step);
    this.touch(step);
    this.changed(kind);
  }

  /**
   * The mask is another one, perhaps: Python may want to say how it will be used.
   *
   * @param {import("./draft.js").Step} step
   */
  touch({ layer }) {
    if (layer === "strokes") return;
    if (isBlank(this.sheet.mask)) this.view.outline.replaceChildren();
    this.tell();
  }

  tell() {
    clearTimeout(this.telling);
    this.telling = window.setTimeout(() => this.gradio.trigger("mask"), TELL_DELAY);
  }

  /**
   * The outline as Python draws it; for a mask that is gone by now there is none.
   *
   * @param {any} outline
   */
  trace(outline) {
    if (outline && !isBlank(this.sheet.mask)) this.view.trace(outline);
  }

  /** @param {import("./draft.js").Step} step */
  swap(step) {
    if (step.sheet) {
      const now = this.sheet;
      this.lay(step.sheet);
      step.sheet = now;
    } else {
      const { x, y, pixels: part, layer } = step;
      const context = pen(this.sheet[layer]);
      step.pixels = surface(part.width, part.height, this.sheet[layer], x, y);
      context.clearRect(x, y, part.width, part.height);
      context.drawImage(part, x, y);
    }
    tint(this.sheet.mask, this.maskColor); // the step may be older than the overlay's colour
    this.touch(step);
  }

  undo() {
    if (!this.hand.gesture && this.history.back((step) => this.swap(step))) this.changed("undo");
  }

  redo() {
    if (!this.hand.gesture && this.history.forth((step) => this.swap(step))) this.changed("redo");
  }

  refresh() {
    this.root.dataset.empty = String(this.sheet.isEmpty);
    this.panel.update();
  }

  /**
   * Something was painted, undone or replaced: keep it, and tell whoever listens.
   *
   * @param {string} kind
   */
  changed(kind) {
    this.refresh();
    this.autosave.soon();
    const detail = { key: this.key, kind };
    this.root.dispatchEvent(new CustomEvent("pentimento:stroke", { bubbles: true, detail }));
    if (kind !== "show") this.gradio.trigger("stroke"); // Python knows what it did
  }
}
