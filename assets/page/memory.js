/* What was typed and set comes back. */

/**
 * @typedef {object} Field of a form
 * @property {string} name
 * @property {unknown} first what it held at first
 * @property {unknown[]} [among] what it may hold: one of these,
 * @property {number} [longest] words of at most so many characters,
 * @property {[number, number]} [between] or a number between these
 */

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * @param {Field} field
 * @param {unknown} value
 */
function suits({ among, longest, between }, value) {
  if (among) return among.includes(value);
  if (longest) return typeof value === "string" && value.length <= longest;
  return between !== undefined && typeof value === "number" && between[0] <= value && value <= between[1];
}

/**
 * The values of a form's fields once what was kept is back: in a field that still holds what it held
 * at first, and if the form that it was kept from began like this one, or if it is words.
 *
 * @param {string} start how the form began, in short
 * @param {Field[]} fields
 * @param {{start: string, values: Record<string, unknown>} | null} kept
 * @param {unknown[]} values
 */
export function restored(start, fields, kept, values) {
  return fields.map((field, at) => {
    const value = kept?.values?.[field.name];
    const wanted = kept?.start === start || field.longest;
    return wanted && same(values[at], field.first) && suits(field, value) ? value : values[at];
  });
}
