/*
 * What comes from outside by mouse or clipboard: the one file that is meant, or a sentence that says
 * why there is none. What an event carries can be read only while it is handled: nothing is awaited
 * before that.
 */

import { element } from "./element.js";

/** A sentence for a person. What fails with it has changed nothing. */
export class Refusal extends Error {}

/**
 * A file of this page, or one that is written out in its address.
 *
 * @param {string} link
 */
async function linked(link) {
  const url = URL.canParse(link, location.href) ? new URL(link, location.href) : null;
  if (!url || (!["data:", "blob:"].includes(url.protocol) && url.origin !== location.origin)) {
    throw new Refusal("A picture of another site cannot be fetched from here. Save it, then drop the file.");
  }
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new Refusal("That link leads to no picture. Save the picture, then drop the file.");
  return response.blob();
}

/**
 * @param {DataTransfer} transfer
 * @returns {Promise<Blob>}
 */
export async function dropped(transfer) {
  const files = [...transfer.files];
  const entries = [...transfer.items].filter(({ kind }) => kind === "file").map((item) => item.webkitGetAsEntry?.());
  if (entries.some((entry) => entry?.isDirectory)) throw new Refusal("That is a folder. Drop one picture out of it.");
  if (files.length > 1) throw new Refusal(`Those are ${files.length} files. Drop one picture at a time.`);
  if (files.length) return files[0];
  const lines = transfer.getData("text/uri-list").split(/\r?\n/);
  const link = lines.find((line) => line && !line.startsWith("#"));
  if (link) return linked(link);
  throw new Refusal("There is no picture in that. Drop one picture file.");
}

/**
 * @param {DataTransfer} clipboard
 * @returns {Promise<Blob>}
 */
export async function pasted(clipboard) {
  const files = [...clipboard.files];
  if (files.length > 1) throw new Refusal(`Those are ${files.length} files. Paste one picture at a time.`);
  if (files.length) return files[0];
  throw new Refusal("There is no picture on the clipboard. Copy a picture, not its link or its text.");
}

/**
 * A copy of a file that outlives it on the disk.
 *
 * @param {Blob} file
 */
export async function copied(file) {
  try {
    return new Blob([await file.arrayBuffer()]);
  } catch {
    throw new Refusal("That file cannot be read: it may be a folder, or gone. Nothing was changed.");
  }
}

/** Whether a dialog lies over the page. */
export const isBehind = () => Boolean(document.querySelector("dialog[open]"));

/** @type {HTMLElement | null} */
let toast = null;
let silence = 0;

/**
 * Say it over everything, where no canvas is seen that could.
 *
 * @param {string} sentence
 */
export function say(sentence) {
  toast?.remove();
  toast = element("div", { class: "pm-toast", role: "alert", popover: "manual" }, sentence);
  document.body.append(toast);
  toast.showPopover?.(); // above a dialog as well
  clearTimeout(silence);
  silence = window.setTimeout(() => toast?.remove(), 8000);
}
