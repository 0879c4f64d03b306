import { element } from "../page/element.js";
import { copied, Refusal } from "../page/outside.js";
import { compose } from "./compose.js";
import { addressOf, decode, download } from "./files.js";
import { grayMask, isBlank, png, WHITE } from "./pixels.js";
import { LAYERS } from "./sheet.js";

const PATIENCE = 700; // ms until it is said that a file is being opened
const ASPECT = 0.02; // by how much the sides of a sheet and a mask from outside may disagree

/**
 * @typedef {import("./sheet.js").Layer} Layer
 * @typedef {import("./sheet.js").Source} Source
 *
 * What the server makes of a file (components/canvas.py); `shown` is a PNG of its pixels:
 * @typedef {{shown: {path: string}, path: string, width: number, height: number, bytes?: Blob}} Read
 *
 * What Python sends with `Canvas.show` or `Canvas.back`:
 * @typedef {Partial<Record<Layer, Read>> & {token: string, keep: Layer[], aside?: string | null,
 *   back?: string, refused?: string}} Message
 */

/** @type {WeakMap<Source, Promise<void>>} a promise that its bytes are there, if they can be had */
const coming = new WeakMap();

/**
 * What goes to the server, and what comes from there: the canvas shows a picture as the server reads
 * it, so that what is seen is what is edited, and a run names the file itself.
 */
export class Exchange {
  /** @type {string | undefined} the message that was shown last */
  shown;

  /**
   * @param {import("./studio.js").Studio} studio
   * @param {import("../page/gradio.d.ts").Gradio} gradio
   * @param {number} heaviest bytes of a file
   */
  constructor(studio, gradio, heaviest) {
    this.studio = studio;
    this.gradio = gradio;
    this.heaviest = heaviest;
  }

  /**
   * A file that is opened, pasted or dropped; or a promise of one.
   *
   * @param {Blob | Promise<Blob>} file
   */
  take(file) {
    this.queue(async () => this.place({ picture: await this.read(await file, "picture") }, LAYERS, "picture"));
  }

  /**
   * Let the server read a file.
   *
   * @param {Blob} file
   * @param {"picture" | "mask"} layer
   * @returns {Promise<Read>}
   */
  async read(file, layer) {
    if (file.size > this.heaviest) {
      const [has, most] = [file.size, this.heaviest].map((bytes) => Math.ceil(bytes / 2 ** 20));
      throw new Refusal(`That file has ${has} MB; ${most} MB is the most. Make it smaller first.`);
    }
    const bytes = await copied(file);
    if (!bytes.size) throw new Refusal("That file is empty. Nothing was changed.");
    const patience = setTimeout(() => this.studio.say("Opening …"), PATIENCE);
    try {
      const path = await this.upload(bytes, layer);
      const read = await this.gradio.server.open_file(path, layer);
      if (read?.refused) throw new Refusal(read.refused);
      if (!read) throw new Error("the server gave no answer");
      return { ...read, path, bytes };
    } finally {
      clearTimeout(patience);
      this.studio.view.say("");
    }
  }

  /**
   * What the server has read, as an image; and for a picture, as the source of a sheet.
   *
   * @param {Read} read
   */
  async fetch({ shown, path, width, height, bytes }) {
    const preview = await download(addressOf(shown));
    const whole = Math.max(width, height) <= this.studio.limit;
    /** @type {Source} */
    const source = { path, preview, bytes: whole ? preview : (bytes ?? null), natural: width };
    return { image: await decode(preview), source };
  }

  /**
   * A mask from a file: white may change. It takes the sheet's size, so it must have its shape.
   *
   * @param {File} file
   */
  takeMask(file) {
    const { studio } = this;
    this.queue(async () => {
      const read = await this.read(file, "mask");
      const { width, height } = studio.sheet;
      if (Math.abs((read.width * height) / (read.height * width) - 1) > ASPECT + 1 / Math.min(width, height)) {
        const sizes = `${read.width} × ${read.height} pixels, this sheet ${width} × ${height}`;
        throw new Refusal(`That mask has ${sizes}. Open one of the same shape.`);
      }
      const { image: mask } = await this.fetch(read);
      const { limit, maskColor } = studio;
      const sheet = compose(studio.settled(), {
        images: { mask },
        keep: LAYERS,
        size: [width, height],
        limit,
        maskColor,
      });
      if (isBlank(sheet.mask))
        throw new Refusal("That mask is black everywhere. White says where the picture may change.");
      studio.setLayer("mask");
      studio.replace(sheet, "mask");
    });
  }

  async saveMask() {
    const { mask } = this.studio.settled();
    if (isBlank(mask)) return this.studio.say("There is no mask yet. Paint one first.");
    const href = URL.createObjectURL(await png(grayMask(mask)));
    element("a", { href, download: "pentimento-mask.png" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000); // once it is surely on the disk
  }

  /** @param {Message | null | undefined} message */
  show(message) {
    if (!message || message.token === this.shown) return;
    this.shown = message.token;
    this.queue(async () => {
      if (message.refused) throw new Refusal(message.refused);
      if (message.back) return this.studio.autosave.back(message.back, message.keep);
      await this.place(message, message.keep, "show", message.aside);
    });
  }

  /**
   * One after another, after the restore; what fails changes nothing.
   *
   * @param {() => Promise<void>} task
   */
  queue(task) {
    const { studio } = this;
    studio.ready = studio.ready.then(task).catch((error) => {
      if (error instanceof Refusal) return studio.say(error.message);
      console.warn("pentimento:", error);
      studio.say("The picture could not be sent to the server and read there. Nothing was changed: try again.");
    });
  }

  /**
   * Lay what the server has read, by layer.
   *
   * @param {Partial<Record<Layer, Read>>} given
   * @param {Layer[]} keep
   * @param {string} kind
   * @param {string | null} [aside]
   */
  async place(given, keep, kind, aside = null) {
    const { studio } = this;
    /** @type {Partial<Record<Layer, HTMLImageElement>>} */
    const images = {};
    /** @type {Source | null} */
    let source = null;
    for (const layer of LAYERS) {
      const read = given[layer];
      if (!read) continue;
      const fetched = await this.fetch(read);
      images[layer] = fetched.image;
      if (layer === "picture") source = fetched.source;
    }
    if (aside) studio.autosave.setAside(aside);
    const { limit, maskColor } = studio;
    studio.replace(compose(studio.settled(), { source, images, keep, limit, maskColor }), kind);
    if (source && !source.bytes) coming.set(source, this.complete(source));
  }

  /**
   * Fetch a large picture's own file, so that the server can be sent it should it lose it.
   *
   * @param {Source} source
   */
  async complete(source) {
    try {
      source.bytes = await download(addressOf(source));
      this.studio.autosave.unsaved = true;
      this.studio.autosave.save();
    } catch (error) {
      console.warn("pentimento:", error); // as long as the server has it, nothing is missing
    }
  }

  /** Every layer as the server stores it; null means that it could not be sent. */
  async export() {
    await this.studio.ready;
    const { width, height, source, paper, picture: blank, strokes: painted, mask: masked } = this.studio.settled();
    try {
      const [picture, strokes, mask] = await Promise.all([
        source ? this.held(source) : this.send("picture", paper === WHITE ? null : png(blank)),
        this.send("strokes", isBlank(painted) ? null : png(painted)),
        this.send("mask", isBlank(masked) ? null : png(grayMask(masked))),
      ]);
      return { width, height, picture, strokes, mask };
    } catch (error) {
      console.warn("pentimento:", error);
      this.studio.say(
        error instanceof Refusal
          ? error.message
          : "The canvas could not be sent to the server. Nothing is lost: run again.",
      );
      return null;
    }
  }

  /** The mask alone; `scale` says how large a pixel of the picture is here. */
  async exportMask() {
    await this.studio.ready;
    const { width, height, natural, mask } = this.studio.sheet;
    try {
      const path = await this.send("mask", isBlank(mask) ? null : png(grayMask(mask)));
      return { width, height, scale: width / natural, mask: path };
    } catch (error) {
      console.warn("pentimento:", error);
      return null;
    }
  }

  /**
   * @param {Layer} layer
   * @param {Promise<Blob> | null} content
   */
  async send(layer, content) {
    const blob = await content;
    return blob && this.upload(blob, layer);
  }

  /** @param {Blob} blob @param {string} name */
  async upload(blob, name) {
    return (await this.gradio.upload(new File([blob], name))).path;
  }

  /**
   * Where the server has the picture's own file: still, or anew.
   *
   * @param {Source} source
   */
  async held(source) {
    if (source.path && (await this.gradio.server.holds(source.path, "picture"))) return source.path;
    if (!source.bytes) await coming.get(source);
    if (!source.bytes) throw new Refusal("The server does not have this picture any more. Open it once more.");
    source.path = await this.upload(source.bytes, "picture");
    return source.path;
  }
}
