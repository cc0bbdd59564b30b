// One gradient, d/dμ E[(z − 2)²] at μ = 0 with z ~ N(μ, σ²), estimated a thousand times
// by each of two methods from the same noise. The exact value is 2 (μ − 2) = −4.

const ESTIMATES = 1000;
const OFF = -2; // μ − 2
const EXACT = 2 * OFF;
const LOW = -24, HIGH = 16, BINS = 80; // of the histograms; −4 in the middle

// Uniform numbers in (0, 1) from a seed: mulberry32, by Tommy Ettinger.
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

// Standard normal numbers, two from two uniform ones (Box and Muller 1958).
function normals(seed, count) {
  const draw = uniform(seed), eps = new Float64Array(count + count % 2);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(draw())), angle = 2 * Math.PI * draw();
    eps[i] = radius * Math.cos(angle);
    eps[i + 1] = radius * Math.sin(angle);
  }
  return eps.subarray(0, count);
}

// None; the mean of f; and E[f s²] / E[s²], with s the score ε/σ.
function baselineValue(which, sigma) {
  return [0, OFF ** 2 + sigma ** 2, OFF ** 2 + 3 * sigma ** 2][which];
}

// Estimate j averages draws j·n … (j + 1)·n.
function estimates(eps, n, sigma, b) {
  const count = Math.min(ESTIMATES, Math.floor(eps.length / n));
  const path = new Float64Array(count), score = new Float64Array(count);
  for (let j = 0; j < count; j++) for (let i = j * n; i < (j + 1) * n; i++) {
    const off = OFF + sigma * eps[i]; // z − 2
    path[j] += 2 * off / n;
    score[j] += (off * off - b) * eps[i] / sigma / n;
  }
  return { path, score };
}

// The standard deviations of both, exactly: moments of ε up to the sixth.
function spread(n, sigma, b) {
  const v = sigma ** 2, a = OFF ** 2 - b;
  const second = (a * a + 6 * a * v + 12 * OFF ** 2 * v + 15 * v * v) / v;
  return { path: Math.sqrt(4 * v / n), score: Math.sqrt((second - EXACT ** 2) / n) };
}

function moments(values) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squared = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squared / (values.length - 1)) };
}

function render({ model, el }) {
  const draws = model.get("draws");
  const eps = normals(model.get("seed"), ESTIMATES * Math.max(...draws));
  const canvas = make("canvas", { className: "gb-histograms" });
  canvas.setAttribute("role", "img");
  const said = make("output", { className: "gb-said" });
  el.classList.add("gb-figure", "gb-gradient-noise");
  el.append(canvas, said);

  function histogram({ ctx, w }, values, name, hue, top, height, ink) {
    const left = 8, right = w - 8, base = top + height;
    const X = (g) => left + (g - LOW) / (HIGH - LOW) * (right - left);
    const bins = new Array(BINS).fill(0);
    let below = 0, above = 0;
    for (const g of values) {
      const bin = Math.floor((g - LOW) / (HIGH - LOW) * BINS);
      if (bin < 0) below++;
      else if (bin >= BINS) above++;
      else bins[bin]++;
    }
    const most = Math.max(...bins, 1), room = height - 34;
    ctx.fillStyle = colour(el, hue);
    bins.forEach((count, i) => {
      const x = X(LOW + i * (HIGH - LOW) / BINS), tall = count / most * room;
      ctx.fillRect(x, base - tall, (right - left) / BINS - 0.5, tall);
    });
    ctx.strokeStyle = colour(el, "ink");
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(left, base + 0.5);
    ctx.lineTo(right, base + 0.5);
    ctx.stroke();
    ctx.strokeStyle = colour(el, "truth");
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.moveTo(X(EXACT), top + 18);
    ctx.lineTo(X(EXACT), base);
    ctx.stroke();
    ctx.fillStyle = ink;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    ctx.font = `600 13px ${getComputedStyle(el).fontFamily}`;
    ctx.fillText(name, left, top);
    ctx.font = `11px ${getComputedStyle(el).fontFamily}`;
    const share = (n) => `${(100 * n / values.length).toFixed(1)} %`;
    if (below) ctx.fillText(`◂ ${share(below)}`, left, base - 15);
    ctx.textAlign = "right";
    if (above) ctx.fillText(`${share(above)} ▸`, right, base - 15);
    ctx.textAlign = "center";
    for (let g = -20; g <= 12; g += 4) ctx.fillText(signed(g, 0), X(g), base + 4);
  }

  function draw() {
    const box = fit(canvas);
    if (!box) return;
    const sigma = model.get("sigma"), n = draws[model.get("size")];
    const b = baselineValue(model.get("baseline"), sigma);
    const got = estimates(eps, n, sigma, b), exact = spread(n, sigma, b);
    const ink = getComputedStyle(el).color, height = box.h / 2 - 24;
    histogram(box, got.path, "pathwise", "model", 0, height, ink);
    histogram(box, got.score, "score function", "latent", box.h / 2, height, ink);
    const words = ["path", "score"].map((key) => {
      const { mean, sd } = moments(got[key]);
      return `mean ${signed(mean)}, sd ${sd.toFixed(2)} (by formula ${exact[key].toFixed(2)})`;
    });
    const text = `pathwise: ${words[0]}; score function: ${words[1]}; exact gradient −4`;
    canvas.setAttribute("aria-label", `Histograms of ${got.path.length} estimates. ${text}`);
    if (said.textContent !== text) said.textContent = text;
  }
  return animate(model, el, ["sigma", "size", "baseline"], draw);
}
export default { render };
