/*
 * The grid: a source and its edits side by side, live and done.
 *
 * components/grid.py sends the moments (assets/plate.js has what is done with them). While a run goes
 * on, a frame is one sheet on which all pictures lie; it is cut up here.
 *
 *   Cell    one picture with its words, its figures, and what can lie over it
 *   Pair    two pictures held against each other
 *   Lens    the maps of words: an atlas per picture, a column per word, a band per step
 *   Grid    all of it
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.grid) return;
  const { el, loaded, enlarged } = page;

  const GAP = 14; // between cells
  const WIDE = 560; // CSS pixels from which three pictures stand in a row
  const SHADE = [16, 14, 12]; // over what a word does not look at
  const DARKEST = 0.8;

  /** Where picture `index` of `count` lies on a sheet; the studio lays them out row by row. */
  function place(sheet, count, index) {
    const across = Math.ceil(Math.sqrt(count));
    const [width, height] = [sheet.naturalWidth / across, sheet.naturalHeight / Math.ceil(count / across)];
    return [(index % across) * width, Math.floor(index / across) * height, width, height];
  }

  class Cell {
    constructor(grid, index) {
      this.grid = grid;
      this.live = el("canvas", { class: "pt-live", hidden: true });
      this.now = el("img", { class: "pt-now", alt: "", draggable: "false", hidden: true });
      this.before = el("img", { class: "pt-before", alt: "", draggable: "false" });
      this.map = el("canvas", { class: "pt-map", hidden: true });
      this.box = el("span", { class: "pt-box", hidden: true });
      this.order = el("span", { class: "pt-order", hidden: true, "aria-hidden": "true" });
      this.button = el("button", { type: "button", class: "pt-picture", disabled: true, "aria-pressed": "false", onclick: () => grid.pick(index) },
        this.now, this.before, this.live, this.map, this.box, this.order);
      this.title = el("span", { class: "pt-cell-title" }, index ? `Edit ${index}` : "Source");
      this.save = el("a", { class: "pt-link", download: true, hidden: true }, "Save");
      this.words = el("p", { class: "pt-cell-words" });
      this.figure = el("p", { class: "pt-figure" });
      this.said = el("p", { class: "pt-said" });
      this.element = el("figure", { class: "pt-cell" }, this.button,
        el("figcaption", {}, el("div", { class: "pt-cell-head" }, this.title, this.save), this.words, this.figure, this.said));
    }

    /** A part of a sheet, as it is while the run goes on. */
    cut(sheet, [left, top, width, height]) {
      this.live.width = Math.round(width);
      this.live.height = Math.round(height);
      this.live.getContext("2d").drawImage(sheet, left, top, width, height, 0, 0, this.live.width, this.live.height);
      this.live.hidden = false;
    }

    show({ file, title, words, said, figure, box }, source, [width, height]) {
      this.now.hidden = false;
      this.now.src = this.url = file.url;
      this.now.decode().catch(() => {}).then(() => { this.live.hidden = true; });
      this.now.alt = `${title}: ${words}`;
      this.before.src = source.file.url;
      this.button.disabled = false;
      this.button.setAttribute("aria-label", `${title}: ${words}. Pick it to hold it against another.`);
      this.title.textContent = title;
      this.save.href = file.url;
      this.save.hidden = false;
      this.save.setAttribute("aria-label", `Save ${title.toLowerCase()} as PNG`);
      this.words.textContent = words;
      this.figure.textContent = figure;
      this.said.textContent = said;
      this.bounds = box && [box[0] / width, box[1] / height, box[2] / width, box[3] / height];
      if (!this.bounds) return;
      const [left, top, right, bottom] = this.bounds.map((each) => 100 * each);
      Object.assign(this.box.style, { left: `${left}%`, top: `${top}%`, right: `${100 - right}%`, bottom: `${100 - bottom}%` });
    }

    /** Words to point at, instead of the mere sentence. */
    offer(row, words) {
      this.words.replaceChildren(...words.map((word, index) => el("button", {
        type: "button", class: "pt-word", "aria-pressed": "false",
        onmouseenter: () => this.grid.lens.look({ row, index }),
        onmouseleave: () => this.grid.lens.look(this.grid.lens.pinned),
        onfocus: () => this.grid.lens.look({ row, index }),
        onblur: () => this.grid.lens.look(this.grid.lens.pinned),
        onclick: () => this.grid.lens.pin({ row, index }),
      }, word)));
    }

    picked(order) {
      this.button.setAttribute("aria-pressed", String(order > 0));
      this.order.hidden = !order;
      this.order.textContent = order || "";
    }
  }

  class Pair {
    constructor(close) {
      this.now = el("img", { class: "pt-now", alt: "", draggable: "false" });
      this.before = el("img", { class: "pt-before", alt: "", draggable: "false" });
      this.cut = el("input", {
        type: "range", min: 0, max: 100, value: 50, class: "pt-cut", "aria-label": "How much of the one picture shows, and how much of the other",
        oninput: () => this.pictures.style.setProperty("--cut", `${this.cut.value}%`),
      });
      this.left = el("span", { class: "pt-tag pt-tag-before", "aria-hidden": "true" });
      this.right = el("span", { class: "pt-tag pt-tag-after", "aria-hidden": "true" });
      this.pictures = el("div", { class: "pt-pictures pt-split" }, this.now, this.before, this.cut, this.left, this.right);
      this.differ = el("button", { type: "button", class: "pt-button", "aria-pressed": "false", onclick: () => this.view(!this.differs) }, "Difference");
      this.element = el("div", { class: "pt-pair", hidden: true }, this.pictures,
        el("div", { class: "pt-pair-tools" }, this.differ, el("button", { type: "button", class: "pt-button", onclick: close }, "Close")));
    }

    show([one, other]) {
      this.element.hidden = !other;
      if (!other) return;
      this.before.src = one.url;
      this.now.src = other.url;
      this.now.alt = `${one.title.textContent} against ${other.title.textContent.toLowerCase()}`;
      this.left.textContent = one.title.textContent;
      this.right.textContent = other.title.textContent;
      this.view(false);
    }

    view(differs) {
      this.differs = differs;
      this.differ.setAttribute("aria-pressed", String(differs));
      this.pictures.classList.toggle("pt-difference", differs);
      this.pictures.classList.toggle("pt-split", !differs);
    }
  }

  class Lens {
    constructor(grid) {
      this.grid = grid;
      this.pinned = null; // {row, index} of the word whose map stays
      this.step = 0; // 0 is the mean of all
      this.range = el("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": "Step whose maps are shown", oninput: () => this.scrub() });
      this.label = el("span", {});
      this.all = el("button", { type: "button", class: "pt-button", "aria-expanded": "false", onclick: () => this.unfold(this.sheet.hidden) }, "All maps");
      this.sheet = el("div", { class: "pt-maps", hidden: true });
      this.element = el("div", { class: "pt-lens", hidden: true },
        el("p", { class: "pt-aside-note" }, "Point at a word under a picture to see where it looks; press it to keep it."),
        el("label", { class: "pt-slider" }, el("span", { class: "pt-slider-name" }, "Maps of words", this.label), this.range),
        this.all);
    }

    async show(attention) {
      this.attention = attention;
      this.pinned = null;
      this.atlases = [];
      this.element.hidden = !attention;
      this.unfold(false);
      if (!attention) return;
      this.range.max = attention.steps;
      this.range.value = this.step = 0;
      this.say();
      attention.words.forEach((words, row) => this.grid.cells[row]?.offer(row, words));
      const images = await Promise.all(attention.files.map(({ url }) => loaded(url)));
      if (this.attention !== attention) return;
      this.atlases = images.map((image) => {
        if (!image) return null;
        const canvas = el("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const pen = canvas.getContext("2d", { willReadFrequently: true });
        pen.drawImage(image, 0, 0);
        return pen;
      });
      this.grid.root.dataset.maps = "ready";
      this.look(this.pinned);
    }

    values(row, index) {
      const [width, height] = this.attention.size;
      const { data } = this.atlases[row].getImageData(index * width, this.step * height, width, height);
      return data.filter((_, i) => i % 4 === 0);
    }

    /** Paint a map on a canvas: as shade over a picture, or as light by itself. */
    paint(canvas, row, index, alone = false) {
      const [width, height] = this.attention.size;
      [canvas.width, canvas.height] = [width, height];
      const pixels = new ImageData(width, height);
      this.values(row, index).forEach((value, i) => {
        const share = value / 255;
        const colour = alone ? [Math.min(255, 40 + 300 * share), 30 + 200 * share ** 2, 24 + 190 * share ** 4, 255]
          : [...SHADE, 255 * DARKEST * (1 - share)];
        pixels.data.set(colour, 4 * i);
      });
      canvas.getContext("2d").putImageData(pixels, 0, 0);
    }

    /** Lay the map of a word over its picture, and those of its counterparts over the others. */
    look(word) {
      this.shown = word;
      if (!this.attention || !this.atlases.length) return;
      const { words } = this.attention;
      this.grid.cells.forEach((cell, row) => {
        const index = word ? this.counterpart(word, row) : null;
        cell.map.hidden = index == null || !this.atlases[row];
        if (!cell.map.hidden) this.paint(cell.map, row, index);
        cell.words.querySelectorAll(".pt-word").forEach((button, i) => button.classList.toggle("pt-looked", i === index));
      });
      this.grid.name(word ? `“${words[word.row][word.index]}”` : "");
    }

    counterpart({ row, index }, there) {
      const { words } = this.attention;
      if (there === row) return index;
      if (there === 0) return page.counterparts(words[0], words[row])[index];
      if (row !== 0) return null;
      const at = page.counterparts(words[0], words[there]).indexOf(index);
      return at < 0 ? null : at;
    }

    pin(word) {
      const same = this.pinned && this.pinned.row === word.row && this.pinned.index === word.index;
      this.pinned = same ? null : word;
      this.grid.cells.forEach((cell, row) => cell.words.querySelectorAll(".pt-word").forEach((button, i) =>
        button.setAttribute("aria-pressed", String(Boolean(this.pinned && this.pinned.row === row && this.pinned.index === i)))));
      this.look(this.pinned);
    }

    scrub() {
      this.step = Number(this.range.value);
      this.say();
      this.look(this.shown);
      if (!this.sheet.hidden) this.unfold(true);
    }

    say() {
      const text = this.step ? `step ${this.step} of ${this.attention.steps}` : "mean of all steps";
      this.label.textContent = text;
      this.range.setAttribute("aria-valuetext", text);
    }

    /** The maps of all words as a sheet, a row per picture. */
    unfold(open) {
      this.sheet.hidden = !open;
      this.all.setAttribute("aria-expanded", String(open));
      if (!open) return;
      this.sheet.replaceChildren(...this.attention.words.map((words, row) => el("section", {},
        el("h3", {}, row ? `Edit ${row}` : "Source"),
        el("ul", {}, ...words.map((word, index) => {
          const canvas = el("canvas", { role: "img", "aria-label": `Where “${word}” looks` });
          if (this.atlases[row]) this.paint(canvas, row, index, true);
          return el("li", {}, canvas, word);
        })))));
    }
  }

  class Grid extends page.Plate { // about: {stage, empty, size}
    build() {
      this.cells = [];
      this.picks = []; // indices of the pictures that are held against each other
      this.looked = el("span", { class: "pt-looked-at", hidden: true });
      this.differ = el("button", { type: "button", class: "pt-button pt-differ", "aria-pressed": "false", title: "What has changed from the source; black is as it was", onclick: () => this.view(!this.differs) }, "Differences");
      this.lens = new Lens(this);
      this.pair = new Pair(() => this.choose([]));
      this.board = el("div", { class: "pt-board" });
      this.hint = el("p", { class: "pt-aside-note pt-hint" }, "Click two pictures to hold them against each other.");
      this.plate = el("div", { class: "pt-plate" }, this.empty, this.pair.element, this.board, this.bar);
      this.root.append(el("div", { class: "pt-tools" }, this.caption, this.looked, this.differ, this.stop),
        this.plate, this.hint, this.lens.element, this.lens.sheet, this.message);
    }

    leave() {
      this.choose([]);
      this.view(false);
      this.lens.look(null);
      this.lens.show(null);
    }

    frame({ frame, pictures }) {
      this.sheet(frame, pictures);
    }

    /** The last result, whole. */
    restore() {
      const { pictures, size, before, caption, text, attention } = this.done;
      this.turn++;
      this.phase = this.root.dataset.phase = "done";
      this.root.dataset.source = before ? "picture" : "seed";
      delete this.root.dataset.maps;
      this.caption.textContent = caption;
      this.say(text);
      this.natural = size;
      this.lay(pictures.length);
      pictures.forEach((each, i) => this.cells[i].show(each, pictures[0], this.natural));
      this.choose([]);
      this.view(false);
      this.lens.show(attention);
    }

    /** Cells for so many pictures: the source at the left, the edits beside it. */
    lay(count) {
      if (this.cells.length !== count || (this.phase !== "done" && this.cells.some(({ url }) => url))) {
        this.cells = Array.from({ length: count }, (_, index) => new Cell(this, index));
        const [source, ...edits] = this.cells;
        this.board.replaceChildren(el("div", { class: "pt-source" }, source.element),
          el("div", { class: "pt-beside" }, ...edits.map(({ element }) => element)));
      }
      this.root.classList.add("pt-filled");
      this.fit();
    }

    async sheet(url, count) {
      const turn = ++this.turn;
      const sheet = await loaded(url);
      if (!sheet || turn < this.turn) return;
      const [, , width, height] = place(sheet, count, 0);
      if (this.phase === "running") this.natural = [this.about.size, (this.about.size * height) / width];
      if (this.phase === "running" || this.cells.length < count) this.lay(count);
      for (let index = 0; index < count; index++) this.cells[index].cut(sheet, place(sheet, count, index));
    }

    /** A step of the run instead of its result, while the filmstrip is scrubbed. */
    scrub({ url, label, index }) {
      this.choose([]);
      this.caption.textContent = url ? label : this.done.caption;
      if (url) return this.sheet(url, this.done.sheets[index] ?? this.cells.length);
      this.turn++;
      for (const cell of this.cells) cell.live.hidden = true;
    }

    pick(index) {
      const rest = this.picks.filter((each) => each !== index);
      this.choose(rest.length < this.picks.length ? rest : [...this.picks, index].slice(-2));
      if (this.picks.includes(index)) this.trigger("choose", { index });
    }

    choose(picks) {
      this.picks = picks;
      this.cells.forEach((cell, i) => cell.picked(picks.indexOf(i) + 1));
      this.pair.show(picks.map((i) => this.cells[i]));
      this.hint.textContent = picks.length === 1 ? "Now click another one." : "Click two pictures to hold them against each other.";
    }

    /** Every edit as its difference from the source, or as it is. */
    view(differs) {
      this.differs = differs;
      this.differ.setAttribute("aria-pressed", String(differs));
      this.root.classList.toggle("pt-differing", differs);
      this.cells.forEach((cell, i) => { cell.box.hidden = !(differs && i && cell.bounds); });
    }

    /** Which word is looked at, beside the caption. */
    name(text) {
      this.looked.textContent = text;
      this.looked.hidden = !text;
    }

    fit() {
      const across = this.board.clientWidth;
      if (!across || !this.cells.length) return; // in a tab that is not shown
      const [width, height] = this.natural;
      const columns = this.cells.length > 2 && across >= WIDE ? 3 : 2;
      const small = enlarged(Math.floor((across - (columns - 1) * GAP) / columns) / width);
      this.board.style.setProperty("--wide", `${width * small.scale}px`);
      this.board.style.setProperty("--high", `${height * small.scale}px`);
      this.board.classList.toggle("pt-sharp", small.sharp);
      const large = enlarged(Math.min(across / width, (innerHeight * 0.6) / height));
      Object.assign(this.pair.pictures.style, { width: `${width * large.scale}px`, height: `${height * large.scale}px` });
      this.pair.pictures.classList.toggle("pt-sharp", large.sharp);
    }
  }

  page.grid = (element, tools, about) => new Grid(element, tools, about);
})();
