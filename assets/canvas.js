/*
 * Pentimento's canvas: a picture, strokes over it, and a mask over both.
 *
 * components/canvas.py inlines this file and calls `pentimento.mount` once for each canvas; a click
 * with `js=EXPORT` calls `pentimento.export`. Between those two nothing goes over the network but
 * files that are opened: the canvas shows a picture as the server reads it, so that what is seen is
 * what is edited, and a run names the file itself.
 *
 *   Sheet    what there is to lose: three canvas elements of one size, and where its picture is from
 *   Draft    a change of one layer while it happens; ends as one step that can be undone
 *   View     where the sheet lies on the screen: zoom, pan, fit
 *   Panel    buttons, sliders and swatches
 *   Studio   one canvas on the page: it owns a sheet, its history, a view and a panel
 *
 * A step swaps what it holds with what is there, so undoing and redoing are the same act.
 * The three canvases are elements of the page and the browser scales them: no redraw loop.
 */
(() => {
  "use strict";
  if (window.pentimento) return;
  const page = window.pentimentoPage; // tab.js, keys.js, outside.js
  const { Refusal } = page.outside;

  const LAYERS = ["picture", "strokes", "mask"];
  const WHITE = "#ffffff";
  const MAX_STEPS = 40;
  const MAX_UNDO_BYTES = 192 * 2 ** 20;
  const MAX_ZOOM = 64;
  const ZOOM_STEP = 1.25; // of a key
  const FILL_TOLERANCE = 32; // largest difference of one channel, of 255
  const MIN_VIEW = 280; // the view's height in CSS pixels
  const GOOD_VIEW = 424; // that it keeps, even if Run then lies below the window's end
  const BESIDE_VIEW = 440; // what lies above it and below, down to Run
  const MARGIN = 12; // around the sheet in its view
  const CAPTION = 16; // below it, for its size
  const SAVE_DELAY = 250; // ms after the last stroke
  const PATIENCE = 700; // ms until it is said that a file is being opened
  const TELL_DELAY = 200; // ms after the mask's last change
  const ASPECT = 0.02; // by how much the sides of a sheet and a mask from outside may disagree

  const studios = new Map(); // key -> Studio
  const coming = new WeakMap(); // source -> a promise that its bytes are there, if they can be had
  let current = null; // the studio last touched: keys go to it

  // ── Small things ──────────────────────────────────────────────────────────────────────────────

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const mix = (a, b, t) => a + (b - a) * t;

  /** An element: attributes by name, `on…` as listeners, then its children. */
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  const ICONS = {
    brush: "M20 4c-5 1.5-9.5 5.5-11 9l2 2c3.5-1.5 7.5-6 9-11zM8.5 13.5C5.5 13.5 6 18 3.5 19.5c3 1 7.5.5 7.5-3.5",
    eraser: "M8 19.5 3.8 15.3a1.5 1.5 0 0 1 0-2.1l8.4-8.4a1.5 1.5 0 0 1 2.1 0l4.9 4.9a1.5 1.5 0 0 1 0 2.1L11.5 19.5zM8 9l7 7M8 19.5h12",
    rectangle: "M4.5 6.5h15v11h-15z",
    lasso: "M7.5 16.5C5 15.5 3.5 13.5 3.5 11 3.5 7 7.3 4.5 12 4.5s8.5 2.5 8.5 6.5-3.8 6.5-8.5 6.5c-.8 0-1.6-.1-2.3-.2M9.7 16.5a2 2 0 1 1-2.2-1.5c1.2 0 2.2.8 2.2 2 0 1.8-1 3-3.2 3.5",
    fill: "m10.5 4 8 8-6.3 6.3a1.5 1.5 0 0 1-2.1 0l-5.9-5.9a1.5 1.5 0 0 1 0-2.1zM7.5 3l3 3M4 12h14.5M20.5 15.5c1 1.5 1.5 2.3 1.5 3a1.5 1.5 0 0 1-3 0c0-.7.5-1.5 1.5-3z",
    eyedropper: "m13 7.5 3.5 3.5M14.5 9l2.6-2.6a2 2 0 0 1 2.9 0 2 2 0 0 1 0 2.9L17.5 12M12 6l6 6M14 10l-7.5 7.5-2.5 2 2-2.5L13.5 9.5",
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

  /** The same for what is drawn in lines. */
  function drawing(tag, attributes) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  }

  function icon(name) {
    const svg = drawing("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" });
    svg.append(drawing("path", { d: ICONS[name] }));
    return svg;
  }

  // ── Pixels ────────────────────────────────────────────────────────────────────────────────────

  /** A canvas kept in main memory: it is read often, and must give back exactly what was put in. */
  function surface(width, height, source = null, x = 0, y = 0) {
    const canvas = el("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = pen(canvas);
    if (source) context.drawImage(source, -x, -y);
    return canvas;
  }

  function pen(canvas) {
    return canvas.getContext("2d", { willReadFrequently: true });
  }

  function pixels(canvas) {
    return pen(canvas).getImageData(0, 0, canvas.width, canvas.height);
  }

  function isBlank(canvas) {
    return !new Uint32Array(pixels(canvas).data.buffer).some(Boolean);
  }

  /** Colour whatever is painted on a canvas, keeping how strongly it is painted. */
  function tint(canvas, color) {
    const context = pen(canvas);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = color;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-over";
    return canvas;
  }

  /** Draw into the middle, as large as it fits without distortion. */
  function drawContained(canvas, source) {
    const scale = Math.min(canvas.width / source.width, canvas.height / source.height);
    const width = Math.abs(source.width * scale - canvas.width) < 1 ? canvas.width : source.width * scale;
    const height = Math.abs(source.height * scale - canvas.height) < 1 ? canvas.height : source.height * scale;
    const context = pen(canvas);
    context.imageSmoothingQuality = "high";
    context.drawImage(source, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    return canvas;
  }

  function rgb(color) {
    return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  }

  function hex(channels) {
    return "#" + Array.from(channels).slice(0, 3).map((c) => c.toString(16).padStart(2, "0")).join("");
  }

  function png(canvas) {
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  /** The mask as the server reads it: opaque gray, white where the picture may change. */
  function grayMask(mask) {
    const gray = surface(mask.width, mask.height);
    pen(gray).fillRect(0, 0, gray.width, gray.height);
    pen(gray).drawImage(tint(surface(mask.width, mask.height, mask), WHITE), 0, 0);
    return gray;
  }

  /** And back: gray becomes how strongly the mask is painted. */
  function maskFromGray(canvas, color) {
    const image = pixels(canvas);
    for (let i = 0; i < image.data.length; i += 4) image.data[i + 3] = image.data[i];
    pen(canvas).putImageData(image, 0, 0);
    return tint(canvas, color);
  }

  /** Decode what the server made: PNG without metadata. Throws if it is no picture. */
  async function decode(blob) {
    const image = new Image();
    image.src = URL.createObjectURL(blob);
    try {
      await image.decode();
    } finally {
      URL.revokeObjectURL(image.src);
    }
    if (!image.width) throw new Error("a picture without a size");
    return image;
  }

  /** Where Gradio serves a file. Its own `url` leaves the page's root out, but for queued events. */
  function address({ path }) {
    const { root, api_prefix } = window.gradio_config;
    const escaped = path.split("/").map(encodeURIComponent).join("/");
    return `${root.replace(/\/$/, "")}${api_prefix}/file=${escaped}`;
  }

  async function download(url) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    return response.blob();
  }

  // ── Rectangles ────────────────────────────────────────────────────────────────────────────────

  /** Whole pixels around a box of two corners, within the canvas; null if nothing is left. */
  function within(canvas, left, top, right, bottom) {
    const x = Math.max(0, Math.floor(left));
    const y = Math.max(0, Math.floor(top));
    const width = Math.min(canvas.width, Math.ceil(right)) - x;
    const height = Math.min(canvas.height, Math.ceil(bottom)) - y;
    return width > 0 && height > 0 ? { x, y, width, height } : null;
  }

  function union(a, b) {
    if (!a || !b) return a || b;
    const x = Math.min(a.x, b.x);
    const y = Math.min(a.y, b.y);
    const width = Math.max(a.x + a.width, b.x + b.width) - x;
    const height = Math.max(a.y + a.height, b.y + b.height) - y;
    return { x, y, width, height };
  }

  const whole = (canvas) => ({ x: 0, y: 0, width: canvas.width, height: canvas.height });

  // ── Paint ─────────────────────────────────────────────────────────────────────────────────────

  /** Paint the layer over with what it was before, then with the change: one undoable step. */
  class Draft {
    constructor(sheet, layer) {
      this.layer = layer;
      this.canvas = sheet[layer];
      this.dry = surface(sheet.width, sheet.height, this.canvas);
      this.touched = null;
    }

    redraw(area, paint) {
      if (!area) return;
      const { x, y, width, height } = area;
      const context = pen(this.canvas);
      context.save();
      context.beginPath();
      context.rect(x, y, width, height);
      context.clip();
      context.clearRect(x, y, width, height);
      context.drawImage(this.dry, x, y, width, height, x, y, width, height);
      paint?.(context);
      context.restore();
      this.touched = union(this.touched, area);
    }

    cancel() {
      this.redraw(this.touched);
    }

    /** The step, or null if nothing was touched. */
    finish() {
      if (!this.touched) return null;
      const { x, y, width, height } = this.touched;
      return { layer: this.layer, x, y, pixels: surface(width, height, this.dry, x, y) };
    }
  }

  /**
   * Wet the pixels of a tapered capsule from a to b ({x, y, radius, alpha}); return the area.
   * The wetter of old and new wins, so a stroke crossing itself does not build up and its soft
   * edge has one profile at any speed of the hand.
   */
  function wetten(wet, canvas, a, b, softness) {
    const reach = Math.max(a.radius, b.radius) + 1;
    const area = within(
      canvas,
      Math.min(a.x, b.x) - reach, Math.min(a.y, b.y) - reach,
      Math.max(a.x, b.x) + reach, Math.max(a.y, b.y) + reach,
    );
    if (!area) return null;
    const dx = b.x - a.x;
    const dy = b.y - a.y;
    const length2 = dx * dx + dy * dy;
    for (let y = area.y; y < area.y + area.height; y++) {
      for (let x = area.x; x < area.x + area.width; x++) {
        const px = x + 0.5 - a.x;
        const py = y + 0.5 - a.y;
        const along = length2 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
        const distance = Math.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2);
        const radius = mix(a.radius, b.radius, along);
        const cover = clamp((radius + 0.5 - distance) / (1 + softness * radius), 0, 1);
        const value = 255 * mix(a.alpha, b.alpha, along) * cover * cover * (3 - 2 * cover);
        const at = y * canvas.width + x;
        if (value > wet[at]) wet[at] = value;
      }
    }
    return area;
  }

  /** A brush or eraser stroke, smoothed: curves between the middles of what the hand sent. */
  class Stroke {
    constructor(sheet, layer, { color, softness, erase }) {
      this.draft = new Draft(sheet, layer);
      this.ink = surface(sheet.width, sheet.height);
      this.wet = new Uint8ClampedArray(sheet.width * sheet.height);
      Object.assign(this, { channels: rgb(color), softness, erase, last: null, middle: null });
    }

    /** Points are {x, y, radius, alpha}. */
    extend(points) {
      let area = null;
      for (const point of points) area = union(area, this.to(point));
      this.show(area);
    }

    to(point) {
      const from = this.last;
      this.last = point;
      if (!from) {
        this.middle = point;
        return wetten(this.wet, this.ink, point, point, this.softness);
      }
      const middle = between(from, point, 0.5);
      const area = this.curve(this.middle, from, middle);
      this.middle = middle;
      return area;
    }

    curve(start, control, end) {
      const parts = Math.ceil(Math.hypot(end.x - start.x, end.y - start.y) / 4) || 1;
      let area = null;
      for (let i = 1, here = start; i <= parts; i++) {
        const t = i / parts;
        const next = between(between(start, control, t), between(control, end, t), t);
        area = union(area, wetten(this.wet, this.ink, here, next, this.softness));
        here = next;
      }
      return area;
    }

    show(area) {
      if (!area) return;
      const { x, y, width, height } = area;
      const image = new ImageData(width, height);
      const [red, green, blue] = this.channels;
      for (let row = 0, to = 0; row < height; row++) {
        for (let at = (y + row) * this.ink.width + x, end = at + width; at < end; at++) {
          image.data[to++] = red;
          image.data[to++] = green;
          image.data[to++] = blue;
          image.data[to++] = this.wet[at];
        }
      }
      pen(this.ink).putImageData(image, x, y);
      this.draft.redraw(area, (context) => {
        context.globalCompositeOperation = this.erase ? "destination-out" : "source-over";
        context.drawImage(this.ink, 0, 0);
      });
    }

    cancel() {
      this.draft.cancel();
    }

    finish() {
      if (this.last) this.show(wetten(this.wet, this.ink, this.middle, this.last, this.softness));
      return this.draft.finish();
    }
  }

  function between(a, b, t) {
    const at = (name) => mix(a[name], b[name], t);
    return { x: at("x"), y: at("y"), radius: at("radius"), alpha: at("alpha") };
  }

  /** A filled rectangle or lasso; `erase` cuts it out instead. */
  class Shape {
    constructor(sheet, layer, { color, alpha, erase, lasso }) {
      this.draft = new Draft(sheet, layer);
      this.points = [];
      Object.assign(this, { color, alpha, erase, lasso });
    }

    extend(points) {
      this.points.push(...points);
      if (!this.lasso) this.points = [this.points[0], this.points.at(-1)];
      const xs = this.points.map((point) => point.x);
      const ys = this.points.map((point) => point.y);
      const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
      const area = within(this.draft.canvas, ...box);
      this.draft.redraw(union(this.draft.touched, area), (context) => this.fill(context, area));
    }

    fill(context, area) {
      context.globalCompositeOperation = this.erase ? "destination-out" : "source-over";
      context.globalAlpha = this.alpha;
      context.fillStyle = this.color;
      context.beginPath();
      if (this.lasso) this.points.forEach((point) => context.lineTo(point.x, point.y));
      else if (area) context.rect(area.x, area.y, area.width, area.height);
      context.fill();
    }

    cancel() {
      this.draft.cancel();
    }

    finish() {
      return this.draft.finish();
    }
  }

  /** A shape of the connected pixels like the one at (x, y). */
  function flood({ data, width, height }, x, y) {
    const found = new Uint8Array(width * height);
    const shape = new ImageData(width, height);
    const seed = (y * width + x) * 4;
    const alike = (at) => {
      for (let c = 0; c < 4; c++) {
        if (Math.abs(data[at * 4 + c] - data[seed + c]) > FILL_TOLERANCE) return false;
      }
      return true;
    };
    const todo = [y * width + x];
    found[todo[0]] = 1;
    const visit = (at) => {
      if (!found[at] && alike(at)) {
        found[at] = 1;
        todo.push(at);
      }
    };
    while (todo.length) {
      const at = todo.pop();
      shape.data[at * 4 + 3] = 255;
      const column = at % width;
      if (column > 0) visit(at - 1);
      if (column < width - 1) visit(at + 1);
      if (at >= width) visit(at - width);
      if (at < width * (height - 1)) visit(at + width);
    }
    const canvas = surface(width, height);
    pen(canvas).putImageData(shape, 0, 0);
    return canvas;
  }

  // ── Sheet ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * Three layers of one size. `source` says where the picture is from; a blank sheet has none:
   *   path      the file on the server, which a run names
   *   preview   the file as the server reads it, at most as large as layers are
   *   bytes     what the server can be sent where it has the file no longer: the file, or the preview
   *             where that has all its pixels; null while they come
   *   natural   the file's width in its own pixels
   */
  class Sheet {
    constructor(width, height, paper = WHITE, source = null, image = null) {
      Object.assign(this, { width, height, paper, source });
      for (const layer of LAYERS) {
        this[layer] = surface(width, height);
        this[layer].className = `pm-${layer}`;
      }
      const context = pen(this.picture);
      context.fillStyle = paper;
      context.fillRect(0, 0, width, height);
      context.imageSmoothingQuality = "high";
      if (image) context.drawImage(image, 0, 0, width, height);
    }

    /** The width of the picture's own file, in its pixels. */
    get natural() {
      return this.source?.natural ?? this.width;
    }

    get bytes() {
      return this.width * this.height * 4 * LAYERS.length;
    }

    get isEmpty() {
      return !this.source && this.paper === WHITE && isBlank(this.strokes) && isBlank(this.mask);
    }

    /** What a store keeps of it; of a half-painted stroke as well. */
    kept() {
      const { width, height, paper, source, strokes, mask } = this;
      return { width, height, paper, source, strokes: pixels(strokes), mask: pixels(mask) };
    }

    static async of({ width, height, paper, source, strokes, mask }) {
      const sheet = new Sheet(width, height, paper, source, source && (await decode(source.preview)));
      for (const [layer, painted] of Object.entries({ strokes, mask })) pen(sheet[layer]).putImageData(painted, 0, 0);
      return sheet;
    }

    /** The picture with its strokes, as the eye sees it. */
    seen() {
      const canvas = surface(this.width, this.height, this.picture);
      pen(canvas).drawImage(this.strokes, 0, 0);
      return canvas;
    }
  }

  // ── Store: nothing painted is lost by a reload ────────────────────────────────────────────────

  const store = {
    database: null, // a promise
    handle: null, // what it gave, for `put`, which cannot wait

    open() {
      this.database ??= new Promise((resolve, reject) => {
        const request = indexedDB.open("pentimento", 1);
        request.onupgradeneeded = () => request.result.createObjectStore("canvases");
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          this.handle = request.result;
          this.handle.onclose = () => (this.database = this.handle = null);
          this.tidy();
          resolve(this.handle);
        };
      });
      return this.database;
    },

    /** Copy what this browser tab starts with, and drop what is kept no longer; reads come after it. */
    tidy() {
      const { gone, from, address, addressOf, arrived } = page.tab;
      const all = (id) => IDBKeyRange.bound(addressOf(id, ""), addressOf(id, "\uffff"));
      const change = this.handle.transaction("canvases", "readwrite");
      const canvases = change.objectStore("canvases");
      for (const id of gone) canvases.delete(all(id));
      if (!from) return;
      change.oncomplete = arrived;
      canvases.openCursor(all(from)).onsuccess = ({ target: { result: cursor } }) => {
        if (!cursor) return;
        const { key, value } = cursor;
        const own = address(key.slice(addressOf(from, "").length));
        canvases.getKey(own).onsuccess = ({ target }) => target.result ?? canvases.put(value, own);
        cursor.continue();
      };
    },

    async get(key) {
      const database = await this.open();
      return new Promise((resolve, reject) => {
        const request = database.transaction("canvases").objectStore("canvases").get(key);
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    },

    /** Synchronous up to the commit, so that it works while the page goes away. */
    put(key, record, kept, failed) {
      try {
        const change = this.handle.transaction("canvases", "readwrite");
        change.oncomplete = kept;
        change.onabort = failed;
        change.objectStore("canvases").put(record, key);
        change.commit();
      } catch (error) {
        console.warn("pentimento: the canvas could not be kept:", error);
        failed();
      }
    },
  };

  // ── View ──────────────────────────────────────────────────────────────────────────────────────

  class View {
    constructor(label) {
      this.page = el("div", { class: "pm-page" });
      this.outline = drawing("svg", { class: "pm-outline", "aria-hidden": "true" });
      this.ring = el("div", { class: "pm-ring", hidden: "" });
      this.notice = el("div", { class: "pm-notice", role: "status" });
      this.caption = el("div", { class: "pm-caption", "aria-hidden": "true" });
      this.element = el(
        "div",
        { class: "pm-view", tabindex: "0", role: "application", "aria-label": label },
        this.page, this.ring, this.caption, this.notice,
      );
      Object.assign(this, { width: 1, height: 1, zoom: 1, x: 0, y: 0, fitted: true });
      new ResizeObserver(() => this.settle()).observe(this.element);
    }

    lay(sheet, hint) {
      this.page.replaceChildren(...LAYERS.map((layer) => sheet[layer]), this.outline, hint);
      const same = sheet.width === this.width && sheet.height === this.height;
      Object.assign(this, { width: sheet.width, height: sheet.height });
      if (same) this.settle();
      else this.fit();
    }

    /** Closed lines over the sheet, in its pixels: `{width, height, lines: {class: [[x, y], …][]}}`. */
    trace({ width, height, lines }) {
      this.outline.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.outline.replaceChildren(...Object.entries(lines).map(([name, closed]) =>
        drawing("path", { class: `pm-line pm-${name}`, d: closed.map((line) => `M${line.join("L")}Z`).join("") })));
    }

    /** A hidden tab has no size: wait for the observer to call again. */
    settle() {
      if (!this.element.clientWidth) return;
      if (this.fitted) this.fit();
      else this.place(this.zoom, this.x, this.y);
    }

    /**
     * The whole sheet, as wide as the column or so high that words and Run stay in sight, and the
     * view as high as the sheet. Enlarged, a pixel takes whole or half screen pixels, so that none looks fat.
     */
    fit() {
      this.fitted = true;
      const { clientWidth } = this.element;
      if (!clientWidth) return;
      const density = window.devicePixelRatio || 1;
      const { innerHeight } = window;
      const room = Math.min(innerHeight * 0.72, Math.max(GOOD_VIEW, innerHeight - BESIDE_VIEW));
      const tallest = Math.max(MIN_VIEW, room);
      const across = (clientWidth - 2 * MARGIN) / this.width;
      const screen = density * Math.min(across, (tallest - 2 * MARGIN - CAPTION) / this.height);
      const zoom = Math.min(MAX_ZOOM, (screen > 1 ? Math.floor(screen * 2) / 2 : screen) / density);
      const height = Math.max(MIN_VIEW, Math.ceil(this.height * zoom) + 2 * MARGIN + CAPTION);
      this.element.style.height = `${height}px`;
      this.place(zoom, (clientWidth - this.width * zoom) / 2, (height - CAPTION - this.height * zoom) / 2);
    }

    place(zoom, x, y) {
      const { clientWidth, clientHeight } = this.element;
      const width = this.width * zoom;
      const height = this.height * zoom;
      this.zoom = zoom;
      this.x = clamp(x, 32 - width, clientWidth - 32);
      this.y = clamp(y, 32 - height, clientHeight - 32);
      const [left, top] = [Math.round(this.x), Math.round(this.y)]; // what is rounded would drift
      this.page.style.cssText =
        `width:${width}px;height:${height}px;transform:translate(${left}px,${top}px)`;
      this.page.classList.toggle("pm-crisp", zoom * (window.devicePixelRatio || 1) >= 1);
      this.caption.textContent = `${this.width} × ${this.height} · ${Math.round(zoom * 100)} %`;
    }

    pan(dx, dy) {
      this.fitted = false;
      this.place(this.zoom, this.x + dx, this.y + dy);
    }

    /** Zoom so that the point under the pointer stays under it. */
    zoomAt(client, factor) {
      this.fitted = false;
      const box = this.element.getBoundingClientRect();
      const zoom = clamp(this.zoom * factor, 0.05, MAX_ZOOM);
      const x = client.x - box.left - this.element.clientLeft;
      const y = client.y - box.top - this.element.clientTop;
      const ratio = zoom / this.zoom;
      this.place(zoom, x - (x - this.x) * ratio, y - (y - this.y) * ratio);
    }

    /** Zoom about the middle. */
    zoomBy(factor) {
      const { left, top, width, height } = this.element.getBoundingClientRect();
      this.zoomAt({ x: left + width / 2, y: top + height / 2 }, factor);
    }

    /** From the screen to the sheet, in its pixels. */
    locate(event) {
      const box = this.page.getBoundingClientRect();
      return {
        x: ((event.clientX - box.left) / box.width) * this.width,
        y: ((event.clientY - box.top) / box.height) * this.height,
      };
    }

    /** Show how large the brush is, or nothing if `size` is 0. */
    follow(event, size) {
      const box = this.element.getBoundingClientRect();
      const across = Math.max(3, size * this.zoom);
      this.ring.hidden = !size;
      this.ring.style.cssText =
        `width:${across}px;height:${across}px;left:${event.clientX - box.left}px;` +
        `top:${event.clientY - box.top}px`;
    }

    say(sentence) {
      this.notice.textContent = sentence;
      clearTimeout(this.silence);
      this.silence = setTimeout(() => (this.notice.textContent = ""), 8000);
    }
  }

  // ── Panel ─────────────────────────────────────────────────────────────────────────────────────

  const TOOLS = [
    ["brush", "Brush", "B"],
    ["eraser", "Eraser", "E"],
    ["rectangle", "Rectangle, with Alt cut out", "R"],
    ["lasso", "Lasso, with Alt cut out", "L"],
    ["fill", "Fill", "G"],
    ["eyedropper", "Eyedropper", "I"],
  ];

  class Panel {
    constructor(studio) {
      this.studio = studio;
      this.buttons = {};
      this.file = this.chooser("Picture file", (file) => studio.take(file));
      this.maskFile = this.chooser("Mask file", (file) => studio.takeMask(file));
      this.blank = this.buildBlank();
      this.bar = this.buildBar();
      this.tray = this.buildTray();
    }

    chooser(title, act) {
      const input = el("input", {
        type: "file", accept: "image/*", class: "pm-file", tabindex: "-1", "aria-label": title,
        onchange: () => {
          if (input.files[0]) act(input.files[0]);
          input.value = "";
        },
      });
      return input;
    }

    button(name, title, act, keys = "") {
      const label = keys ? `${title} (${keys})` : title;
      const attributes = { type: "button", class: "pm-button", title: label, "aria-label": title };
      const node = el("button", { ...attributes, onclick: act }, icon(name));
      return (this.buttons[name] = node);
    }

    buildBar() {
      const { studio } = this;
      const group = (label, ...items) => el("div", { class: "pm-group", role: "group", "aria-label": label }, ...items);
      this.modes = ["strokes", "mask"].map((layer) =>
        el("button", {
          type: "button", class: "pm-mode", title: "Switch between strokes and mask (M)",
          onclick: () => studio.setLayer(layer),
        }, layer === "mask" ? "Mask" : "Paint"),
      );
      return el(
        "div",
        { class: "pm-bar", role: "toolbar", "aria-label": "Canvas tools" },
        el("div", { class: "pm-modes", role: "group", "aria-label": "Layer" }, ...this.modes),
        group("Tools", ...TOOLS.map(([tool, title, key]) =>
          this.button(tool, title, () => studio.setTool(tool), key))),
        group(
          "Changes",
          this.button("undo", "Undo", () => studio.undo(), "Ctrl+Z"),
          this.button("redo", "Redo", () => studio.redo(), "Ctrl+Shift+Z"),
          this.button("invert", "Invert mask", () => studio.invert()),
          this.button("clear", "Clear strokes", () => studio.clear()),
        ),
        group(
          "Sheet",
          this.button("fit", "Fit to view", () => studio.view.fit()),
          this.button("open", "Open a picture", () => this.file.click()),
          this.button("blank", "New canvas", () => this.toggleBlank()),
        ),
        this.file,
        this.maskFile,
        this.blank,
      );
    }

    slider(title, unit, act) {
      const output = el("output");
      const input = el("input", {
        type: "range", min: unit === "px" ? 1 : 0, max: 100, "aria-label": title,
        oninput: () => act(Number(input.value)),
      });
      const node = el("label", { class: "pm-slider" }, el("span", {}, title), output, input);
      return Object.assign(node, { input, update: (value) => {
        input.value = value;
        output.textContent = `${value} ${unit}`;
      } });
    }

    buildTray() {
      const { studio } = this;
      this.sliders = {
        size: this.slider("Size", "px", (value) => studio.setBrush("size", value)),
        softness: this.slider("Softness", "%", (value) => studio.setBrush("softness", value)),
        opacity: this.slider("Opacity", "%", (value) => studio.setBrush("opacity", value)),
      };
      this.veil = this.slider("Overlay", "%", (value) => studio.setVeil(value));
      this.swatches = el("div", { class: "pm-swatches", role: "group", "aria-label": "Colours" });
      this.anyColor = this.dab("Any colour", (color) => studio.setColor(color));
      this.maskColor = this.dab("Mask colour", (color) => studio.setMaskColor(color));
      return el(
        "div",
        { class: "pm-tray" },
        el("div", { class: "pm-paints" }, this.swatches, this.anyColor),
        el("div", { class: "pm-veil" }, this.maskColor, this.veil,
          el("div", { class: "pm-group" },
            this.button("outside", "Open a mask", () => this.maskFile.click()),
            this.button("keep", "Save the mask", () => studio.saveMask()))),
        el("div", { class: "pm-sliders" }, ...Object.values(this.sliders)),
      );
    }

    dab(title, act) {
      const input = el("input", { type: "color", "aria-label": title, oninput: () => act(input.value) });
      return Object.assign(el("label", { class: "pm-dab pm-any", title }, input), { input });
    }

    buildBlank() {
      const { limit, size } = this.studio;
      const side = (title, value) =>
        el("input", { type: "number", min: 1, max: limit, value, required: "", "aria-label": title });
      const [width, height] = [side("Width", size[0]), side("Height", size[1])];
      const color = el("input", { type: "color", value: WHITE, "aria-label": "Paper colour" });
      const make = (keep) => {
        if (!form.reportValidity()) return;
        this.studio.blank(Number(width.value), Number(height.value), color.value, keep);
        this.toggleBlank();
      };
      const act = (text, keep) => el("button", { type: "button", class: "pm-text", onclick: () => make(keep) }, text);
      const form = el(
        "form",
        { class: "pm-blank", hidden: "", "aria-label": "New canvas", onsubmit: (event) => event.preventDefault() },
        el("div", { class: "pm-sides" }, width, el("span", { "aria-hidden": "true" }, "×"), height,
          el("label", { class: "pm-dab pm-any", title: "Paper colour" }, color)),
        act("Start blank", []),
        act("Resize, keep strokes", ["strokes", "mask"]),
      );
      form.addEventListener("keydown", (event) => page.key(event) === "escape" && this.toggleBlank());
      color.parentElement.style.setProperty("--dab", WHITE);
      color.addEventListener("input", () => color.parentElement.style.setProperty("--dab", color.value));
      return Object.assign(form, { sides: [width, height] });
    }

    toggleBlank() {
      const { blank, studio } = this;
      blank.hidden = !blank.hidden;
      this.buttons.blank.setAttribute("aria-expanded", String(!blank.hidden));
      [blank.sides[0].value, blank.sides[1].value] = [studio.sheet.width, studio.sheet.height];
      if (blank.hidden) this.buttons.blank.focus();
      else blank.sides[0].focus();
    }

    offer(swatches) {
      this.swatches.replaceChildren(
        ...swatches.map(([name, color]) =>
          el("button", {
            type: "button", class: "pm-dab", title: name, "aria-label": name, "data-color": color,
            style: `--dab:${color}`, onclick: () => this.studio.setColor(color),
          }),
        ),
      );
    }

    /** Show the state of the studio; called after anything changed. */
    update() {
      const { studio } = this;
      const press = (node, on) => node.setAttribute("aria-pressed", String(on));
      for (const [tool] of TOOLS) press(this.buttons[tool], studio.tool === tool);
      this.modes.forEach((node, i) => press(node, studio.layer === ["strokes", "mask"][i]));
      for (const node of this.swatches.children) press(node, node.dataset.color === studio.color);
      this.buttons.undo.disabled = !studio.history.past.length;
      this.buttons.redo.disabled = !studio.history.future.length;
      const clear = studio.layer === "mask" ? "Clear mask" : "Clear strokes";
      this.buttons.clear.title = clear;
      this.buttons.clear.setAttribute("aria-label", clear);
      for (const [name, slider] of Object.entries(this.sliders)) slider.update(studio.brush[name]);
      this.veil.update(studio.veil);
      this.showColor(this.anyColor, studio.color);
      this.showColor(this.maskColor, studio.maskColor);
    }

    showColor(dab, color) {
      dab.input.value = color;
      dab.style.setProperty("--dab", color);
    }
  }

  // ── Outside pictures ──────────────────────────────────────────────────────────────────────────

  /** Layers of a large picture are smaller than it, of the same aspect. */
  function limited({ width, height }, limit) {
    const scale = Math.min(1, limit / Math.max(width, height));
    return [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  }

  /**
   * A new sheet from given images and the layers of the old sheet named in `keep`. Its size is the
   * picture's; without one, that of the strokes or the mask given; else what it was.
   */
  function compose(old, { source = null, images, keep, size, limit, maskColor }) {
    const stays = !images.picture && keep.includes("picture");
    const picture = images.picture ?? (stays && old.source ? old.picture : null);
    const [width, height] = size ?? limited(picture ?? images.strokes ?? images.mask ?? old, limit);
    const paper = stays ? old.paper : WHITE;
    const sheet = new Sheet(width, height, paper, source ?? (stays ? old.source : null), picture);
    for (const layer of ["strokes", "mask"]) {
      // Enlarged, a hard mask stays hard; made smaller, a thin one is not lost.
      pen(sheet[layer]).imageSmoothingEnabled = layer !== "mask" || images.mask?.width > width;
      if (images[layer]) pen(sheet[layer]).drawImage(images[layer], 0, 0, width, height);
      else if (keep.includes(layer)) drawContained(sheet[layer], old[layer]);
    }
    if (images.mask) maskFromGray(sheet.mask, maskColor);
    return sheet;
  }

  // ── History ───────────────────────────────────────────────────────────────────────────────────

  /** Steps back and forth, as many as memory allows. */
  class History {
    past = [];
    future = [];

    record(step) {
      const bytes = ({ sheet, pixels: part }) => sheet?.bytes ?? part.width * part.height * 4;
      this.future.length = 0;
      this.past.push(step);
      let total = this.past.reduce((sum, each) => sum + bytes(each), 0);
      while (this.past.length > MAX_STEPS || (total > MAX_UNDO_BYTES && this.past.length > 1)) {
        total -= bytes(this.past.shift());
      }
    }

    back(swap) {
      return this.carry(this.past, this.future, swap);
    }

    forth(swap) {
      return this.carry(this.future, this.past, swap);
    }

    carry(from, to, swap) {
      const step = from.pop();
      if (!step) return false;
      swap(step);
      to.push(step);
      return true;
    }
  }

  // ── Hand ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * Pointers become gestures, one at a time. Painting gestures have `extend`, `finish` and
   * `cancel`; moving the sheet is a gesture with `moved` only.
   */
  class Hand {
    constructor(studio) {
      Object.assign(this, { studio, view: studio.view, pointers: new Map() });
      Object.assign(this, { gesture: null, panning: false });
      const listen = (type, act, options) => this.view.element.addEventListener(type, act, options);
      listen("pointerdown", (event) => this.down(event));
      listen("pointermove", (event) => this.move(event));
      listen("pointerup", (event) => this.up(event));
      listen("pointercancel", (event) => this.up(event));
      listen("pointerleave", () => (this.view.ring.hidden = true));
      listen("mousedown", (event) => event.button === 1 && event.preventDefault()); // no autoscroll
      listen("wheel", (event) => this.wheel(event), { passive: false });
    }

    begin(event) {
      const { sheet, layer, ink: color, tool, brush } = this.studio;
      if (tool === "brush" || tool === "eraser") {
        const erase = tool === "eraser" || Boolean(event.buttons & 32); // a pen's other end
        return new Stroke(sheet, layer, { color, softness: brush.softness / 100, erase });
      }
      if (tool === "rectangle" || tool === "lasso") {
        const alpha = brush.opacity / 100;
        return new Shape(sheet, layer, { color, alpha, erase: event.altKey, lasso: tool === "lasso" });
      }
      if (tool === "eyedropper") {
        return { extend: (points) => this.studio.pick(points.at(-1)), finish: () => null, cancel() {} };
      }
      this.studio.fill(this.view.locate(event));
      return null;
    }

    /** What the brush does here: a pen's pressure makes it wider and stronger. */
    touch(event) {
      const force = event.pointerType === "pen" ? event.pressure : 1;
      const { size, opacity } = this.studio.brush;
      return {
        ...this.view.locate(event),
        radius: (size / 2) * mix(0.2, 1, force),
        alpha: (opacity / 100) * Math.min(1, 0.25 + 1.25 * force),
      };
    }

    down(event) {
      if (!this.studio.isReady) return;
      if (this.gesture?.byPen && event.pointerType === "touch") return; // the palm beside the pen
      this.view.element.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event);
      if (this.pointers.size > 1) this.gesture = this.pinch();
      else if (event.button === 1 || (event.button === 0 && this.panning)) this.gesture = this.drag();
      else if (event.button === 0) {
        this.gesture = this.begin(event);
        this.gesture?.extend([this.touch(event)]);
      }
      if (this.gesture) this.gesture.byPen = event.pointerType === "pen";
    }

    move(event) {
      const { tool, brush } = this.studio;
      const ring = event.pointerType !== "touch" && !this.panning && ["brush", "eraser"].includes(tool);
      this.view.follow(event, ring ? brush.size : 0);
      const before = this.pointers.get(event.pointerId);
      if (!before || !this.gesture) return;
      this.pointers.set(event.pointerId, event);
      if (this.gesture.moved) return this.gesture.moved(event, before);
      const events = event.getCoalescedEvents?.() ?? [];
      this.gesture.extend((events.length ? events : [event]).map((each) => this.touch(each)));
    }

    up(event) {
      if (!this.pointers.delete(event.pointerId)) return;
      if (!this.gesture?.moved) this.finish(event.type === "pointercancel");
      else if (!this.pointers.size) this.gesture = null;
    }

    finish(cancelled = false) {
      const { gesture } = this;
      if (!gesture || gesture.moved) return;
      this.gesture = null;
      if (cancelled) gesture.cancel();
      else this.studio.record(gesture.finish(), "stroke");
    }

    drag() {
      return {
        moved: (event, before) =>
          this.view.pan(event.clientX - before.clientX, event.clientY - before.clientY),
      };
    }

    /** A second finger: what the first one began was no stroke. */
    pinch() {
      this.finish(true);
      const spread = () => {
        const [a, b] = this.pointers.values();
        const [dx, dy] = [b.clientX - a.clientX, b.clientY - a.clientY];
        return { x: a.clientX + dx / 2, y: a.clientY + dy / 2, distance: Math.hypot(dx, dy) || 1 };
      };
      let last = spread();
      return {
        moved: () => {
          if (this.pointers.size < 2) return;
          const now = spread();
          this.view.pan(now.x - last.x, now.y - last.y);
          this.view.zoomAt(now, now.distance / last.distance);
          last = now;
        },
      };
    }

    wheel(event) {
      event.preventDefault();
      const speed = event.deltaMode ? 0.05 : event.ctrlKey ? 0.01 : 0.002; // lines, pinch, pixels
      this.view.zoomAt({ x: event.clientX, y: event.clientY }, Math.exp(-event.deltaY * speed));
    }

    setPanning(on) {
      this.panning = on;
      this.studio.root.classList.toggle("pm-panning", on);
    }
  }

  // ── Studio ────────────────────────────────────────────────────────────────────────────────────

  class Studio {
    /** `former` is the studio of the same key if Gradio builds the component anew. */
    constructor(root, gradio, { key, swatches, size, limit, heaviest, hint, layer }, events, former) {
      const { props } = gradio;
      const longest = Math.max(...size);
      Object.assign(this, { root, gradio, events, key, size, limit, heaviest });
      this.address = page.tab.address(`canvas-${key}`);
      Object.assign(this, { tool: "brush", layer, veil: 50, maskColor: "#d9432f" });
      this.color = (swatches[0]?.[1] ?? "#1c1a17").toLowerCase();
      this.brushes = {
        strokes: { size: Math.ceil(longest / 14), softness: 0, opacity: 100 },
        mask: { size: Math.ceil(longest / 8), softness: 0, opacity: 100 },
      };
      this.history = former?.history ?? new History();
      this.shown = former?.shown;
      this.aside = former?.aside; // what `Sheet.kept` gave, and its name
      this.view = new View(props.label);
      this.hint = el("p", { class: "pm-hint" }, hint);
      this.hand = new Hand(this);
      this.panel = new Panel(this);
      root.replaceChildren(this.panel.bar, this.view.element, this.panel.tray);
      this.panel.offer(swatches.map(([name, color]) => [name, color.toLowerCase()]));
      this.lay(former?.sheet ?? new Sheet(...this.size));
      this.setLayer(this.layer);
      this.listen();
      this.ready = former?.ready ?? this.restore();
      this.ready.then(() => {
        root.dataset.ready = "true";
        if (!isBlank(this.sheet.mask)) this.tell();
      });
      this.show(props.show); // Python may have spoken before this tab was ever opened
      gradio.watch("show", () => this.show(props.show));
      gradio.watch("outline", () => this.trace(props.outline));
    }

    /** Until the kept sheet is back nothing may be painted, for it would be painted over. */
    get isReady() {
      return this.root.dataset.ready === "true";
    }

    get isVisible() {
      return this.root.isConnected && this.root.clientWidth > 0;
    }

    /** Whether the space bar is ours: elsewhere on the page it presses what has the focus. */
    hasSpace(target) {
      const own = target === document.body || this.root.contains(target);
      return own && this.view.element.matches(":hover, :focus");
    }

    listen() {
      const { root } = this;
      const drop = (on) => root.classList.toggle("pm-dropping", on);
      for (const type of ["pointerenter", "pointerdown", "focusin"]) {
        root.addEventListener(type, () => (current = this));
      }
      root.addEventListener("dragover", (event) => {
        event.preventDefault();
        drop(true);
      });
      root.addEventListener("dragleave", (event) => drop(root.contains(event.relatedTarget)));
      root.addEventListener("drop", () => drop(false));
    }

    // What the tools are set to

    get brush() {
      return this.brushes[this.layer];
    }

    get ink() {
      return this.layer === "mask" ? this.maskColor : this.color;
    }

    setTool(tool) {
      if (tool === "eyedropper") this.setLayer("strokes");
      this.tool = tool;
      this.root.dataset.tool = tool;
      this.view.ring.hidden = true;
      this.panel.update();
    }

    setLayer(layer) {
      this.layer = layer;
      this.root.dataset.layer = layer;
      this.setTool(layer === "mask" && this.tool === "eyedropper" ? "brush" : this.tool);
    }

    setBrush(name, value) {
      this.brush[name] = value;
      this.panel.update();
    }

    resizeBrush(direction) {
      const { size } = this.brush;
      const step = Math.max(1, Math.round(size * 0.15));
      this.setBrush("size", clamp(size + direction * step, 1, this.panel.sliders.size.input.max));
    }

    setColor(color) {
      this.color = color.toLowerCase();
      if (this.tool === "eraser") this.setTool("brush");
      this.panel.update();
    }

    setMaskColor(color) {
      this.maskColor = color;
      tint(this.sheet.mask, color);
      this.panel.update();
    }

    setVeil(percent) {
      this.veil = percent;
      this.root.style.setProperty("--veil", percent / 100);
      this.panel.update();
    }

    // The sheet and its history

    /** Put a sheet on the page; brushes keep their share of it. */
    lay(sheet) {
      const longest = Math.max(sheet.width, sheet.height);
      const ratio = longest / Math.max(this.sheet?.width ?? longest, this.sheet?.height ?? 0);
      for (const brush of Object.values(this.brushes)) {
        brush.size = Math.max(1, Math.round(brush.size * ratio));
      }
      this.sheet = sheet;
      this.panel.sliders.size.input.max = Math.max(16, Math.round(longest / 2));
      this.view.lay(sheet, this.hint);
      this.refresh();
    }

    /** The sheet with no half-painted stroke on it. */
    settled() {
      this.hand.finish();
      return this.sheet;
    }

    replace(sheet, kind) {
      const step = { sheet: this.sheet };
      this.lay(sheet);
      this.record(step, kind);
    }

    record(step, kind) {
      if (!step) return;
      this.history.record(step);
      this.touch(step);
      this.changed(kind);
    }

    /** The mask is another one, perhaps: Python may want to say how it will be used. */
    touch({ layer }) {
      if (layer === "strokes") return;
      if (isBlank(this.sheet.mask)) this.view.outline.replaceChildren();
      this.tell();
    }

    tell() {
      clearTimeout(this.telling);
      this.telling = setTimeout(() => this.gradio.trigger(this.events.mask), TELL_DELAY);
    }

    /** The outline as Python draws it; for a mask that is gone by now there is none. */
    trace(outline) {
      if (outline && !isBlank(this.sheet.mask)) this.view.trace(outline);
    }

    swap(step) {
      if (step.sheet) {
        const now = this.sheet;
        this.lay(step.sheet);
        step.sheet = now;
      } else {
        const { x, y, pixels: part, layer } = step;
        const context = pen(this.sheet[layer]);
        step.pixels = surface(part.width, part.height, this.sheet[layer], x, y);
        context.clearRect(x, y, part.width, part.height);
        context.drawImage(part, x, y);
      }
      tint(this.sheet.mask, this.maskColor); // the step may be older than the overlay's colour
      this.touch(step);
    }

    undo() {
      if (!this.hand.gesture && this.history.back((step) => this.swap(step))) this.changed("undo");
    }

    redo() {
      if (!this.hand.gesture && this.history.forth((step) => this.swap(step))) this.changed("redo");
    }

    refresh() {
      this.root.dataset.empty = String(this.sheet.isEmpty);
      this.panel.update();
    }

    /** Something was painted, undone or replaced: keep it, and tell whoever listens. */
    changed(kind) {
      this.refresh();
      page.tab.use();
      this.unsaved = true;
      this.root.dataset.kept = "false";
      clearTimeout(this.saving);
      this.saving = setTimeout(() => this.save(), SAVE_DELAY);
      const detail = { key: this.key, kind };
      this.root.dispatchEvent(new CustomEvent("pentimento:stroke", { bubbles: true, detail }));
      if (kind !== "show") this.gradio.trigger(this.events.stroke); // Python knows what it did
    }

    save() {
      if (!this.unsaved) return;
      this.unsaved = false;
      const kept = () => (this.root.dataset.kept = String(!this.unsaved));
      store.put(this.address, this.sheet.kept(), kept, () => {
        this.unsaved = true;
        this.say("This browser does not keep the canvas: a reload would lose it.");
      });
    }

    async restore() {
      try {
        const kept = (await store.get(this.address)) ?? (await this.former());
        if (kept) this.lay(await Sheet.of(kept));
        this.aside = await store.get(`${this.address}/aside`);
      } catch (error) {
        console.warn("pentimento: the canvas could not be restored:", error);
      }
    }

    /** What a version kept that had one canvas for all browser tabs. */
    async former() {
      const kept = page.tab.from ? null : await store.get(`${location.pathname}#${this.key}`);
      return kept && { ...kept, source: kept.file && (await this.fetch(await this.read(kept.file, "picture"))).source };
    }

    // Pictures from outside

    /** A file that is opened, pasted or dropped; or a promise of one. */
    take(file) {
      this.queue(async () => this.place({ picture: await this.read(await file, "picture") }, LAYERS, "picture"));
    }

    /** Let the server read a file: {shown, path, width, height, bytes}; `shown` is a PNG of its pixels. */
    async read(file, layer) {
      if (file.size > this.heaviest) {
        const [has, most] = [file.size, this.heaviest].map((bytes) => Math.ceil(bytes / 2 ** 20));
        throw new Refusal(`That file has ${has} MB; ${most} MB is the most. Make it smaller first.`);
      }
      const bytes = await page.outside.copied(file);
      if (!bytes.size) throw new Refusal("That file is empty. Nothing was changed.");
      const patience = setTimeout(() => this.say("Opening …"), PATIENCE);
      try {
        const path = await this.upload(bytes, layer);
        const read = await this.gradio.server.open_file(path, layer);
        if (read?.refused) throw new Refusal(read.refused);
        if (!read) throw new Error("the server gave no answer");
        return { ...read, path, bytes };
      } finally {
        clearTimeout(patience);
        this.view.say("");
      }
    }

    /** What the server has read, as an image; and for a picture, as the source of a sheet. */
    async fetch({ shown, path, width, height, bytes = null }) {
      const preview = await download(address(shown));
      const whole = Math.max(width, height) <= this.limit;
      return { image: await decode(preview), source: { path, preview, bytes: whole ? preview : bytes, natural: width } };
    }

    /** A mask from a file: white may change. It takes the sheet's size, so it must have its shape. */
    takeMask(file) {
      this.queue(async () => {
        const read = await this.read(file, "mask");
        const { width, height } = this.sheet;
        if (Math.abs((read.width * height) / (read.height * width) - 1) > ASPECT + 1 / Math.min(width, height)) {
          const sizes = `${read.width} × ${read.height} pixels, this sheet ${width} × ${height}`;
          throw new Refusal(`That mask has ${sizes}. Open one of the same shape.`);
        }
        const { image: mask } = await this.fetch(read);
        const { limit, maskColor } = this;
        const sheet = compose(this.settled(), { images: { mask }, keep: LAYERS, size: [width, height], limit, maskColor });
        if (isBlank(sheet.mask)) throw new Refusal("That mask is black everywhere. White says where the picture may change.");
        this.setLayer("mask");
        this.replace(sheet, "mask");
      });
    }

    async saveMask() {
      if (isBlank(this.settled().mask)) return this.say("There is no mask yet. Paint one first.");
      const href = URL.createObjectURL(await png(grayMask(this.sheet.mask)));
      el("a", { href, download: "pentimento-mask.png" }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60_000); // once it is surely on the disk
    }

    /** What Python sent with `Canvas.show` or `Canvas.back`. */
    show(message) {
      if (!message || message.token === this.shown) return;
      this.shown = message.token;
      this.queue(async () => {
        if (message.refused) throw new Refusal(message.refused);
        if (message.back) return this.back(message.back, message.keep);
        await this.place(message, message.keep, "show", message.aside);
      });
    }

    /** What is on the canvas can be had `back` under this name, which keeps what it has. */
    setAside(name) {
      if (name === this.aside?.name) return;
      this.keepAside({ name, ...this.settled().kept() });
    }

    keepAside(aside) {
      this.aside = aside;
      store.put(`${this.address}/aside`, aside, () => {}, () => {}); // `save` says what does not work
    }

    async back(name, keep) {
      if (name !== this.aside?.name) return;
      const sheet = await Sheet.of(this.aside);
      const now = this.settled();
      for (const layer of keep) {
        pen(sheet[layer]).clearRect(0, 0, sheet.width, sheet.height);
        drawContained(sheet[layer], now[layer]);
      }
      tint(sheet.mask, this.maskColor); // which may be another one by now
      this.keepAside(null);
      this.replace(sheet, "show");
    }

    /** One after another, after the restore; what fails changes nothing. */
    queue(task) {
      this.ready = this.ready.then(task).catch((error) => {
        if (error instanceof Refusal) return this.say(error.message);
        console.warn("pentimento:", error);
        this.say("The picture could not be sent to the server and read there. Nothing was changed: try again.");
      });
    }

    say(sentence) {
      if (this.isVisible && !isBehind()) this.view.say(sentence);
      else page.outside.say(sentence);
    }

    /** Lay what the server has read, by layer. */
    async place(given, keep, kind, aside = null) {
      const images = {};
      let source = null;
      for (const layer of LAYERS.filter((each) => given[each])) {
        const fetched = await this.fetch(given[layer]);
        images[layer] = fetched.image;
        if (layer === "picture") source = fetched.source;
      }
      if (aside) this.setAside(aside);
      const { limit, maskColor } = this;
      this.replace(compose(this.settled(), { source, images, keep, limit, maskColor }), kind);
      if (source && !source.bytes) coming.set(source, this.complete(source));
    }

    /** Fetch a large picture's own file, so that the server can be sent it should it lose it. */
    async complete(source) {
      try {
        source.bytes = await download(address(source));
        this.unsaved = true;
        this.save();
      } catch (error) {
        console.warn("pentimento:", error); // as long as the server has it, nothing is missing
      }
    }

    blank(width, height, paper, keep) {
      const sheet = new Sheet(width, height, paper);
      for (const layer of keep) drawContained(sheet[layer], this.settled()[layer]);
      this.replace(sheet, "blank");
    }

    // Acts on the whole layer

    alter(kind, paint) {
      if (this.hand.gesture || !this.isReady) return;
      const draft = new Draft(this.sheet, this.layer);
      draft.redraw(whole(draft.canvas), paint);
      this.record(draft.finish(), kind);
    }

    clear() {
      const { width, height } = this.sheet;
      if (isBlank(this.sheet[this.layer])) return;
      this.alter("clear", (context) => context.clearRect(0, 0, width, height));
    }

    invert() {
      const { width, height } = this.sheet;
      this.setLayer("mask");
      this.alter("invert", (context) => {
        context.globalCompositeOperation = "source-out";
        context.fillStyle = this.maskColor;
        context.fillRect(0, 0, width, height);
      });
    }

    /** Fill what looks alike; on the mask, what is masked alike, so an outline can be filled. */
    fill(point) {
      const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
      const { width, height } = this.sheet;
      if (x < 0 || y < 0 || x >= width || y >= height) return;
      const shape = flood(pixels(this.layer === "mask" ? this.sheet.mask : this.sheet.seen()), x, y);
      this.alter("fill", (context) => {
        context.globalAlpha = this.brush.opacity / 100;
        context.drawImage(tint(shape, this.ink), 0, 0);
      });
    }

    pick(point) {
      const x = clamp(Math.floor(point.x), 0, this.sheet.width - 1);
      const y = clamp(Math.floor(point.y), 0, this.sheet.height - 1);
      this.setColor(hex(pen(this.sheet.seen()).getImageData(x, y, 1, 1).data));
    }

    // To the server

    /** Every layer as the server stores it; null means that it could not be sent. */
    async export() {
      await this.ready;
      const { width, height, source, paper, picture, strokes, mask } = this.settled();
      try {
        const paths = await Promise.all([
          source ? this.held(source) : this.send("picture", paper === WHITE ? null : png(picture)),
          this.send("strokes", isBlank(strokes) ? null : png(strokes)),
          this.send("mask", isBlank(mask) ? null : png(grayMask(mask))),
        ]);
        return { width, height, ...Object.fromEntries(LAYERS.map((layer, i) => [layer, paths[i]])) };
      } catch (error) {
        console.warn("pentimento:", error);
        this.say(error instanceof Refusal ? error.message : "The canvas could not be sent to the server. Nothing is lost: run again.");
        return null;
      }
    }

    /** The mask alone; `scale` says how large a pixel of the picture is here. */
    async exportMask() {
      await this.ready;
      const { width, height, natural, mask } = this.sheet;
      try {
        const path = await this.send("mask", isBlank(mask) ? null : png(grayMask(mask)));
        return { width, height, scale: width / natural, mask: path };
      } catch (error) {
        console.warn("pentimento:", error);
        return null;
      }
    }

    async send(layer, content) {
      const blob = await content;
      return blob && this.upload(blob, layer);
    }

    async upload(blob, name) {
      return (await this.gradio.upload(new File([blob], name))).path;
    }

    /** Where the server has the picture's own file: still, or anew. */
    async held(source) {
      if (source.path && (await this.gradio.server.holds(source.path, "picture"))) return source.path;
      if (!source.bytes) await coming.get(source);
      if (!source.bytes) throw new Refusal("The server does not have this picture any more. Open it once more.");
      source.path = await this.upload(source.bytes, "picture");
      return source.path;
    }
  }

  // ── The page ──────────────────────────────────────────────────────────────────────────────────

  const isBehind = () => Boolean(document.querySelector("dialog[open]"));

  /** The canvas that was used last, if it can be seen: keys go to it. */
  const active = () => (current?.isVisible ? current : null);

  /** True if the key was ours. */
  function press(studio, event) {
    const key = page.key(event);
    const tool = TOOLS.find(([, , letter]) => letter.toLowerCase() === key);
    const control = event.ctrlKey || event.metaKey;
    if (key === "[") studio.resizeBrush(-1); // before the modifiers: AltGr types it on some keyboards
    else if (key === "]") studio.resizeBrush(1);
    else if (control && key === "z" && !event.shiftKey) studio.undo();
    else if (control && (key === "y" || key === "z")) studio.redo();
    else if (control || event.altKey) return false;
    else if (tool) studio.setTool(tool[0]);
    else if (key === "m") studio.setLayer(studio.layer === "mask" ? "strokes" : "mask");
    else if (key === "escape" && studio.hand.gesture) studio.hand.finish(true);
    else if (key === "+" || key === "=") studio.view.zoomBy(ZOOM_STEP); // one key, with Shift and without
    else if (key === "-") studio.view.zoomBy(1 / ZOOM_STEP);
    else if (key === "0") studio.view.fit();
    else if (key === " " && studio.hasSpace(event.target)) studio.hand.setPanning(true);
    else return false;
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const studio = active();
    if (studio?.isReady && !page.isTyping(event) && !isBehind() && press(studio, event)) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (page.key(event) !== " " || !current?.hand.panning) return;
    current.hand.setPanning(false);
    event.preventDefault(); // else a focused button would be clicked
  });
  /** Give the canvas that is seen what came, or say why not. */
  function receive(file) {
    file.catch(() => {}); // it is said below
    const visible = [...studios.values()].filter((studio) => studio.isVisible);
    const studio = active() ?? visible[0];
    if (isBehind()) page.outside.say("Close this window first, then give the picture once more.");
    else if (studio) studio.take(file);
    else page.outside.say("There is no canvas here that could take a picture.");
  }

  const bringsFiles = (transfer) => Boolean(transfer?.types.includes("Files"));

  // Also beside the canvas: else the browser would leave the page and show the file.
  document.addEventListener("dragover", (event) => {
    const field = page.isTyping(event);
    if (bringsFiles(event.dataTransfer) || (!field && event.dataTransfer.types.includes("text/uri-list"))) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (page.isTyping(event) && !bringsFiles(event.dataTransfer)) return; // words into words
    event.preventDefault();
    receive(page.outside.dropped(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    const { clipboardData: clipboard } = event;
    if (page.isTyping(event) && (!bringsFiles(clipboard) || clipboard.types.includes("text/plain"))) return;
    event.preventDefault();
    receive(page.outside.pasted(clipboard));
  });
  window.addEventListener("blur", () => current?.hand.setPanning(false));
  // Both: not every browser hides a page before it leaves it.
  window.addEventListener("pagehide", () => studios.forEach((studio) => studio.save()));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) studios.forEach((studio) => studio.save());
  });

  window.pentimento = {
    /** Build a canvas in Gradio's element; `gradio` is {props, upload, watch, trigger, server}, `about` what never changes. */
    mount(element, gradio, about, events) {
      const root = element.querySelector(".pm-canvas");
      studios.set(about.key, new Studio(root, gradio, about, events, studios.get(about.key)));
    },

    /** Replace each canvas's marker among a click's inputs by what is on that canvas. */
    export(values) {
      return Promise.all(values.map((value) => studios.get(value?.canvas)?.export() ?? value));
    },

    /** The same while `on`, which stays the first value. */
    async exportIf(on, values) {
      return [on, ...(on ? await this.export(values) : values)];
    },

    /** The same with the mask alone. */
    exportMask(values) {
      return Promise.all(values.map((value) => studios.get(value?.canvas)?.exportMask() ?? value));
    },
  };
})();
