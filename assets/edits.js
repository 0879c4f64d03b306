/*
 * The rows of edits: words, what changes in them, how closely the picture stays with the source.
 *
 * components/edits.py mounts this and reads the value. The rows are kept in the browser tab as they
 * are typed. What a person types is set as text, never as HTML.
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
  const EVERY_WORD = "default_"; // whose window holds for all words that have none of their own
  const all = new Map(); // key → Rows

  const times = (weight) => `×${String(weight).replace("-", "−")}`;
  const sign = (icon) => el("span", { "aria-hidden": "true" }, icon);
  const note = (text) => el("span", { class: "pt-aside-note" }, text);
  const namesOf = (words) => words.map((_, index) => page.nameOf(words, index));

  /** A window of steps as its two ends; a mere number is where it closes. */
  const ends = (window) => (Array.isArray(window) ? window : [0, window]);
  const spoken = (window) => ends(window).filter((end, i) => i || end).map((end) => end.toFixed(2)).join("–");

  /** A labelled range with its number; `show` reads it anew. `sides` say what it means to pull it there. */
  function slider({ label, low, high, step, about, aria = label, ends: sides = [] }, read, write, say = (value) => value.toFixed(2)) {
    const range = el("input", { type: "range", min: low, max: high, step, "aria-label": aria, oninput: () => write(Number(range.value)) });
    const number = el("span", {});
    const element = el("label", { class: "pt-slider", title: about },
      el("span", { class: "pt-slider-name" }, label, number), range,
      el("span", { class: "pt-ends", "aria-hidden": "true" }, ...sides.map((side) => el("span", {}, side))));
    element.show = () => {
      range.value = read();
      number.textContent = say(read());
    };
    element.show();
    return element;
  }

  class Row {
    constructor(rows, data) {
      this.rows = rows;
      this.data = this.whole(structuredClone({ ...rows.about.defaults, ...data }));
      this.weighed = null; // the word whose strength and window are being set
      this.build();
    }

    /** Windows by word, and a blend with all that it can have: whatever a program left out. */
    whole({ cross_replace_steps: window, local_blend: blend, ...rest }) {
      const byWord = typeof window === "object" && !Array.isArray(window) ? window : { [EVERY_WORD]: window };
      const words = (side) => [].concat(blend[side] ?? []);
      return { ...rest, cross_replace_steps: { [EVERY_WORD]: 1, ...byWord }, local_blend: blend && {
        ...this.rows.about.blend, ...blend, source: words("source"), target: words("target"), subtract: words("subtract") } };
    }

    build() {
      const { windows } = this.rows.about;
      this.title = el("span", { class: "pt-edit-title" });
      this.words = el("textarea", {
        rows: 2, maxlength: 2000, placeholder: "Other words for the same picture",
        oninput: () => { this.data.prompt = this.words.value; this.show(); this.rows.changed(true); },
      });
      this.words.value = this.data.prompt;
      this.duplicate = el("button", { type: "button", class: "pt-link", onclick: () => this.rows.add(this.data, this) }, "Duplicate");
      this.remove = el("button", { type: "button", class: "pt-link", onclick: () => this.rows.remove(this) }, "Remove");
      this.changes = el("div", { class: "pt-changes", role: "group" });
      this.word = el("div", { class: "pt-weigh", role: "group", hidden: true });
      this.more = el("div", { class: "pt-edit-rest" });
      this.details = el("details", { class: "pt-edit-more", ontoggle: () => this.showMore() }, el("summary", {}, "More"), this.more);
      this.element = el("li", { class: "pt-edit" },
        el("div", { class: "pt-edit-head" }, this.title, this.duplicate, this.remove),
        this.words, this.changes, this.word,
        el("div", { class: "pt-edit-sliders" }, ...windows.map((each) => {
          const [held, key] = this.window(each.name);
          return this.side(1, each, held, key, () => spoken(held[key]));
        })),
        this.details);
    }

    /** Where the window of all words or of the layout is held. */
    window(name) {
      return name === "cross_replace_steps" ? [this.data.cross_replace_steps, EVERY_WORD] : [this.data, name];
    }

    /** The slider of one side of a window, 0 or 1; pulled beyond the other side, it takes that along. */
    side(which, about, held, key, say) {
      const now = () => ends(held[key] ?? held[EVERY_WORD]);
      return slider(about, () => now()[which], (value) => {
        const other = which ? Math.min(now()[0], value) : Math.max(now()[1], value);
        const [open, close] = which ? [other, value] : [value, other];
        held[key] = open ? [open, close] : close;
        this.pulled();
      }, say);
    }

    /** A slider was pulled: others may show the same. */
    pulled() {
      for (const each of this.element.querySelectorAll(".pt-slider")) each.show();
      this.rows.changed();
    }

    number(n) {
      this.title.textContent = `Edit ${n}`;
      this.words.setAttribute("aria-label", `Words of edit ${n}`);
      this.changes.setAttribute("aria-label", `What edit ${n} changes; press a word to set how strong it is and when it binds`);
      this.duplicate.setAttribute("aria-label", `Duplicate edit ${n}`);
      this.remove.setAttribute("aria-label", `Remove edit ${n}`);
    }

    /** The words with what became of them; each can be weighed, and bound otherwise than the rest. */
    show() {
      const source = this.rows.source;
      const words = page.wordsOf(this.data.prompt);
      const parts = words.length ? page.changes(source, words) : [];
      this.changes.replaceChildren(...parts.flatMap(({ kind, from, to }) => {
        const old = from.map((i) => source[i]).join(" ");
        const gone = kind === "removed" || kind === "swapped"
          ? [el("del", { class: "pt-gone", title: kind === "removed" ? "left out" : "swapped" }, old)] : [];
        return [...gone, ...to.map((i) => this.button(words, i, kind, old))];
      }));
      const same = words.length && parts.every(({ kind }) => kind === "same")
        && page.marksOf(this.data.prompt) === page.marksOf(this.rows.text ?? "");
      if (same && !this.own(this.data.weights).length) this.changes.append(note("No word differs yet. Change some, or press one to weigh it."));
      if (this.weighed && !namesOf(words).includes(this.weighed)) this.weigh(null);
      this.showMore();
    }

    button(words, index, kind, old) {
      const name = page.nameOf(words, index);
      const weight = this.data.weights[name];
      const window = this.data.cross_replace_steps[name];
      const binds = window != null && `binds ${spoken(window)}`;
      const own = [weight != null && times(weight), binds].filter(Boolean);
      const became = { added: "added", swapped: `swapped for ${old}` }[kind];
      const said = [became, weight != null && `strength ${weight}`, binds].filter(Boolean).join(", ");
      return el("button", {
        type: "button", class: `pt-word pt-${kind}`, "data-name": name, title: said || "Set how strong this word is, and when it binds",
        "aria-label": said ? `${words[index]}, ${said}` : words[index], "aria-expanded": String(this.weighed === name),
        onclick: () => this.weigh(this.weighed === name ? null : name),
      }, words[index], ...own.map((each) => el("b", {}, ` ${each}`)));
    }

    /** Open the sliders of one word, or close them: how strong it is, and when it binds. */
    weigh(name) {
      this.weighed = name;
      this.word.hidden = !name;
      for (const each of this.changes.querySelectorAll(".pt-word")) each.setAttribute("aria-expanded", String(each.dataset.name === name));
      if (!name) return this.word.replaceChildren();
      const { weights, cross_replace_steps: windows } = this.data;
      const { low, high, step, ends: sides } = this.rows.about.windows.find((each) => each.name === "cross_replace_steps");
      const strength = slider(
        { label: "Strength", aria: `Strength of ${name}`, low: -STRONGEST, high: STRONGEST, step: 0.1, ends: ["the opposite", "stronger"] },
        () => weights[name] ?? 1,
        (value) => {
          if (value === 1) delete weights[name];
          else weights[name] = value;
          this.pulled();
          this.show();
        }, times);
      const bound = (which, label) => {
        const about = { label, aria: `${name} ${label.toLowerCase()}`, low, high, step };
        return this.side(which, about, windows, name);
      };
      const binding = el("div", { class: "pt-edit-sliders", oninput: () => this.show() }, bound(0, "Binds from"), bound(1, "Binds until"));
      const reset = el("button", { type: "button", class: "pt-link", onclick: () => {
        delete weights[name];
        delete windows[name];
        this.pulled();
        this.show();
      } }, "As the other words");
      this.word.setAttribute("aria-label", `“${name}” alone`);
      this.word.replaceChildren(el("div", { class: "pt-edit-head" }, el("span", { class: "pt-edit-title" }, `“${name}”`), reset), strength, binding);
    }

    /** Of what is held by word, that of words which still stand there. */
    own(held) {
      const names = namesOf(page.wordsOf(this.data.prompt));
      return Object.entries(held).filter(([name]) => names.includes(name));
    }

    /** What is rarely needed: when the source begins to hold, and where alone the picture may change. */
    showMore() {
      if (!this.details.open) return;
      const { about, source } = this.rows;
      const { data } = this;
      const words = page.wordsOf(data.prompt);
      const blend = data.local_blend;
      const line = (said, side, names) => el("div", { class: "pt-changes", role: "group", "aria-label": `${said} ${side === "subtract" ? "" : "words"}` }, note(said),
        ...names.map((name) => el("button", {
          type: "button", class: "pt-word", "aria-pressed": String(Boolean(blend?.[side].includes(name))), onclick: () => this.blend(side, name),
        }, name.replace(/#\d+$/, ""))));
      const share = (each) => slider(each, () => blend[each.name], (value) => { blend[each.name] = value; this.pulled(); });
      const shares = about.shares.filter(({ name }) => name !== "subtract_threshold" || blend?.subtract.length);
      const select = el("select", { onchange: () => { data.self_replace_reduction = Number(select.value); this.rows.changed(); } },
        ...about.reductions.options.map(([value, label]) => el("option", { value, selected: value === data.self_replace_reduction }, label)));
      const focus = this.more.contains(document.activeElement) ? [...this.more.querySelectorAll("button, select, input")].indexOf(document.activeElement) : -1;
      this.more.replaceChildren(
        el("div", { class: "pt-edit-sliders" }, ...about.windows.map(({ name, label, low, high, step }) =>
          this.side(0, { label: `${label} from`, low, high, step, about: "The share of the steps before it begins", ends: ["the first step", "the last"] }, ...this.window(name)))),
        el("label", { class: "pt-select" }, about.reductions.label, select),
        el("div", { class: "pt-blend" },
          el("p", {}, "Change only where these words are"),
          line("in the source:", "source", namesOf(source)),
          line("in this edit:", "target", namesOf(words)),
          ...(blend ? [line("but never at:", "subtract", [...new Set([...namesOf(source), ...namesOf(words)])])] : [])),
        ...(blend ? [el("div", { class: "pt-edit-sliders" }, ...shares.map(share))] : []));
      if (focus >= 0) this.more.querySelectorAll("button, select, input")[focus]?.focus();
    }

    blend(side, name) {
      const held = (this.data.local_blend ??= structuredClone(this.rows.about.blend));
      held[side] = held[side].includes(name) ? held[side].filter((each) => each !== name) : [...held[side], name];
      if (![...held.source, ...held.target, ...held.subtract].length) this.data.local_blend = null;
      this.showMore();
      this.rows.changed();
    }

    /** The row as it is sent: what belongs to words that are gone stays here. */
    told() {
      const { cross_replace_steps: windows, weights, local_blend: held } = this.data;
      const mine = namesOf(page.wordsOf(this.data.prompt));
      const theirs = namesOf(this.rows.source);
      const blend = held && { ...held,
        source: held.source.filter((name) => theirs.includes(name)),
        target: held.target.filter((name) => mine.includes(name)),
        subtract: held.subtract.filter((name) => mine.includes(name) || theirs.includes(name)) };
      const bound = this.own(windows);
      return { ...this.data, weights: Object.fromEntries(this.own(weights)),
        cross_replace_steps: bound.length ? Object.fromEntries([[EVERY_WORD, windows[EVERY_WORD]], ...bound]) : windows[EVERY_WORD],
        local_blend: blend && (blend.source.length || blend.target.length) ? blend : null };
    }
  }

  class Rows {
    constructor(element, { props, watch, trigger }, about) {
      this.about = about; // {key, most, defaults, blend, windows, shares, reductions}
      this.props = props;
      this.trigger = trigger;
      this.store = `edits-${about.key}`;
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

    /** What this browser tab kept, if it is whole. */
    kept() {
      const rows = page.tab.get(this.store);
      return Array.isArray(rows) && rows.every((row) => typeof row?.prompt === "string" && typeof row.weights === "object") ? rows : null;
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
      page.tab.set(this.store, this.rows.map(({ data }) => data));
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
