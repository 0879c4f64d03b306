const MAX_STEPS = 40;
const MAX_BYTES = 192 * 2 ** 20;

/** @typedef {import("./draft.js").Step} Step */

/** @param {Step} step */
const bytesOf = (step) => (step.sheet ? step.sheet.bytes : step.pixels.width * step.pixels.height * 4);

/**
 * Steps back and forth, as many as memory allows. A step swaps what it holds with what is there, so
 * undoing and redoing are the same act.
 */
export class History {
  /** @type {Step[]} */
  past = [];
  /** @type {Step[]} */
  future = [];

  /** @param {Step} step */
  record(step) {
    this.future.length = 0;
    this.past.push(step);
    let total = this.past.reduce((sum, each) => sum + bytesOf(each), 0);
    while (this.past.length > MAX_STEPS || (total > MAX_BYTES && this.past.length > 1)) {
      total -= bytesOf(this.past[0]);
      this.past.shift();
    }
  }

  /** @param {(step: Step) => void} swap */
  back(swap) {
    return this.carry(this.past, this.future, swap);
  }

  /** @param {(step: Step) => void} swap */
  forth(swap) {
    return this.carry(this.future, this.past, swap);
  }

  /**
   * @param {Step[]} from
   * @param {Step[]} to
   * @param {(step: Step) => void} swap
   */
  carry(from, to, swap) {
    const step = from.pop();
    if (!step) return false;
    swap(step);
    to.push(step);
    return true;
  }
}
