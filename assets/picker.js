/*
 * The picker: a dialog with the models that are installed, what may go on top of the one in use, a
 * field for another one, and how far a choice is. components/picker.py sends `{progress, shelf,
 * addOns, whole}`, and more of it while the rest is read; names and sentences are set as text.
 *
 * When another model serves, the page that chose it is loaded anew, as that model's. Where the dialog
 * was closed meanwhile, somebody may be painting: then the page offers it (page.js).
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.picker) return;
  const { el } = page;

  const BUSY = ["downloading", "loading"];

  const bytes = (count) => {
    const [scale, unit] = count < 1e6 ? [1e3, "KB"] : count < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
    const value = count / scale;
    return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
  };

  /** Make `list` show these rows; the element of a row that was there stays as it is. */
  const fill = (list, rows, make) => {
    const held = new Map([...list.children].map((each) => [each.row, each]));
    const wanted = rows.map((row) => [JSON.stringify(row), row]);
    const keys = new Set(wanted.map(([key]) => key));
    for (const [key, each] of held) if (!keys.has(key)) each.remove();
    let at = list.firstElementChild;
    for (const [key, row] of wanted) {
      const each = held.get(key) ?? Object.assign(make(row), { row: key });
      if (each === at) at = at.nextElementSibling;
      else list.insertBefore(each, at); // a click on what is moved or replaced meanwhile is lost
    }
  };

  const equal = (one, other) => one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);

  class Picker {
    constructor(element, { props, watch, trigger }, folder, heaviest) {
      this.trigger = trigger;
      this.heaviest = heaviest;
      this.busy = false;
      this.made = 0; // rows of what may go on top, for their ids
      this.given = new Map(); // path → weight, of what is ticked: not on top before "Apply"
      this.dialog = element.querySelector("dialog");
      this.dialog.tabIndex = -1;
      this.list = el("ul", { class: "pt-models" });
      this.count = el("summary");
      this.sentences = el("ul");
      this.refused = el("details", { class: "pt-refused", hidden: true }, this.count, this.sentences);
      this.wanted = el("input", {
        type: "text", name: "wanted", maxlength: 1000, autocomplete: "off", autocapitalize: "off", spellcheck: "false",
        placeholder: "owner/name, or a path", "aria-describedby": "pt-adding",
      });
      this.add = el("button", { class: "pt-button" }, "Add");
      const form = el("form", { class: "pt-another", onsubmit: (event) => {
        event.preventDefault();
        if (this.wanted.value.trim()) this.pick(this.wanted.value.trim());
      } },
      el("label", {}, "Another one", this.wanted), this.add,
      el("p", { id: "pt-adding" }, "The id of a model on the hub is fetched from there, and only then does the studio go online. "
        + `LoRAs and textual inversions belong in ${folder}.`));
      this.onTop = el("h3", { id: "pt-on-top" });
      this.addOns = el("ul", { class: "pt-models", "aria-labelledby": "pt-on-top" });
      this.apply = el("button", { class: "pt-button" }, "Apply");
      this.over = el("form", { class: "pt-over", hidden: true, novalidate: true, onsubmit: (event) => {
        event.preventDefault();
        this.lay();
      } }, this.onTop, this.addOns, this.apply);
      this.says = el("p", { role: "status", "aria-live": "polite" });
      this.bar = el("progress", { max: 1, "aria-label": "How much has arrived" });
      this.cancel = el("button", { type: "button", class: "pt-button", onclick: () => this.halt() }, "Cancel");
      this.progress = el("div", { class: "pt-progress", hidden: true }, this.says, this.cancel, this.bar);
      this.reading = el("p", { class: "pt-reading", hidden: true }, "Reading what else lies there …");
      this.close = el("button", { type: "button", class: "pt-button", onclick: () => this.dialog.close() }, "Close");
      this.dialog.append(el("h2", {}, "Models"), this.list, this.over, this.refused, this.reading, form, this.progress, this.close);
      this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
      watch("value", () => this.take(props.value));
    }

    open() {
      this.dialog.showModal();
      this.dialog.focus(); // else the field has the caret, and a phone its keyboard
      this.trigger("look");
    }

    pick(wanted, name = wanted) {
      if (this.busy) return;
      this.begun = true;
      this.show({ phase: "loading", text: name });
      this.trigger("pick", { wanted });
    }

    lay() {
      if (this.apply.disabled) return;
      this.begun = true;
      this.show({ phase: "loading", text: this.serving });
      this.trigger("lay", { weights: Object.fromEntries(this.given) });
    }

    halt() {
      this.begun = false;
      this.trigger("halt");
    }

    /** What the studio says. A look from before a click may end after it, and knows nothing of it. */
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
      else page.changed();
    }

    show(progress) {
      const { phase, text, done, total } = progress;
      this.shown = progress;
      this.busy = BUSY.includes(phase);
      const arriving = phase === "downloading";
      const fetched = total ? `: ${bytes(done)} of ${bytes(total)}` : " …";
      this.says.textContent = arriving ? `Fetching ${text}${fetched}` : phase === "loading" ? `Loading ${text} …` : phase === "failed" ? text : "";
      const news = this.progress.hidden && this.says.textContent;
      this.progress.hidden = !this.says.textContent;
      this.progress.dataset.phase = phase;
      this.bar.hidden = !this.busy;
      if (arriving && total) this.bar.value = done / total;
      else this.bar.removeAttribute("value");
      this.cancel.hidden = !arriving;
      for (const button of [this.add, ...this.list.querySelectorAll("button")]) button.disabled = this.busy;
      this.weigh();
      if (news) this.progress.scrollIntoView({ block: "nearest" });
    }

    shelve(shelf, addOns) {
      fill(this.list, shelf.filter((each) => !each.refusal), (each) =>
        el("li", { "aria-current": each.serving && "true" },
          el("div", { title: each.source },
            el("b", {}, each.name),
            el("span", {}, `${each.family} · ${bytes(each.size)} · ${each.place}`),
            ...(each.note ? [el("span", {}, each.note)] : [])),
          each.serving ? el("em", {}, "in use")
            : el("button", { type: "button", class: "pt-button", "aria-label": `Use ${each.name}`, onclick: () => this.pick(each.source, each.name) }, "Use")));
      this.offer(shelf.find((each) => each.serving)?.name ?? "this model", addOns.filter((each) => !each.refusal || each.weight !== null));
      const refused = [...shelf, ...addOns].filter((each) => each.refusal);
      this.refused.hidden = !refused.length;
      this.count.textContent = refused.length === 1 ? "One more cannot be used" : `${refused.length} more cannot be used`;
      fill(this.sentences, refused, (each) => el("li", { title: each.source }, each.refusal));
    }

    /** What may go on top. What is ticked stays so, unless something else came on top meanwhile. */
    offer(serving, addOns) {
      const laid = new Map(addOns.filter((each) => each.weight !== null).map((each) => [each.source, each.weight]));
      const same = this.laid && equal(laid, this.laid) && serving === this.serving;
      const ticked = same ? this.given : laid;
      this.given = new Map(addOns.filter((each) => ticked.has(each.source)).map((each) => [each.source, ticked.get(each.source)]));
      this.laid = laid;
      this.serving = serving;
      this.over.hidden = !addOns.length;
      this.onTop.textContent = `On top of ${serving}`;
      if (!same) this.addOns.replaceChildren();
      fill(this.addOns, addOns, (each) => this.addOn(each, `pt-add-on-${(this.made += 1)}`));
      this.weigh();
    }

    addOn({ name, words, size, source, remark }, id) {
      const weight = words ? null : el("input", {
        type: "number", min: -this.heaviest, max: this.heaviest, step: 0.05, value: this.given.get(source) ?? 1,
        "aria-label": `Weight of ${name}`, oninput: () => take(),
      });
      const take = () => {
        if (tick.checked) this.given.set(source, words ? 1 : weight.valueAsNumber);
        else this.given.delete(source);
        if (weight) weight.disabled = !tick.checked;
        this.weigh();
      };
      const tick = el("input", { type: "checkbox", id, checked: this.given.has(source), onchange: take });
      if (weight) weight.disabled = !tick.checked;
      const facts = `${words ? "a word for prompts" : "LoRA"} · ${size ? bytes(size) : "not there any more"}`;
      return el("li", {},
        tick, el("label", { for: id, title: source }, el("b", {}, name), el("span", {}, facts),
          ...(remark ? [el("span", {}, remark)] : [])),
        ...(weight ? [el("span", { "aria-hidden": "true" }, "weight"), weight] : []));
    }

    /** "Apply" is for what differs from what serves, with weights that are some. */
    weigh() {
      const right = [...this.given.values()].every((weight) => Math.abs(weight) <= this.heaviest);
      this.apply.disabled = this.busy || !right || !this.laid || equal(this.given, this.laid);
    }
  }

  page.picker = (element, tools, folder, heaviest) => {
    const picker = new Picker(element, tools, folder, heaviest);
    page.choose = () => picker.open();
  };
})();
