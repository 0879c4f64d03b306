/* Two pictures of the grid, held against each other. */

import { element } from "./element.js";

export class Pair {
  /** @param {() => void} close */
  constructor(close) {
    this.now = element("img", { class: "pt-now", alt: "", draggable: "false" });
    this.before = element("img", { class: "pt-before", alt: "", draggable: "false" });
    this.cut = element("input", {
      type: "range",
      min: 0,
      max: 100,
      value: 50,
      class: "pt-cut",
      "aria-label": "How much of the one picture shows, and how much of the other",
      oninput: () => this.pictures.style.setProperty("--cut", `${this.cut.value}%`),
    });
    this.left = element("span", { class: "pt-tag pt-tag-before", "aria-hidden": "true" });
    this.right = element("span", { class: "pt-tag pt-tag-after", "aria-hidden": "true" });
    this.pictures = element(
      "div",
      { class: "pt-pictures pt-split" },
      this.now,
      this.before,
      this.cut,
      this.left,
      this.right,
    );
    this.differ = element(
      "button",
      { type: "button", class: "pt-button", "aria-pressed": "false", onclick: () => this.view(!this.differs) },
      "Difference",
    );
    this.element = element(
      "div",
      { class: "pt-pair", hidden: true },
      this.pictures,
      element(
        "div",
        { class: "pt-pair-tools" },
        this.differ,
        element("button", { type: "button", class: "pt-button", onclick: close }, "Close"),
      ),
    );
  }

  /** @param {import("./cell.js").Cell[]} cells two, or there is nothing to show */
  show([one, other]) {
    this.element.hidden = !other;
    if (!other) return;
    this.before.src = one.url ?? "";
    this.now.src = other.url ?? "";
    this.now.alt = `${one.title.textContent} against ${other.title.textContent?.toLowerCase()}`;
    this.left.textContent = one.title.textContent;
    this.right.textContent = other.title.textContent;
    this.view(false);
  }

  differs = false;

  /** @param {boolean} differs */
  view(differs) {
    this.differs = differs;
    this.differ.setAttribute("aria-pressed", String(differs));
    this.pictures.classList.toggle("pt-difference", differs);
    this.pictures.classList.toggle("pt-split", !differs);
  }
}
