/* What is rarely needed of an edit: when the source begins to hold, and where alone the picture may change. */

import { namesOf } from "./edit.js";
import { element } from "./element.js";
import { slider } from "./slider.js";
import { wordsOf } from "./words.js";

/**
 * @typedef {import("./edit.js").Side} Side
 * @typedef {import("./edit.js").Blend} Blend
 */

export class Rest {
  /** @param {import("./row.js").Row} row */
  constructor(row) {
    this.row = row;
    this.body = element("div", { class: "pt-edit-rest" });
    this.details = element(
      "details",
      { class: "pt-edit-more", ontoggle: () => this.show() },
      element("summary", {}, "More"),
      this.body,
    );
  }

  show() {
    if (!this.details.open) return;
    const { about, source } = this.row.rows;
    const { data } = this.row;
    const words = wordsOf(data.prompt);
    const blend = data.local_blend;
    const line = (/** @type {string} */ said, /** @type {Side} */ side, /** @type {string[]} */ names) =>
      element(
        "div",
        { class: "pt-changes", role: "group", "aria-label": `${said} ${side === "subtract" ? "" : "words"}` },
        element("span", { class: "pt-aside-note" }, said),
        ...names.map((name) =>
          element(
            "button",
            {
              type: "button",
              class: "pt-word",
              "aria-pressed": String(Boolean(blend?.[side].includes(name))),
              onclick: () => this.blend(side, name),
            },
            name.replace(/#\d+$/, ""),
          ),
        ),
      );
    const share = (/** @type {import("./edit.js").Named} */ each) =>
      slider(
        each,
        () => blend?.[each.name],
        (value) => {
          if (blend) blend[each.name] = value;
          this.row.pulled();
        },
      );
    const shares = about.shares.filter(({ name }) => name !== "subtract_threshold" || blend?.subtract.length);
    const select = element(
      "select",
      {
        onchange: () => {
          data.self_replace_reduction = Number(select.value);
          this.row.rows.changed();
        },
      },
      ...about.reductions.options.map(([value, label]) =>
        element("option", { value, selected: value === data.self_replace_reduction }, label),
      ),
    );
    const controls = () => /** @type {HTMLElement[]} */ ([...this.body.querySelectorAll("button, select, input")]);
    const focus = controls().indexOf(/** @type {HTMLElement} */ (document.activeElement));
    this.body.replaceChildren(
      element(
        "div",
        { class: "pt-edit-sliders" },
        ...about.windows.map(({ name, label, low, high, step }) =>
          this.row.side(
            0,
            {
              label: `${label} from`,
              low,
              high,
              step,
              about: "The share of the steps before it begins",
              ends: ["the first step", "the last"],
            },
            ...this.row.window(name),
          ),
        ),
      ),
      element("label", { class: "pt-select" }, about.reductions.label, select),
      element(
        "div",
        { class: "pt-blend" },
        element("p", {}, "Change only where these words are"),
        line("in the source:", "source", namesOf(source)),
        line("in this edit:", "target", namesOf(words)),
        ...(blend ? [line("but never at:", "subtract", [...new Set([...namesOf(source), ...namesOf(words)])])] : []),
      ),
      ...(blend ? [element("div", { class: "pt-edit-sliders" }, ...shares.map(share))] : []),
    );
    if (focus >= 0) controls()[focus]?.focus();
  }

  /** @param {Side} side @param {string} name */
  blend(side, name) {
    const { data, rows } = this.row;
    const held = data.local_blend ?? /** @type {Blend} */ (structuredClone(rows.about.blend));
    data.local_blend = held;
    held[side] = held[side].includes(name) ? held[side].filter((each) => each !== name) : [...held[side], name];
    if (![...held.source, ...held.target, ...held.subtract].length) data.local_blend = null;
    this.show();
    this.row.rows.changed();
  }
}
