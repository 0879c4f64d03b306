/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** @param {number} a @param {number} b @param {number} t 0 is all a, 1 all b */
export const mix = (a, b, t) => a + (b - a) * t;
