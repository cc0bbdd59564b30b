// What the canvases of the book share: the page's colours, sharp pixels, smooth digits.

function make(tag, props = {}, ...children) {
  const el = Object.assign(document.createElement(tag), props);
  el.append(...children);
  return el;
}
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const signed = (x, digits = 2) => x.toFixed(digits).replace("-", "−");

// The palette, as the page defines it.
const colour = (el, name) =>
  getComputedStyle(el).getPropertyValue(`--gb-${name}`).trim();
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// Fit a canvas to its box and the screen; returns a context in CSS pixels, or null
// while the page has not laid it out.
function fit(canvas) {
  const w = canvas.clientWidth, h = canvas.clientHeight, ratio = devicePixelRatio || 1;
  if (!w || !h) return null;
  const W = Math.round(w * ratio), H = Math.round(h * ratio);
  if (canvas.width !== W) canvas.width = W;
  if (canvas.height !== H) canvas.height = H;
  const ctx = canvas.getContext("2d");
  ctx.setTransform(W / w, 0, 0, H / h, 0, 0);
  ctx.clearRect(0, 0, w, h);
  ctx.imageSmoothingQuality = "high";
  return { ctx, w, h };
}

// Draw again, at most once a frame, when the model, the size or the theme changes, or
// when the function's `ask` is called; and in the next frame, as long as draw() returns
// true. How long a frame took stands in `data-ms`. Returns a function that ends it.
function animate(model, el, keys, draw) {
  let frame = 0;
  const paint = () => {
    frame = 0;
    const start = performance.now();
    const more = draw();
    el.dataset.ms = (performance.now() - start).toFixed(2);
    if (more) ask();
  };
  const ask = () => { frame ||= requestAnimationFrame(paint); };
  for (const key of keys) model.on(`change:${key}`, ask);
  const sizes = new ResizeObserver(ask);
  sizes.observe(el);
  const theme = new MutationObserver(ask);
  for (const e of [document.documentElement, document.body]) {
    theme.observe(e, { attributes: true });
  }
  ask();
  const end = () => {
    cancelAnimationFrame(frame);
    for (const key of keys) model.off(`change:${key}`, ask);
    sizes.disconnect();
    theme.disconnect();
  };
  return Object.assign(end, { ask });
}

// Let a hand move the point of a plane: with a mouse wherever it goes down; with a finger
// that takes hold of the point, so that a swipe elsewhere still scrolls the page (a tap
// moves it, too); with the arrow keys, five steps at once under shift. place() says where
// the point is on the canvas, drag(x, y) puts it there, push(dx, dy) moves it by steps.
const GRIP = 26; // pixels around the point in which a finger takes hold of it
function draggable(canvas, place, drag, push) {
  let held = false;
  const at = (e) => {
    const box = canvas.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  };
  const near = ([x, y]) => {
    const point = place();
    return Math.hypot(x - point[0], y - point[1]) < GRIP;
  };
  const follow = (e) => drag(...at(e));
  canvas.addEventListener("touchstart", (e) => {
    if (near(at(e.touches[0]))) e.preventDefault();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button || (e.pointerType === "touch" && !near(at(e)))) return;
    held = true;
    canvas.setPointerCapture(e.pointerId);
    follow(e);
  });
  canvas.addEventListener("pointermove", (e) => { if (held) follow(e); });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => { held = false; });
  }
  canvas.addEventListener("click", follow);
  canvas.addEventListener("keydown", (e) => {
    const way = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1],
    }[e.key];
    if (!way) return;
    e.preventDefault();
    push(...way.map((d) => (e.shiftKey ? 5 * d : d)));
  });
}

// Enlarge an image eightfold by bicubic convolution (Keys 1981, a = -3/4, as torch and
// the book's figures do): eight pixels show a stroke, 64 squares do not. The browsers'
// own enlargement differs from one to the next.
const ZOOM = 8;
function taps(n) {
  const near = (d) => ((1.25 * d - 2.25) * d) * d + 1; // |d| <= 1
  const far = (d) => ((-0.75 * d + 3.75) * d - 6) * d + 3; // 1 < |d| < 2
  return Array.from({ length: n * ZOOM }, (_, i) => {
    const x = (i + 0.5) / ZOOM - 0.5, k = Math.floor(x), d = x - k;
    return {
      at: [-1, 0, 1, 2].map((j) => clamp(k + j, 0, n - 1)),
      weight: [far(1 + d), near(d), near(1 - d), far(2 - d)],
    };
  });
}
const cached = {};
function enlarge(pixels, h, w) {
  const rows = cached[h] ??= taps(h), columns = cached[w] ??= taps(w);
  const W = w * ZOOM, wide = new Float64Array(h * W), out = new Float64Array(h * ZOOM * W);
  for (let i = 0; i < W; i++) {
    const [a, b, c, d] = columns[i].at, [p, q, r, s] = columns[i].weight;
    for (let y = 0; y < h; y++) {
      const row = y * w;
      wide[y * W + i] = p * pixels[row + a] + q * pixels[row + b]
        + r * pixels[row + c] + s * pixels[row + d];
    }
  }
  for (let i = 0; i < h * ZOOM; i++) {
    const [a, b, c, d] = rows[i].at.map((y) => y * W), [p, q, r, s] = rows[i].weight;
    for (let x = 0; x < W; x++) {
      out[i * W + x] = p * wide[a + x] + q * wide[b + x] + r * wide[c + x] + s * wide[d + x];
    }
  }
  return out;
}

// The colours from tile to ink in 256 steps, each four bytes in one word: to write one
// word a pixel takes a fraction of the time of four bytes.
function shades(el) {
  const ground = rgb(colour(el, "tile")), ink = rgb(colour(el, "tile-ink"));
  const bytes = Uint8ClampedArray.from({ length: 1024 }, (_, i) => {
    const c = i % 4, part = (i - c) / 4 / 255;
    return c === 3 ? 255 : ground[c] + part * (ink[c] - ground[c]);
  });
  return new Uint32Array(bytes.buffer);
}

// Returns a painter of digits: light ink on a dark tile, in both themes.
function tiles(el, [h, w]) {
  const canvas = make("canvas", { width: w * ZOOM, height: h * ZOOM });
  const ctx = canvas.getContext("2d");
  const image = ctx.createImageData(canvas.width, canvas.height);
  const words = new Uint32Array(image.data.buffer);
  let shade; // read at the first digit, when the page has its styles
  return (target, pixels, x, y, width, height) => {
    shade ??= shades(el);
    const values = enlarge(pixels, h, w);
    for (let i = 0; i < words.length; i++) {
      words[i] = shade[clamp(Math.round(255 * values[i]), 0, 255)];
    }
    ctx.putImageData(image, 0, 0);
    target.drawImage(canvas, x, y, width, height);
  };
}
