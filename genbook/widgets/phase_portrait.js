// The Dirac-GAN: data is the point 0, the generator the point θ, the discriminator's
// logit ψ x. The plane of (θ, ψ) with the step that a method takes at each place, a run
// from a point that can be dragged, and the eigenvalues of one step at (0, 0).

const REACH = 3; // the plane shows |θ| and |ψ| up to this
const ARROWS = 13; // on a side
const STEP = 0.1; // of an arrow key
const MARGIN = 22; // pixels for the numbers of the axes
const EIGEN = 1.5; // the plane of eigenvalues shows real and imaginary parts up to this

// In all three games θ moves by ψ a(u) and ψ by −θ b(u), with u = ψθ.
const sigmoid = (u) => 1 / (1 + Math.exp(-u));
const slope = (u) => sigmoid(u) * sigmoid(-u);
const GAMES = [
  { a: sigmoid, da: slope, b: sigmoid, db: slope }, // minimax
  { a: (u) => sigmoid(-u), da: (u) => -slope(u), b: sigmoid, db: slope }, // non-saturating
  { a: () => 1, da: () => 0, b: () => 1, db: () => 0 }, // Wasserstein
];
const NONE = 0, CLIP = 1, PENALTY = 2, R1 = 3;
const SIMULTANEOUS = 0, ALTERNATING = 1, EXTRAGRADIENT = 2, CONSENSUS = 3;
const BOUND = 1; // clipping holds |ψ| below this

// Where both players are pulled; gamma is the strength of what is added to the game.
function field({ game, cure, gamma }, [theta, psi]) {
  const { a, b } = GAMES[game], u = theta * psi;
  let pull = 0;
  if (cure === PENALTY) pull = (Math.abs(psi) - 1) * Math.sign(psi);
  if (cure === R1) pull = psi;
  return [psi * a(u), -theta * b(u) - gamma * pull];
}

// Its Jacobian, row by row.
function jacobian({ game, cure, gamma }, [theta, psi]) {
  const { a, da, b, db } = GAMES[game], u = theta * psi;
  let pull = 0;
  if (cure === PENALTY) pull = Math.sign(psi) ** 2;
  if (cure === R1) pull = 1;
  return [
    [psi * psi * da(u), a(u) + u * da(u)],
    [-b(u) - u * db(u), -theta * theta * db(u) - gamma * pull],
  ];
}

// One update of the state w = [θ, ψ].
function next(how, w) {
  const { method, h, gamma } = how;
  let v = field(how, w);
  if (method === ALTERNATING) {
    const psi = w[1] + h * v[1]; // θ already sees it
    v = [field(how, [w[0], psi])[0], v[1]];
  } else if (method === EXTRAGRADIENT) {
    v = field(how, [w[0] + h * v[0], w[1] + h * v[1]]);
  } else if (method === CONSENSUS) {
    const J = jacobian(how, w); // less γ Jᵀ v, the gradient of γ ½‖v‖²
    v = [0, 1].map((i) => v[i] - gamma * (J[0][i] * v[0] + J[1][i] * v[1]));
  }
  const [theta, psi] = [w[0] + h * v[0], w[1] + h * v[1]];
  return [theta, how.cure === CLIP ? clamp(psi, -BOUND, BOUND) : psi];
}

function trajectory(how, w, steps) {
  const path = [w];
  for (let i = 0; i < steps; i++) path.push(w = next(how, w));
  return path;
}

// Of the Jacobian of one update at (0, 0), as [real, imaginary]; null where the update
// has none, since the gradient penalty jumps at ψ = 0.
function eigenvalues(how) {
  if (how.cure === PENALTY) return null;
  const e = 1e-5, J = [[e, 0], [0, e]].map(([x, y]) => {
    const plus = next(how, [x, y]), minus = next(how, [-x, -y]);
    return [(plus[0] - minus[0]) / (2 * e), (plus[1] - minus[1]) / (2 * e)];
  }); // its columns
  const half = (J[0][0] + J[1][1]) / 2, det = J[0][0] * J[1][1] - J[0][1] * J[1][0];
  const inside = half * half - det, root = Math.sqrt(Math.abs(inside));
  return inside < 0 ? [[half, root], [half, -root]] : [[half + root, 0], [half - root, 0]];
}

function render({ model, el }) {
  const plane = make("canvas", { className: "gb-plane", tabIndex: 0 });
  plane.setAttribute("role", "application");
  plane.setAttribute("aria-roledescription", "plane");
  plane.setAttribute("aria-label",
    "Plane of θ and ψ: arrow keys move the start, with Shift in longer steps");
  // JupyterLab would take the arrow keys to walk through the cells.
  plane.setAttribute("data-lm-suppress-shortcuts", "true");
  const picture = (className, words) => {
    const canvas = make("canvas", { className });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    return canvas;
  };
  const circle = picture("gb-circle", "The eigenvalues of one step, and the unit circle");
  const distance = picture("gb-distance", "The distance from (0, 0), step by step");
  const said = make("output", { className: "gb-said" });
  el.classList.add("gb-figure", "gb-phase-portrait");
  el.append(plane, make("div", { className: "gb-side" }, circle, distance), said);

  const side = () => plane.clientWidth - MARGIN;
  const toX = (theta) => MARGIN + (theta / REACH + 1) / 2 * side();
  const toY = (psi) => (1 - psi / REACH) / 2 * side();
  const round = (x) => Math.round(clamp(x, -REACH, REACH) * 20) / 20;
  function move(theta, psi) {
    model.set("theta", round(theta));
    model.set("psi", round(psi));
    model.save_changes();
  }
  const font = (ctx, size, weight = "") =>
    ctx.font = `${weight} ${size}px ${getComputedStyle(el).fontFamily}`;

  function arrow(ctx, x, y, dx, dy) {
    const length = Math.hypot(dx, dy);
    if (length < 0.5) {
      ctx.fillRect(x - 0.75, y - 0.75, 1.5, 1.5);
      return;
    }
    const head = Math.min(5, 0.5 * length) / length;
    const [ux, uy] = [dx * head, dy * head];
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x + dx, y + dy);
    ctx.moveTo(x + dx - ux - 0.6 * uy, y + dy - uy + 0.6 * ux);
    ctx.lineTo(x + dx, y + dy);
    ctx.lineTo(x + dx - ux + 0.6 * uy, y + dy - uy - 0.6 * ux);
    ctx.stroke();
  }

  function drawPlane({ ctx }, how, path) {
    const s = side(), ink = getComputedStyle(el).color, scale = s / (2 * REACH);
    ctx.save();
    ctx.beginPath();
    ctx.rect(MARGIN, 0, s, s);
    ctx.clip();
    ctx.strokeStyle = ctx.fillStyle = colour(el, "noise");
    ctx.lineWidth = 1;
    ctx.globalAlpha = 0.35; // the axes
    ctx.beginPath();
    ctx.moveTo(toX(0), 0); ctx.lineTo(toX(0), s);
    ctx.moveTo(MARGIN, toY(0)); ctx.lineTo(MARGIN + s, toY(0));
    ctx.stroke();
    ctx.globalAlpha = 1;
    // An arrow is the very step that would be taken there, if it is not too long.
    const most = 1.2 * s / ARROWS;
    for (let i = 0; i < ARROWS; i++) for (let j = 0; j < ARROWS; j++) {
      const w = [i, j].map((n) => ((2 * n + 1) / ARROWS - 1) * REACH), to = next(how, w);
      let dx = (to[0] - w[0]) * scale, dy = (w[1] - to[1]) * scale;
      const short = Math.min(1, most / Math.hypot(dx, dy));
      arrow(ctx, toX(w[0]), toY(w[1]), dx * short || 0, dy * short || 0);
    }
    // The run, step by step: on screen a state far outside is as good as any.
    const X = (w) => clamp(toX(w[0]), -9999, 9999), Y = (w) => clamp(toY(w[1]), -9999, 9999);
    ctx.strokeStyle = ctx.fillStyle = colour(el, "model");
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    path.forEach((w) => ctx.lineTo(X(w), Y(w)));
    ctx.stroke();
    if (path.length < 150) for (const w of path) {
      ctx.beginPath();
      ctx.arc(X(w), Y(w), 2.2, 0, 7);
      ctx.fill();
    }
    ctx.beginPath(); // where it has got to
    ctx.arc(X(path.at(-1)), Y(path.at(-1)), 4.5, 0, 7);
    ctx.fill();
    ctx.fillStyle = colour(el, "truth"); // where it should go
    ctx.beginPath();
    ctx.arc(toX(0), toY(0), 4.5, 0, 7);
    ctx.fill();
    ctx.strokeStyle = ink; // the start, to take hold of
    ctx.lineWidth = 2.5;
    ctx.beginPath();
    ctx.arc(X(path[0]), Y(path[0]), 9, 0, 7);
    ctx.stroke();
    ctx.restore();
    ctx.fillStyle = ink;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    font(ctx, 11);
    for (let i = 1 - REACH; i < REACH; i++) {
      ctx.fillText(signed(i, 0), toX(i), s + MARGIN / 2 + 2);
      ctx.fillText(signed(i, 0), MARGIN / 2 - 2, toY(i));
    }
    font(ctx, 13);
    ctx.fillText("θ", toX(REACH) - 8, s + MARGIN / 2 + 2);
    ctx.fillText("ψ", MARGIN / 2 - 2, 8);
  }

  function title(ctx, words) {
    ctx.fillStyle = getComputedStyle(el).color;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    font(ctx, 12, "600");
    ctx.fillText(words, 0, 0);
  }

  function drawCircle({ ctx, w, h }, how, values) {
    title(ctx, "eigenvalues of a step");
    const room = (h - 18) / 2, y0 = 18 + room, x0 = w / 2, unit = room / EIGEN;
    ctx.strokeStyle = colour(el, "noise");
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.arc(x0, y0, unit, 0, 7);
    ctx.moveTo(x0 - room, y0); ctx.lineTo(x0 + room, y0);
    ctx.moveTo(x0, y0 - room); ctx.lineTo(x0, y0 + room);
    ctx.stroke();
    ctx.fillStyle = getComputedStyle(el).color;
    ctx.textBaseline = "top";
    font(ctx, 11);
    ctx.fillText("1", x0 + unit + 3, y0 + 2);
    if (!values) ctx.fillText("none: the field jumps at ψ = 0", 0, h - 14);
    ctx.fillStyle = colour(el, "model");
    for (const [re, im] of values ?? []) {
      ctx.beginPath();
      ctx.arc(x0 + clamp(re, -EIGEN, EIGEN) * unit, y0 - clamp(im, -EIGEN, EIGEN) * unit,
        4.5, 0, 7);
      ctx.fill();
    }
  }

  function drawDistance({ ctx, w, h }, how, path) {
    title(ctx, "distance from (0, 0)");
    const low = -3, high = 1.5, top = 20, bottom = h - 16, left = 36; // powers of ten
    const Y = (p) => bottom - (clamp(p, low, high) - low) / (high - low) * (bottom - top);
    ctx.strokeStyle = colour(el, "noise");
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let p = low; p <= 1; p++) {
      ctx.moveTo(left, Y(p)); ctx.lineTo(w, Y(p));
    }
    ctx.globalAlpha = 0.35;
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.fillStyle = getComputedStyle(el).color;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    font(ctx, 11);
    for (let p = low; p <= 1; p++) ctx.fillText(String(10 ** p), left - 4, Y(p));
    ctx.textBaseline = "bottom";
    ctx.fillText(`${path.length - 1} steps`, w, h);
    ctx.textAlign = "left";
    const used = how.method === CONSENSUS || how.cure === PENALTY || how.cure === R1;
    ctx.fillText(`γ ${how.gamma.toFixed(1)}${used ? "" : ", unused"}`, left, h);
    ctx.strokeStyle = colour(el, "model");
    ctx.lineWidth = 2;
    ctx.beginPath();
    path.forEach((p, i) => ctx.lineTo(
      left + i / (path.length - 1) * (w - left), Y(Math.log10(Math.hypot(...p) + 1e-12))));
    ctx.stroke();
  }

  const keys = ["game", "cure", "method", "h", "gamma", "steps", "theta", "psi"];
  function draw() {
    const boxes = [plane, circle, distance].map(fit);
    if (boxes.some((box) => !box)) return;
    const how = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
    const path = trajectory(how, [how.theta, how.psi], how.steps);
    const values = eigenvalues(how);
    drawPlane(boxes[0], how, path);
    drawCircle(boxes[1], how, values);
    drawDistance(boxes[2], how, path);
    const words = `${verdict(values)} From (${signed(how.theta)}, ${signed(how.psi)}), `
      + `after ${how.steps} steps: ${far(Math.hypot(...path.at(-1)))} from (0, 0).`;
    if (said.textContent !== words) said.textContent = words;
  }

  const far = (r) => (r < 1000 ? r.toPrecision(3) : "more than 1000");
  function verdict(values) {
    if (!values) return "No eigenvalues: the field jumps at ψ = 0.";
    const [[re, im], [other]] = values, size = Math.max(...values.map((v) => Math.hypot(...v)));
    const numbers = im ? `${signed(re)} ± ${im.toFixed(2)}i` : `${signed(re)} and ${signed(other)}`;
    const says = Math.abs(size - 1) < 1e-6 ? "a step only turns"
      : size < 1 ? "a step draws nearer" : "a step pushes away";
    return `Eigenvalues ${numbers}, the larger of size ${size.toFixed(4)}: near (0, 0) ${says}.`;
  }

  draggable(
    plane,
    () => [toX(model.get("theta")), toY(model.get("psi"))],
    (x, y) => move(((x - MARGIN) / side() * 2 - 1) * REACH, (1 - y / side() * 2) * REACH),
    (dx, dy) => move(model.get("theta") + STEP * dx, model.get("psi") + STEP * dy),
  );
  return animate(model, el, keys, draw);
}
export default { render };
