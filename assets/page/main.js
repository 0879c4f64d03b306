/*
 * The page's scripts, all of them. This one runs before Gradio's own.
 *
 * A custom HTML component asks for what draws it with the event `pentimento:mount`, which is answered
 * at once: Gradio writes to components in the next frame (components/assets.py). The scripts of clicks
 * import what they call.
 */

import "./tab.js";
import "./traffic.js";
import "./light.js";
import "./open_tab.js";
import "./reload.js";
import { canvas } from "../canvas/canvas.js";
import { chips } from "./chips.js";
import { edits } from "./edits.js";
import { filmstrip } from "./filmstrip.js";
import { grid } from "./grid.js";
import { header } from "./header.js";
import { more } from "./more.js";
import { notice } from "./notice.js";
import { paper } from "./paper.js";
import { picker } from "./picker.js";
import { stage } from "./stage.js";

/** @type {Record<string, (host: HTMLElement, gradio: import("./gradio.d.ts").Gradio, about: any) => void>} */
const MOUNTS = { canvas, chips, edits, filmstrip, grid, header, more, notice, paper, picker, stage };

document.addEventListener("pentimento:mount", (event) => {
  if (!(event instanceof CustomEvent)) return;
  const [host, gradio, name, about] = event.detail;
  MOUNTS[name](host, gradio, about);
});
