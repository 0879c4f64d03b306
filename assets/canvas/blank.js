import { element } from "../page/element.js";
import { keyOf } from "../page/keys.js";
import { WHITE } from "./pixels.js";

/**
 * The form that makes a new canvas: its sides, the colour of its paper, and what is to stay.
 *
 * @param {number} limit of a side
 * @param {number[]} size
 * @param {(width: number, height: number, paper: string, keep: import("./sheet.js").Layer[]) => void} make
 * @param {() => void} close
 */
export function blankForm(limit, size, make, close) {
  const side = (/** @type {string} */ title, /** @type {number} */ value) =>
    element("input", { type: "number", min: 1, max: limit, value, required: true, "aria-label": title });
  const [width, height] = [side("Width", size[0]), side("Height", size[1])];
  const color = element("input", { type: "color", value: WHITE, "aria-label": "Paper colour" });
  const paper = element("label", { class: "pm-dab pm-any", title: "Paper colour" }, color);
  const act = (/** @type {string} */ text, /** @type {import("./sheet.js").Layer[]} */ keep) =>
    element(
      "button",
      {
        type: "button",
        class: "pm-text",
        onclick: () => {
          if (!form.reportValidity()) return;
          make(Number(width.value), Number(height.value), color.value, keep);
          close();
        },
      },
      text,
    );
  const form = element(
    "form",
    { class: "pm-blank", hidden: true, "aria-label": "New canvas" },
    element("div", { class: "pm-sides" }, width, element("span", { "aria-hidden": "true" }, "×"), height, paper),
    act("Start blank", []),
    act("Resize, keep strokes", ["strokes", "mask"]),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("keydown", (event) => {
    if (keyOf(event) === "escape") close();
  });
  paper.style.setProperty("--dab", WHITE);
  color.addEventListener("input", () => paper.style.setProperty("--dab", color.value));
  return { form, width, height };
}
