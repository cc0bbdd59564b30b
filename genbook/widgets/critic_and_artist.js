// Two models of the same points. The critic learns where one class ends and the other
// begins, P(y|x); the artist learns where there are points at all, p(x). Both are
// fitted here, whenever the data or the artist's size changes. Drag the point away
// from the data and ask both.

const STEP = 0.1; // of an arrow key
const CELLS = 56; // the shading is computed in CELLS × CELLS places

// ---- The data ---------------------------------------------------------------------

// Class 0 moved up by half the separation, class 1 down: [[x1, x2], …].
function apart(points, labels, separation) {
  return labels.map((y, n) =>
    [points[2 * n], points[2 * n + 1] + (y ? -0.5 : 0.5) * separation]);
}

// ---- The critic: logistic regression ----------------------------------------------

// P(y = 1 | x) = sigmoid(w1 x1 + w2 x2 + b), by Newton's method from zero. A ridge of 1
// on w1 and w2, not on b, keeps them finite where a line parts the classes.
const sigmoid = (a) => 1 / (1 + Math.exp(-a));
function critic(x, y) {
  let w = [0, 0, 0];
  for (let step = 0; step < 25; step++) {
    const g = [-w[0], -w[1], 0], h = [[1, 0, 0], [0, 1, 0], [0, 0, 0]];
    x.forEach(([x1, x2], n) => {
      const f = [x1, x2, 1], p = sigmoid(w[0] * x1 + w[1] * x2 + w[2]);
      for (let i = 0; i < 3; i++) {
        g[i] += (y[n] - p) * f[i];
        for (let j = 0; j < 3; j++) h[i][j] += p * (1 - p) * f[i] * f[j];
      }
    });
    const d = solve(h, g);
    w = w.map((value, i) => value + d[i]);
    if (Math.hypot(...d) < 1e-10) break; // the digits double at each step
  }
  return w;
}

// Cramer's rule, for three unknowns.
function solve(h, g) {
  const det = ([a, b, c]) => a[0] * (b[1] * c[2] - b[2] * c[1])
    - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
  const whole = det(h);
  return g.map((_, i) =>
    det(h.map((row, r) => row.map((v, c) => (c === i ? g[r] : v)))) / whole);
}

// ---- The artist: a Gaussian mixture, by EM ----------------------------------------

// k of the points, each as far as can be from those before it: where EM starts.
function spread(x, k) {
  const centre = [0, 1].map((i) => x.reduce((sum, p) => sum + p[i], 0) / x.length);
  const far = (values) => values.indexOf(Math.max(...values));
  const squared = (p, q) => (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2;
  const chosen = [x[far(x.map((p) => squared(p, centre)))]];
  let distance = x.map(() => Infinity);
  while (chosen.length < k) {
    distance = x.map((p, n) => Math.min(distance[n], squared(p, chosen.at(-1))));
    chosen.push(x[far(distance)]);
  }
  return chosen;
}

// A component, with what its density needs worked out once.
// cov = [[s11, s12], [s12, s22]].
function component(weight, mean, s11, s12, s22) {
  const det = s11 * s22 - s12 * s12;
  return {
    weight, mean, cov: [s11, s12, s22],
    inverse: [s22 / det, -s12 / det, s11 / det],
    constant: Math.log(weight) - 0.5 * Math.log(det) - Math.log(2 * Math.PI),
  };
}
function logJoint(c, x1, x2) { // log p(k) N(x; mean, cov)
  const a = x1 - c.mean[0], b = x2 - c.mean[1], s = c.inverse;
  return c.constant - 0.5 * (s[0] * a * a + 2 * s[1] * a * b + s[2] * b * b);
}
function logProb(mixture, x1, x2) {
  let top = -Infinity, sum = 0;
  for (const c of mixture) top = Math.max(top, logJoint(c, x1, x2));
  for (const c of mixture) sum += Math.exp(logJoint(c, x1, x2) - top);
  return top + Math.log(sum);
}

// The mean and covariance of points with weights r, which sum to n.
function moments(x, r, n) {
  let m1 = 0, m2 = 0, s11 = 0, s12 = 0, s22 = 0;
  for (let i = 0; i < x.length; i++) {
    m1 += r[i] * x[i][0] / n;
    m2 += r[i] * x[i][1] / n;
  }
  for (let i = 0; i < x.length; i++) {
    const a = x[i][0] - m1, b = x[i][1] - m2, share = r[i] / n;
    s11 += share * a * a;
    s12 += share * a * b;
    s22 += share * b * b;
  }
  return { mean: [m1, m2], s11, s12, s22 };
}

// From equal weights and round components with the mean variance of all points.
function artist(x, k, floor, steps) {
  const all = moments(x, x.map(() => 1), x.length);
  const s = (all.s11 + all.s22) / 2 * x.length / (x.length - 1) + floor;
  let mixture = spread(x, k).map((mean) => component(1 / k, mean, s, 0, s));
  const r = mixture.map(() => new Float64Array(x.length)); // p(k | x)
  for (let step = 0; step < steps; step++) {
    for (let n = 0; n < x.length; n++) {
      let top = -Infinity, sum = 0;
      for (let i = 0; i < k; i++) {
        r[i][n] = logJoint(mixture[i], x[n][0], x[n][1]);
        if (r[i][n] > top) top = r[i][n];
      }
      for (let i = 0; i < k; i++) sum += r[i][n] = Math.exp(r[i][n] - top);
      for (let i = 0; i < k; i++) r[i][n] /= sum;
    }
    mixture = r.map((share) => {
      const n = share.reduce((sum, v) => sum + v, 0), m = moments(x, share, n);
      return component(n / x.length, m.mean, m.s11 + floor, m.s12, m.s22 + floor);
    });
  }
  return mixture;
}

// ---- The figure -------------------------------------------------------------------

function render({ model, el }) {
  const view = model.get("points"); // wherever it lies in a larger buffer
  const flat = Float32Array.from({ length: view.byteLength / 4 },
    (_, i) => view.getFloat32(4 * i, true));
  const labels = model.get("labels"), limit = model.get("limit");

  el.classList.add("gb-figure", "gb-critic-and-artist");
  const panes = [["critic", "The critic: P(y | x)"], ["artist", "The artist: p(x)"]]
    .map(([role, name]) => {
      const canvas = make("canvas", { className: `gb-plane gb-${role}`, tabIndex: 0 });
      canvas.setAttribute("role", "application");
      canvas.setAttribute("aria-roledescription", "plane");
      canvas.setAttribute("aria-label",
        `${name}. Arrow keys move the point, with Shift in longer steps`);
      // JupyterLab would take the arrow keys to walk through the cells.
      canvas.setAttribute("data-lm-suppress-shortcuts", "true");
      const said = make("output", { className: "gb-said" });
      const title = make("div", { className: "gb-name", textContent: name });
      el.append(make("div", {}, title, canvas, said));
      return { role, canvas, said, map: make("canvas"),
        shade: make("canvas", { width: CELLS, height: CELLS }), drawn: "" };
    });

  let fitted = {}, key = "";
  function fitBoth() {
    const separation = model.get("separation"), k = model.get("components");
    if (key === `${separation} ${k}`) return fitted;
    key = `${separation} ${k}`;
    const x = apart(flat, labels, separation);
    const w = critic(x, labels), mixture = artist(x, k, model.get("floor"), model.get("steps"));
    const at = x.map(([x1, x2]) => logProb(mixture, x1, x2)).sort((a, b) => a - b);
    fitted = { x, w, mixture, at };
    return fitted;
  }

  let side = 0; // of the planes, in pixels: read once a frame
  const toX = (v) => (v / limit + 1) / 2 * side;
  const toY = (v) => (1 - v / limit) / 2 * side;
  const hues = () => [colour(el, "class-8"), colour(el, "class-5")];

  // The shading: the critic's belief, or the artist's density, as a small picture.
  function shade(pane, { w, mixture }) {
    const ctx = pane.shade.getContext("2d"), image = ctx.createImageData(CELLS, CELLS);
    const [zero, one] = hues().map(rgb), own = rgb(colour(el, "model"));
    const place = (i) => ((i + 0.5) / CELLS * 2 - 1) * limit;
    const top = Math.max(...mixture.map((c) => logProb(mixture, ...c.mean)));
    for (let i = 0; i < CELLS; i++) for (let j = 0; j < CELLS; j++) {
      const x1 = place(j), x2 = -place(i), at = 4 * (i * CELLS + j);
      let hue = own, alpha;
      if (pane.role === "critic") {
        const p = sigmoid(w[0] * x1 + w[1] * x2 + w[2]);
        hue = p > 0.5 ? one : zero;
        alpha = 0.7 * Math.abs(p - 0.5);
      } else alpha = 0.75 * Math.exp(0.5 * (logProb(mixture, x1, x2) - top)); // √p
      for (let c = 0; c < 3; c++) image.data[at + c] = hue[c];
      image.data[at + 3] = 255 * clamp(alpha, 0, 1);
    }
    ctx.putImageData(image, 0, 0);
  }

  function drawMap(pane, fits) {
    const ink = getComputedStyle(el).color;
    const state = [side, ink, devicePixelRatio || 1, key].join();
    if (state === pane.drawn) return;
    pane.drawn = state;
    shade(pane, fits);
    for (const edge of ["width", "height"]) { // to set it anew costs memory
      if (pane.map[edge] !== pane.canvas[edge]) pane.map[edge] = pane.canvas[edge];
    }
    const ctx = pane.map.getContext("2d"), s = side;
    ctx.setTransform(pane.canvas.getContext("2d").getTransform());
    ctx.clearRect(0, 0, s, s);
    ctx.drawImage(pane.shade, 0, 0, s, s);
    const [zero, one] = hues(), plain = colour(el, "data"), size = clamp(s / 130, 1.6, 2.6);
    fits.x.forEach(([x1, x2], n) => {
      const x = toX(x1), y = toY(x2);
      ctx.beginPath();
      ctx.fillStyle = pane.role === "artist" ? plain : labels[n] ? one : zero;
      // The critic's second class is square, for eyes that do not see its colour.
      if (pane.role === "critic" && labels[n]) ctx.rect(x - size, y - size, 2 * size, 2 * size);
      else ctx.arc(x, y, size, 0, 7);
      ctx.fill();
    });
    ctx.lineWidth = 1.5;
    if (pane.role === "critic") boundary(ctx, fits.w, ink);
    else for (const c of fits.mixture) ellipse(ctx, c);
    ctx.strokeStyle = colour(el, "ink");
    ctx.lineWidth = 1;
    ctx.strokeRect(0.5, 0.5, s - 1, s - 1);
    ctx.fillStyle = ink;
    ctx.font = `12px ${getComputedStyle(el).fontFamily}`;
    ctx.fillText("x₁", s - 18, s - 7);
    ctx.fillText("x₂", 6, 15);
  }

  function boundary(ctx, [w1, w2, b], ink) { // w1 x1 + w2 x2 + b = 0
    const size = Math.hypot(w1, w2), far = 3 * limit;
    const foot = [-b * w1 / size ** 2, -b * w2 / size ** 2], along = [-w2 / size, w1 / size];
    ctx.save();
    ctx.strokeStyle = ink;
    ctx.beginPath();
    ctx.moveTo(toX(foot[0] - far * along[0]), toY(foot[1] - far * along[1]));
    ctx.lineTo(toX(foot[0] + far * along[0]), toY(foot[1] + far * along[1]));
    ctx.stroke();
    ctx.restore();
  }

  function ellipse(ctx, { mean, cov: [s11, s12, s22] }) { // two standard deviations
    const half = (s11 - s22) / 2, root = Math.hypot(half, s12), mid = (s11 + s22) / 2;
    const scale = side / (2 * limit), angle = 0.5 * Math.atan2(2 * s12, s11 - s22);
    ctx.strokeStyle = colour(el, "latent");
    ctx.beginPath();
    ctx.ellipse(toX(mean[0]), toY(mean[1]), 2 * scale * Math.sqrt(mid + root),
      2 * scale * Math.sqrt(Math.max(0, mid - root)), -angle, 0, 2 * Math.PI);
    ctx.stroke();
  }

  // What both say about the point.
  function words({ w, mixture, at }) {
    const [x1, x2] = [model.get("x1"), model.get("x2")];
    const p = sigmoid(w[0] * x1 + w[1] * x2 + w[2]), log = logProb(mixture, x1, x2);
    const below = at.filter((value) => value < log).length / at.length;
    const sure = Math.min(0.9999, Math.max(p, 1 - p));
    return {
      critic: `${p > 0.5 ? "square" : "round"}, ${(100 * sure).toFixed(2)} % sure`,
      artist: `log p = ${signed(log, 1)} nats: ` + (below
        ? `above ${Math.round(100 * below)} % of the data` : "below all of the data"),
    };
  }

  function draw() {
    const fits = fitBoth(), said = words(fits);
    side = panes[0].canvas.clientWidth;
    for (const pane of panes) {
      const box = fit(pane.canvas);
      if (!box) return;
      drawMap(pane, fits);
      box.ctx.drawImage(pane.map, 0, 0, box.w, box.h);
      const x = toX(model.get("x1")), y = toY(model.get("x2"));
      box.ctx.strokeStyle = getComputedStyle(el).color;
      box.ctx.lineWidth = 2.5;
      box.ctx.beginPath();
      box.ctx.arc(x, y, 8, 0, 7);
      box.ctx.stroke();
      if (pane.said.textContent !== said[pane.role]) pane.said.textContent = said[pane.role];
    }
  }

  const round = (v) => Math.round(clamp(v, -limit, limit) * 20) / 20;
  function move(x1, x2) {
    model.set("x1", round(x1));
    model.set("x2", round(x2));
    model.save_changes();
  }
  for (const { canvas } of panes) {
    draggable(
      canvas,
      () => [toX(model.get("x1")), toY(model.get("x2"))],
      (x, y) => move((x / side * 2 - 1) * limit, (1 - y / side * 2) * limit),
      (dx, dy) => move(model.get("x1") + STEP * dx, model.get("x2") + STEP * dy),
    );
  }
  return animate(model, el, ["separation", "components", "x1", "x2"], draw);
}
export default { render };
