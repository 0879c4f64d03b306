import { tab } from "../page/tab.js";
import { drawContained, pen, tint } from "./pixels.js";
import { Sheet } from "./sheet.js";
import { store } from "./store.js";

const DELAY = 250; // ms after the last stroke

/** @typedef {import("./sheet.js").Kept & {name: string}} Aside a sheet, and the name that brings it back */

/** Keeps a canvas in the browser, in each browser tab its own, with what was set aside for a way back. */
export class Autosave {
  unsaved = false;
  saving = 0;
  /** @type {Aside | null} */
  aside = null;

  /** @param {import("./studio.js").Studio} studio */
  constructor(studio) {
    this.studio = studio;
    this.address = tab.address(`canvas-${studio.key}`);
  }

  /** The sheet has changed. */
  soon() {
    tab.use();
    this.unsaved = true;
    this.studio.root.dataset.kept = "false";
    clearTimeout(this.saving);
    this.saving = window.setTimeout(() => this.save(), DELAY);
  }

  save() {
    if (!this.unsaved) return;
    const { studio } = this;
    this.unsaved = false;
    const kept = () => {
      studio.root.dataset.kept = String(!this.unsaved);
    };
    store.put(this.address, studio.sheet.kept(), kept, () => {
      this.unsaved = true;
      studio.say("This browser does not keep the canvas: a reload would lose it.");
    });
  }

  async restore() {
    try {
      const kept = (await store.get(this.address)) ?? (await this.former());
      if (kept) this.studio.lay(await Sheet.of(kept));
      this.aside = await store.get(`${this.address}/aside`);
    } catch (error) {
      console.warn("pentimento: the canvas could not be restored:", error);
    }
  }

  /** What a version kept that had one canvas for all browser tabs. */
  async former() {
    const { key, exchange } = this.studio;
    const kept = tab.from ? null : await store.get(`${location.pathname}#${key}`);
    if (!kept?.file) return kept && { ...kept, source: null };
    const { source } = await exchange.fetch(await exchange.read(kept.file, "picture"));
    return { ...kept, source };
  }

  /**
   * What is on the canvas can be had `back` under this name, which keeps what it has.
   *
   * @param {string} name
   */
  setAside(name) {
    if (name !== this.aside?.name) this.keepAside({ name, ...this.studio.settled().kept() });
  }

  /** @param {Aside | null} aside */
  keepAside(aside) {
    this.aside = aside;
    store.put(
      `${this.address}/aside`,
      aside,
      () => {},
      () => {},
    ); // `save` says what does not work
  }

  /**
   * @param {string} name
   * @param {import("./sheet.js").Layer[]} keep layers that stay as they are now
   */
  async back(name, keep) {
    if (!this.aside || name !== this.aside.name) return;
    const { studio } = this;
    const sheet = await Sheet.of(this.aside);
    const now = studio.settled();
    for (const layer of keep) {
      pen(sheet[layer]).clearRect(0, 0, sheet.width, sheet.height);
      drawContained(sheet[layer], now[layer]);
    }
    tint(sheet.mask, studio.maskColor); // which may be another one by now
    this.keepAside(null);
    studio.replace(sheet, "show");
  }
}
