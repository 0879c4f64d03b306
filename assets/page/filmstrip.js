/*
 * The filmstrip: the steps of a run side by side, with a playhead. Not every step has a frame, so
 * each frame comes with its step's number; behind the last one is a place for the result.
 *
 * The strip is a range input laid over the frames, so that it drags, taps and takes arrow keys.
 * Where the playhead stands goes to the stage of the same key as `pentimento:scrub`.
 */

import { element, found } from "./element.js";

/**
 * @param {HTMLElement} host
 * @param {import("./gradio.d.ts").Gradio} gradio
 * @param {string} stage its key
 */
export function filmstrip(host, { props, watch }, stage) {
  const root = found(host, ".pt-filmstrip");
  const frames = element("div", { class: "pt-frames", "aria-hidden": "true" });
  const head = element("input", { type: "range", min: 0, step: 1, class: "pt-head", "aria-label": "Step of the run" });
  const label = element("span", { class: "pt-step" });
  root.append(element("div", { class: "pt-film" }, frames, head), label);

  const scrub = () => {
    const index = Number(head.value);
    const frame = props.value[index]; // none at the result's place
    const text = frame ? `step ${frame.step}` : "the result";
    head.setAttribute("aria-valuetext", text);
    label.textContent = text;
    root.style.setProperty("--at", String((index + 0.5) / (props.value.length + 1)));
    const detail = { key: stage, url: frame?.file.url, label: text, index };
    return new CustomEvent("pentimento:scrub", { bubbles: true, detail });
  };
  const show = () => {
    /** @type {{file: {url: string}}[]} */
    const films = Array.isArray(props.value) ? props.value : [];
    root.hidden = films.length < 2;
    frames.replaceChildren(
      ...films.map(({ file }) => element("img", { src: file.url, alt: "", draggable: "false" })),
      element("span", { class: "pt-end" }),
    );
    if (root.hidden) return;
    head.max = head.value = String(films.length);
    scrub();
  };
  head.addEventListener("input", () => root.dispatchEvent(scrub()));
  watch("value", show);
  show();
}
