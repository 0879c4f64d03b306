/* A reload comes back to the tab that was open. */

import { tab } from "./tab.js";

const OPEN = "open";

function returnToTab() {
  const bar = document.querySelector(".pt-tabs [role=tablist]");
  if (!bar) return false;
  const former = tab.get(OPEN);
  const tabs = /** @type {HTMLElement[]} */ ([...bar.querySelectorAll("[role=tab]")]);
  tabs.find((each) => each.textContent.trim() === former)?.click();
  const remember = () => {
    const open = bar.querySelector("[role=tab][aria-selected=true]");
    if (open) tab.set(OPEN, open.textContent.trim());
  };
  new MutationObserver(remember).observe(bar, { subtree: true, attributeFilter: ["aria-selected"] });
  return true;
}

const arriving = new MutationObserver(() => returnToTab() && arriving.disconnect());
arriving.observe(document.body, { subtree: true, childList: true });
