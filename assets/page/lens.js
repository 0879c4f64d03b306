/* The maps of words: an atlas per picture, a column per word, a band per step. */

import { element } from "./element.js";
import { loaded } from "./loaded.js";
import { counterparts } from "./words.js";

const SHADE = [16, 14, 12]; // over what a word does not look at
const DARKEST = 0.8;

/**
 * @typedef {{row: number, index: number}} Word
 * @typedef {{files: {url: string}[], words: string[][], size: [number, number], steps: number}} Attention
 */

export class Lens {
  /** @type {Word | null} the word whose map stays */
  pinned = null;
  /** @type {Word | null} the word whose map is seen */
  shown = null;
  step = 0; // 0 is the mean of all
  /** @type {Attention | null} */
  attention = null;
  /** @type {(CanvasRenderingContext2D | null)[]} */
  atlases = [];

  /** @param {import("./grid.js").Grid} grid */
  constructor(grid) {
    this.grid = grid;
    this.range = element("input", {
      type: "range",
      min: 0,
      value: 0,
      step: 1,
      "aria-label": "Step whose maps are shown",
      oninput: () => this.scrub(),
    });
    this.label = element("span", {});
    this.all = element(
      "button",
      {
        type: "button",
        class: "pt-button",
        "aria-expanded": "false",
        onclick: () => this.unfold(Boolean(this.sheet.hidden)),
      },
      "All maps",
    );
    this.sheet = element("div", { class: "pt-maps", hidden: true });
    this.element = element(
      "div",
      { class: "pt-lens", hidden: true },
      element(
        "p",
        { class: "pt-aside-note" },
        "Point at a word under a picture to see where it looks; press it to keep it.",
      ),
      element(
        "label",
        { class: "pt-slider" },
        element("span", { class: "pt-slider-name" }, "Maps of words", this.label),
        this.range,
      ),
      this.all,
    );
  }

  /** @param {Attention | null} attention */
  async show(attention) {
    this.attention = attention;
    this.pinned = null;
    this.atlases = [];
    this.element.hidden = !attention;
    this.unfold(false);
    if (!attention) return;
    this.range.max = String(attention.steps);
    this.step = 0;
    this.range.value = "0";
    this.say();
    for (const [row, words] of attention.words.entries()) this.grid.cells[row]?.offer(row, words);
    const images = await Promise.all(attention.files.map(({ url }) => loaded(url)));
    if (this.attention !== attention) return;
    this.atlases = images.map((image) => {
      if (!image) return null;
      const canvas = element("canvas");
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      const pen = canvas.getContext("2d", { willReadFrequently: true });
      pen?.drawImage(image, 0, 0);
      return pen;
    });
    this.grid.root.dataset.maps = "ready";
    this.look(this.pinned);
  }

  /**
   * The map of a word, value by value.
   *
   * @param {CanvasRenderingContext2D} atlas
   * @param {number[]} size
   * @param {number} index
   */
  values(atlas, [width, height], index) {
    const { data } = atlas.getImageData(index * width, this.step * height, width, height);
    return data.filter((_, i) => i % 4 === 0);
  }

  /**
   * Paint a map on a canvas: as shade over a picture, or as light by itself.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {number} row
   * @param {number} index
   * @param {boolean} [alone]
   */
  paint(canvas, row, index, alone = false) {
    const atlas = this.atlases[row];
    if (!atlas || !this.attention) return;
    const { size } = this.attention;
    const [width, height] = size;
    [canvas.width, canvas.height] = [width, height];
    const pixels = new ImageData(width, height);
    this.values(atlas, size, index).forEach((value, i) => {
      const share = value / 255;
      const colour = alone
        ? [Math.min(255, 40 + 300 * share), 30 + 200 * share ** 2, 24 + 190 * share ** 4, 255]
        : [...SHADE, 255 * DARKEST * (1 - share)];
      pixels.data.set(colour, 4 * i);
    });
    canvas.getContext("2d")?.putImageData(pixels, 0, 0);
  }

  /**
   * Lay the map of a word over its picture, and those of its counterparts over the others.
   *
   * @param {Word | null} word
   */
  look(word) {
    this.shown = word;
    if (!this.attention || !this.atlases.length) return;
    const { words } = this.attention;
    this.grid.cells.forEach((cell, row) => {
      const index = word ? this.counterpart(word, row) : null;
      cell.map.hidden = index == null || !this.atlases[row];
      if (index != null && !cell.map.hidden) this.paint(cell.map, row, index);
      const buttons = cell.words.querySelectorAll(".pt-word");
      for (const [i, button] of buttons.entries()) button.classList.toggle("pt-looked", i === index);
    });
    this.grid.name(word ? `“${words[word.row][word.index]}”` : "");
  }

  /**
   * @param {Word} word
   * @param {number} there the row in which its counterpart is wanted
   */
  counterpart({ row, index }, there) {
    if (!this.attention) return null;
    const { words } = this.attention;
    if (there === row) return index;
    if (there === 0) return counterparts(words[0], words[row])[index];
    if (row !== 0) return null;
    const at = counterparts(words[0], words[there]).indexOf(index);
    return at < 0 ? null : at;
  }

  /** @param {Word} word */
  pin(word) {
    const same = this.pinned && this.pinned.row === word.row && this.pinned.index === word.index;
    this.pinned = same ? null : word;
    for (const [row, cell] of this.grid.cells.entries()) {
      for (const [i, button] of cell.words.querySelectorAll(".pt-word").entries()) {
        const pinned = this.pinned?.row === row && this.pinned.index === i;
        button.setAttribute("aria-pressed", String(pinned));
      }
    }
    this.look(this.pinned);
  }

  scrub() {
    this.step = Number(this.range.value);
    this.say();
    this.look(this.shown);
    if (!this.sheet.hidden) this.unfold(true);
  }

  say() {
    const text = this.step ? `step ${this.step} of ${this.attention?.steps}` : "mean of all steps";
    this.label.textContent = text;
    this.range.setAttribute("aria-valuetext", text);
  }

  /**
   * The maps of all words as a sheet, a row per picture.
   *
   * @param {boolean} open
   */
  unfold(open) {
    this.sheet.hidden = !open;
    this.all.setAttribute("aria-expanded", String(open));
    if (!open || !this.attention) return;
    this.sheet.replaceChildren(
      ...this.attention.words.map((words, row) =>
        element(
          "section",
          {},
          element("h3", {}, row ? `Edit ${row}` : "Source"),
          element(
            "ul",
            {},
            ...words.map((word, index) => {
              const canvas = element("canvas", { role: "img", "aria-label": `Where “${word}” looks` });
              this.paint(canvas, row, index, true);
              return element("li", {}, canvas, word);
            }),
          ),
        ),
      ),
    );
  }
}
