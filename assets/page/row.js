/*
 * One edit: its words and what changes in them, its sliders, and what stands behind "More".
 * What a person types is set as text, never as HTML.
 */

import { EVERY_WORD, namesOf, standing, whole } from "./edit.js";
import { element } from "./element.js";
import { Rest } from "./rest.js";
import { ends, showAll, slider, spoken } from "./slider.js";
import { changes, marksOf, nameOf, wordsOf } from "./words.js";

const STRONGEST = 4; // of a word, either way

const times = (/** @type {number} */ weight) => `×${String(weight).replace("-", "−")}`;

export class Row {
  /** @type {string | null} the word whose strength and window are being set */
  weighed = null;

  /**
   * @param {import("./edits.js").Rows} rows
   * @param {Record<string, unknown>} data
   */
  constructor(rows, data) {
    this.rows = rows;
    this.data = whole(structuredClone({ ...rows.about.defaults, ...data }), rows.about.blend);
    const { windows } = rows.about;
    this.title = element("span", { class: "pt-edit-title" });
    this.words = element("textarea", {
      rows: 2,
      maxlength: 2000,
      placeholder: "Other words for the same picture",
      oninput: () => {
        this.data.prompt = this.words.value;
        this.show();
        this.rows.changed(true);
      },
    });
    this.words.value = this.data.prompt;
    this.duplicate = element(
      "button",
      { type: "button", class: "pt-link", onclick: () => this.rows.add(this.data, this) },
      "Duplicate",
    );
    this.remove = element(
      "button",
      { type: "button", class: "pt-link", onclick: () => this.rows.remove(this) },
      "Remove",
    );
    this.changes = element("div", { class: "pt-changes", role: "group" });
    this.word = element("div", { class: "pt-weigh", role: "group", hidden: true });
    this.rest = new Rest(this);
    this.element = element(
      "li",
      { class: "pt-edit" },
      element("div", { class: "pt-edit-head" }, this.title, this.duplicate, this.remove),
      this.words,
      this.changes,
      this.word,
      element(
        "div",
        { class: "pt-edit-sliders" },
        ...windows.map((each) => {
          const [held, key] = this.window(each.name);
          return this.side(1, each, held, key, () => spoken(held[key]));
        }),
      ),
      this.rest.details,
    );
  }

  /**
   * Where the window of all words or of the layout is held.
   *
   * @param {string} name
   * @returns {[Record<string, any>, string]}
   */
  window(name) {
    return name === "cross_replace_steps" ? [this.data.cross_replace_steps, EVERY_WORD] : [this.data, name];
  }

  /**
   * The slider of one side of a window, 0 or 1; pulled beyond the other side, it takes that along.
   *
   * @param {0 | 1} which
   * @param {import("./slider.js").About} about
   * @param {Record<string, any>} held
   * @param {string} key
   * @param {(value: number) => string} [say]
   */
  side(which, about, held, key, say) {
    const now = () => ends(held[key] ?? held[EVERY_WORD]);
    return slider(
      about,
      () => now()[which],
      (value) => {
        const other = which ? Math.min(now()[0], value) : Math.max(now()[1], value);
        const [open, close] = which ? [other, value] : [value, other];
        held[key] = open ? [open, close] : close;
        this.pulled();
      },
      say,
    );
  }

  /** A slider was pulled: others may show the same. */
  pulled() {
    showAll(this.element);
    this.rows.changed();
  }

  /** @param {number} n its place, from 1 */
  number(n) {
    this.title.textContent = `Edit ${n}`;
    this.words.setAttribute("aria-label", `Words of edit ${n}`);
    this.changes.setAttribute(
      "aria-label",
      `What edit ${n} changes; press a word to set how strong it is and when it binds`,
    );
    this.duplicate.setAttribute("aria-label", `Duplicate edit ${n}`);
    this.remove.setAttribute("aria-label", `Remove edit ${n}`);
  }

  /** The words with what became of them; each can be weighed, and bound otherwise than the rest. */
  show() {
    const source = this.rows.source;
    const words = wordsOf(this.data.prompt);
    const parts = words.length ? changes(source, words) : [];
    this.changes.replaceChildren(
      ...parts.flatMap(({ kind, from, to }) => {
        const old = from.map((i) => source[i]).join(" ");
        const gone =
          kind === "removed" || kind === "swapped"
            ? [element("del", { class: "pt-gone", title: kind === "removed" ? "left out" : "swapped" }, old)]
            : [];
        return [...gone, ...to.map((i) => this.button(words, i, kind, old))];
      }),
    );
    const same =
      words.length &&
      parts.every(({ kind }) => kind === "same") &&
      marksOf(this.data.prompt) === marksOf(this.rows.text ?? "");
    if (same && !standing(this.data.weights, this.data.prompt).length) {
      const hint = "No word differs yet. Change some, or press one to weigh it.";
      this.changes.append(element("span", { class: "pt-aside-note" }, hint));
    }
    if (this.weighed && !namesOf(words).includes(this.weighed)) this.weigh(null);
    this.rest.show();
  }

  /**
   * @param {string[]} words
   * @param {number} index
   * @param {string} kind what became of it
   * @param {string} old what stood there
   */
  button(words, index, kind, old) {
    const name = nameOf(words, index);
    const weight = this.data.weights[name];
    const window = this.data.cross_replace_steps[name];
    const binds = window != null && `binds ${spoken(window)}`;
    const own = [weight != null && times(weight), binds].filter((each) => each !== false);
    const became = kind === "added" ? "added" : kind === "swapped" && `swapped for ${old}`;
    const said = [became, weight != null && `strength ${weight}`, binds].filter(Boolean).join(", ");
    return element(
      "button",
      {
        type: "button",
        class: `pt-word pt-${kind}`,
        "data-name": name,
        title: said || "Set how strong this word is, and when it binds",
        "aria-label": said ? `${words[index]}, ${said}` : words[index],
        "aria-expanded": String(this.weighed === name),
        onclick: () => this.weigh(this.weighed === name ? null : name),
      },
      words[index],
      ...own.map((each) => element("b", {}, ` ${each}`)),
    );
  }

  /**
   * Open the sliders of one word, or close them: how strong it is, and when it binds.
   *
   * @param {string | null} name
   */
  weigh(name) {
    this.weighed = name;
    this.word.hidden = !name;
    const words = /** @type {NodeListOf<HTMLElement>} */ (this.changes.querySelectorAll(".pt-word"));
    for (const each of words) each.setAttribute("aria-expanded", String(each.dataset.name === name));
    if (!name) return this.word.replaceChildren();
    const { weights, cross_replace_steps: windows } = this.data;
    const { low, high, step } = this.rows.about.windows.filter((each) => each.name === "cross_replace_steps")[0];
    const strength = slider(
      {
        label: "Strength",
        aria: `Strength of ${name}`,
        low: -STRONGEST,
        high: STRONGEST,
        step: 0.1,
        ends: ["the opposite", "stronger"],
      },
      () => weights[name] ?? 1,
      (value) => {
        if (value === 1) delete weights[name];
        else weights[name] = value;
        this.pulled();
        this.show();
      },
      times,
    );
    const bound = (/** @type {0 | 1} */ which, /** @type {string} */ label) => {
      const about = { label, aria: `${name} ${label.toLowerCase()}`, low, high, step };
      return this.side(which, about, windows, name);
    };
    const binding = element(
      "div",
      { class: "pt-edit-sliders", oninput: () => this.show() },
      bound(0, "Binds from"),
      bound(1, "Binds until"),
    );
    const reset = element(
      "button",
      {
        type: "button",
        class: "pt-link",
        onclick: () => {
          delete weights[name];
          delete windows[name];
          this.pulled();
          this.show();
        },
      },
      "As the other words",
    );
    this.word.setAttribute("aria-label", `“${name}” alone`);
    this.word.replaceChildren(
      element("div", { class: "pt-edit-head" }, element("span", { class: "pt-edit-title" }, `“${name}”`), reset),
      strength,
      binding,
    );
  }
}
