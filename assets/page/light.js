/* Light or dark: the system decides until a person does. */

const LIGHT = "pentimento-light";

const chosen = () => localStorage.getItem(LIGHT);
const isDark = () => document.body.classList.contains("dark");

function light() {
  const dark = chosen() === "dark";
  if (chosen() && isDark() !== dark) document.body.classList.toggle("dark", dark);
}

export function toggleLight() {
  const wanted = isDark() ? "light" : "dark";
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  if (wanted === system)
    localStorage.removeItem(LIGHT); // follow the system again
  else localStorage.setItem(LIGHT, wanted);
  document.body.classList.toggle("dark", wanted === "dark");
}

new MutationObserver(light).observe(document.body, { attributes: true, attributeFilter: ["class"] });
light();
