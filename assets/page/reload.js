/*
 * What happens elsewhere and makes this page one of the past: another model serves, chosen in another
 * tab or by somebody else, or the visitor is logged out.
 */

import { element, found } from "./element.js";

/**
 * @param {string} sentence
 * @param {string} word of the button
 */
function offerReload(sentence, word) {
  if (document.querySelector(".pt-changed")) return;
  const again = element("button", { type: "button", class: "pt-button", onclick: () => location.reload() }, word);
  const says = element("p", {}, `${sentence} What you painted and wrote stays.`);
  found(document, ".gradio-container .contain").append(
    element("div", { class: "pt-changed", role: "alert" }, says, again),
  );
}

export const changed = () => offerReload("The studio serves another model now.", "Reload");

window.addEventListener("pentimento:changed", changed);
window.addEventListener("pentimento:logged-out", () => offerReload("You are logged out.", "Log in"));
