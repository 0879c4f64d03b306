/*
 * The picker: a dialog with the models that are installed, a field for another one, and how far a
 * choice is. components/picker.py sends `{progress, shelf}`; names and sentences are set as text.
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
    const [scale, unit] = count < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
    const value = count / scale;
    return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
  };

  class Picker {
    constructor(element, { props, watch, trigger }) {
      this.trigger = trigger;
      this.busy = false;
      this.dialog = element.querySelector("dialog");
      this.dialog.autofocus = true; // else the field has the caret, and a phone its keyboard
      this.list = el("ul", { class: "pt-models" });
      this.refused = el("details", { class: "pt-refused", hidden: true });
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
      el("p", { id: "pt-adding" }, "The id of a model on the hub is fetched from there, and only then does the studio go online."));
      this.says = el("p", { role: "status", "aria-live": "polite" });
      this.bar = el("progress", { max: 1, "aria-label": "How much has arrived" });
      this.cancel = el("button", { type: "button", class: "pt-button", onclick: () => this.trigger("halt") }, "Cancel");
      this.progress = el("div", { class: "pt-progress", hidden: true }, this.says, this.cancel, this.bar);
      this.close = el("button", { type: "button", class: "pt-button", onclick: () => this.dialog.close() }, "Close");
      this.dialog.append(el("h2", {}, "Models"), this.list, this.refused, form, this.progress, this.close);
      this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
      watch("value", () => this.take(props.value));
    }

    open() {
      this.dialog.showModal();
      this.trigger("look");
    }

    pick(wanted, name = wanted) {
      if (this.busy) return;
      this.show({ phase: "loading", text: name });
      this.trigger("pick", { wanted });
    }

    take({ progress, shelf }) {
      if (!progress) return;
      this.shelve(shelf);
      const was = this.busy;
      this.show(progress);
      if (progress.phase !== "chosen" || !was) return;
      if (this.dialog.open) location.reload();
      else page.changed();
    }

    show({ phase, text, done, total }) {
      this.busy = BUSY.includes(phase);
      const arriving = phase === "downloading";
      const fetched = total ? `: ${bytes(done)} of ${bytes(total)}` : " …";
      this.says.textContent = arriving ? `Fetching ${text}${fetched}` : phase === "loading" ? `Loading ${text} …` : phase === "failed" ? text : "";
      this.progress.hidden = !this.says.textContent;
      this.progress.dataset.phase = phase;
      this.bar.hidden = !this.busy;
      if (arriving && total) this.bar.value = done / total;
      else this.bar.removeAttribute("value");
      this.cancel.hidden = !arriving;
      for (const button of [this.add, ...this.list.querySelectorAll("button")]) button.disabled = this.busy;
    }

    shelve(shelf) {
      const key = JSON.stringify(shelf);
      if (key === this.shelved) return; // a click on a button that is replaced meanwhile is lost
      this.shelved = key;
      this.list.replaceChildren(...shelf.filter((each) => !each.refusal).map((each) =>
        el("li", { "aria-current": each.serving && "true" },
          el("div", { title: each.source },
            el("b", {}, each.name),
            el("span", {}, `${each.family} · ${bytes(each.size)} · ${each.place}`)),
          each.serving ? el("em", {}, "in use")
            : el("button", { type: "button", class: "pt-button", "aria-label": `Use ${each.name}`, onclick: () => this.pick(each.source, each.name) }, "Use"))));
      const refused = shelf.filter((each) => each.refusal);
      this.refused.hidden = !refused.length;
      this.refused.replaceChildren(
        el("summary", {}, refused.length === 1 ? "One more cannot be used" : `${refused.length} more cannot be used`),
        el("ul", {}, ...refused.map((each) => el("li", { title: each.source }, each.refusal))));
    }
  }

  page.picker = (element, tools) => {
    const picker = new Picker(element, tools);
    page.choose = () => picker.open();
  };
})();
