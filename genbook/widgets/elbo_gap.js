// The guess q beside the exact posterior, and what the ELBO makes of it. In this world,
// p(z) = N(0, 1) and p(x|z) = N(z, s²), every number has a closed form.

const FLOOR = -8; // nats: where the bar begins
const SPAN = 3.2; // the curves reach from -SPAN to SPAN
const PEAK = 1.65; // the highest density drawn: q at its narrowest

// KL(N(mu, sigma²) ‖ N(mean, sd²))
function kl(mu, sigma, mean, sd) {
  const r = sigma / sd;
  return 0.5 * (((mu - mean) / sd) ** 2 + r * r - 1) - Math.log(r);
}

// The gap is computed by itself, not as what is missing: that they add up is the claim.
function parts(x, s, mu, sigma) {
  const variance = 1 + s * s; // of x
  const mean = x / variance, sd = s / Math.sqrt(variance); // of the posterior
  const logPx = -0.5 * (Math.log(2 * Math.PI * variance) + x * x / variance);
  const explained = -0.5 * (Math.log(2 * Math.PI * s * s)
    + ((x - mu) ** 2 + sigma * sigma) / (s * s)); // E_q[log p(x|z)]
  const elbo = explained - kl(mu, sigma, 0, 1);
  return { mean, sd, logPx, elbo, gap: kl(mu, sigma, mean, sd) };
}

const density = (z, mean, sd) =>
  Math.exp(-0.5 * ((z - mean) / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI));

function render({ model, el }) {
  const s = model.get("noise"), limits = model.get("limits");
  const curves = make("canvas", { className: "gb-densities", tabIndex: 0 });
  curves.setAttribute("role", "application");
  curves.setAttribute("aria-roledescription", "guess");
  curves.setAttribute("aria-label", "The guess q beside the posterior: arrow keys left " +
    "and right move its mean, up and down its width");
  curves.setAttribute("data-lm-suppress-shortcuts", "true");
  const bar = make("canvas", { className: "gb-bar" });
  bar.setAttribute("role", "img");
  const said = make("output", { className: "gb-said" });
  el.classList.add("gb-figure", "gb-elbo-gap");
  el.append(curves, bar, said);

  function put(key, value) {
    const [low, high, step] = limits[key];
    const n = Math.round(1 / step); // whole steps, so that 0.15 is not 0.15000000000000002
    model.set(key, Math.round(clamp(value, low, high) * n) / n);
    model.save_changes();
  }

  function drawCurves({ ctx, w, h }, { mean, sd }, mu, sigma) {
    const ink = getComputedStyle(el).color, family = getComputedStyle(el).fontFamily;
    const bottom = h - 20, X = (z) => (z / SPAN + 1) / 2 * w;
    const Y = (p) => bottom - p / PEAK * (bottom - 6);
    ctx.font = `11px ${family}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillStyle = ink;
    for (let z = -3; z <= 3; z++) ctx.fillText(signed(z, 0), X(z), h - 8);
    ctx.fillText("z", X(-2.5), h - 8);
    ctx.fillRect(0, bottom, w, 1);
    const line = (name, width, m, d, filled) => {
      ctx.beginPath();
      for (let i = 0; i <= 200; i++) {
        const z = (i / 100 - 1) * SPAN;
        ctx.lineTo(X(z), Y(density(z, m, d)));
      }
      ctx.strokeStyle = ctx.fillStyle = colour(el, name);
      ctx.lineWidth = width;
      ctx.stroke();
      if (!filled) return;
      ctx.globalAlpha = 0.18;
      ctx.fill();
      ctx.globalAlpha = 1;
    };
    line("noise", 1.5, 0, 1, false);
    line("truth", 2, mean, sd, true);
    line("model", 2.5, mu, sigma, true);
    // Words in a corner of their own: curves cross wherever a reader puts them.
    ctx.textAlign = "left";
    [["q", "model"], ["posterior p(z|x)", "truth"], ["prior p(z)", "noise"]].forEach(
      ([word, name], i) => {
        ctx.fillStyle = colour(el, name);
        ctx.fillRect(4, 9 + 16 * i, 14, 3);
        ctx.fillStyle = ink;
        ctx.fillText(word, 24, 11 + 16 * i);
      });
  }

  function drawBar({ ctx, w, h }, { logPx, elbo, gap }) {
    const ink = getComputedStyle(el).color, family = getComputedStyle(el).fontFamily;
    const bottom = h - 20, Y = (v) => 6 + v / FLOOR * (bottom - 6);
    const left = 30, wide = Math.min(56, (w - left) * 0.34), right = left + wide;
    ctx.font = `11px ${family}`;
    ctx.textBaseline = "middle";
    ctx.fillStyle = ink;
    ctx.textAlign = "right";
    for (let v = 0; v >= FLOOR; v -= 2) ctx.fillText(signed(v, 0), left - 8, Y(v));
    ctx.fillText("nats", left - 4, h - 8);
    const level = Math.max(elbo, FLOOR);
    ctx.fillStyle = colour(el, "model");
    ctx.fillRect(left, Y(level), wide, Y(FLOOR) - Y(level));
    ctx.fillStyle = colour(el, "noise");
    ctx.fillRect(left, Y(logPx), wide, Y(level) - Y(logPx));
    ctx.fillStyle = colour(el, "truth");
    ctx.fillRect(left - 4, Y(logPx) - 1.5, w - left, 3);
    ctx.fillStyle = ink;
    ctx.textAlign = "left";
    // Each word at its part, and never on top of the next.
    const top = Y(logPx) - 9, low = clamp(Y(level), top + 34, bottom - 6);
    ctx.fillText("log p(x)", right + 8, top);
    ctx.fillText("gap", right + 8, (top + 9 + low) / 2);
    ctx.fillText(elbo < FLOOR ? "ELBO ↓" : "ELBO", right + 8, low + (low < bottom - 8 ? 8 : 0));
    bar.setAttribute("aria-label", `A bar: the ELBO, ${signed(elbo)}, and on top of it ` +
      `the gap, ${signed(gap)}, reach log p(x), ${signed(logPx)} nats`);
  }

  function draw() {
    const [mu, sigma, x] = ["mu", "sigma", "x"].map((key) => model.get(key));
    const now = parts(x, s, mu, sigma), left = fit(curves), right = fit(bar);
    if (!left || !right) return;
    drawCurves(left, now, mu, sigma);
    drawBar(right, now);
    const words = `ELBO ${signed(now.elbo)} + gap ${signed(now.gap)} = ` +
      `log p(x) ${signed(now.logPx)} nats`;
    if (said.textContent !== words) said.textContent = words;
  }

  let held = false;
  const follow = (e) => {
    const box = curves.getBoundingClientRect();
    put("mu", ((e.clientX - box.left) / box.width * 2 - 1) * SPAN);
  };
  curves.addEventListener("pointerdown", (e) => {
    if (e.button) return;
    held = true;
    curves.setPointerCapture(e.pointerId);
    follow(e);
  });
  curves.addEventListener("pointermove", (e) => { if (held) follow(e); });
  for (const end of ["pointerup", "pointercancel"]) {
    curves.addEventListener(end, () => { held = false; });
  }
  curves.addEventListener("keydown", (e) => {
    const [key, way] = { ArrowLeft: ["mu", -1], ArrowRight: ["mu", 1],
      ArrowDown: ["sigma", -1], ArrowUp: ["sigma", 1] }[e.key] ?? [];
    if (!key) return;
    e.preventDefault();
    put(key, model.get(key) + way * limits[key][2] * (e.shiftKey ? 5 : 1));
  });
  return animate(model, el, ["mu", "sigma", "x"], draw);
}
export default { render };
