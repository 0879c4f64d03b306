/*
 * The stage: one plate on which a run is watched and its result is looked at.
 *
 * components/stage.py sends the moments (plate.js has what is done with them). A late frame
 * never replaces a newer one. Pictures are enlarged sharply, never blurred: the rest of the plate is
 * their mount.
 */

import { element } from "./element.js";
import { fit } from "./fit.js";
import { loaded } from "./loaded.js";
import { Plate } from "./plate.js";
import { tab } from "./tab.js";

/**
 * @typedef {import("./plate.js").Moment} Moment
 * @typedef {"accept" | "discard" | ""} Verdict
 */

class Stage extends Plate {
  chosen = 0; // which of the pictures is on the plate
  /** @type {Verdict[]} by picture */
  verdicts = [];
  against = ""; // how the result is held against what was there before

  /**
   * @param {HTMLElement} host
   * @param {import("./gradio.d.ts").Gradio} gradio
   * @param {import("./plate.js").About} about
   */
  constructor(host, gradio, about) {
    super(host, gradio, about);
    this.store = `verdicts-${this.about.stage}`;
    this.now = element("img", { class: "pt-now", alt: "", draggable: "false" });
    this.before = element("img", { class: "pt-before", alt: "", draggable: "false" });
    this.cut = element("input", {
      type: "range",
      min: 0,
      max: 100,
      value: 50,
      class: "pt-cut",
      "aria-label": "Before and after: how much of the result shows",
      oninput: () => this.pictures.style.setProperty("--cut", `${this.cut.value}%`),
    });
    this.pictures = element(
      "div",
      { class: "pt-pictures" },
      this.now,
      this.before,
      this.cut,
      element("span", { class: "pt-tag pt-tag-before", "aria-hidden": "true" }, "before"),
      element("span", { class: "pt-tag pt-tag-after", "aria-hidden": "true" }, "after"),
    );
    this.truth = element("p", { class: "pt-truth", hidden: true });
    this.plate.append(this.empty, this.pictures, this.bar);
    this.compare = element(
      "button",
      { type: "button", class: "pt-button pt-compare", "aria-pressed": "false", onclick: () => this.view("split") },
      "Before / after",
    );
    this.differ = element(
      "button",
      {
        type: "button",
        class: "pt-button pt-differ",
        "aria-pressed": "false",
        title: "What has changed; black is as it was",
        onclick: () => this.view("difference"),
      },
      "Difference",
    );
    this.save = element("a", { class: "pt-button pt-save", download: true }, "Save as PNG");
    this.tools = element("div", { class: "pt-tools" }, this.caption, this.compare, this.differ, this.save, this.stop);
    this.sheet = element("div", { class: "pt-sheet", role: "group", "aria-label": "Variations" });
    const judge = (/** @type {Verdict} */ verdict, /** @type {string} */ text) =>
      element("button", { type: "button", class: `pt-button pt-${verdict}`, onclick: () => this.judge(verdict) }, text);
    this.accept = judge("accept", "Accept");
    this.discard = judge("discard", "Discard");
    this.judging = element(
      "div",
      { class: "pt-judging", hidden: !this.about.judged },
      this.truth,
      this.accept,
      this.discard,
    );
    this.root.append(this.tools, this.plate, this.judging, this.message, this.sheet);
    this.begin();
  }

  leave() {
    this.view("");
  }

  /** @param {Moment} moment */
  frame({ frame, text }) {
    this.put(frame, text);
  }

  /** @param {Moment} moment */
  showDone(moment) {
    this.chosen = 0;
    this.verdicts = this.recall(moment.edit);
    this.sheet.replaceChildren(
      ...(moment.pictures.length < 2
        ? []
        : moment.pictures.map((/** @type {any} */ each, /** @type {number} */ index) =>
            element(
              "button",
              {
                type: "button",
                class: "pt-thumb",
                "aria-pressed": String(index === 0),
                onclick: () => this.choose(index),
              },
              element("img", { src: each.file.url, alt: "" }),
              element("span", {}, each.label),
            ),
          )),
    );
    this.compare.hidden = this.differ.hidden = !moment.before;
    if (moment.before) this.before.src = moment.before.url;
    this.mark();
    super.showDone(moment);
    const accepted = this.verdicts.indexOf("accept");
    if (accepted > 0) this.choose(accepted);
  }

  /** @param {number} index */
  choose(index) {
    this.chosen = index;
    for (const [i, thumb] of [...this.sheet.children].entries())
      thumb.setAttribute("aria-pressed", String(i === index));
    this.look();
    this.trigger("choose", { index });
  }

  /**
   * Accept one result, or discard it. One at a time is accepted; a discarded one stays to be
   * looked at, and may be accepted after all. Which one it is stands in the value, where Python
   * reads it when it has the time: of verdicts in quick succession the last one counts.
   *
   * @param {Verdict} verdict
   */
  judge(verdict) {
    const { chosen, verdicts, done } = this;
    if (!done) return;
    const former = verdicts.indexOf("accept");
    if (verdict === "accept" && former >= 0) verdicts[former] = "";
    verdicts[chosen] = verdict;
    this.mark();
    this.keep();
    const accepted = verdicts.indexOf("accept");
    if (accepted !== former) {
      this.props.value = { ...done, accepted: accepted < 0 ? null : accepted };
      this.trigger("judge");
    }
    const rest = done.pictures.findIndex(
      (/** @type {unknown} */ _, /** @type {number} */ i) => verdicts[i] !== "discard",
    );
    if (verdict === "discard" && rest >= 0) this.choose(rest);
    else this.look();
  }

  mark() {
    const thumbs = /** @type {HTMLElement[]} */ ([...this.sheet.children]);
    for (const [i, thumb] of thumbs.entries()) thumb.dataset.verdict = this.verdicts[i] || "";
  }

  /** For a reload: the canvas still holds what was accepted then. */
  keep() {
    tab.set(this.store, { edit: this.done?.edit, verdicts: this.verdicts });
  }

  /**
   * @param {string} edit
   * @returns {Verdict[]}
   */
  recall(edit) {
    const kept = tab.get(this.store);
    return kept?.edit === edit && Array.isArray(kept.verdicts) ? [...kept.verdicts] : [];
  }

  /** Show the chosen picture of the result. */
  look() {
    const picture = this.done?.pictures[this.chosen];
    if (!picture) return;
    const verdict = this.verdicts[this.chosen];
    this.truth.textContent = picture.truth;
    this.truth.hidden = !picture.truth;
    this.accept.textContent = verdict === "accept" ? "Accepted" : "Accept";
    this.accept.disabled = verdict === "accept";
    this.discard.textContent = verdict === "discard" ? "Discarded" : "Discard";
    this.discard.disabled = verdict === "discard";
    this.caption.textContent = picture.caption;
    this.save.href = picture.file.url;
    this.put(picture.file.url, picture.alt);
  }

  /**
   * A step of the run instead of its result, while the filmstrip is scrubbed.
   *
   * @param {import("./plate.js").Scrub} step
   */
  scrub({ url, label }) {
    this.view("");
    if (!url) return this.look();
    this.caption.textContent = label;
    this.put(url, label);
  }

  restore() {
    this.phase = this.root.dataset.phase = "done";
    this.say(this.done?.text);
    this.look();
  }

  /**
   * How the result is held against what was there before: "split", "difference", or not.
   *
   * @param {string} how
   */
  view(how) {
    this.against = how === this.against ? "" : how;
    if (this.against) this.look();
    for (const [button, name] of /** @type {const} */ ([
      [this.compare, "split"],
      [this.differ, "difference"],
    ])) {
      button.setAttribute("aria-pressed", String(this.against === name));
      this.pictures.classList.toggle(`pt-${name}`, this.against === name);
    }
    this.pictures.style.setProperty("--cut", `${this.cut.value}%`);
  }

  /** @param {string} url @param {string} alt */
  async put(url, alt) {
    const turn = ++this.turn;
    const next = await loaded(url);
    if (!next || turn < this.turn) return;
    this.now.src = url;
    this.now.alt = alt;
    this.root.classList.add("pt-filled");
    this.natural = [next.naturalWidth, next.naturalHeight];
    this.fit();
  }

  /** The picture as large as the canvas opposite has its own. */
  fit() {
    const [width, height] = this.natural;
    const { clientWidth } = this.plate;
    if (!clientWidth) return; // in a tab that is not shown
    const { scale, sharp, high } = fit(width, height, clientWidth);
    this.pictures.style.width = `${width * scale}px`;
    this.pictures.style.height = `${height * scale}px`;
    this.pictures.classList.toggle("pt-sharp", sharp);
    this.plate.style.height = `${high}px`;
  }
}

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 * @param {import("./plate.js").About} about
 */
export const stage = (host, gradio, about) => new Stage(host, gradio, about);
