/* Words to click: those that the model knows, by group. */

import { element, found } from "./element.js";

/**
 * Write `word` where the caret stands, with the spaces it needs, as if it had been typed.
 *
 * @param {HTMLTextAreaElement} box
 * @param {string} word
 */
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

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 */
export function chips(host, { props, watch }) {
  const root = found(host, ".pt-chips");
  const target = () => {
    const focused = document.activeElement;
    const box =
      props.others && focused?.matches(props.others) ? focused : document.querySelector(`#${props.box} textarea`);
    return box instanceof HTMLTextAreaElement ? box : null;
  };
  const put = (/** @type {string} */ word) => {
    const box = target();
    if (box) write(box, word);
  };
  const chip = (/** @type {string} */ word) =>
    element(
      "button",
      {
        type: "button",
        class: "pt-chip",
        onmousedown: (/** @type {Event} */ event) => event.preventDefault(),
        onclick: () => put(word),
      },
      word,
    );
  const show = () => {
    /** @type {{name: string, words: string[]}[]} */
    const groups = props.value;
    const row = element("div", { class: "pt-row" });
    const open = (/** @type {number} */ index) => {
      for (const [i, tab] of [...tabs.children].entries()) tab.setAttribute("aria-pressed", String(i === index));
      row.replaceChildren(...groups[index].words.map(chip));
    };
    const tabs = element(
      "div",
      { class: "pt-groups", role: "group", "aria-label": "Words this model knows" },
      ...groups.map(({ name }, index) =>
        element("button", { type: "button", class: "pt-link", onclick: () => open(index) }, name),
      ),
    );
    root.replaceChildren(tabs, row);
    if (groups.length) open(0);
  };
  watch("value", show);
  show();
}
