/*
 * How every listener of the page reads a key, so that shortcuts work on any keyboard layout.
 *
 * What is typed counts where a shortcut has that character. Otherwise the key counts by its place on
 * a US keyboard: on a Russian one KeyZ types "я", on a French one BracketLeft types nothing at first.
 * A letter's place counts only where no ASCII character is typed, since on a French keyboard the
 * comma lies where M does.
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.key) return;

  const UNTYPED = ["dead", "process", "unidentified"]; // what is typed is not known yet
  const TYPED = /^[a-z0-9[\]+=?\- ]$/;
  const PLACES = { BracketLeft: "[", BracketRight: "]", Digit0: "0", Minus: "-", Equal: "=", Space: " " };
  const TEXT_FIELDS =
    "textarea, select, [contenteditable=''], [contenteditable=true], " +
    "input:not([type=range], [type=color], [type=checkbox], [type=radio], [type=button], [type=file])";

  /** The key as shortcuts name it: "z", "[", "?", "enter". */
  page.key = ({ key, code, shiftKey, altKey }) => {
    const typed = (key ?? "").toLowerCase();
    const named = typed.length > 1 && !UNTYPED.includes(typed);
    if (named || TYPED.test(typed)) return typed;
    const letter = /^Key([A-Z])$/.exec(code)?.[1].toLowerCase();
    if (letter) return /^[\x21-\x7e]$/.test(typed) ? typed : letter;
    if (shiftKey) return code === "Slash" ? "?" : typed;
    return (!altKey && PLACES[code]) || typed;
  };

  /** Whether keys and pasted words belong to what has the focus. */
  page.isTyping = ({ target }) => Boolean(target.closest?.(TEXT_FIELDS));
})();
