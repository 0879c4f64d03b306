import { drawing } from "../page/element.js";

/** @type {Record<string, string>} paths of one line, on a field of 24 */
const ICONS = {
  brush: "M20 4c-5 1.5-9.5 5.5-11 9l2 2c3.5-1.5 7.5-6 9-11zM8.5 13.5C5.5 13.5 6 18 3.5 19.5c3 1 7.5.5 7.5-3.5",
  eraser:
    "M8 19.5 3.8 15.3a1.5 1.5 0 0 1 0-2.1l8.4-8.4a1.5 1.5 0 0 1 2.1 0l4.9 4.9a1.5 1.5 0 0 1 0 2.1L11.5 19.5zM8 9l7 7M8 19.5h12",
  rectangle: "M4.5 6.5h15v11h-15z",
  lasso:
    "M7.5 16.5C5 15.5 3.5 13.5 3.5 11 3.5 7 7.3 4.5 12 4.5s8.5 2.5 8.5 6.5-3.8 6.5-8.5 6.5c-.8 0-1.6-.1-2.3-.2M9.7 16.5a2 2 0 1 1-2.2-1.5c1.2 0 2.2.8 2.2 2 0 1.8-1 3-3.2 3.5",
  fill: "m10.5 4 8 8-6.3 6.3a1.5 1.5 0 0 1-2.1 0l-5.9-5.9a1.5 1.5 0 0 1 0-2.1zM7.5 3l3 3M4 12h14.5M20.5 15.5c1 1.5 1.5 2.3 1.5 3a1.5 1.5 0 0 1-3 0c0-.7.5-1.5 1.5-3z",
  eyedropper:
    "m13 7.5 3.5 3.5M14.5 9l2.6-2.6a2 2 0 0 1 2.9 0 2 2 0 0 1 0 2.9L17.5 12M12 6l6 6M14 10l-7.5 7.5-2.5 2 2-2.5L13.5 9.5",
  undo: "M8.5 5 4.5 9l4 4M4.5 9H14a5 5 0 0 1 0 10H9",
  redo: "m15.5 5 4 4-4 4M19.5 9H10a5 5 0 0 0 0 10h5",
  invert: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 4v16M12 8h3.5M12 12h5M12 16h3.5",
  clear: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v5.5M13.5 10.5v5.5",
  fit: "M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15",
  open: "M4.5 5h15v14h-15zM4.5 16l4.5-4.5 4 4 2.5-2.5 4 4M15.5 9.2h.01",
  outside: "M4.5 5h15v14h-15zM12 16V9.5M9 12.2l3-3 3 3",
  keep: "M4.5 5h15v14h-15zM12 8v6.5M9 11.8l3 3 3-3",
  blank: "M6 3.5h8l4.5 4.5v12.5H6zM14 3.5V8h4.5M12.2 11v6M9.2 14h6",
};

/** @param {string} name */
export function icon(name) {
  const svg = drawing("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" });
  svg.append(drawing("path", { d: ICONS[name] }));
  return svg;
}
