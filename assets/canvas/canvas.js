/*
 * Pentimento's canvas: a picture, strokes over it, and a mask over both.
 *
 * components/canvas.py mounts one for each canvas; a click with `js=EXPORT` calls `exported`. Between
 * those two nothing goes over the network but files that are opened. Here is what belongs to the page
 * and not to one canvas: keys, pasted and dropped files, and when to save.
 */

import { found } from "../page/element.js";
import { actOf, isTyping, keyOf } from "../page/keys.js";
import { dropped, isBehind, pasted, say } from "../page/outside.js";
import { Studio } from "./studio.js";
import { TOOLS } from "./tools.js";

const ZOOM_STEP = 1.25; // of a key

/** @type {Map<string, Studio>} by key */
const studios = new Map();
/** @type {Studio | null} the canvas last touched: keys go to it */
let current = null;

/**
 * @param {HTMLElement} host
 * @param {import("../page/gradio.d.ts").Gradio} gradio
 * @param {import("./studio.js").About} about
 */
export function canvas(host, gradio, about) {
  const root = found(host, ".pm-canvas");
  const studio = new Studio(root, gradio, about, studios.get(about.key));
  studios.set(about.key, studio);
  for (const type of ["pointerenter", "pointerdown", "focusin"]) {
    root.addEventListener(type, () => {
      current = studio;
    });
  }
  const dropping = (/** @type {boolean} */ on) => root.classList.toggle("pm-dropping", on);
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    dropping(true);
  });
  root.addEventListener("dragleave", ({ relatedTarget: to }) => dropping(to instanceof Node && root.contains(to)));
  root.addEventListener("drop", () => dropping(false));
}

// To Python

/** @param {any} value */
const studioOf = (value) => studios.get(value?.canvas);

/**
 * Replace each canvas's marker among a click's inputs by what is on that canvas.
 *
 * @param {unknown[]} values
 */
export const exported = (values) => Promise.all(values.map((value) => studioOf(value)?.exchange.export() ?? value));

/**
 * The same while `on`, which stays the first value.
 *
 * @param {boolean} on
 * @param {unknown[]} values
 */
export const exportedIf = async (on, values) => [on, ...(on ? await exported(values) : values)];

/**
 * The same with the mask alone.
 *
 * @param {unknown[]} values
 */
export const exportedMask = (values) =>
  Promise.all(values.map((value) => studioOf(value)?.exchange.exportMask() ?? value));

// Keys

/** The canvas that was used last, if it can be seen: keys go to it. */
const active = () => (current?.isVisible ? current : null);

/**
 * Whether the space bar is the canvas's: elsewhere on the page it presses what has the focus.
 *
 * @param {Studio} studio
 * @param {EventTarget | null} target
 */
function hasSpace({ root, view }, target) {
  const own = target === document.body || (target instanceof Node && root.contains(target));
  return own && view.element.matches(":hover, :focus");
}

/**
 * True if the key was ours.
 *
 * @param {Studio} studio
 * @param {KeyboardEvent} event
 */
function press(studio, event) {
  const act = actOf(event);
  const tool = TOOLS.find(([name]) => name === act);
  if (tool) studio.setTool(tool[0]);
  else if (act === "smaller") studio.resizeBrush(-1);
  else if (act === "larger") studio.resizeBrush(1);
  else if (act === "undo") studio.undo();
  else if (act === "redo") studio.redo();
  else if (act === "layer") studio.setLayer(studio.layer === "mask" ? "strokes" : "mask");
  else if (act === "cancel" && studio.hand.gesture) studio.hand.finish(true);
  else if (act === "nearer") studio.view.zoomBy(ZOOM_STEP);
  else if (act === "farther") studio.view.zoomBy(1 / ZOOM_STEP);
  else if (act === "fit") studio.view.fit();
  else if (act === "move" && hasSpace(studio, event.target)) studio.hand.setPanning(true);
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  const studio = active();
  if (studio?.isReady && !isTyping(event) && !isBehind() && press(studio, event)) event.preventDefault();
});
document.addEventListener("keyup", (event) => {
  if (keyOf(event) !== " " || !current?.hand.panning) return;
  current.hand.setPanning(false);
  event.preventDefault(); // else a focused button would be clicked
});
window.addEventListener("blur", () => current?.hand.setPanning(false));

// Files

/**
 * Give the canvas that is seen what came, or say why not.
 *
 * @param {Promise<Blob>} file
 */
function receive(file) {
  file.catch(() => {}); // it is said below
  const studio = active() ?? [...studios.values()].find((each) => each.isVisible);
  if (isBehind()) say("Close this window first, then give the picture once more.");
  else if (studio) studio.exchange.take(file);
  else say("There is no canvas here that could take a picture.");
}

/** @param {DataTransfer | null} transfer */
const bringsFiles = (transfer) => Boolean(transfer?.types.includes("Files"));

// Also beside the canvas: else the browser would leave the page and show the file.
document.addEventListener("dragover", (event) => {
  const link = !isTyping(event) && event.dataTransfer?.types.includes("text/uri-list");
  if (link || bringsFiles(event.dataTransfer)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const { dataTransfer: transfer } = event;
  if (!transfer || (isTyping(event) && !bringsFiles(transfer))) return; // words into words
  event.preventDefault();
  receive(dropped(transfer));
});
document.addEventListener("paste", (event) => {
  const { clipboardData: clipboard } = event;
  if (!clipboard || (isTyping(event) && (!bringsFiles(clipboard) || clipboard.types.includes("text/plain")))) return;
  event.preventDefault();
  receive(pasted(clipboard));
});

// Both: not every browser hides a page before it leaves it.

function saveAll() {
  for (const { autosave } of studios.values()) autosave.save();
}

window.addEventListener("pagehide", saveAll);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) saveAll();
});
