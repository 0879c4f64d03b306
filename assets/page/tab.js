/*
 * What one browser tab keeps: its drawings, words, settings, rows, run, and the page's open tab.
 *
 * Each browser tab has an id in `sessionStorage`, which outlives a reload; what it keeps stands in
 * `localStorage` and IndexedDB under addresses that begin with the id. A new tab starts with a copy of
 * what the tab that was used last has kept, and a duplicated one with that of its original. A duplicate
 * also copies `sessionStorage`, so a page marks its id as taken while it is open; two pages that still
 * come to have one id hear each other on a channel, and each takes an id of its own.
 *
 * Gradio's `BrowserState` has one key for all tabs: it is replaced before the component is built, since
 * this script runs before Gradio's own.
 */

/** @typedef {{used: number, seen: number}} Times both in ms */

const MOST = 12; // browser tabs of which anything is kept, those seen last
const PULSE = 60_000; // ms between two signs of an open tab
const SPACE = `pentimento ${location.pathname} `; // several studios may be at one origin

/** Stands in where the browser gives no storage: everything lasts as long as the page. */
class Memory {
  /** @type {Map<string, string>} */
  items = new Map();

  get length() {
    return this.items.size;
  }

  /** @param {number} index */
  key(index) {
    return [...this.items.keys()][index] ?? null;
  }

  /** @param {string} key */
  getItem(key) {
    return this.items.get(key) ?? null;
  }

  /** @param {string} key @param {unknown} value */
  setItem(key, value) {
    this.items.set(key, String(value));
  }

  /** @param {string} key */
  removeItem(key) {
    this.items.delete(key);
  }
}

for (const name of /** @type {const} */ (["localStorage", "sessionStorage"])) {
  try {
    window[name].getItem(SPACE);
  } catch {
    Object.defineProperty(window, name, { value: new Memory() });
  }
}

/**
 * @param {Storage} storage
 * @param {string} key
 * @returns {any}
 */
function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key) ?? "null");
  } catch {
    return null; // another hand wrote it
  }
}

/**
 * @param {Storage} storage
 * @param {string} key
 * @param {unknown} value
 */
function write(storage, key, value) {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch (error) {
    console.warn("pentimento: this browser keeps no more:", error);
  }
}

/**
 * @param {string} from
 * @param {string} to
 */
function copy(from, to) {
  try {
    localStorage.setItem(to, localStorage.getItem(from) ?? "null");
  } catch (error) {
    console.warn("pentimento: this browser keeps no more:", error);
  }
}

const named = () => crypto.getRandomValues(new Uint32Array(2)).join("-");
const addressOf = (/** @type {string} */ id, /** @type {string} */ name) => `${SPACE}${id} ${name}`;

/** Every key of the store. */
function keys() {
  return Array.from({ length: localStorage.length }, (_, at) => localStorage.key(at) ?? "");
}

/** @param {string} id */
const keysOf = (id) => keys().filter((key) => key.startsWith(addressOf(id, "")));

/** All tabs that have kept something. */
function known() {
  /** @type {(Times & {id: string})[]} */
  const list = [];
  for (const key of keys()) {
    const [, id] = key.match(/^pentimento \S* (\S+) tab$/) ?? [];
    const times = id && key === addressOf(id, "tab") && read(localStorage, key);
    if (times) list.push({ id, used: Number(times.used) || 0, seen: Number(times.seen) || 0 });
  }
  return list;
}

/** @type {{id?: string, taken?: boolean, from?: string | null}} */
const session = read(sessionStorage, SPACE) ?? {};
let { from = null } = session;
let id = session.id ?? "";
const others = known();
if (!id || session.taken || !others.some((each) => each.id === id)) {
  const original = others.find((each) => each.id === id);
  const latest = others.sort((a, b) => b.used - a.used)[0];
  from = (original ?? latest)?.id ?? null;
  id = named();
  for (const key of from ? keysOf(from) : []) copy(key, addressOf(id, key.slice(addressOf(from, "").length)));
}
const occupy = (/** @type {boolean} */ taken) => write(sessionStorage, SPACE, { id, taken, from });
occupy(true);
window.addEventListener("pagehide", () => occupy(false));
window.addEventListener("pageshow", () => occupy(true)); // also where it comes back as it was

const now = () => Date.now();
/** @type {Times} */
const times = { used: 0, ...read(localStorage, addressOf(id, "tab")), seen: now() };
const sign = () => write(localStorage, addressOf(id, "tab"), Object.assign(times, { seen: now() }));
const use = () => {
  times.used = now();
  sign();
};
sign();
setInterval(sign, PULSE);
for (const type of ["input", "change"]) document.addEventListener(type, use, { capture: true, passive: true });
const run = (/** @type {Event} */ { target }) => target instanceof Element && target.closest(".pt-run") && use();
document.addEventListener("click", run, { capture: true, passive: true });

const last = known()
  .sort((a, b) => b.seen - a.seen)
  .slice(MOST);
/** The ids of tabs of which nothing is to be kept. */
const gone = last.map((each) => each.id).filter((each) => each !== id && each !== from);
for (const key of gone.flatMap(keysOf)) localStorage.removeItem(key);

for (const each of window.gradio_config?.components ?? []) {
  if (each.type !== "browserstate") continue;
  const former = each.props.storage_key;
  each.props.storage_key = addressOf(id, former);
  if (!from && localStorage.getItem(former)) {
    // of a version that kept one for all tabs
    copy(former, each.props.storage_key);
    localStorage.removeItem(former);
  }
}

if (window.BroadcastChannel) {
  const me = named();
  const channel = new BroadcastChannel(SPACE);
  channel.onmessage = ({ data }) => {
    if (data.id !== id || data.me === me) return;
    if (!data.answers) return channel.postMessage({ id, me, answers: data.me });
    if (data.answers !== me) return;
    write(sessionStorage, SPACE, { id, taken: true }); // the next load is a duplicate's
    window.addEventListener("pagehide", () => write(sessionStorage, SPACE, { id, taken: true }));
    location.reload();
  };
  channel.postMessage({ id, me });
}

export const tab = {
  gone,
  /** @param {string} name */
  address: (name) => addressOf(id, name),
  addressOf,
  use, // it is the latest now
  /** The tab whose drawings are still to be copied, if there is one. */
  get from() {
    return from;
  },
  /** They are. */
  arrived() {
    from = null;
    occupy(true);
  },
  /**
   * @param {string} name
   * @returns {any}
   */
  get: (name) => read(localStorage, addressOf(id, name)),
  /** @param {string} name @param {unknown} value */
  set: (name, value) => write(localStorage, addressOf(id, name), value),
};
