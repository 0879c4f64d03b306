/*
 * The filmstrip: the steps of a run side by side, with a playhead. Not every step has a frame, so
 * each frame comes with its step's number; behind the last one is a place for the result.
 *
 * The strip is a range input laid over the frames, so that it drags, taps and takes arrow keys.
 * Where the playhead stands goes to the stage of the same key as `pentimento:scrub`.
 */
(() => {
  "use strict";
  const page = (window.pentimentoPage ??= {});
  if (page.filmstrip) return;

  page.filmstrip = (element, { props, watch }, stage) => {
    const { el } = page;
    const root = element.querySelector(".pt-filmstrip");
    const frames = el("div", { class: "pt-frames", "aria-hidden": "true" });
    const head = el("input", { type: "range", min: 0, step: 1, class: "pt-head", "aria-label": "Step of the run" });
    const label = el("span", { class: "pt-step" });
    root.append(el("div", { class: "pt-film" }, frames, head), label);

    const scrub = () => {
      const index = Number(head.value);
      const frame = props.value[index]; // none at the result's place
      const text = frame ? `step ${frame.step}` : "the result";
      head.setAttribute("aria-valuetext", text);
      label.textContent = text;
      root.style.setProperty("--at", (index + 0.5) / (props.value.length + 1));
      const detail = { key: stage, url: frame?.file.url, label: text, index };
      return new CustomEvent("pentimento:scrub", { bubbles: true, detail });
    };
    const show = () => {
      const films = Array.isArray(props.value) ? props.value : [];
      root.hidden = films.length < 2;
      frames.replaceChildren(
        ...films.map(({ file }) => el("img", { src: file.url, alt: "", draggable: "false" })),
        el("span", { class: "pt-end" }));
      if (root.hidden) return;
      head.max = films.length;
      head.value = films.length;
      scrub();
    };
    head.addEventListener("input", () => root.dispatchEvent(scrub()));
    watch("value", show);
    show();
  };
})();
