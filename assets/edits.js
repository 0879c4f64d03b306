/*
 * The rows of edits: words, what changes in them, how closely the picture stays with the source.
 *
 * components/edits.py mounts this and reads the value. The rows are kept in the browser as they are
 * typed. What a person types is set as text, never as HTML.
 *
 *   Row    one edit: its words, its sliders, and what stands behind "More"
 *   Rows   all of them; they know the source's words, and tell Gradio and the store
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.edits) return;
  const { el } = page;

  const STRONGEST = 4; // of a word, either way
  const REST = 400; // ms without a key before the words are asked about
  const SAID = { same: "", swapped: "swapped", added: "added", removed: "left out" };
  const all = new Map(); // key → Rows

  const blank = (defaults) => structuredClone(defaults);
  const times = (weight) => `×${String(weight).replace("-", "−")}`;
  const sign = (icon) => el("span", { "aria-hidden": "true" }, icon);

  class Row {
    constructor(rows, data) {
      this.rows = rows;
      this.data = { ...blank(rows.about.defaults), ...structuredClone(data) };
      this.weighed = null; // the word whose strength is being set
      this.build();
    }

    build() {
      const { about } = this.rows;
      this.title = el("span", { class: "pt-edit-title" });
      this.words = el("textarea", {
        rows: 2, maxlength: 2000, placeholder: "Other words for the same picture",
        oninput: () => { this.data.prompt = this.words.value; this.show(); this.rows.changed(true); },
      });
      this.words.value = this.data.prompt;
      this.duplicate = el("button", { type: "button", class: "pt-link", onclick: () => this.rows.add(this.data, this) }, "Duplicate");
      this.remove = el("button", { type: "button", class: "pt-link", onclick: () => this.rows.remove(this) }, "Remove");
      this.changes = el("div", { class: "pt-changes", role: "group" });
      this.strength = el("div", { class: "pt-weigh", hidden: true });
      this.more = el("div", { class: "pt-edit-rest" });
      this.details = el("details", { class: "pt-edit-more", ontoggle: () => this.showMore() }, el("summary", {}, "More"), this.more);
      this.element = el("li", { class: "pt-edit" },
        el("div", { class: "pt-edit-head" }, this.title, this.duplicate, this.remove),
        this.words, this.changes, this.strength,
        el("div", { class: "pt-edit-sliders" }, ...about.sliders.map((each) => this.slider(each))),
        this.details);
    }

    /** A labelled range with its number; `ends` say what it means to pull it there. */
    slider({ name, label, low, high, step, about, ends = [] }, held = this.data) {
      const range = el("input", { type: "range", min: low, max: high, step });
      const output = el("output", {});
      const given = held[name];
      const say = () => { output.textContent = Number(range.value).toFixed(2); };
      range.value = typeof given === "number" ? given : high;
      say();
      range.addEventListener("input", () => {
        held[name] = Number(range.value);
        say();
        this.rows.changed();
      });
      return el("label", { class: "pt-slider", title: about },
        el("span", { class: "pt-slider-name" }, label, output), range,
        el("span", { class: "pt-ends", "aria-hidden": "true" }, ...ends.map((end) => el("span", {}, end))));
    }

    number(n) {
      this.title.textContent = `Edit ${n}`;
      this.words.setAttribute("aria-label", `Words of edit ${n}`);
      this.changes.setAttribute("aria-label", `What edit ${n} changes; press a word to set its strength`);
      this.duplicate.setAttribute("aria-label", `Duplicate edit ${n}`);
      this.remove.setAttribute("aria-label", `Remove edit ${n}`);
    }

    /** The words with what became of them; each can be made stronger or weaker. */
    show() {
      const source = this.rows.source;
      const words = page.wordsOf(this.data.prompt);
      const parts = words.length ? page.changes(source, words) : [];
      this.changes.replaceChildren(...parts.flatMap(({ kind, from, to }) => {
        const old = from.map((i) => source[i]).join(" ");
        const gone = kind === "removed" || kind === "swapped"
          ? [el("del", { class: "pt-gone", title: kind === "removed" ? "left out" : "swapped" }, old)] : [];
        return [...gone, ...to.map((i) => this.word(words, i, kind, old))];
      }));
      const same = words.length && parts.every(({ kind }) => kind === "same")
        && page.marksOf(this.data.prompt) === page.marksOf(this.rows.text ?? "");
      if (same && !this.heavy(words).length) this.changes.append(el("span", { class: "pt-aside-note" }, "No word differs yet. Change some, or press one to weigh it."));
      if (this.weighed && !words.some((_, i) => page.nameOf(words, i) === this.weighed)) this.weigh(null);
      this.showMore();
    }

    word(words, index, kind, old) {
      const name = page.nameOf(words, index);
      const weight = this.data.weights[name];
      const said = [SAID[kind], kind === "swapped" && `for ${old}`, weight != null && `strength ${weight}`].filter(Boolean).join(", ");
      return el("button", {
        type: "button", class: `pt-word pt-${kind}`, "data-name": name, title: said || "Set how strong this word is",
        "aria-label": said ? `${words[index]}, ${said}` : words[index], "aria-expanded": String(this.weighed === name),
        onclick: () => this.weigh(this.weighed === name ? null : name),
      }, words[index], ...(weight == null ? [] : [el("b", {}, ` ${times(weight)}`)]));
    }

    /** Open the slider of one word's strength, or close it. */
    weigh(name) {
      this.weighed = name;
      this.strength.hidden = !name;
      for (const each of this.changes.querySelectorAll(".pt-word")) each.setAttribute("aria-expanded", String(each.dataset.name === name));
      if (!name) return this.strength.replaceChildren();
      const range = el("input", { type: "range", min: -STRONGEST, max: STRONGEST, step: 0.1, "aria-label": `Strength of ${name}` });
      const output = el("output", {});
      range.value = this.data.weights[name] ?? 1;
      const say = () => { output.textContent = times(range.value); };
      say();
      range.addEventListener("input", () => {
        say();
        if (Number(range.value) === 1) delete this.data.weights[name];
        else this.data.weights[name] = Number(range.value);
        this.show();
        this.rows.changed();
      });
      const as = el("button", { type: "button", class: "pt-link", onclick: () => {
        delete this.data.weights[name];
        this.weigh(null);
        this.show();
        this.rows.changed();
      } }, "As it was");
      this.strength.replaceChildren(el("span", { class: "pt-slider-name" }, `“${name}”`, output), range,
        el("span", { class: "pt-ends", "aria-hidden": "true" }, el("span", {}, "the opposite"), el("span", {}, "stronger")), as);
    }

    heavy(words) {
      const names = words.map((_, i) => page.nameOf(words, i));
      return Object.entries(this.data.weights).filter(([name]) => names.includes(name));
    }

    /** What is rarely needed: where the layout is kept, and where alone the picture may change. */
    showMore() {
      if (!this.details.open) return;
      const { about, source } = this.rows;
      const held = this.data.local_blend;
      const chosen = (side, name) => held?.[side].includes(name);
      const toggles = (side, words) => words.map((word, i) => [word, page.nameOf(words, i)]).map(([word, name]) => el("button", {
        type: "button", class: "pt-word", "aria-pressed": String(Boolean(chosen(side, name))),
        onclick: () => { this.blend(side, name); },
      }, word));
      const select = el("select", { onchange: () => { this.data.self_replace_reduction = Number(select.value); this.rows.changed(); } },
        ...about.reductions.map(([value, label]) => el("option", { value, selected: value === this.data.self_replace_reduction }, label)));
      const focus = this.more.contains(document.activeElement) ? [...this.more.querySelectorAll("button, select, input")].indexOf(document.activeElement) : -1;
      this.more.replaceChildren(
        el("div", { class: "pt-blend", role: "group", "aria-label": "Change only where these words are" },
          el("p", {}, "Change only where these words are"),
          el("div", { class: "pt-changes" }, el("span", { class: "pt-aside-note" }, "in the source:"), ...toggles("source", source)),
          el("div", { class: "pt-changes" }, el("span", { class: "pt-aside-note" }, "in this edit:"), ...toggles("target", page.wordsOf(this.data.prompt)))),
        ...(held ? [el("div", { class: "pt-edit-sliders" },
          this.slider({ name: "threshold", label: "Threshold", low: 0, high: 1, step: 0.05, ends: ["more of it", "the core"] }, held),
          this.slider({ name: "start_blend", label: "From step", low: 0, high: 1, step: 0.05, ends: ["the first", "the last"] }, held))] : []),
        el("label", { class: "pt-select" }, "Layout is kept where attention has the latent’s sides, or this share of them", select));
      if (focus >= 0) this.more.querySelectorAll("button, select, input")[focus]?.focus();
    }

    blend(side, name) {
      const held = (this.data.local_blend ??= { source: [], target: [], threshold: 0.3, start_blend: 0.2 });
      held[side] = held[side].includes(name) ? held[side].filter((each) => each !== name) : [...held[side], name];
      if (!held.source.length && !held.target.length) this.data.local_blend = null;
      this.showMore();
      this.rows.changed();
    }

    /** The row as it is sent: a strength or a blend of words that are gone stays here. */
    told() {
      const words = page.wordsOf(this.data.prompt);
      const names = (of) => of.map((_, i) => page.nameOf(of, i));
      const held = this.data.local_blend;
      const blend = held && { ...held,
        source: held.source.filter((name) => names(this.rows.source).includes(name)),
        target: held.target.filter((name) => names(words).includes(name)) };
      return { ...this.data, weights: Object.fromEntries(this.heavy(words)),
        local_blend: blend && (blend.source.length || blend.target.length) ? blend : null };
    }
  }

  class Rows {
    constructor(element, { props, watch, trigger }, about) {
      this.about = about; // {key, most, defaults, sliders, reductions}
      this.props = props;
      this.trigger = trigger;
      this.store = `pentimento-edits-${about.key}`;
      this.source = [];
      this.rows = [];
      this.list = el("ol", { class: "pt-rows" });
      this.addButton = el("button", { type: "button", class: "pt-button pt-add", onclick: () => this.add() }, sign("+ "), "Add an edit");
      this.full = el("span", { class: "pt-aside-note", hidden: true }, `${about.most} edits are the most that run at once.`);
      element.querySelector(".pt-edits").append(this.list, el("div", { class: "pt-edits-foot" }, this.addButton, this.full));
      all.set(about.key, this);
      const box = document.querySelector(`#words-${about.key} textarea`);
      this.hear(box?.value ?? "");
      watch("value", () => this.take(props.value));
      this.fill(this.kept() ?? [{}]);
    }

    /** What this browser kept, if it is whole. */
    kept() {
      try {
        const rows = JSON.parse(localStorage.getItem(this.store));
        return Array.isArray(rows) && rows.every((row) => typeof row?.prompt === "string" && typeof row.weights === "object") ? rows : null;
      } catch {
        return null;
      }
    }

    /** Rows from Python, unless they are our own on their way back. */
    take(value) {
      if (Array.isArray(value) && JSON.stringify(value) !== this.sent) this.fill(value);
    }

    fill(rows) {
      this.rows = rows.slice(0, this.about.most).map((data) => new Row(this, data));
      this.list.replaceChildren(...this.rows.map(({ element }) => element));
      this.renumber();
      this.changed(true);
    }

    add(data = { prompt: this.text ?? "" }, after = this.rows.at(-1)) {
      if (this.rows.length >= this.about.most) return;
      const row = new Row(this, data);
      const at = this.rows.indexOf(after) + 1;
      this.rows.splice(at, 0, row);
      if (after) after.element.after(row.element);
      else this.list.append(row.element);
      this.renumber();
      this.changed(true);
      row.words.focus();
      row.words.setSelectionRange(row.words.value.length, row.words.value.length);
    }

    remove(row) {
      const at = this.rows.indexOf(row);
      this.rows.splice(at, 1);
      row.element.remove();
      this.renumber();
      this.changed(true);
      (this.rows[Math.min(at, this.rows.length - 1)]?.words ?? this.addButton).focus();
    }

    renumber() {
      this.rows.forEach((row, i) => { row.number(i + 1); row.show(); });
      const full = this.rows.length >= this.about.most;
      this.addButton.disabled = full;
      this.full.hidden = !full;
      for (const row of this.rows) row.duplicate.disabled = full;
    }

    /** The source's words are others now. */
    hear(text) {
      this.text = text;
      this.source = page.wordsOf(text);
      for (const row of this.rows) row.show();
      if (this.rows.length) this.changed();
    }

    /** Keep the rows, and hand them to Gradio; `words` says whether words are others. */
    changed(words = false) {
      const told = this.rows.map((row) => row.told());
      try {
        localStorage.setItem(this.store, JSON.stringify(this.rows.map(({ data }) => data)));
      } catch {
        // a browser that keeps nothing: the rows last as long as the page
      }
      this.sent = JSON.stringify(told);
      this.props.value = told;
      if (!words) return;
      clearTimeout(this.resting);
      this.resting = setTimeout(() => this.trigger("written"), REST);
    }
  }

  page.edits = (element, tools, about) => new Rows(element, tools, about);
  page.heard = (key, words) => all.get(key)?.hear(String(words ?? ""));
})();
