/* Rows of a list that is told anew while somebody may be clicking in it. */

/** @type {WeakMap<Element, string>} the element of a row → the row */
const rowOf = new WeakMap();

/**
 * Make `list` show these rows; the element of a row that was there stays as it is.
 *
 * @template Row
 * @param {HTMLElement} list
 * @param {Row[]} rows
 * @param {(row: Row) => HTMLElement} make
 */
export function fill(list, rows, make) {
  const held = new Map([...list.children].map((each) => [rowOf.get(each), each]));
  const keys = new Set(rows.map((row) => JSON.stringify(row)));
  for (const [key, each] of held) if (!key || !keys.has(key)) each.remove();
  let at = list.firstElementChild;
  for (const row of rows) {
    const key = JSON.stringify(row);
    const each = held.get(key) ?? make(row);
    rowOf.set(each, key);
    if (each === at) at = at.nextElementSibling;
    else list.insertBefore(each, at); // a click on what is moved or replaced meanwhile is lost
  }
}
