import { element } from "../page/element.js";
import { keysOf } from "../page/keys.js";
import { begin, clear, invert } from "./acts.js";
import { blankForm } from "./blank.js";
import { icon } from "./icons.js";
import { TOOLS } from "./tools.js";

/** @typedef {import("./studio.js").Studio} Studio */

const PAINTED = /** @type {const} */ (["strokes", "mask"]);

/** Buttons, sliders and swatches. */
export class Panel {
  /** @type {Record<string, HTMLButtonElement>} */
  buttons = {};

  /** @param {Studio} studio */
  constructor(studio) {
    this.studio = studio;
    this.file = chooser("Picture file", (file) => studio.exchange.take(file));
    this.maskFile = chooser("Mask file", (file) => studio.exchange.takeMask(file));
    this.blank = blankForm(
      studio.limit,
      studio.size,
      (width, height, paper, keep) => begin(studio, width, height, paper, keep),
      () => this.toggleBlank(),
    );
    this.modes = PAINTED.map((layer) =>
      element(
        "button",
        {
          type: "button",
          class: "pm-mode",
          title: `Switch between strokes and mask (${keysOf("layer")})`,
          onclick: () => studio.setLayer(layer),
        },
        layer === "mask" ? "Mask" : "Paint",
      ),
    );
    this.bar = this.buildBar();
    this.sliders = {
      size: slider("Size", "px", (value) => studio.setBrush("size", value)),
      softness: slider("Softness", "%", (value) => studio.setBrush("softness", value)),
      opacity: slider("Opacity", "%", (value) => studio.setBrush("opacity", value)),
    };
    this.veil = slider("Overlay", "%", (value) => studio.setVeil(value));
    this.swatches = element("div", { class: "pm-swatches", role: "group", "aria-label": "Colours" });
    this.anyColor = dab("Any colour", (color) => studio.setColor(color));
    this.maskColor = dab("Mask colour", (color) => studio.setMaskColor(color));
    this.tray = this.buildTray();
  }

  /**
   * @param {string} name
   * @param {string} title
   * @param {() => void} act
   * @param {string} [keys]
   */
  button(name, title, act, keys = "") {
    const label = keys ? `${title} (${keys})` : title;
    const attributes = { type: "button", class: "pm-button", title: label, "aria-label": title };
    const node = element("button", { ...attributes, onclick: act }, icon(name));
    this.buttons[name] = node;
    return node;
  }

  buildBar() {
    const { studio } = this;
    return element(
      "div",
      { class: "pm-bar", role: "toolbar", "aria-label": "Canvas tools" },
      element("div", { class: "pm-modes", role: "group", "aria-label": "Layer" }, ...this.modes),
      group(
        "Tools",
        ...TOOLS.map(([tool, title]) => this.button(tool, title, () => studio.setTool(tool), keysOf(tool))),
      ),
      group(
        "Changes",
        this.button("undo", "Undo", () => studio.undo(), keysOf("undo")),
        this.button("redo", "Redo", () => studio.redo(), keysOf("redo")),
        this.button("invert", "Invert mask", () => invert(studio)),
        this.button("clear", "Clear strokes", () => clear(studio)),
      ),
      group(
        "Sheet",
        this.button("fit", "Fit to view", () => studio.view.fit()),
        this.button("open", "Open a picture", () => this.file.click()),
        this.button("blank", "New canvas", () => this.toggleBlank()),
      ),
      this.file,
      this.maskFile,
      this.blank.form,
    );
  }

  buildTray() {
    const { studio } = this;
    return element(
      "div",
      { class: "pm-tray" },
      element("div", { class: "pm-paints" }, this.swatches, this.anyColor.node),
      element(
        "div",
        { class: "pm-veil" },
        this.maskColor.node,
        this.veil.node,
        element(
          "div",
          { class: "pm-group" },
          this.button("outside", "Open a mask", () => this.maskFile.click()),
          this.button("keep", "Save the mask", () => studio.exchange.saveMask()),
        ),
      ),
      element("div", { class: "pm-sliders" }, ...Object.values(this.sliders).map(({ node }) => node)),
    );
  }

  toggleBlank() {
    const { studio } = this;
    const { form, width, height } = this.blank;
    form.hidden = !form.hidden;
    this.buttons.blank.setAttribute("aria-expanded", String(!form.hidden));
    width.value = String(studio.sheet.width);
    height.value = String(studio.sheet.height);
    if (form.hidden) this.buttons.blank.focus();
    else width.focus();
  }

  /** @param {[string, string][]} swatches names and colours */
  offer(swatches) {
    this.swatches.replaceChildren(
      ...swatches.map(([name, color]) =>
        element("button", {
          type: "button",
          class: "pm-dab",
          title: name,
          "aria-label": name,
          "data-color": color,
          style: `--dab:${color}`,
          onclick: () => this.studio.setColor(color),
        }),
      ),
    );
  }

  /** Show the state of the studio; called after anything changed. */
  update() {
    const { studio } = this;
    const press = (/** @type {Element} */ node, /** @type {boolean} */ on) =>
      node.setAttribute("aria-pressed", String(on));
    for (const [tool] of TOOLS) press(this.buttons[tool], studio.tool === tool);
    for (const [i, node] of this.modes.entries()) press(node, studio.layer === PAINTED[i]);
    for (const node of this.swatches.children) press(node, node.getAttribute("data-color") === studio.color);
    this.buttons.undo.disabled = !studio.history.past.length;
    this.buttons.redo.disabled = !studio.history.future.length;
    const clear = studio.layer === "mask" ? "Clear mask" : "Clear strokes";
    this.buttons.clear.title = clear;
    this.buttons.clear.setAttribute("aria-label", clear);
    this.sliders.size.update(studio.brush.size);
    this.sliders.softness.update(studio.brush.softness);
    this.sliders.opacity.update(studio.brush.opacity);
    this.veil.update(studio.veil);
    this.anyColor.update(studio.color);
    this.maskColor.update(studio.maskColor);
  }
}

/** @param {string} label @param {...Node} items */
const group = (label, ...items) => element("div", { class: "pm-group", role: "group", "aria-label": label }, ...items);

/** @param {string} title @param {(file: File) => void} act */
function chooser(title, act) {
  const input = element("input", {
    type: "file",
    accept: "image/*",
    class: "pm-file",
    tabindex: -1,
    "aria-label": title,
    onchange: () => {
      const file = input.files?.[0];
      if (file) act(file);
      input.value = "";
    },
  });
  return input;
}

/** @param {string} title @param {"px" | "%"} unit @param {(value: number) => void} act */
function slider(title, unit, act) {
  const output = element("output");
  const input = element("input", {
    type: "range",
    min: unit === "px" ? 1 : 0,
    max: 100,
    "aria-label": title,
    oninput: () => act(Number(input.value)),
  });
  const node = element("label", { class: "pm-slider" }, element("span", {}, title), output, input);
  return {
    node,
    input,
    update(/** @type {number} */ value) {
      input.value = String(value);
      output.textContent = `${value} ${unit}`;
    },
  };
}

/** @param {string} title @param {(color: string) => void} act */
function dab(title, act) {
  const input = element("input", { type: "color", "aria-label": title, oninput: () => act(input.value) });
  const node = element("label", { class: "pm-dab pm-any", title }, input);
  return {
    node,
    update(/** @type {string} */ color) {
      input.value = color;
      node.style.setProperty("--dab", color);
    },
  };
}
