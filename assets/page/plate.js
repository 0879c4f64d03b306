/*
 * What every plate of a run has, be it for one picture (stage.js) or for several (grid.js): the phases
 * of a run, its progress and Stop, what it says, and the way back to the last result.
 *
 * Python sends one value per moment, `{phase, …}`. Everything that a person may have typed is set as
 * text, never as HTML.
 */

import { element, found } from "./element.js";

const BUSY = ["waiting", "running"];
const QUIET = ["empty", "live", "done"]; // phases that do not ask to be looked at

/**
 * A moment as Python sends it.
 *
 * @typedef {Record<string, any> & {phase: Phase}} Moment
 * @typedef {"empty" | "waiting" | "running" | "live" | "failed" | "stopped" | "done"} Phase
 */

/**
 * What a plate is told once: its key, the sentence on it while it is empty, how large pictures will be.
 *
 * @typedef {{stage: string, empty: string, size: number, judged?: boolean}} About
 */

/** A step of the run instead of its result; without a url, the result again. */
/** @typedef {{key: string, url?: string, label: string, index: number}} Scrub */

/** A class of it fills the root, says how pictures lie on the plate, and lets it `begin`. */
export class Plate {
  /** @type {HTMLElement} */
  plate = element("div", { class: "pt-plate" });
  caption = element("span", { class: "pt-caption" });
  bar = element("progress", { max: 1, value: 0, "aria-label": "Progress of the run" });
  says = element("span");
  status = element("p", { class: "pt-status", role: "status" }); // always there, or it is not heard
  turn = 0; // the newest picture that was asked for
  /** @type {Moment | null} the last result */
  done = null;
  /** @type {Phase} */
  phase = "empty";

  /**
   * @param {HTMLElement} host
   * @param {import("./gradio.d.ts").Gradio} gradio
   * @param {About} about
   */
  constructor(host, { props, watch, trigger }, about) {
    this.about = about;
    this.props = props;
    this.watch = watch;
    this.trigger = trigger;
    this.natural = [about.size, about.size];
    this.root = found(host, ".pt-stage");
    this.stop = element(
      "button",
      {
        type: "button",
        class: "pt-button pt-stop",
        onclick: () => {
          this.stop.disabled = true;
          this.trigger("stop");
        },
      },
      "Stop",
    );
    this.empty = element("p", { class: "pt-empty" }, about.empty);
    this.back = element(
      "button",
      { type: "button", class: "pt-link", onclick: () => this.restore() },
      "Back to the last result",
    );
    this.message = element("p", { class: "pt-message", hidden: true }, this.says, " ", this.back);
  }

  /** Show what there is, once the class has put it all into the root. */
  begin() {
    const { about, props } = this;
    this.root.append(this.status);
    new ResizeObserver(() => this.fit()).observe(this.root);
    window.addEventListener("resize", () => this.fit());
    document.addEventListener("pentimento:scrub", (event) => {
      const step = event instanceof CustomEvent && event.detail;
      if (step.key === about.stage && this.phase === "done") this.scrub(step);
    });
    this.watch("value", () => this.take(props.value));
    this.take(props.value);
  }

  /** Lay the pictures out anew, after the window has changed. */
  fit() {}

  /**
   * A frame of the run.
   *
   * @param {Moment} _moment
   */
  frame(_moment) {}

  /** Show the last result. */
  restore() {}

  /** @param {Scrub} _step */
  scrub(_step) {}

  /** Put away what belongs to a result. */
  leave() {}

  /** @param {Moment | null | undefined} value */
  take(value) {
    const was = this.phase;
    /** @type {Moment} */
    const moment = value || { phase: "empty" };
    if (moment.phase === "live" && BUSY.includes(was)) return; // asked for before the run, which has Stop
    this.phase = this.root.dataset.phase = moment.phase;
    this.stop.disabled = false;
    if (this.phase !== "done") this.leave();
    this.show(moment);
    this.announce(moment);
    if (this.phase !== was && !QUIET.includes(this.phase)) this.reveal();
  }

  /** @param {Moment} moment */
  show(moment) {
    if (moment.phase === "empty") this.caption.textContent = "Result";
    if (moment.phase === "waiting") this.showWaiting(moment);
    if (moment.phase === "running") this.showRunning(moment);
    if (moment.phase === "live") this.showLive(moment);
    if (moment.phase === "failed" || moment.phase === "stopped") this.showEnd(moment);
    if (moment.phase === "done") this.showDone(moment);
  }

  /** @param {Moment} moment */
  showWaiting({ text }) {
    this.say("");
    this.caption.textContent = text;
    this.bar.removeAttribute("value");
  }

  /** @param {Moment} moment */
  showRunning(moment) {
    this.say("");
    this.caption.textContent = moment.text;
    this.bar.value = moment.index / moment.total;
    if (moment.frame) this.frame(moment);
  }

  /** @param {Moment} moment */
  showLive(moment) {
    this.say("");
    this.caption.textContent = moment.text;
    this.frame(moment);
  }

  /** @param {Moment} moment */
  showEnd({ text }) {
    this.caption.textContent = "";
    this.say(text);
  }

  /** @param {Moment} moment */
  showDone(moment) {
    this.done = moment;
    this.restore();
  }

  /** @param {string} text */
  say(text) {
    this.says.textContent = text || "";
    this.back.hidden = !this.done || this.phase === "done" || BUSY.includes(this.phase);
    this.message.hidden = !text && this.back.hidden;
  }

  /**
   * What is read aloud: that a run goes on, that it is done, and every sentence; not each step.
   *
   * @param {Moment} moment
   */
  announce({ phase, text = "", pictures }) {
    let said = QUIET.includes(phase) ? "" : text;
    if (phase === "running") said = "Running.";
    if (phase === "done")
      said = `Done: ${pictures.length === 1 ? "1 picture" : `${pictures.length} pictures`}. ${text}`;
    said = said.trim();
    if (said !== this.status.textContent) this.status.textContent = said;
  }

  /** On a narrow screen the plate lies below the form: bring it into view when something happens. */
  reveal() {
    const { top, bottom, height } = this.plate.getBoundingClientRect();
    if (top < innerHeight - 80 && bottom > 80) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.root.scrollIntoView({ block: height < innerHeight ? "center" : "start", behavior: still ? "auto" : "smooth" });
  }
}
