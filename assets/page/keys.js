/*
 * The one table of keys, and how a key is read, so that shortcuts work on any keyboard layout.
 *
 * What is typed counts where a shortcut has that character. Otherwise the key counts by its place on
 * a US keyboard: on a Russian one KeyZ types "я", on a French one BracketLeft types nothing at first.
 * A letter's place counts only where no ASCII character is typed, since on a French keyboard the
 * comma lies where M does.
 */

/**
 * @typedef {object} Shortcut
 * @property {string} [shown] as the list of keys has it, keys apart; without it, it is not listed
 * @property {string} [does] what the list says
 * @property {Record<string, string>} acts what each key does, by the name that scripts have for it
 * @property {boolean} [control] with Ctrl, or the Mac's Command
 * @property {boolean} [shift] whether with Shift, where that matters
 * @property {boolean} [free] with any others held: on some keyboards AltGr types it
 */

/** @type {{name: string, rows: Shortcut[]}[]} */
export const SHORTCUTS = [
  {
    name: "Painting",
    rows: [
      { shown: "B", does: "brush", acts: { b: "brush" } },
      { shown: "E", does: "eraser", acts: { e: "eraser" } },
      { shown: "G", does: "fill", acts: { g: "fill" } },
      { shown: "I", does: "pick a colour", acts: { i: "eyedropper" } },
    ],
  },
  {
    name: "",
    rows: [
      { shown: "[ ]", does: "smaller, larger brush", acts: { "[": "smaller", "]": "larger" }, free: true },
      { shown: "Space", does: "hold to move the sheet", acts: { " ": "move" } },
    ],
  },
  {
    name: "",
    rows: [
      {
        shown: "+ - 0",
        does: "zoom in, zoom out, fit to view",
        acts: { "+": "nearer", "=": "nearer", "-": "farther", 0: "fit" }, // + and = are one key
      },
    ],
  },
  {
    name: "",
    rows: [
      { shown: "Ctrl Z", does: "undo", acts: { z: "undo" }, control: true, shift: false },
      { shown: "Ctrl Shift Z", does: "redo", acts: { z: "redo", y: "redo" }, control: true },
      { shown: "Ctrl V", does: "paste a picture", acts: {}, control: true }, // the browser's own
    ],
  },
  {
    name: "Mask",
    rows: [
      { shown: "M", does: "strokes or mask", acts: { m: "layer" } },
      { shown: "R", does: "rectangle", acts: { r: "rectangle" } },
      { shown: "L", does: "lasso", acts: { l: "lasso" } },
      { acts: { escape: "cancel" } },
    ],
  },
  {
    name: "Page",
    rows: [
      { shown: "Ctrl Enter", does: "run", acts: { enter: "run" }, control: true },
      { shown: "?", does: "these keys", acts: { "?": "keys" }, free: true },
    ],
  },
];

const UNTYPED = ["dead", "process", "unidentified"]; // what is typed is not known yet
const TYPED = /^[a-z0-9[\]+=?\- ]$/;
/** @type {Record<string, string>} */
const PLACES = { BracketLeft: "[", BracketRight: "]", Digit0: "0", Minus: "-", Equal: "=", Space: " " };
const TEXT_FIELDS =
  "textarea, select, [contenteditable=''], [contenteditable=true], " +
  "input:not([type=range], [type=color], [type=checkbox], [type=radio], [type=button], [type=file])";

/**
 * The key as the table names it: "z", "[", "?", "enter".
 *
 * @param {KeyboardEvent} event
 */
export function keyOf({ key, code, shiftKey, altKey }) {
  const typed = (key ?? "").toLowerCase();
  const named = typed.length > 1 && !UNTYPED.includes(typed);
  if (named || TYPED.test(typed)) return typed;
  const letter = /^Key([A-Z])$/.exec(code)?.[1].toLowerCase();
  if (letter) return /^[\x21-\x7e]$/.test(typed) ? typed : letter;
  if (shiftKey) return code === "Slash" ? "?" : typed;
  return (!altKey && PLACES[code]) || typed;
}

/**
 * What a key does, by the name of its act; null for nothing.
 *
 * @param {KeyboardEvent} event
 */
export function actOf(event) {
  const key = keyOf(event);
  const control = event.ctrlKey || event.metaKey;
  const held = (/** @type {Shortcut} */ { free, control: wanted, shift }) => {
    if (free) return true;
    return wanted ? control && (shift === undefined || shift === event.shiftKey) : !control && !event.altKey;
  };
  const row = SHORTCUTS.flatMap(({ rows }) => rows).find((each) => Object.hasOwn(each.acts, key) && held(each));
  return row ? row.acts[key] : null;
}

/**
 * The keys of an act as a label has them: "Ctrl+Z".
 *
 * @param {string} act
 */
export function keysOf(act) {
  const row = SHORTCUTS.flatMap(({ rows }) => rows).find(({ acts }) => Object.values(acts).includes(act));
  return row?.shown?.replaceAll(" ", "+") ?? "";
}

/**
 * Whether keys and pasted words belong to what has the focus.
 *
 * @param {Event} event
 */
export function isTyping({ target }) {
  return target instanceof Element && Boolean(target.closest(TEXT_FIELDS));
}
