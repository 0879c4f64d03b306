/*
 * The page's manners: light or dark, the tab that was open, the list of keys, Ctrl+Enter, and words
 * that are clicked.
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.header) return;

  // ── Light or dark: the system decides until a person does ─────────────────────────────────────

  const LIGHT = "pentimento-light";
  const chosen = () => localStorage.getItem(LIGHT);
  const isDark = () => document.body.classList.contains("dark");

  function light() {
    if (chosen() && isDark() !== (chosen() === "dark")) document.body.classList.toggle("dark", chosen() === "dark");
  }

  function toggleLight() {
    const wanted = isDark() ? "light" : "dark";
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    if (wanted === system) localStorage.removeItem(LIGHT); // follow the system again
    else localStorage.setItem(LIGHT, wanted);
    document.body.classList.toggle("dark", wanted === "dark");
  }

  new MutationObserver(light).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  light();

  // ── A reload comes back to the tab that was open ──────────────────────────────────────────────

  const OPEN = "open";

  function returnToTab() {
    const bar = document.querySelector(".pt-tabs [role=tablist]");
    if (!bar) return false;
    const former = page.tab.get(OPEN);
    [...bar.querySelectorAll("[role=tab]")].find((tab) => tab.textContent.trim() === former)?.click();
    const remember = () => {
      const open = bar.querySelector("[role=tab][aria-selected=true]");
      if (open) page.tab.set(OPEN, open.textContent.trim());
    };
    new MutationObserver(remember).observe(bar, { subtree: true, attributeFilter: ["aria-selected"] });
    return true;
  }

  const arriving = new MutationObserver(() => returnToTab() && arriving.disconnect());
  arriving.observe(document.body, { subtree: true, childList: true });

  // ── Header and keys ───────────────────────────────────────────────────────────────────────────

  page.header = (element, { props }) => {
    const { el } = page;
    const { title, explanation, model, on_top: onTop, device, choosable, login } = props.value;
    const about = (text) => onTop ? `${text} (on top: ${onTop})` : text;
    const pill = choosable
      ? el("button", { type: "button", class: "pt-pill", title: about("Models: choose or add one"), onclick: () => page.choose() }, `${model} · ${device}`)
      : el("span", { class: "pt-pill", title: about("The model, and where it runs") }, `${model} · ${device}`);
    const list = props.keys.map(({ name, keys }) => el("section", {},
      name && el("h3", {}, name),
      el("dl", {}, ...keys.flatMap(([key, does]) => [
        el("dt", {}, ...key.split(" ").filter(Boolean).map((each) => el("kbd", {}, each))),
        el("dd", {}, does),
      ]))));
    const dialog = el("dialog", { class: "pt-dialog pt-keys", "aria-label": "Keys", onclick: (event) => event.target === dialog && dialog.close() },
      el("form", { method: "dialog" },
        el("h2", {}, "Keys"), ...list,
        el("button", { class: "pt-button", autofocus: true }, "Close")));
    element.querySelector(".pt-header").append(
      el("h1", {}, title),
      el("p", {}, explanation),
      pill,
      el("button", { type: "button", class: "pt-round", "aria-label": "Light or dark", title: "Light or dark", onclick: toggleLight }, "◐"),
      el("button", { type: "button", class: "pt-round", "aria-label": "Keys", title: "Keys (?)", onclick: () => dialog.showModal() }, "?"),
      login ? el("form", { class: "pt-logout", method: "post", action: "logout" },
        el("button", { class: "pt-link", title: "Edits that run go on, and are here when you log in again" }, "Log out")) : "",
      dialog);
    page.keys = dialog;
  };

  // ── Another model serves, chosen in another tab or by somebody else ───────────────────────────

  function offerReload(sentence, word) {
    if (document.querySelector(".pt-changed")) return;
    document.querySelector(".gradio-container").append(page.el("div", { class: "pt-changed", role: "alert" },
      page.el("p", {}, `${sentence} What you painted and wrote stays.`),
      page.el("button", { type: "button", class: "pt-button", onclick: () => location.reload() }, word)));
  }

  page.changed = () => offerReload("The studio serves another model now.", "Reload");
  window.addEventListener("pentimento:changed", page.changed);

  // ── Logged out in another tab, or the login ran out ───────────────────────────────────────────

  window.addEventListener("pentimento:logged-out", () => offerReload("You are logged out.", "Log in"));

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return; // the page behind it has no keys
    if (page.key(event) === "enter" && (event.ctrlKey || event.metaKey)) {
      const run = [...document.querySelectorAll(".pt-run")].find((each) => each.offsetParent && !each.disabled);
      if (run) event.preventDefault();
      run?.click();
    } else if (page.key(event) === "?" && !page.isTyping(event) && page.keys) {
      page.keys.showModal();
    }
  });

  // ── What was typed and set comes back ─────────────────────────────────────────────────────────

  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  function fits({ among, longest, between }, value) {
    if (among) return among.includes(value);
    if (longest) return typeof value === "string" && value.length <= longest;
    return Boolean(between) && Number.isFinite(value) && between[0] <= value && value <= between[1];
  }

  /**
   * The values of a form's fields, `{name, first, …}`, once what was kept is back: in a field that
   * still holds what it held at first, and if the form that it was kept from began like this one, or
   * if it is words.
   */
  page.restored = (start, fields, kept, values) => fields.map((field, at) => {
    const value = kept?.values?.[field.name];
    const wanted = kept?.start === start || field.longest;
    return wanted && same(values[at], field.first) && fits(field, value) ? value : values[at];
  });

  // ── What is behind "More", and tabs that are opened for the first time ──────────────────────────

  page.more = (element) => {
    const button = element.querySelector("button");
    button.addEventListener("click", () => button.setAttribute("aria-expanded", String(button.ariaExpanded !== "true")));
  };

  const PATIENCE = 1000; // ms, should Gradio no longer write the values of a tab twice

  page.paper = (element, { props, watch }) => {
    const line = element.querySelector("p");
    const name = line.textContent = props.value;
    if (!line.classList.contains("pt-arriving")) return;
    const arrive = () => line.classList.remove("pt-arriving");
    props.value = ""; // until it is written for the second time, with everything else
    watch("value", () => props.value === name && arrive());
    setTimeout(arrive, PATIENCE);
  };

  // ── Words to click ────────────────────────────────────────────────────────────────────────────

  /** Write `word` where the caret stands, with the spaces it needs, as if it had been typed. */
  function write(box, word) {
    const { selectionStart: from, selectionEnd: to, value } = box;
    const before = value.slice(0, from);
    const after = value.slice(to);
    const text = (before && !/\s$/.test(before) ? " " : "") + word + (after && !/^[\s,.]/.test(after) ? " " : "");
    box.focus();
    box.setSelectionRange(from, to);
    if (document.execCommand("insertText", false, text)) return; // can be undone with Ctrl+Z
    box.setRangeText(text, from, to, "end");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  page.chips = (element, { props, watch }) => {
    const { el } = page;
    const root = element.querySelector(".pt-chips");
    const target = () => {
      const focused = document.activeElement;
      return props.others && focused.matches(props.others) ? focused : document.querySelector(`#${props.box} textarea`);
    };
    const show = () => {
      const groups = props.value;
      const row = el("div", { class: "pt-row" });
      const open = (index) => {
        for (const [i, tab] of [...tabs.children].entries()) tab.setAttribute("aria-pressed", String(i === index));
        row.replaceChildren(...groups[index].words.map((word) => el("button", {
          type: "button", class: "pt-chip", onmousedown: (event) => event.preventDefault(),
          onclick: () => write(target(), word),
        }, word)));
      };
      const tabs = el("div", { class: "pt-groups", role: "group", "aria-label": "Words this model knows" },
        ...groups.map(({ name }, index) => el("button", { type: "button", class: "pt-link", onclick: () => open(index) }, name)));
      root.replaceChildren(tabs, row);
      if (groups.length) open(0);
    };
    watch("value", show);
    show();
  };
})();
