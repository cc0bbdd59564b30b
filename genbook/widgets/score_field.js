// A mixture of round Gaussians with noise σ: its density as a shade, its score as arrows,
// and particles that follow it, by Langevin dynamics or along the probability-flow ODE.
// random() and normal() are train.js's.

const CELLS = 56; // the density is computed in CELLS × CELLS places
const ARROWS = 15; // on a side
const GAIN = 3; // an arrow is so many times the next step, and bends to at most a cell
const MARGIN = 22; // pixels for the numbers of the axes
const KEY = 0.2; // of an arrow key
const CLICK = 20, SPREAD = 0.12; // particles of a click, and how far apart they lie
const CROWD = 200; // of the button
const MOST = 1000; // particles on the page
const TAIL = 24; // positions that a particle's trace remembers,
const TRACED = 500; // and all traces together
const FAR = 1e6;
const LANGEVIN = 0, ODE = 1;

// The mixture after noise: means stay, variances grow.
function noisy({ means, sigmas, weights }, sigma) {
  return means.map(([m1, m2], k) => {
    const v = sigmas[k] ** 2 + sigma ** 2;
    return { m1, m2, v, log: Math.log(weights[k] / (2 * Math.PI * v)) };
  });
}

// [∂ log p / ∂x1, ∂ log p / ∂x2, log p].
function score(mixture, x1, x2) {
  const logs = score.logs ??= new Float64Array(64); // no garbage: it is called often
  let top = -Infinity, total = 0, s1 = 0, s2 = 0;
  for (let k = 0; k < mixture.length; k++) {
    const { m1, m2, v, log } = mixture[k];
    logs[k] = log - ((x1 - m1) ** 2 + (x2 - m2) ** 2) / (2 * v);
    if (logs[k] > top) top = logs[k];
  }
  for (let k = 0; k < mixture.length; k++) {
    const { m1, m2, v } = mixture[k], r = Math.exp(logs[k] - top);
    total += r;
    s1 += r * (m1 - x1) / v;
    s2 += r * (m2 - x2) / v;
  }
  return [s1 / total, s2 / total, top + Math.log(total)];
}

// The part of the next step that is not chance. Langevin: h · score. The ODE
// dx/dσ = −σ · score, from σ to σ (1 − h) by Euler's rule: h σ² · score.
const gain = (mode, h, sigma) => (mode === ODE ? h * sigma ** 2 : h);

// One step of all points [x1, x2], in place.
function advance(points, mixture, mode, h, sigma, rng) {
  const along = gain(mode, h, sigma), kick = mode === ODE ? 0 : Math.sqrt(2 * h);
  for (const p of points) {
    const [s1, s2] = score(mixture, p[0], p[1]);
    p[0] += along * s1 + (kick && kick * normal(rng));
    p[1] += along * s2 + (kick && kick * normal(rng));
    // With too long a step they fly away; far outside is as good as any place.
    for (let i = 0; i < 2; i++) if (!(Math.abs(p[i]) < FAR)) p[i] = p[i] < 0 ? -FAR : FAR;
  }
}

// How many points each bump has: the one that is nearest, in its own widths.
function tally({ means, sigmas }, points) {
  const counts = means.map(() => 0);
  for (const p of points) {
    let best = 0, least = Infinity;
    means.forEach((m, k) => {
      const d = Math.hypot(p[0] - m[0], p[1] - m[1]) / sigmas[k];
      if (d < least) [best, least] = [k, d];
    });
    counts[best]++;
  }
  return counts;
}

function render({ model, el }) {
  const world = Object.fromEntries(
    ["means", "sigmas", "weights"].map((key) => [key, model.get(key)]));
  const limit = model.get("limit"), floor = model.get("floor");
  const rng = random(model.get("seed"));
  let points = [], tails = [], playing = false, frames = 0, focused = false;
  let cross = [0, 0]; // where the keyboard drops

  const plane = make("canvas", { className: "gb-plane", tabIndex: 0 });
  plane.setAttribute("role", "application");
  plane.setAttribute("aria-roledescription", "plane");
  plane.setAttribute("aria-label", "Score field: click to drop particles; or move the "
    + "cross by arrow keys, with Shift in longer steps, and drop by Enter");
  // JupyterLab would take the arrow keys to walk through the cells.
  plane.setAttribute("data-lm-suppress-shortcuts", "true");
  const button = (textContent, act) => {
    const b = make("button", { type: "button", textContent });
    b.addEventListener("click", () => { act(); paint.ask(); });
    return b;
  };
  const play = button("Play", () => {
    if (!points.length) crowd();
    playing = !playing && !ended();
  });
  const buttons = make("div", { className: "gb-buttons" },
    play,
    button("Step", () => { playing = false; step(); }),
    button(`Drop ${CROWD}`, () => crowd()),
    button("Clear", () => { points = []; tails = []; playing = false; }));
  // JupyterLab would take Enter to edit the cell.
  buttons.setAttribute("data-lm-suppress-shortcuts", "true");
  const said = make("output", { className: "gb-said" });
  el.classList.add("gb-figure", "gb-score-field");
  el.append(plane, make("div", { className: "gb-side" }, buttons, said));

  let width = 0; // read once a frame: asking the page for it again and again is slow
  const side = () => width - MARGIN;
  const toX = (x) => MARGIN + (x / limit + 1) / 2 * side();
  const toY = (x) => (1 - x / limit) / 2 * side();

  function add(x1, x2) {
    if (points.length >= MOST) { points.shift(); tails.shift(); }
    points.push([x1, x2]);
    tails.push([]);
  }
  function drop([x1, x2]) {
    for (let i = 0; i < CLICK; i++) add(x1 + SPREAD * normal(rng), x2 + SPREAD * normal(rng));
  }
  // Anywhere: from N(0, σ²) where that is wide, as the ODE wants it, else over the plane.
  function crowd() {
    const wide = Math.max(model.get("sigma"), limit / 2.5);
    for (let i = 0; i < CROWD; i++) add(wide * normal(rng), wide * normal(rng));
  }
  const ended = () => model.get("mode") === ODE && model.get("sigma") <= floor + 1e-9;

  function step() {
    const [mode, h, sigma] = ["mode", "step", "sigma"].map((key) => model.get(key));
    if (ended()) { playing = false; return; }
    const long = Math.min(TAIL, Math.floor(TRACED / points.length));
    points.forEach((p, i) => {
      tails[i].push([p[0], p[1]]);
      if (tails[i].length > long) tails[i].splice(0, tails[i].length - long);
    });
    advance(points, noisy(world, sigma), mode, h, sigma, rng);
    if (mode === ODE) {
      model.set("sigma", Math.max(floor, sigma * (1 - h)));
      if (ended()) playing = false;
      if (!playing) model.save_changes();
    }
  }

  // The density, painted once for each σ, size and theme.
  const map = make("canvas", { width: CELLS, height: CELLS });
  let shown = "";
  function shade(mixture) {
    const hue = colour(el, "truth"), state = [model.get("sigma"), hue].join();
    if (state === shown) return;
    shown = state;
    const ctx = map.getContext("2d"), image = ctx.createImageData(CELLS, CELLS);
    const [r, g, b] = rgb(hue), logs = new Float64Array(CELLS * CELLS);
    const place = (i) => ((i + 0.5) / CELLS * 2 - 1) * limit;
    for (let i = 0; i < CELLS; i++) for (let j = 0; j < CELLS; j++) {
      logs[i * CELLS + j] = score(mixture, place(j), -place(i))[2];
    }
    const top = Math.max(...logs);
    logs.forEach((log, i) => image.data.set(
      [r, g, b, 170 * Math.exp(0.5 * (log - top))], 4 * i)); // √p, or tails are unseen
    ctx.putImageData(image, 0, 0);
  }

  function arrows(ctx, mixture, along, legend) {
    const scale = side() / (2 * limit), cell = side() / ARROWS;
    ctx.strokeStyle = ctx.fillStyle = colour(el, "ink");
    ctx.lineWidth = 1.1;
    ctx.beginPath();
    for (let i = 0; i < ARROWS; i++) for (let j = 0; j < ARROWS; j++) {
      const x = [j, i].map((n) => ((2 * n + 1) / ARROWS - 1) * limit);
      const [s1, s2] = score(mixture, ...x), size = Math.hypot(s1, s2) * along * scale;
      const length = cell * Math.tanh(GAIN * size / cell);
      const px = toX(x[0]), py = toY(x[1]);
      if (px < legend.right && py > legend.top) continue;
      if (length < 0.7) { ctx.fillRect(px - 0.75, py - 0.75, 1.5, 1.5); continue; }
      const u1 = s1 / Math.hypot(s1, s2), u2 = -s2 / Math.hypot(s1, s2);
      const dx = length * u1, dy = length * u2, head = Math.min(5, 0.5 * length);
      ctx.moveTo(px, py);
      ctx.lineTo(px + dx, py + dy);
      ctx.moveTo(px + dx - head * (u1 + 0.6 * u2), py + dy - head * (u2 - 0.6 * u1));
      ctx.lineTo(px + dx, py + dy);
      ctx.lineTo(px + dx - head * (u1 - 0.6 * u2), py + dy - head * (u2 + 0.6 * u1));
    }
    ctx.stroke();
  }

  function particles(ctx) {
    const hue = colour(el, "model"), few = points.length <= 5 * CLICK;
    ctx.strokeStyle = ctx.fillStyle = hue;
    ctx.lineWidth = 1;
    ctx.globalAlpha = few ? 0.4 : 0.12;
    points.forEach((p, i) => { // each by itself: one long path is slow to fill
      const tail = tails[i];
      if (!tail.length) return;
      ctx.beginPath();
      ctx.moveTo(toX(tail[0][0]), toY(tail[0][1]));
      for (let j = 1; j < tail.length; j++) ctx.lineTo(toX(tail[j][0]), toY(tail[j][1]));
      ctx.lineTo(toX(p[0]), toY(p[1]));
      ctx.stroke();
    });
    ctx.globalAlpha = 1;
    const size = few ? 2.6 : 2;
    ctx.beginPath();
    for (const p of points) {
      if (Math.abs(p[0]) > limit || Math.abs(p[1]) > limit) continue;
      const x = toX(p[0]), y = toY(p[1]);
      ctx.moveTo(x + size, y);
      ctx.arc(x, y, size, 0, 7);
    }
    ctx.fill();
  }

  // How far chance alone throws a particle in one step: a ring in the lower left corner.
  const reach = (h) => Math.sqrt(2 * h) * side() / (2 * limit);
  const corner = (mode, h) => (mode === LANGEVIN
    ? { right: MARGIN + 2 * reach(h) + 116, top: side() - 2 * reach(h) - 24 }
    : { right: 0, top: 0 });
  function ring(ctx, h, ink) {
    const radius = reach(h), x = MARGIN + 12 + radius;
    ctx.strokeStyle = ctx.fillStyle = ink;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.arc(x, side() - 12 - radius, radius, 0, 7);
    ctx.stroke();
    ctx.textAlign = "left";
    ctx.font = `11px ${getComputedStyle(el).fontFamily}`;
    ctx.fillText("noise of a step", x + radius + 6, side() - 12 - radius);
  }

  function draw() {
    const box = fit(plane);
    if (!box) return false;
    width = box.w;
    if (playing) step();
    const { ctx } = box, s = side(), ink = getComputedStyle(el).color;
    const [mode, h, sigma] = ["mode", "step", "sigma"].map((key) => model.get(key));
    const mixture = noisy(world, sigma);
    shade(mixture);
    ctx.save();
    ctx.beginPath();
    ctx.rect(MARGIN, 0, s, s);
    ctx.clip();
    ctx.drawImage(map, MARGIN, 0, s, s);
    arrows(ctx, mixture, gain(mode, h, sigma), corner(mode, h));
    particles(ctx);
    ctx.textBaseline = "middle";
    if (mode === LANGEVIN) ring(ctx, h, ink);
    if (focused) {
      const [x, y] = [toX(cross[0]), toY(cross[1])];
      ctx.strokeStyle = ink;
      ctx.lineWidth = 2;
      ctx.beginPath();
      ctx.moveTo(x - 9, y); ctx.lineTo(x + 9, y);
      ctx.moveTo(x, y - 9); ctx.lineTo(x, y + 9);
      ctx.stroke();
    }
    ctx.strokeStyle = colour(el, "ink");
    ctx.lineWidth = 1;
    ctx.strokeRect(MARGIN + 0.5, 0.5, s - 1, s - 1);
    ctx.restore();
    ctx.fillStyle = ink;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.font = `11px ${getComputedStyle(el).fontFamily}`;
    for (let x = 2 * Math.ceil((1 - limit) / 2); x < limit; x += 2) {
      ctx.fillText(signed(x, 0), toX(x), s + MARGIN / 2 + 2);
      ctx.fillText(signed(x, 0), MARGIN / 2 - 2, toY(x));
    }
    ctx.font = `13px ${getComputedStyle(el).fontFamily}`;
    ctx.fillText("x₁", toX(limit) - 8, s + MARGIN / 2 + 2);
    ctx.fillText("x₂", MARGIN / 2 - 2, 8);

    const word = playing ? "Pause" : "Play";
    if (play.textContent !== word) play.textContent = word;
    // A screen reader is not told of every frame.
    if (!playing || frames++ % 30 === 0) say(sigma);
    return playing;
  }

  function say(sigma) {
    const percent = (shares) => shares.map((s) => Math.round(100 * s)).join(" · ");
    const n = points.length, counts = tally(world, points);
    const words = `σ = ${sigma.toFixed(2)}. ` + (n
      ? `${n} particles, at the bumps ${percent(counts.map((c) => c / n))} %; `
        + `the data ${percent(world.weights)} %.`
      : "Click to drop particles.")
      + (ended() ? " The ODE has arrived: raise σ to flow again." : "");
    if (said.textContent !== words) said.textContent = words;
  }

  plane.addEventListener("click", (e) => {
    const box = plane.getBoundingClientRect();
    const x = ((e.clientX - box.left - MARGIN) / side() * 2 - 1) * limit;
    const y = (1 - (e.clientY - box.top) / side() * 2) * limit;
    cross = [x, y].map((v) => clamp(v, -limit, limit));
    drop(cross);
    paint.ask();
  });
  plane.addEventListener("keydown", (e) => {
    const way = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1],
    }[e.key];
    if (!way && e.key !== "Enter" && e.key !== " ") return;
    e.preventDefault();
    if (way) {
      const by = e.shiftKey ? 5 * KEY : KEY;
      cross = cross.map((v, i) => clamp(v + by * way[i], -limit, limit));
    } else drop(cross);
    paint.ask();
  });
  // The cross is for whoever comes by keyboard.
  plane.addEventListener("focus", () => { focused = plane.matches(":focus-visible"); paint.ask(); });
  plane.addEventListener("blur", () => { focused = false; paint.ask(); });
  const paint = animate(model, el, ["sigma", "step", "mode"], draw);
  return paint;
}
export default { render };
