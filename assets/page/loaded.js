/**
 * The picture behind an address once it is decoded, so that nothing flickers; null if it cannot be read.
 *
 * @param {string} url
 */
export async function loaded(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    return null; // a frame that cannot be read is a frame less
  }
  return image;
}
