/*
 * The picker: a dialog with the models that are installed, what may go on top of the one in use, a
 * field for another one, and how far a choice is. components/picker.py sends `{progress, shelf,
 * addOns, whole}`, and more of it while the rest is read; names and sentences are set as text.
 *
 * When another model serves, the page that chose it is loaded anew, as that model's. Where the dialog
 * was closed meanwhile, somebody may be painting: then the page offers it (reload.js).
 */

import { AddOns } from "./add_ons.js";
import { bytes } from "./bytes.js";
import { element, found } from "./element.js";
import { fill } from "./listing.js";
import { changed } from "./reload.js";

/**
 * What components/picker.py says of each.
 *
 * @typedef {object} Progress
 * @property {"idle" | "downloading" | "loading" | "failed" | "chosen"} phase
 * @property {string} text
 * @property {number} [done]
 * @property {number} [total]
 *
 * @typedef {object} Model
 * @property {string} name
 * @property {string} family
 * @property {number} size
 * @property {string} place
 * @property {string} source
 * @property {string} refusal
 * @property {boolean} serving
 * @property {string} note
 */

const BUSY = ["downloading", "loading"];

class Picker {
  busy = false;
  begun = false; // whether a choice made here goes on
  /** @type {Progress} */
  shown = { phase: "idle", text: "" };

  /**
   * @param {HTMLElement} host
   * @param {import("./gradio.d.ts").Gradio} gradio
   * @param {{folder: string, heaviest: number}} about where models lie, and the largest weight
   */
  constructor(host, { props, watch, trigger }, { folder, heaviest }) {
    this.trigger = trigger;
    this.dialog = /** @type {HTMLDialogElement} */ (found(host, "dialog"));
    this.dialog.tabIndex = -1;
    this.list = element("ul", { class: "pt-models" });
    this.count = element("summary");
    this.sentences = element("ul");
    this.refused = element("details", { class: "pt-refused", hidden: true }, this.count, this.sentences);
    this.wanted = element("input", {
      type: "text",
      name: "wanted",
      maxlength: 1000,
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      placeholder: "owner/name, or a path",
      "aria-describedby": "pt-adding",
    });
    this.add = element("button", { class: "pt-button" }, "Add");
    const form = element(
      "form",
      {
        class: "pt-another",
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          if (this.wanted.value.trim()) this.pick(this.wanted.value.trim());
        },
      },
      element("label", {}, "Another one", this.wanted),
      this.add,
      element(
        "p",
        { id: "pt-adding" },
        "The id of a model on the hub is fetched from there, and only then does the studio go online. " +
          `LoRAs and textual inversions belong in ${folder}.`,
      ),
    );
    this.addOns = new AddOns(heaviest, (weights) => this.lay(weights));
    this.says = element("p", { role: "status", "aria-live": "polite" });
    this.bar = element("progress", { max: 1, "aria-label": "How much has arrived" });
    this.cancel = element("button", { type: "button", class: "pt-button", onclick: () => this.halt() }, "Cancel");
    this.progress = element("div", { class: "pt-progress", hidden: true }, this.says, this.cancel, this.bar);
    this.reading = element("p", { class: "pt-reading", hidden: true }, "Reading what else lies there …");
    this.close = element("button", { type: "button", class: "pt-button", onclick: () => this.dialog.close() }, "Close");
    this.dialog.append(
      element("h2", {}, "Models"),
      this.list,
      this.addOns.form,
      this.refused,
      this.reading,
      form,
      this.progress,
      this.close,
    );
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    watch("value", () => this.take(props.value));
  }

  open() {
    this.dialog.showModal();
    this.dialog.focus(); // else the field has the caret, and a phone its keyboard
    this.trigger("look");
  }

  /** @param {string} wanted @param {string} [name] */
  pick(wanted, name = wanted) {
    if (this.busy) return;
    this.begun = true;
    this.show({ phase: "loading", text: name });
    this.trigger("pick", { wanted });
  }

  /** @param {Record<string, number>} weights by path */
  lay(weights) {
    this.begun = true;
    this.show({ phase: "loading", text: this.addOns.serving });
    this.trigger("lay", { weights });
  }

  halt() {
    this.begun = false;
    this.trigger("halt");
  }

  /**
   * What the studio says. A look from before a click may end after it, and knows nothing of it.
   *
   * @param {{progress?: Progress, shelf: Model[], addOns: import("./add_ons.js").AddOn[], whole: boolean}} said
   */
  take({ progress, shelf, addOns, whole }) {
    if (!progress) return;
    this.shelve(shelf, addOns);
    this.reading.hidden = whole;
    const was = this.busy;
    const unaware = this.begun && progress.phase === "idle";
    this.begun &&= unaware || BUSY.includes(progress.phase);
    this.show(unaware ? this.shown : progress);
    if (progress.phase !== "chosen" || !was) return;
    if (this.dialog.open) location.reload();
    else changed();
  }

  /** @param {Progress} progress */
  show(progress) {
    const { phase, text, done = 0, total = 0 } = progress;
    this.shown = progress;
    this.busy = BUSY.includes(phase);
    const arriving = phase === "downloading";
    const fetched = total ? `: ${bytes(done)} of ${bytes(total)}` : " …";
    this.says.textContent = arriving
      ? `Fetching ${text}${fetched}`
      : phase === "loading"
        ? `Loading ${text} …`
        : phase === "failed"
          ? text
          : "";
    const news = this.progress.hidden && this.says.textContent;
    this.progress.hidden = !this.says.textContent;
    this.progress.dataset.phase = phase;
    this.bar.hidden = !this.busy;
    if (arriving && total) this.bar.value = done / total;
    else this.bar.removeAttribute("value");
    this.cancel.hidden = !arriving;
    for (const button of [this.add, ...this.list.querySelectorAll("button")]) button.disabled = this.busy;
    this.addOns.wait(this.busy);
    if (news) this.progress.scrollIntoView({ block: "nearest" });
  }

  /** @param {Model[]} shelf @param {import("./add_ons.js").AddOn[]} addOns */
  shelve(shelf, addOns) {
    fill(
      this.list,
      shelf.filter((each) => !each.refusal),
      (each) =>
        element(
          "li",
          { "aria-current": each.serving && "true" },
          element(
            "div",
            { title: each.source },
            element("b", {}, each.name),
            element("span", {}, `${each.family} · ${bytes(each.size)} · ${each.place}`),
            ...(each.note ? [element("span", {}, each.note)] : []),
          ),
          each.serving
            ? element("em", {}, "in use")
            : element(
                "button",
                {
                  type: "button",
                  class: "pt-button",
                  "aria-label": `Use ${each.name}`,
                  onclick: () => this.pick(each.source, each.name),
                },
                "Use",
              ),
        ),
    );
    this.addOns.offer(
      shelf.find((each) => each.serving)?.name ?? "this model",
      addOns.filter((each) => !each.refusal || each.weight !== null),
    );
    const refused = [...shelf, ...addOns].filter((each) => each.refusal);
    this.refused.hidden = !refused.length;
    this.count.textContent = refused.length === 1 ? "One more cannot be used" : `${refused.length} more cannot be used`;
    fill(this.sentences, refused, (each) => element("li", { title: each.source }, each.refusal));
  }
}

/** @type {Picker | null} */
let built = null;

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 * @param {{folder: string, heaviest: number}} about
 */
export function picker(host, gradio, about) {
  built = new Picker(host, gradio, about);
}

export const openPicker = () => built?.open();
