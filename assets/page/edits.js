/*
 * The rows of edits: words, what changes in them, how closely the picture stays with the source.
 *
 * components/edits.py mounts this and reads the value. The rows are kept in the browser tab as they
 * are typed.
 */

import { sendable } from "./edit.js";
import { element, found } from "./element.js";
import { Row } from "./row.js";
import { tab } from "./tab.js";
import { wordsOf } from "./words.js";

const REST = 400; // ms without a key before the words are asked about

/** @type {Map<string, Rows>} by key */
const all = new Map();

export class Rows {
  /** @type {string[]} the source's words */
  source = [];
  /** @type {Row[]} */
  rows = [];
  text = ""; // of the source
  sent = ""; // what Gradio was handed last
  resting = 0;

  /**
   * @param {HTMLElement} host
   * @param {import("./gradio.d.ts").Gradio} gradio
   * @param {import("./edit.js").About} about
   */
  constructor(host, { props, watch, trigger }, about) {
    this.about = about;
    this.props = props;
    this.trigger = trigger;
    this.store = `edits-${about.key}`;
    this.list = element("ol", { class: "pt-rows" });
    this.addButton = element(
      "button",
      { type: "button", class: "pt-button pt-add", onclick: () => this.add() },
      element("span", { "aria-hidden": "true" }, "+ "),
      "Add an edit",
    );
    this.full = element(
      "span",
      { class: "pt-aside-note", hidden: true },
      `${about.most} edits are the most that run at once.`,
    );
    found(host, ".pt-edits").append(this.list, element("div", { class: "pt-edits-foot" }, this.addButton, this.full));
    all.set(about.key, this);
    const box = document.querySelector(`#words-${about.key} textarea`);
    this.hear(box instanceof HTMLTextAreaElement ? box.value : "");
    watch("value", () => this.take(props.value));
    this.fill(this.kept() ?? [{}]);
  }

  /** What this browser tab kept, if it is whole. */
  kept() {
    const rows = tab.get(this.store);
    return Array.isArray(rows) &&
      rows.every((row) => typeof row?.prompt === "string" && typeof row.weights === "object")
      ? rows
      : null;
  }

  /**
   * Rows from Python, unless they are our own on their way back.
   *
   * @param {unknown} value
   */
  take(value) {
    if (Array.isArray(value) && JSON.stringify(value) !== this.sent) this.fill(value);
  }

  /** @param {Record<string, unknown>[]} rows */
  fill(rows) {
    this.rows = rows.slice(0, this.about.most).map((data) => new Row(this, data));
    this.list.replaceChildren(...this.rows.map(({ element }) => element));
    this.renumber();
    this.changed(true);
  }

  /** @param {Record<string, any>} [data] @param {Row} [after] */
  add(data = { prompt: this.text }, after = this.rows.at(-1)) {
    if (this.rows.length >= this.about.most) return;
    const row = new Row(this, data);
    const at = after ? this.rows.indexOf(after) + 1 : 0;
    this.rows.splice(at, 0, row);
    if (after) after.element.after(row.element);
    else this.list.append(row.element);
    this.renumber();
    this.changed(true);
    row.words.focus();
    row.words.setSelectionRange(row.words.value.length, row.words.value.length);
  }

  /** @param {Row} row */
  remove(row) {
    const at = this.rows.indexOf(row);
    this.rows.splice(at, 1);
    row.element.remove();
    this.renumber();
    this.changed(true);
    (this.rows[Math.min(at, this.rows.length - 1)]?.words ?? this.addButton).focus();
  }

  renumber() {
    this.rows.forEach((row, i) => {
      row.number(i + 1);
      row.show();
    });
    const full = this.rows.length >= this.about.most;
    this.addButton.disabled = full;
    this.full.hidden = !full;
    for (const row of this.rows) row.duplicate.disabled = full;
  }

  /**
   * The source's words are others now.
   *
   * @param {string} text
   */
  hear(text) {
    this.text = text;
    this.source = wordsOf(text);
    for (const row of this.rows) row.show();
    if (this.rows.length) this.changed();
  }

  /** Keep the rows, and hand them to Gradio; `words` says whether words are others. */
  changed(words = false) {
    const sent = this.rows.map(({ data }) => sendable(data, this.source));
    tab.set(
      this.store,
      this.rows.map(({ data }) => data),
    );
    this.sent = JSON.stringify(sent);
    this.props.value = sent;
    if (!words) return;
    clearTimeout(this.resting);
    this.resting = window.setTimeout(() => this.trigger("written"), REST);
  }
}

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 * @param {import("./edit.js").About} about
 */
export const edits = (host, gradio, about) => new Rows(host, gradio, about);

/**
 * The source's words have changed, by hand or not: the rows compare with them.
 *
 * @param {string} key
 * @param {unknown} words
 */
export const heard = (key, words) => all.get(key)?.hear(String(words ?? ""));
