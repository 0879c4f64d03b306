/*
 * What every plate of a run has, be it for one picture (stage.js) or for several (grid.js): the phases
 * of a run, its progress and Stop, what it says, and the way back to the last result.
 *
 * Python sends one value per moment, `{phase, …}`. Everything that a person may have typed is set as
 * text, never as HTML.
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.Plate) return;

  /** An element: attributes by name, `on…` as listeners, then its children. */
  page.el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children);
    return node;
  };
  const { el } = page;

  /** The picture behind an address once it is decoded, so that nothing flickers; null if it cannot be read. */
  page.loaded = async (url) => {
    const image = new Image();
    image.src = url;
    try {
      await image.decode();
    } catch {
      return null; // a frame that cannot be read is a frame less
    }
    return image;
  };

  /**
   * How much larger a picture is shown that could be `most` times as large: enlarged, a pixel covers
   * whole or half screen pixels, and stays sharp.
   */
  page.enlarged = (most) => {
    const exact = devicePixelRatio * most;
    return { scale: (exact > 1 ? Math.floor(exact * 2) / 2 : exact) / devicePixelRatio, sharp: exact >= 1 };
  };

  const BUSY = ["waiting", "running"];
  const QUIET = ["empty", "live", "done"]; // phases that do not ask to be looked at

  /**
   * A class of it has `build()`, `fit()`, `frame(moment)`, `restore()` to show the last result, `scrub(step)`,
   * and `leave()` to put away what belongs to a result.
   */
  page.Plate = class {
    constructor(element, { props, watch, trigger }, about) {
      this.about = about; // {stage, empty, size}, and what else the class needs
      this.props = props;
      this.trigger = trigger;
      this.turn = 0; // the newest picture that was asked for
      this.done = null; // the last result
      this.phase = "empty";
      this.natural = [about.size, about.size];
      this.root = element.querySelector(".pt-stage");
      this.caption = el("span", { class: "pt-caption" });
      this.stop = el("button", { type: "button", class: "pt-button pt-stop", onclick: () => {
        this.stop.disabled = true;
        this.trigger("stop");
      } }, "Stop");
      this.bar = el("progress", { max: 1, value: 0, "aria-label": "Progress of the run" });
      this.empty = el("p", { class: "pt-empty" }, about.empty);
      this.says = el("span");
      this.back = el("button", { type: "button", class: "pt-link", onclick: () => this.restore() }, "Back to the last result");
      this.message = el("p", { class: "pt-message", hidden: true }, this.says, " ", this.back);
      this.status = el("p", { class: "pt-status", role: "status" }); // always there, or it is not heard
      this.build();
      this.root.append(this.status);
      new ResizeObserver(() => this.fit()).observe(this.root);
      window.addEventListener("resize", () => this.fit());
      document.addEventListener("pentimento:scrub", (event) => {
        if (event.detail.key === about.stage && this.phase === "done") this.scrub(event.detail);
      });
      watch("value", () => this.take(props.value));
      this.take(props.value);
    }

    take(value) {
      const was = this.phase;
      const moment = value || { phase: "empty" };
      if (moment.phase === "live" && BUSY.includes(was)) return; // asked for before the run, which has Stop
      this.phase = this.root.dataset.phase = moment.phase;
      this.stop.disabled = false;
      if (this.phase !== "done") this.leave();
      this[`show_${moment.phase}`](moment);
      this.announce(moment);
      if (this.phase !== was && !QUIET.includes(this.phase)) this.reveal();
    }

    show_empty() {
      this.caption.textContent = "Result";
    }

    show_waiting({ text }) {
      this.say("");
      this.caption.textContent = text;
      this.bar.removeAttribute("value");
    }

    show_running(moment) {
      this.say("");
      this.caption.textContent = moment.text;
      this.bar.value = moment.index / moment.total;
      if (moment.frame) this.frame(moment);
    }

    show_failed({ text }) {
      this.caption.textContent = "";
      this.say(text);
    }

    show_stopped(moment) {
      this.show_failed(moment);
    }

    show_done(moment) {
      this.done = moment;
      this.restore();
    }

    say(text) {
      this.says.textContent = text || "";
      this.back.hidden = !this.done || this.phase === "done" || BUSY.includes(this.phase);
      this.message.hidden = !text && this.back.hidden;
    }

    /** What is read aloud: that a run goes on, that it is done, and every sentence; not each step. */
    announce({ phase, text = "", pictures }) {
      let said = QUIET.includes(phase) ? "" : text;
      if (phase === "running") said = "Running.";
      if (phase === "done") said = `Done: ${pictures.length === 1 ? "1 picture" : `${pictures.length} pictures`}. ${text}`;
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
  };
})();
