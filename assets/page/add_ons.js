/* What may go on top of the model in use: LoRAs with their weights, and words that are taught. */

import { bytes } from "./bytes.js";
import { element } from "./element.js";
import { fill } from "./listing.js";

/**
 * What components/picker.py says of each.
 *
 * @typedef {object} AddOn
 * @property {string} name
 * @property {boolean} words
 * @property {number} size
 * @property {string} source
 * @property {string} refusal
 * @property {string} remark
 * @property {number | null} weight
 *
 * @typedef {Map<string, number>} Weights by path
 */

/** @param {Weights} one @param {Weights} other */
const equal = (one, other) => one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);

export class AddOns {
  made = 0; // rows, for their ids
  busy = false;
  serving = ""; // the model's name
  /** @type {Weights} of what is ticked: not on top before "Apply" */
  given = new Map();
  /** @type {Weights | null} of what is on top */
  laid = null;

  /**
   * @param {number} heaviest the largest weight
   * @param {(weights: Record<string, number>) => void} lay what is to be on top
   */
  constructor(heaviest, lay) {
    this.heaviest = heaviest;
    this.title = element("h3", { id: "pt-on-top" });
    this.list = element("ul", { class: "pt-models", "aria-labelledby": "pt-on-top" });
    this.apply = element("button", { class: "pt-button" }, "Apply");
    this.form = element(
      "form",
      { class: "pt-over", hidden: true, novalidate: true },
      this.title,
      this.list,
      this.apply,
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.apply.disabled) lay(Object.fromEntries(this.given));
    });
  }

  /** @param {boolean} busy whether a choice goes on, so that none can begin */
  wait(busy) {
    this.busy = busy;
    this.weigh();
  }

  /**
   * What may go on top. What is ticked stays so, unless something else came on top meanwhile.
   *
   * @param {string} serving
   * @param {AddOn[]} addOns
   */
  offer(serving, addOns) {
    /** @type {Weights} */
    const laid = new Map(addOns.flatMap(({ source, weight }) => (weight === null ? [] : [[source, weight]])));
    const same = this.laid && equal(laid, this.laid) && serving === this.serving;
    const ticked = same ? this.given : laid;
    this.given = new Map(
      addOns.flatMap(({ source }) => {
        const weight = ticked.get(source);
        return weight === undefined ? [] : [[source, weight]];
      }),
    );
    this.laid = laid;
    this.serving = serving;
    this.form.hidden = !addOns.length;
    this.title.textContent = `On top of ${serving}`;
    if (!same) this.list.replaceChildren();
    fill(this.list, addOns, (each) => {
      this.made += 1;
      return this.row(each, `pt-add-on-${this.made}`);
    });
    this.weigh();
  }

  /** @param {AddOn} addOn @param {string} id */
  row({ name, words, size, source, remark }, id) {
    const weight = words
      ? null
      : element("input", {
          type: "number",
          min: -this.heaviest,
          max: this.heaviest,
          step: 0.05,
          value: this.given.get(source) ?? 1,
          "aria-label": `Weight of ${name}`,
          oninput: () => take(),
        });
    const take = () => {
      if (tick.checked) this.given.set(source, weight ? weight.valueAsNumber : 1);
      else this.given.delete(source);
      if (weight) weight.disabled = !tick.checked;
      this.weigh();
    };
    const tick = element("input", { type: "checkbox", id, checked: this.given.has(source), onchange: take });
    if (weight) weight.disabled = !tick.checked;
    const facts = `${words ? "a word for prompts" : "LoRA"} · ${size ? bytes(size) : "not there any more"}`;
    return element(
      "li",
      {},
      tick,
      element(
        "label",
        { for: id, title: source },
        element("b", {}, name),
        element("span", {}, facts),
        ...(remark ? [element("span", {}, remark)] : []),
      ),
      ...(weight ? [element("span", { "aria-hidden": "true" }, "weight"), weight] : []),
    );
  }

  /** "Apply" is for what differs from what serves, with weights that are some. */
  weigh() {
    const right = [...this.given.values()].every((weight) => Math.abs(weight) <= this.heaviest);
    this.apply.disabled = this.busy || !right || !this.laid || equal(this.given, this.laid);
  }
}
