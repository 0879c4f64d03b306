/* What is kept in the browser: nothing painted is lost by a reload. */

import { tab } from "../page/tab.js";

const TABLE = "canvases";

/** @type {Promise<IDBDatabase> | null} */
let opening = null;
/** @type {IDBDatabase | null} what it gave, for `put`, which cannot wait */
let database = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("pentimento", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      database = request.result;
      database.onclose = () => {
        opening = database = null;
      };
      tidy(database);
      resolve(database);
    };
  });
  return opening;
}

/**
 * Copy what this browser tab starts with, and drop what is kept no longer; reads come after it.
 *
 * @param {IDBDatabase} opened
 */
function tidy(opened) {
  const { gone, from, address, addressOf, arrived } = tab;
  const all = (/** @type {string} */ id) => IDBKeyRange.bound(addressOf(id, ""), addressOf(id, "\uffff"));
  const change = opened.transaction(TABLE, "readwrite");
  const canvases = change.objectStore(TABLE);
  for (const id of gone) canvases.delete(all(id));
  if (!from) return;
  change.oncomplete = arrived;
  const kept = canvases.openCursor(all(from));
  kept.onsuccess = () => {
    const cursor = kept.result;
    if (!cursor) return;
    const { key, value } = cursor;
    const own = address(String(key).slice(addressOf(from, "").length));
    const there = canvases.getKey(own);
    there.onsuccess = () => there.result ?? canvases.put(value, own);
    cursor.continue();
  };
}

export const store = {
  /**
   * @param {string} key
   * @returns {Promise<any>}
   */
  async get(key) {
    const opened = await open();
    return new Promise((resolve, reject) => {
      const request = opened.transaction(TABLE).objectStore(TABLE).get(key);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  },

  /**
   * Synchronous up to the commit, so that it works while the page goes away.
   *
   * @param {string} key
   * @param {unknown} record
   * @param {() => void} kept
   * @param {() => void} failed
   */
  put(key, record, kept, failed) {
    try {
      if (!database) throw new Error("it is not open");
      const change = database.transaction(TABLE, "readwrite");
      change.oncomplete = kept;
      change.onabort = failed;
      change.objectStore(TABLE).put(record, key);
      change.commit();
    } catch (error) {
      console.warn("pentimento: the canvas could not be kept:", error);
      failed();
    }
  },
};
