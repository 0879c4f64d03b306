/* The top of the page: the name, the model, the light, the list of keys; and the keys of the page itself. */

import { element, found } from "./element.js";
import { actOf, isTyping, SHORTCUTS } from "./keys.js";
import { toggleLight } from "./light.js";
import { isBehind } from "./outside.js";
import { openPicker } from "./picker.js";

/** @type {HTMLDialogElement | null} the list of keys */
let list = null;

function listOfKeys() {
  const sections = SHORTCUTS.map(({ name, rows }) =>
    element(
      "section",
      {},
      ...(name ? [element("h3", {}, name)] : []),
      element(
        "dl",
        {},
        ...rows.flatMap(({ shown, does = "" }) =>
          shown
            ? [element("dt", {}, ...shown.split(" ").map((each) => element("kbd", {}, each))), element("dd", {}, does)]
            : [],
        ),
      ),
    ),
  );
  const close = element("button", { class: "pt-button", autofocus: true }, "Close");
  const form = element("form", { method: "dialog" }, element("h2", {}, "Keys"), ...sections, close);
  const dialog = element("dialog", { class: "pt-dialog pt-keys", "aria-label": "Keys" }, form);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 */
export function header(host, { props }) {
  const { title, explanation, model, on_top: onTop, device, choosable, login } = props.value;
  const about = (/** @type {string} */ text) => (onTop ? `${text} (on top: ${onTop})` : text);
  const pill = choosable
    ? element(
        "button",
        { type: "button", class: "pt-pill", title: about("Models: choose or add one"), onclick: openPicker },
        `${model} · ${device}`,
      )
    : element("span", { class: "pt-pill", title: about("The model, and where it runs") }, `${model} · ${device}`);
  const round = (
    /** @type {string} */ name,
    /** @type {string} */ hint,
    /** @type {string} */ sign,
    /** @type {() => void} */ act,
  ) => element("button", { type: "button", class: "pt-round", "aria-label": name, title: hint, onclick: act }, sign);
  const keys = listOfKeys();
  list = keys;
  const logout = element(
    "button",
    { class: "pt-link", title: "Edits that run go on, and are here when you log in again" },
    "Log out",
  );
  found(host, ".pt-header").replaceChildren(
    element("h1", {}, title),
    element("p", {}, explanation),
    pill,
    round("Light or dark", "Light or dark", "◐", toggleLight),
    round("Keys", "Keys (?)", "?", () => keys.showModal()),
    ...(login ? [element("form", { class: "pt-logout", method: "post", action: "logout" }, logout)] : []),
    keys,
  );
}

document.addEventListener("keydown", (event) => {
  if (isBehind()) return; // the page behind it has no keys
  const act = actOf(event);
  if (act === "keys" && !isTyping(event)) list?.showModal();
  if (act !== "run") return;
  const buttons = /** @type {HTMLButtonElement[]} */ ([...document.querySelectorAll(".pt-run")]);
  const run = buttons.find((each) => each.offsetParent && !each.disabled);
  if (run) event.preventDefault();
  run?.click();
});
