/*
 * The stage: one plate on which a run is watched and its result is looked at.
 *
 * components/stage.py sends the moments (assets/plate.js has what is done with them). A late frame
 * never replaces a newer one. Pictures are enlarged sharply, never blurred: the rest of the plate is
 * their mount.
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.stage) return;
  const { el } = page;

  const MOUNT = { least: 280, around: 12, below: 16, good: 424, beside: 440, window: 0.72 }; // as the canvas has it

  class Stage extends page.Plate { // about: {stage, empty, size, judged}
    build() {
      this.store = `verdicts-${this.about.stage}`;
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
      this.plate = el("div", { class: "pt-plate" }, this.empty, this.pictures, this.bar);
      this.compare = el("button", { type: "button", class: "pt-button pt-compare", "aria-pressed": "false", onclick: () => this.view("split") }, "Before / after");
      this.differ = el("button", { type: "button", class: "pt-button pt-differ", "aria-pressed": "false", title: "What has changed; black is as it was", onclick: () => this.view("difference") }, "Difference");
      this.save = el("a", { class: "pt-button pt-save", download: true }, "Save as PNG");
      this.tools = el("div", { class: "pt-tools" }, this.caption, this.compare, this.differ, this.save, this.stop);
      this.sheet = el("div", { class: "pt-sheet", role: "group", "aria-label": "Variations" });
      const judge = (verdict, text) => el("button", { type: "button", class: `pt-button pt-${verdict}`, onclick: () => this.judge(verdict) }, text);
      this.accept = judge("accept", "Accept");
      this.discard = judge("discard", "Discard");
      this.judging = el("div", { class: "pt-judging", hidden: !this.about.judged }, this.truth, this.accept, this.discard);
      this.root.append(this.tools, this.plate, this.judging, this.message, this.sheet);
    }

    leave() {
      this.view("");
    }

    frame({ frame, text }) {
      this.put(frame, text);
    }

    show_live(moment) {
      this.say("");
      this.caption.textContent = moment.text;
      this.frame(moment);
    }

    show_done(moment) {
      this.chosen = 0;
      this.verdicts = this.recall(moment.edit);
      this.sheet.replaceChildren(...(moment.pictures.length < 2 ? [] : moment.pictures.map((each, index) =>
        el("button", { type: "button", class: "pt-thumb", "aria-pressed": String(index === 0), onclick: () => this.choose(index) },
          el("img", { src: each.file.url, alt: "" }), el("span", {}, each.label)))));
      this.compare.hidden = this.differ.hidden = !moment.before;
      if (moment.before) this.before.src = moment.before.url;
      this.mark();
      super.show_done(moment);
      const accepted = this.verdicts.indexOf("accept");
      if (accepted > 0) this.choose(accepted);
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
      this.mark();
      this.keep();
      const accepted = verdicts.indexOf("accept");
      if (accepted !== former) {
        this.props.value = { ...this.done, accepted: accepted < 0 ? null : accepted };
        this.trigger("judge");
      }
      const rest = this.done.pictures.findIndex((_, i) => verdicts[i] !== "discard");
      if (verdict === "discard" && rest >= 0) this.choose(rest);
      else this.look();
    }

    mark() {
      for (const [i, thumb] of [...this.sheet.children].entries()) thumb.dataset.verdict = this.verdicts[i] || "";
    }

    /** For a reload: the canvas still holds what was accepted then. */
    keep() {
      page.tab.set(this.store, { edit: this.done.edit, verdicts: this.verdicts });
    }

    recall(edit) {
      const kept = page.tab.get(this.store);
      return kept?.edit === edit && Array.isArray(kept.verdicts) ? [...kept.verdicts] : [];
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

    async put(url, alt) {
      const turn = ++this.turn;
      const next = await page.loaded(url);
      if (!next || turn < this.turn) return;
      this.now.src = url;
      this.now.alt = alt;
      this.root.classList.add("pt-filled");
      this.natural = [next.naturalWidth, next.naturalHeight];
      this.fit();
    }

    /**
     * The picture as wide as the column or so high that words and Run stay in sight, and the plate
     * as high as the picture, like the canvas opposite.
     */
    fit() {
      const [width, height] = this.natural;
      const { clientWidth } = this.plate;
      if (!clientWidth) return; // in a tab that is not shown
      const room = Math.min(innerHeight * MOUNT.window, Math.max(MOUNT.good, innerHeight - MOUNT.beside));
      const tallest = Math.max(MOUNT.least, room);
      const across = (clientWidth - 2 * MOUNT.around) / width;
      const down = (tallest - 2 * MOUNT.around - MOUNT.below) / height;
      const { scale, sharp } = page.enlarged(Math.min(across, down));
      this.pictures.style.width = `${width * scale}px`;
      this.pictures.style.height = `${height * scale}px`;
      this.pictures.classList.toggle("pt-sharp", sharp);
      const high = Math.max(MOUNT.least, Math.ceil(height * scale) + 2 * MOUNT.around + MOUNT.below);
      this.plate.style.height = `${high}px`;
    }
  }

  page.stage = (element, tools, about) => new Stage(element, tools, about);
})();
