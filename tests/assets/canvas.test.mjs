import assert from "node:assert/strict";
import { test } from "node:test";
import { limited } from "../../assets/canvas/compose.js";
import { flood } from "../../assets/canvas/flood.js";
import { History } from "../../assets/canvas/history.js";
import { hex, rgb } from "../../assets/canvas/pixels.js";
import { union, within } from "../../assets/canvas/rectangles.js";
import { wetten } from "../../assets/canvas/stroke.js";

const SIZE = { width: 40, height: 30 };
const at = (wet, x, y) => wet[y * SIZE.width + x];

function wet(a, b, softness = 0) {
  const pixels = new Uint8ClampedArray(SIZE.width * SIZE.height);
  const area = wetten(pixels, SIZE, a, b, softness);
  return { pixels, area };
}

test("a hard dab covers its disc and nothing two pixels beyond", () => {
  const touch = { x: 20, y: 15, radius: 6, alpha: 1 };
  const { pixels } = wet(touch, touch);
  for (let y = 0; y < SIZE.height; y++) {
    for (let x = 0; x < SIZE.width; x++) {
      const distance = Math.hypot(x + 0.5 - 20, y + 0.5 - 15);
      if (distance <= 5.5) assert.equal(at(pixels, x, y), 255);
      if (distance >= 6.5) assert.equal(at(pixels, x, y), 0);
    }
  }
});

test("a soft dab falls off evenly on all sides, and never rises outwards", () => {
  const touch = { x: 20, y: 15, radius: 10, alpha: 1 };
  const { pixels } = wet(touch, touch, 1);
  for (let step = 0; step < 9; step++) {
    assert.equal(at(pixels, 20 + step, 15), at(pixels, 19 - step, 15));
    assert.equal(at(pixels, 20, 15 + step), at(pixels, 20, 14 - step));
    assert.ok(at(pixels, 20 + step, 15) >= at(pixels, 21 + step, 15));
  }
});

test("the wetter of old and new wins, in any order", () => {
  const strong = { x: 15, y: 15, radius: 5, alpha: 0.8 };
  const weak = { x: 18, y: 15, radius: 5, alpha: 0.3 };
  const [one, other] = [new Uint8ClampedArray(1200), new Uint8ClampedArray(1200)];
  for (const touch of [strong, weak]) wetten(one, SIZE, touch, touch, 0.5);
  for (const touch of [weak, strong]) wetten(other, SIZE, touch, touch, 0.5);
  assert.deepEqual(one, other);
  assert.equal(Math.max(...one), 204); // 0.8 of 255
});

test("a stroke reports every pixel that it wets", () => {
  const { pixels, area } = wet({ x: 3, y: 4, radius: 2, alpha: 1 }, { x: 30, y: 22, radius: 5, alpha: 1 }, 0.4);
  for (const [i, value] of pixels.entries()) {
    const [x, y] = [i % SIZE.width, Math.floor(i / SIZE.width)];
    const inside = x >= area.x && x < area.x + area.width && y >= area.y && y < area.y + area.height;
    if (value) assert.ok(inside);
  }
});

test("a stroke beside the sheet wets nothing", () => {
  const touch = { x: -50, y: 10, radius: 5, alpha: 1 };
  const { pixels, area } = wet(touch, touch);
  assert.equal(area, null);
  assert.ok(pixels.every((value) => value === 0));
});

test("areas are whole pixels within the canvas", () => {
  assert.deepEqual(within(SIZE, -3, 2.4, 5.1, 99), { x: 0, y: 2, width: 6, height: 28 });
  assert.equal(within(SIZE, 41, 0, 50, 10), null);
  assert.deepEqual(union({ x: 1, y: 1, width: 2, height: 2 }, { x: 5, y: 0, width: 1, height: 9 }), {
    x: 1,
    y: 0,
    width: 5,
    height: 9,
  });
  assert.deepEqual(union(null, { x: 1, y: 2, width: 3, height: 4 }), { x: 1, y: 2, width: 3, height: 4 });
});

test("colours are read and written alike", () => {
  for (const color of ["#000000", "#ffffff", "#0a1b2c"]) assert.equal(hex(rgb(color)), color);
  assert.equal(hex([1, 2, 3, 255]), "#010203");
});

test("a large picture's layers keep its shape", () => {
  assert.deepEqual(limited({ width: 8064, height: 6048 }, 2048), [2048, 1536]);
  assert.deepEqual(limited({ width: 300, height: 200 }, 2048), [300, 200]);
  assert.deepEqual(limited({ width: 10000, height: 1 }, 2048), [2048, 1]);
});

test("a fill stays within its outline, and crosses no corner", () => {
  const width = 7;
  const data = new Uint8ClampedArray(width * width * 4);
  const wall = [8, 9, 10, 11, 12, 15, 19, 22, 26, 29, 33, 36, 37, 38, 39, 40]; // a square ring
  for (const i of wall) data.fill(255, 4 * i, 4 * i + 4);
  const inside = flood({ data, width, height: width }, 3, 3);
  assert.deepEqual([...inside.keys()].filter((i) => inside[i]), [16, 17, 18, 23, 24, 25, 30, 31, 32]);
  data.fill(0, 4 * 8, 4 * 8 + 4); // a corner of the ring is open
  assert.equal(flood({ data, width, height: width }, 3, 3).filter(Boolean).length, 9);
});

test("a fill takes what differs by up to 32, from where it began", () => {
  const data = new Uint8ClampedArray([100, 0, 0, 255, 132, 0, 0, 255, 133, 0, 0, 255, 100, 0, 0, 255]);
  assert.deepEqual([...flood({ data, width: 4, height: 1 }, 0, 0)], [255, 255, 0, 0]);
});

const part = (side = 10) => ({ layer: "strokes", x: 0, y: 0, pixels: { width: side, height: side } });

test("undo goes back through 40 steps and no further", () => {
  const history = new History();
  const steps = Array.from({ length: 45 }, () => part());
  for (const step of steps) history.record(step);
  const seen = [];
  while (history.back((step) => seen.push(step)));
  assert.deepEqual(seen, steps.slice(5).reverse());
});

test("steps that hold more than 192 MB together are let go, but never the last", () => {
  const history = new History();
  for (let n = 0; n < 4; n++) history.record(part(4096)); // 64 MB each
  assert.equal(history.past.length, 3);
  history.record(part(8192)); // 256 MB
  assert.equal(history.past.length, 1);
});

test("redo comes back in order, and a new step ends it", () => {
  const history = new History();
  const [a, b, c] = [part(), part(), part()];
  for (const step of [a, b]) history.record(step);
  const seen = [];
  const swap = (step) => seen.push(step);
  assert.ok(history.back(swap) && history.back(swap));
  assert.equal(history.back(swap), false);
  assert.ok(history.forth(swap));
  assert.deepEqual(seen, [b, a, a]);
  history.record(c);
  assert.equal(history.forth(swap), false);
  assert.deepEqual(history.past, [a, c]);
});
