/** @typedef {"brush" | "eraser" | "rectangle" | "lasso" | "fill" | "eyedropper"} Tool */

/** @type {[Tool, string][]} with what their buttons say */
export const TOOLS = [
  ["brush", "Brush"],
  ["eraser", "Eraser"],
  ["rectangle", "Rectangle, with Alt cut out"],
  ["lasso", "Lasso, with Alt cut out"],
  ["fill", "Fill"],
  ["eyedropper", "Eyedropper"],
];
