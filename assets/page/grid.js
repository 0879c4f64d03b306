/*
 * The grid: a source and its edits side by side, live and done.
 *
 * components/grid.py sends the moments (plate.js has what is done with them). While a run goes on, a
 * frame is one sheet on which all pictures lie; it is cut up here.
 */

import { Cell } from "./cell.js";
import { element } from "./element.js";
import { enlarged } from "./fit.js";
import { Lens } from "./lens.js";
import { loaded } from "./loaded.js";
import { Pair } from "./pair.js";
import { Plate } from "./plate.js";

const GAP = 14; // between cells
const WIDE = 560; // CSS pixels from which three pictures stand in a row

/**
 * Where picture `index` of `count` lies on a sheet; the studio lays them out row by row.
 *
 * @param {HTMLImageElement} sheet
 * @param {number} count
 * @param {number} index
 */
function place(sheet, count, index) {
  const across = Math.ceil(Math.sqrt(count));
  const [width, height] = [sheet.naturalWidth / across, sheet.naturalHeight / Math.ceil(count / across)];
  return [(index % across) * width, Math.floor(index / across) * height, width, height];
}

export class Grid extends Plate {
  /** @type {Cell[]} */
  cells = [];
  /** @type {number[]} of the pictures that are held against each other */
  picks = [];
  differs = false;

  /**
   * @param {HTMLElement} host
   * @param {import("./gradio.d.ts").Gradio} gradio
   * @param {import("./plate.js").About} about
   */
  constructor(host, gradio, about) {
    super(host, gradio, about);
    this.looked = element("span", { class: "pt-looked-at", hidden: true });
    this.differ = element(
      "button",
      {
        type: "button",
        class: "pt-button pt-differ",
        "aria-pressed": "false",
        title: "What has changed from the source; black is as it was",
        onclick: () => this.view(!this.differs),
      },
      "Differences",
    );
    this.lens = new Lens(this);
    this.pair = new Pair(() => this.choose([]));
    this.board = element("div", { class: "pt-board" });
    this.hint = element("p", { class: "pt-aside-note pt-hint" }, "Click two pictures to hold them against each other.");
    this.plate.append(this.empty, this.pair.element, this.board, this.bar);
    this.root.append(
      element("div", { class: "pt-tools" }, this.caption, this.looked, this.differ, this.stop),
      this.plate,
      this.hint,
      this.lens.element,
      this.lens.sheet,
      this.message,
    );
    this.begin();
  }

  leave() {
    this.choose([]);
    this.view(false);
    this.lens.look(null);
    this.lens.show(null);
  }

  /** @param {import("./plate.js").Moment} moment */
  frame({ frame, pictures }) {
    this.sheet(frame, pictures);
  }

  /** The last result, whole. */
  restore() {
    if (!this.done) return;
    const { pictures, size, before, caption, text, attention } = this.done;
    this.turn++;
    this.phase = this.root.dataset.phase = "done";
    this.root.dataset.source = before ? "picture" : "seed";
    delete this.root.dataset.maps;
    this.caption.textContent = caption;
    this.say(text);
    this.natural = size;
    this.lay(pictures.length);
    for (const [i, each] of pictures.entries()) this.cells[i].show(each, pictures[0], this.natural);
    this.choose([]);
    this.view(false);
    this.lens.show(attention);
  }

  /**
   * Cells for so many pictures: the source at the left, the edits beside it.
   *
   * @param {number} count
   */
  lay(count) {
    if (this.cells.length !== count || (this.phase !== "done" && this.cells.some(({ url }) => url))) {
      this.cells = Array.from({ length: count }, (_, index) => new Cell(this.lens, index, (each) => this.pick(each)));
      const [source, ...edits] = this.cells;
      this.board.replaceChildren(
        element("div", { class: "pt-source" }, source.element),
        element("div", { class: "pt-beside" }, ...edits.map(({ element }) => element)),
      );
    }
    this.root.classList.add("pt-filled");
    this.fit();
  }

  /** @param {string} url @param {number} count */
  async sheet(url, count) {
    const turn = ++this.turn;
    const sheet = await loaded(url);
    if (!sheet || turn < this.turn) return;
    const [, , width, height] = place(sheet, count, 0);
    if (this.phase === "running") this.natural = [this.about.size, (this.about.size * height) / width];
    if (this.phase === "running" || this.cells.length < count) this.lay(count);
    for (let index = 0; index < count; index++) this.cells[index].cut(sheet, place(sheet, count, index));
  }

  /**
   * A step of the run instead of its result, while the filmstrip is scrubbed.
   *
   * @param {import("./plate.js").Scrub} step
   */
  scrub({ url, label, index }) {
    this.choose([]);
    this.caption.textContent = url ? label : this.done?.caption;
    if (url) return this.sheet(url, this.done?.sheets[index] ?? this.cells.length);
    this.turn++;
    for (const cell of this.cells) cell.live.hidden = true;
  }

  /** @param {number} index */
  pick(index) {
    const rest = this.picks.filter((each) => each !== index);
    this.choose(rest.length < this.picks.length ? rest : [...this.picks, index].slice(-2));
    if (this.picks.includes(index)) this.trigger("choose", { index });
  }

  /** @param {number[]} picks */
  choose(picks) {
    this.picks = picks;
    for (const [i, cell] of this.cells.entries()) cell.picked(picks.indexOf(i) + 1);
    this.pair.show(picks.map((i) => this.cells[i]));
    this.hint.textContent =
      picks.length === 1 ? "Now click another one." : "Click two pictures to hold them against each other.";
  }

  /**
   * Every edit as its difference from the source, or as it is.
   *
   * @param {boolean} differs
   */
  view(differs) {
    this.differs = differs;
    this.differ.setAttribute("aria-pressed", String(differs));
    this.root.classList.toggle("pt-differing", differs);
    this.cells.forEach((cell, i) => {
      cell.box.hidden = !(differs && i > 0 && cell.bounds);
    });
  }

  /**
   * Which word is looked at, beside the caption.
   *
   * @param {string} text
   */
  name(text) {
    this.looked.textContent = text;
    this.looked.hidden = !text;
  }

  fit() {
    const across = this.board.clientWidth;
    if (!across || !this.cells.length) return; // in a tab that is not shown
    const [width, height] = this.natural;
    const columns = this.cells.length > 2 && across >= WIDE ? 3 : 2;
    const small = enlarged(Math.floor((across - (columns - 1) * GAP) / columns) / width);
    this.board.style.setProperty("--wide", `${width * small.scale}px`);
    this.board.style.setProperty("--high", `${height * small.scale}px`);
    this.board.classList.toggle("pt-sharp", small.sharp);
    const large = enlarged(Math.min(across / width, (innerHeight * 0.6) / height));
    Object.assign(this.pair.pictures.style, { width: `${width * large.scale}px`, height: `${height * large.scale}px` });
    this.pair.pictures.classList.toggle("pt-sharp", large.sharp);
  }
}

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 * @param {import("./plate.js").About} about
 */
export const grid = (host, gradio, about) => new Grid(host, gradio, about);
