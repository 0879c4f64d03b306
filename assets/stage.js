/*
 * The stage: one plate on which a run is watched and its result is looked at.
 *
 * components/stage.py sends one value per moment, `{phase, …}`; this file draws it. Everything that
 * a person may have typed is set as text, never as HTML. A frame is shown once it is decoded, so the
 * plate does not flicker, and a late frame never replaces a newer one.
 *
 * Pictures are enlarged sharply, never blurred: the rest of the plate is their mount.
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.stage) return;

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

  const BUSY = ["waiting", "running"];
  const QUIET = ["empty", "live", "done"]; // phases that do not ask to be looked at
  const MOUNT = { least: 280, around: 12, below: 16, window: 0.72 }; // as the canvas has it

  class Stage {
    constructor(element, { props, watch, trigger }, about) {
      this.about = about; // {stage, empty, size, judged}
      this.props = props;
      this.trigger = trigger;
      this.shown = 0; // the newest picture that was asked for
      this.done = null; // the last result
      this.phase = "empty";
      this.chosen = 0;
      this.natural = [about.size, about.size];
      this.build(element.querySelector(".pt-stage"));
      new ResizeObserver(() => this.fit()).observe(this.root);
      window.addEventListener("resize", () => this.fit());
      document.addEventListener("pentimento:scrub", (event) => {
        if (event.detail.key === about.stage && this.phase === "done") this.scrub(event.detail);
      });
      watch("value", () => this.take(props.value));
      this.take(props.value);
    }

    build(root) {
      this.root = root;
      this.empty = el("p", { class: "pt-empty" }, this.about.empty);
      this.now = el("img", { class: "pt-now", alt: "", draggable: "false" });
      this.before = el("img", { class: "pt-before", alt: "", draggable: "false" });
      this.cut = el("input", {
        type: "range", min: 0, max: 100, value: 50, class: "pt-cut", "aria-label": "Before and after: how much of the result shows",
        oninput: () => this.pictures.style.setProperty("--cut", `${this.cut.value}%`),
      });
      this.pictures = el("div", { class: "pt-pictures" }, this.now, this.before, this.cut,
        el("span", { class: "pt-tag pt-tag-before", "aria-hidden": "true" }, "before"),
        el("span", { class: "pt-tag pt-tag-after", "aria-hidden": "true" }, "after"));
      this.truth = el("p", { class: "pt-truth", hidden: true });
      this.bar = el("progress", { max: 1, value: 0, "aria-label": "Progress of the run" });
      this.plate = el("div", { class: "pt-plate" }, this.empty, this.pictures, this.bar);
      this.caption = el("span", { class: "pt-caption" });
      this.stop = el("button", { type: "button", class: "pt-button pt-stop", onclick: () => {
        this.stop.disabled = true;
        this.trigger("stop");
      } }, "Stop");
      this.compare = el("button", { type: "button", class: "pt-button pt-compare", "aria-pressed": "false", onclick: () => this.view("split") }, "Before / after");
      this.differ = el("button", { type: "button", class: "pt-button pt-differ", "aria-pressed": "false", title: "What has changed; black is as it was", onclick: () => this.view("difference") }, "Difference");
      this.save = el("a", { class: "pt-button pt-save", download: true }, "Save as PNG");
      this.tools = el("div", { class: "pt-tools" }, this.caption, this.compare, this.differ, this.save, this.stop);
      this.says = el("span");
      this.back = el("button", { type: "button", class: "pt-link", onclick: () => this.restore() }, "Back to the last result");
      this.message = el("p", { class: "pt-message", role: "status", "aria-live": "polite", hidden: true }, this.says, " ", this.back);
      this.sheet = el("div", { class: "pt-sheet", role: "group", "aria-label": "Variations" });
      const judge = (verdict, text) => el("button", { type: "button", class: `pt-button pt-${verdict}`, onclick: () => this.judge(verdict) }, text);
      this.accept = judge("accept", "Accept");
      this.discard = judge("discard", "Discard");
      this.judging = el("div", { class: "pt-judging", hidden: !this.about.judged }, this.truth, this.accept, this.discard);
      root.append(this.tools, this.plate, this.judging, this.message, this.sheet);
    }

    take(value) {
      const was = this.phase;
      const moment = value || { phase: "empty" };
      this.phase = moment.phase;
      this.root.dataset.phase = moment.phase;
      this.stop.disabled = false;
      if (moment.phase !== "done") this.view("");
      this[`show_${moment.phase}`](moment);
      if (this.phase !== was && !QUIET.includes(this.phase)) this.reveal();
    }

    show_empty() {
      this.caption.textContent = "Result";
    }

    show_waiting(moment) {
      this.say("");
      this.caption.textContent = moment.text;
      this.bar.removeAttribute("value");
    }

    show_running(moment) {
      this.say("");
      this.bar.value = moment.index / moment.total;
      this.caption.textContent = moment.text;
      if (moment.frame) this.put(moment.frame, moment.text);
    }

    show_live(moment) {
      this.say("");
      this.caption.textContent = moment.text;
      this.put(moment.frame, moment.text);
    }

    show_failed(moment) {
      this.caption.textContent = "";
      this.say(moment.text);
    }

    show_stopped(moment) {
      this.caption.textContent = "";
      this.say(moment.text);
    }

    show_done(moment) {
      this.done = moment;
      this.chosen = 0;
      this.verdicts = [];
      this.say(moment.text);
      this.sheet.replaceChildren(...(moment.pictures.length < 2 ? [] : moment.pictures.map((each, index) =>
        el("button", { type: "button", class: "pt-thumb", "aria-pressed": String(index === 0), onclick: () => this.choose(index) },
          el("img", { src: each.file.url, alt: "" }), el("span", {}, each.label)))));
      this.compare.hidden = this.differ.hidden = !moment.before;
      if (moment.before) this.before.src = moment.before.url;
      this.look();
    }

    choose(index) {
      this.chosen = index;
      for (const [i, thumb] of [...this.sheet.children].entries()) thumb.setAttribute("aria-pressed", String(i === index));
      this.look();
      this.trigger("choose", { index });
    }

    /**
     * Accept one result, or discard it. One at a time is accepted; a discarded one stays to be
     * looked at, and may be accepted after all. Which one it is stands in the value, where Python
     * reads it when it has the time: of verdicts in quick succession the last one counts.
     */
    judge(verdict) {
      const { chosen, verdicts } = this;
      const former = verdicts.indexOf("accept");
      if (verdict === "accept" && former >= 0) verdicts[former] = "";
      verdicts[chosen] = verdict;
      for (const [i, thumb] of [...this.sheet.children].entries()) thumb.dataset.verdict = verdicts[i] || "";
      const accepted = verdicts.indexOf("accept");
      if (accepted !== former) {
        this.props.value = { ...this.done, accepted: accepted < 0 ? null : accepted };
        this.trigger("judge");
      }
      const rest = this.done.pictures.findIndex((_, i) => verdicts[i] !== "discard");
      if (verdict === "discard" && rest >= 0) this.choose(rest);
      else this.look();
    }

    /** Show the chosen picture of the result. */
    look() {
      const picture = this.done.pictures[this.chosen];
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

    /** A step of the run instead of its result, while the filmstrip is scrubbed. */
    scrub({ url, label }) {
      this.view("");
      if (!url) return this.look();
      this.caption.textContent = label;
      this.put(url, label);
    }

    restore() {
      this.phase = this.root.dataset.phase = "done";
      this.say(this.done.text);
      this.look();
    }

    /** How the result is held against what was there before: "split", "difference", or not. */
    view(how) {
      this.against = how === this.against ? "" : how;
      if (this.against) this.look();
      for (const [button, name] of [[this.compare, "split"], [this.differ, "difference"]]) {
        button.setAttribute("aria-pressed", String(this.against === name));
        this.pictures.classList.toggle(`pt-${name}`, this.against === name);
      }
      this.pictures.style.setProperty("--cut", `${this.cut.value}%`);
    }

    say(text) {
      this.says.textContent = text || "";
      this.message.hidden = !text;
      this.back.hidden = !this.done || this.phase === "done" || BUSY.includes(this.phase);
    }

    async put(url, alt) {
      const turn = ++this.shown;
      const next = new Image();
      next.src = url;
      try {
        await next.decode();
      } catch {
        return; // a frame that cannot be read is a frame less
      }
      if (turn < this.shown) return;
      this.now.src = url;
      this.now.alt = alt;
      this.root.classList.add("pt-filled");
      this.natural = [next.naturalWidth, next.naturalHeight];
      this.fit();
    }

    /**
     * The picture as wide as the column or nearly as high as the window, and the plate as high as
     * the picture, like the canvas opposite. Enlarged, a pixel covers whole or half screen pixels.
     */
    fit() {
      const [width, height] = this.natural;
      const { clientWidth } = this.plate;
      if (!clientWidth) return; // in a tab that is not shown
      const tallest = Math.max(MOUNT.least, innerHeight * MOUNT.window);
      const across = (clientWidth - 2 * MOUNT.around) / width;
      const down = (tallest - 2 * MOUNT.around - MOUNT.below) / height;
      const exact = devicePixelRatio * Math.min(across, down);
      const scale = (exact > 1 ? Math.floor(exact * 2) / 2 : exact) / devicePixelRatio;
      this.pictures.style.width = `${width * scale}px`;
      this.pictures.style.height = `${height * scale}px`;
      this.pictures.classList.toggle("pt-sharp", exact >= 1);
      const high = Math.max(MOUNT.least, Math.ceil(height * scale) + 2 * MOUNT.around + MOUNT.below);
      this.plate.style.height = `${high}px`;
    }

    /** On a narrow screen the stage lies below the form: bring it into view when something happens. */
    reveal() {
      const { top, bottom } = this.plate.getBoundingClientRect();
      if (top < innerHeight - 80 && bottom > 80) return;
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.root.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
    }
  }

  page.stage = (element, tools, about) => new Stage(element, tools, about);
})();
