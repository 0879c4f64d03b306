/* One picture of the grid with its words, its figures, and what can lie over it. */

import { element } from "./element.js";

export class Cell {
  /** @type {string | undefined} of its result */
  url;
  /** @type {[number, number, number, number] | null | undefined} of what has changed, in shares of its sides */
  bounds;

  /**
   * @param {import("./lens.js").Lens} lens
   * @param {number} index
   * @param {(index: number) => void} pick
   */
  constructor(lens, index, pick) {
    this.lens = lens;
    this.live = element("canvas", { class: "pt-live", hidden: true });
    this.now = element("img", { class: "pt-now", alt: "", draggable: "false", hidden: true });
    this.before = element("img", { class: "pt-before", alt: "", draggable: "false" });
    this.map = element("canvas", { class: "pt-map", hidden: true });
    this.box = element("span", { class: "pt-box", hidden: true });
    this.order = element("span", { class: "pt-order", hidden: true, "aria-hidden": "true" });
    this.button = element(
      "button",
      { type: "button", class: "pt-picture", disabled: true, "aria-pressed": "false", onclick: () => pick(index) },
      this.now,
      this.before,
      this.live,
      this.map,
      this.box,
      this.order,
    );
    this.title = element("span", { class: "pt-cell-title" }, index ? `Edit ${index}` : "Source");
    this.save = element("a", { class: "pt-link", download: true, hidden: true }, "Save");
    this.words = element("p", { class: "pt-cell-words" });
    this.figure = element("p", { class: "pt-figure" });
    this.said = element("p", { class: "pt-said" });
    this.element = element(
      "figure",
      { class: "pt-cell" },
      this.button,
      element(
        "figcaption",
        {},
        element("div", { class: "pt-cell-head" }, this.title, this.save),
        this.words,
        this.figure,
        this.said,
      ),
    );
  }

  /**
   * A part of a sheet, as it is while the run goes on.
   *
   * @param {HTMLImageElement} sheet
   * @param {number[]} part
   */
  cut(sheet, [left, top, width, height]) {
    this.live.width = Math.round(width);
    this.live.height = Math.round(height);
    this.live.getContext("2d")?.drawImage(sheet, left, top, width, height, 0, 0, this.live.width, this.live.height);
    this.live.hidden = false;
  }

  /**
   * @param {any} picture as components/grid.py sends it
   * @param {any} source
   * @param {number[]} size
   */
  show({ file, title, words, said, figure, box }, source, [width, height]) {
    this.now.hidden = false;
    this.now.src = this.url = file.url;
    this.now
      .decode()
      .catch(() => {})
      .then(() => {
        this.live.hidden = true;
      });
    this.now.alt = `${title}: ${words}`;
    this.before.src = source.file.url;
    this.button.disabled = false;
    this.button.setAttribute("aria-label", `${title}: ${words}. Pick it to hold it against another.`);
    this.title.textContent = title;
    this.save.href = file.url;
    this.save.hidden = false;
    this.save.setAttribute("aria-label", `Save ${title.toLowerCase()} as PNG`);
    this.words.textContent = words;
    this.figure.textContent = figure;
    this.said.textContent = said;
    this.bounds = box && [box[0] / width, box[1] / height, box[2] / width, box[3] / height];
    if (!this.bounds) return;
    const [left, top, right, bottom] = this.bounds.map((each) => 100 * each);
    Object.assign(this.box.style, {
      left: `${left}%`,
      top: `${top}%`,
      right: `${100 - right}%`,
      bottom: `${100 - bottom}%`,
    });
  }

  /**
   * Words to point at, instead of the mere sentence.
   *
   * @param {number} row
   * @param {string[]} words
   */
  offer(row, words) {
    const { lens } = this;
    this.words.replaceChildren(
      ...words.map((word, index) =>
        element(
          "button",
          {
            type: "button",
            class: "pt-word",
            "aria-pressed": "false",
            onmouseenter: () => lens.look({ row, index }),
            onmouseleave: () => lens.look(lens.pinned),
            onfocus: () => lens.look({ row, index }),
            onblur: () => lens.look(lens.pinned),
            onclick: () => lens.pin({ row, index }),
          },
          word,
        ),
      ),
    );
  }

  /** @param {number} order among the picked ones, 0 for none */
  picked(order) {
    this.button.setAttribute("aria-pressed", String(order > 0));
    this.order.hidden = !order;
    this.order.textContent = order ? String(order) : "";
  }
}
