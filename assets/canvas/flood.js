const TOLERANCE = 32; // largest difference of one channel, of 255

/**
 * Which pixels are connected with (x, y) and like it: 255 for each of them, 0 for the others.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image RGBA
 * @param {number} x
 * @param {number} y
 */
export function flood({ data, width, height }, x, y) {
  const found = new Uint8ClampedArray(width * height);
  const seed = (y * width + x) * 4;
  const alike = (/** @type {number} */ at) => {
    for (let c = 0; c < 4; c++) {
      if (Math.abs(data[at * 4 + c] - data[seed + c]) > TOLERANCE) return false;
    }
    return true;
  };
  const todo = [y * width + x];
  found[todo[0]] = 255;
  const visit = (/** @type {number} */ at) => {
    if (!found[at] && alike(at)) {
      found[at] = 255;
      todo.push(at);
    }
  };
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    const column = at % width;
    if (column > 0) visit(at - 1);
    if (column < width - 1) visit(at + 1);
    if (at >= width) visit(at - width);
    if (at < width * (height - 1)) visit(at + width);
  }
  return found;
}
