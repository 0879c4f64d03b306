/* The button before what is not needed for a first try. */

import { found } from "./element.js";

/** @param {HTMLElement} host */
export function more(host) {
  const button = found(host, "button");
  button.addEventListener("click", () => button.setAttribute("aria-expanded", String(button.ariaExpanded !== "true")));
}
