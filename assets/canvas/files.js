/* Files that Gradio serves, and the pictures in them. */

/**
 * Decode what the server made: PNG without metadata. Throws if it is no picture.
 *
 * @param {Blob} blob
 */
export async function decode(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
  } finally {
    URL.revokeObjectURL(image.src);
  }
  if (!image.width) throw new Error("a picture without a size");
  return image;
}

/**
 * Where Gradio serves a file. Its own `url` leaves the page's root out, but for queued events.
 *
 * @param {{path: string}} file
 */
export function addressOf({ path }) {
  const { root = "", api_prefix: prefix = "" } = window.gradio_config ?? {};
  const escaped = path.split("/").map(encodeURIComponent).join("/");
  return `${root.replace(/\/$/, "")}${prefix}/file=${escaped}`;
}

/** @param {string} url */
export async function download(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.blob();
}
