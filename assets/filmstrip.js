/*
 * The filmstrip: the steps of a run side by side, with a playhead.
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
    const head = el("input", { type: "range", min: 1, step: 1, class: "pt-head", "aria-label": "Step of the run" });
    const label = el("span", { class: "pt-step" });
    root.append(el("div", { class: "pt-film" }, frames, head), label);

    const scrub = () => {
      const total = props.value.length;
      const step = Number(head.value);
      const last = step === total;
      const text = last ? "the result" : `step ${step} of ${total}`;
      head.setAttribute("aria-valuetext", text);
      label.textContent = text;
      root.style.setProperty("--at", (step - 0.5) / total);
      const detail = { key: stage, url: last ? null : props.value[step - 1].url, label: text, index: step - 1 };
      return new CustomEvent("pentimento:scrub", { bubbles: true, detail });
    };
    const show = () => {
      const films = Array.isArray(props.value) ? props.value : [];
      root.hidden = films.length < 2;
      frames.replaceChildren(...films.map((each) => el("img", { src: each.url, alt: "", draggable: "false" })));
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
