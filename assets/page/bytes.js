/**
 * So many bytes, for a person.
 *
 * @param {number} count
 */
export const bytes = (count) => {
  const [scale, unit] = /** @type {[number, string]} */ (
    count < 1e6 ? [1e3, "KB"] : count < 1e9 ? [1e6, "MB"] : [1e9, "GB"]
  );
  const value = count / scale;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
};
