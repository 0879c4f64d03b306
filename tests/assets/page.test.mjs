import assert from "node:assert/strict";
import { test } from "node:test";
import { enlarged, fit } from "../../assets/page/fit.js";
import { actOf, keysOf, SHORTCUTS } from "../../assets/page/keys.js";
import { restored } from "../../assets/page/memory.js";
import { changes, counterparts, nameOf, wordsOf } from "../../assets/page/words.js";

const press = (key, rest = {}) =>
  actOf({ key, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...rest });

test("each key does one thing", () => {
  assert.equal(press("b"), "brush");
  assert.equal(press("B", { shiftKey: true }), "brush");
  assert.equal(press("z", { ctrlKey: true }), "undo");
  assert.equal(press("z", { metaKey: true, shiftKey: true }), "redo");
  assert.equal(press("y", { ctrlKey: true }), "redo");
  assert.equal(press("z"), null);
  assert.equal(press("b", { ctrlKey: true }), null);
  assert.equal(press("b", { altKey: true }), null);
  assert.equal(press("[", { ctrlKey: true, altKey: true }), "smaller"); // as AltGr types it
  assert.equal(press("=", { shiftKey: true }), "nearer");
  assert.equal(press("Enter", { ctrlKey: true }), "run");
  assert.equal(press("Enter"), null);
  assert.equal(press("?", { shiftKey: true }), "keys");
  assert.equal(press("v", { ctrlKey: true }), null); // the browser's own
  assert.equal(press("constructor"), null);
});

test("a key counts by its place where nothing else is typed there", () => {
  assert.equal(press("я", { code: "KeyZ", ctrlKey: true }), "undo"); // Russian
  assert.equal(press("Dead", { code: "BracketLeft" }), "smaller"); // French
  assert.equal(press(",", { code: "KeyM" }), null); // French: not the layers' key
});

test("no key is in the table twice", () => {
  const keys = SHORTCUTS.flatMap(({ rows }) => rows).flatMap((row) =>
    Object.keys(row.acts).map((key) => [key, row.control ?? false, row.shift ?? "any"].join(" ")),
  );
  assert.deepEqual(keys, [...new Set(keys)]);
  assert.equal(keysOf("redo"), "Ctrl+Shift+Z");
  assert.equal(keysOf("nothing"), "");
});

test("a picture lies within its mount, and enlarged pixels are whole or half", () => {
  for (const [density, innerHeight] of [[1, 900], [2, 844], [1.5, 600], [1, 300]]) {
    Object.assign(globalThis, { devicePixelRatio: density, innerHeight });
    for (const [width, height] of [[256, 256], [64, 512], [2048, 100], [7, 3000]]) {
      const { scale, high, left, top, sharp } = fit(width, height, 500);
      assert.ok(left >= 12 - 1e-9 && top >= 12 - 1e-9);
      assert.ok(high >= 280 && top + height * scale <= high - 16);
      if (scale * density > 1) assert.equal((scale * density * 2) % 1, 0);
      assert.equal(sharp, scale * density >= 1);
    }
  }
  Object.assign(globalThis, { devicePixelRatio: 2 });
  assert.deepEqual(enlarged(1.9), { scale: 1.75, sharp: true });
  assert.deepEqual(enlarged(0.3), { scale: 0.3, sharp: false });
});

test("what was kept comes back only where it fits", () => {
  const fields = [
    { name: "prompt", first: "", longest: 5 },
    { name: "steps", first: 20, between: [1, 100] },
    { name: "only", first: "a", among: ["a", "b"] },
  ];
  const first = ["", 20, "a"];
  const kept = { start: "x", values: { prompt: "tree", steps: 7, only: "b" } };
  assert.deepEqual(restored("x", fields, kept, first), ["tree", 7, "b"]);
  assert.deepEqual(restored("y", fields, kept, first), ["tree", 20, "a"]); // words alone
  assert.deepEqual(restored("x", fields, kept, ["new", 21, "a"]), ["new", 21, "b"]);
  const bad = { start: "x", values: { prompt: "too long", steps: Number.NaN, only: "c" } };
  assert.deepEqual(restored("x", fields, bad, first), first);
  assert.deepEqual(restored("x", fields, null, first), first);
});

test("words that are swapped, added and removed are told apart", () => {
  const [mine, theirs] = [wordsOf("a red house by day"), wordsOf("a blue house at night")];
  assert.deepEqual(changes(mine, theirs).map(({ kind }) => kind), ["same", "swapped", "same", "swapped"]);
  assert.deepEqual(counterparts(mine, theirs), [0, 1, 2, 3, 4]);
  assert.deepEqual(changes(["a"], ["a", "b"]).at(-1), { kind: "added", from: [], to: [1] });
  assert.deepEqual(changes(["a", "b"], ["b"])[0], { kind: "removed", from: [0], to: [] });
  assert.equal(nameOf(["tree", "and", "Tree"], 2), "Tree#2");
});
