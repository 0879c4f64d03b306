/* The paper's name, by which a tab that is opened for the first time is known to be whole. */

import { found } from "./element.js";

const PATIENCE = 1000; // ms, should Gradio no longer write the values of a tab twice

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 */
export function paper(host, { props, watch }) {
  const line = found(host, "p");
  const name = props.value;
  line.textContent = name;
  if (!line.classList.contains("pt-arriving")) return;
  const arrive = () => line.classList.remove("pt-arriving");
  props.value = ""; // until it is written for the second time, with everything else
  watch("value", () => {
    if (props.value === name) arrive();
  });
  setTimeout(arrive, PATIENCE);
}
