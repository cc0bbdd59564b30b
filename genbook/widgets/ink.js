// Images of some hundred pixels, many at a time: sprites, and tiles that are quick.

// The images of a sprite, a grey PNG of tiles h × w in rows of `columns` (atlas.py), as
// bytes, one array an image. A grey needs no colour profile, so a byte stays as it is.
async function sprite(view, count, [h, w], columns) {
  const blob = new Blob([view], { type: "image/png" });
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  ctx.drawImage(bitmap, 0, 0);
  const all = ctx.getImageData(0, 0, canvas.width, canvas.height).data;
  return Array.from({ length: count }, (_, n) => {
    const top = Math.floor(n / columns) * h, left = n % columns * w;
    return Uint8Array.from({ length: h * w }, (_, i) =>
      all[4 * ((top + Math.floor(i / w)) * canvas.width + left + i % w)]);
  });
}

// Returns a painter like that of `tiles`, a tenth of its work: the pixels are drawn as
// they are and the browser smoothes what it enlarges, which at twice or three times the
// size looks the same. `full` is the value of full ink.
function quickTiles(el, [h, w], full = 1) {
  const canvas = make("canvas", { width: w, height: h });
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  const image = ctx.createImageData(w, h), words = new Uint32Array(image.data.buffer);
  let shade; // read at the first digit
  return (target, pixels, x, y, width, height) => {
    shade ??= shades(el);
    const scale = 255 / full;
    for (let i = 0; i < words.length; i++) {
      words[i] = shade[clamp(Math.round(scale * pixels[i]), 0, 255)];
    }
    ctx.putImageData(image, 0, 0);
    target.imageSmoothingQuality = "high";
    target.drawImage(canvas, x, y, width, height);
  };
}
const LARGE = 256; // pixels of an image from which on quickTiles are the better ones
