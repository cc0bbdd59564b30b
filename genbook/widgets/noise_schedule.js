// Three schedules, what they leave of a digit at time t, and the curves behind it.

const KINDS = ["linear", "cosine", "sigmoid"];
const HUES = ["class-4", "class-7", "class-8"]; // schedules are none of the book's meanings
const MOST = 0.999; // a larger β is cut
const TILES = 11; // of the strip, from t = 0 to T
const POINTS = 150; // of a curve: T may be a thousand

// ᾱ from 0 to T, as genbook.diffusion has it.
function linear(T, beta_1, beta_T) {
  const alpha_bar = new Float64Array(T + 1).fill(1);
  for (let t = 1; t <= T; t++) {
    const beta = beta_1 + (beta_T - beta_1) * (t - 1) / Math.max(1, T - 1);
    alpha_bar[t] = alpha_bar[t - 1] * (1 - beta);
  }
  return alpha_bar;
}
function cosine(T, s) {
  return cut(T, (u) => Math.cos((u + s) / (1 + s) * Math.PI / 2) ** 2);
}
function sigmoid(T, start, end) {
  const down = (u) => 1 / (1 + Math.exp(u));
  return cut(T, (u) => down(start + (end - start) * u) - down(end));
}
// Scale what falls, a function of t / T, to start at 1, with no β above MOST.
function cut(T, fall) {
  const alpha_bar = new Float64Array(T + 1).fill(1);
  for (let t = 1, before = fall(0); t <= T; t++) {
    const now = fall(t / T);
    alpha_bar[t] = alpha_bar[t - 1] * Math.max(now / before, 1 - MOST);
    before = now;
  }
  return alpha_bar;
}
const betaAt = (alpha_bar, t) => (t ? 1 - alpha_bar[t] / alpha_bar[t - 1] : 0);
const snrAt = (alpha_bar, t) => alpha_bar[t] / (1 - alpha_bar[t]);
// x_t from x0 in [-1, 1].
function noised(x0, eps, ab) {
  const signal = Math.sqrt(ab), noise = Math.sqrt(1 - ab);
  return x0.map((x, i) => signal * x + noise * eps[i]);
}

function render({ model, el }) {
  const shape = model.get("shape"), names = model.get("names");
  const pixels = shape[0] * shape[1], bytes = model.get("images");
  const images = names.map((_, i) => Float64Array.from({ length: pixels },
    (_, j) => 2 * bytes.getUint8(i * pixels + j) / 255 - 1));
  const view = model.get("eps");
  const eps = Float64Array.from({ length: pixels }, (_, i) => view.getFloat32(4 * i, true));

  const picture = (className, words) => {
    const canvas = make("canvas", { className });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    return canvas;
  };
  const strip = picture("gb-strip", "The digit at eleven times, from clean to the end");
  strip.style.aspectRatio = `${TILES * shape[1] * 1.09} / ${shape[0] * 1.25}`;
  const digit = picture("gb-digit", "The noised digit");
  digit.style.aspectRatio = `${shape[1]} / ${shape[0]}`;
  const plots = ["ᾱ: the share of signal", "β: the noise of one step",
    "signal-to-noise ratio"].map((words) => picture("gb-plot", `Curves over t of ${words}`));
  const key = make("div", { className: "gb-kinds" }, ...KINDS.map((kind, i) => {
    const line = make("i");
    line.style.background = `var(--gb-${HUES[i]})`;
    return make("span", {}, line, kind);
  }));
  const said = make("output", { className: "gb-said" });
  el.classList.add("gb-figure", "gb-noise-schedule");
  el.append(strip, make("div", { className: "gb-four" }, digit, ...plots), key, said);
  const paint = tiles(el, shape);
  const paintSigned = (ctx, x, ...box) => paint(ctx, x.map((v) => (v + 1) / 2), ...box);

  const ends = ["steps", "beta_1", "beta_T", "s", "start", "end"];
  const choice = (name) => model.get(`${name}_options`)[model.get(name)];
  let state = "", schedules;
  function update() { // only what a slider has changed
    const now = ends.map((name) => model.get(name)).join();
    if (now === state) return;
    state = now;
    const T = choice("steps");
    schedules = [linear(T, choice("beta_1"), choice("beta_T")), cosine(T, model.get("s")),
      sigmoid(T, model.get("start"), model.get("end"))];
  }

  function drawStrip({ ctx, w, h }, x0, alpha_bar, share) {
    const T = alpha_bar.length - 1, mark = 10, gap = 4;
    const width = (w - (TILES - 1) * gap) / TILES;
    for (let i = 0; i < TILES; i++) {
      const t = Math.round(i / (TILES - 1) * T);
      paintSigned(ctx, noised(x0, eps, alpha_bar[t]), i * (width + gap), 0, width, h - mark);
    }
    const x = width / 2 + share * (w - width);
    ctx.fillStyle = getComputedStyle(el).color;
    ctx.beginPath();
    ctx.moveTo(x, h - mark + 2);
    ctx.lineTo(x + 6, h);
    ctx.lineTo(x - 6, h);
    ctx.fill();
  }

  // One small plot: a curve a schedule, the chosen one on top, and a dot on it at t.
  function drawPlot({ ctx, w, h }, title, ticks, height, kind, at) {
    const T = schedules[0].length - 1, ink = getComputedStyle(el).color;
    const family = getComputedStyle(el).fontFamily;
    const left = 30, right = w - 6, top = 20, bottom = h - 18;
    const X = (t) => left + t / T * (right - left);
    const low = ticks[0][0], high = ticks.at(-1)[0];
    const Y = (y) => bottom - (y - low) / (high - low) * (bottom - top);
    ctx.fillStyle = ctx.strokeStyle = ink;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.font = `600 12px ${family}`;
    ctx.fillText(title, left, 7);
    ctx.font = `11px ${family}`;
    ctx.textAlign = "right";
    ctx.lineWidth = 1;
    for (const [y, words] of ticks) {
      ctx.globalAlpha = 1;
      ctx.fillText(words, left - 5, Y(y));
      ctx.globalAlpha = 0.15;
      ctx.beginPath();
      ctx.moveTo(left, Y(y));
      ctx.lineTo(right, Y(y));
      ctx.stroke();
    }
    ctx.globalAlpha = 0.5;
    ctx.beginPath();
    ctx.moveTo(X(at), top);
    ctx.lineTo(X(at), bottom);
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.fillText(T, right, h - 6);
    ctx.textAlign = "left";
    ctx.fillText("0", left, h - 6);
    ctx.textAlign = "center";
    ctx.fillText("t", (left + right) / 2, h - 6);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top - 2, w - left, bottom - top + 4);
    ctx.clip();
    for (const i of [...KINDS.keys()].sort((a, b) => (a === kind) - (b === kind))) {
      ctx.beginPath();
      for (let n = 0, last = -1; n <= POINTS; n++) {
        const t = Math.round(n / POINTS * T), y = height(schedules[i], t);
        // An infinite ratio (t = 0), or a step that is none, is not drawn.
        if (t !== last && Number.isFinite(y)) ctx.lineTo(X(t), Y(y));
        last = t;
      }
      ctx.strokeStyle = colour(el, HUES[i]);
      ctx.lineWidth = i === kind ? 3 : 1.25;
      ctx.stroke();
    }
    ctx.restore();
    const y = clamp(height(schedules[kind], at), low, high);
    if (Number.isNaN(y)) return;
    ctx.fillStyle = colour(el, HUES[kind]);
    ctx.beginPath();
    ctx.arc(X(at), Y(y), 5, 0, 7);
    ctx.fill();
  }

  const log10 = (y) => (y > 0 ? Math.log10(y) : NaN);
  const panels = [
    ["ᾱ", [[0, "0"], [0.5, "½"], [1, "1"]], (ab, t) => ab[t]],
    ["β", [[-5, "10⁻⁵"], [-3, "10⁻³"], [-1, "0.1"], [0, "1"]], (ab, t) => log10(betaAt(ab, t))],
    ["ᾱ / (1 − ᾱ)", [[-6, "10⁻⁶"], [-3, "10⁻³"], [0, "1"], [3, "10³"]],
      (ab, t) => log10(snrAt(ab, t))],
  ];
  function draw() {
    const boxes = [strip, digit, ...plots].map(fit);
    if (boxes.includes(null)) return;
    update();
    const kind = model.get("kind"), alpha_bar = schedules[kind];
    const T = alpha_bar.length - 1, t = Math.round(model.get("t") * T);
    const ab = alpha_bar[t], x0 = images[model.get("image")];
    drawStrip(boxes[0], x0, alpha_bar, t / T);
    paintSigned(boxes[1].ctx, noised(x0, eps, ab), 0, 0, boxes[1].w, boxes[1].h);
    panels.forEach((panel, i) => drawPlot(boxes[2 + i], ...panel, kind, t));
    [...key.children].forEach((e, i) => e.classList.toggle("gb-chosen", i === kind));
    const snr = t ? short(snrAt(alpha_bar, t)) : "infinite";
    const text = `t = ${t} of ${T}: xₜ = ${short(Math.sqrt(ab))} x₀ + ` +
      `${short(Math.sqrt(1 - ab))} ε; ᾱ = ${short(ab)}, β = ${short(betaAt(alpha_bar, t))}, ` +
      `signal-to-noise ratio ${snr}`;
    digit.setAttribute("aria-label", `${names[model.get("image")]} at t = ${t} of ${T}`);
    if (said.textContent !== text) said.textContent = text;
  }
  return animate(model, el, ["kind", "image", "t", ...ends], draw);
}

// Three digits that count, as 0.0123 or 1.2e-7 would be read: 1.2 · 10⁻⁷.
function short(x) {
  if (x === 0 || Math.abs(x) >= 1e-3) return String(+x.toPrecision(3));
  const [digits, power] = x.toExponential(1).split("e-");
  return `${digits} · 10⁻${[...power].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`;
}
export default { render };
