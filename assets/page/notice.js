/* A sentence under a widget. It may repeat what a person typed, so it is set as text, never as HTML. */

import { found } from "./element.js";

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 */
export function notice(host, { props, watch }) {
  const line = found(host, "p");
  const say = () => {
    line.textContent = typeof props.value === "string" ? props.value : "";
  };
  watch("value", say);
  say();
}
