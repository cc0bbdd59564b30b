// A diffusion in the plane that learns on the page: a network is trained to tell the
// noise in x_t, then walks back from noise to data (Ho et al. 2020, Song et al. 2021).
// Beside it walk the same particles, with the same noise, by the exact E[x0 | x_t].

const PARTICLES = 160;
const BATCH = 128;
const POINTS = 300; // data without a formula: so many points, each a Gaussian this wide:
const WIDTH = 0.07;
const HIDDEN = [64, 64]; // widths of the network
const RATE = 1e-2; // of Adam at first; halved after a thousand steps, a third after two

// ---- What is known exactly: a mixture of round Gaussians of one width ----------------

const ring = (k, radius) => Float64Array.from({ length: 2 * k }, (_, i) =>
  radius * (i % 2 ? Math.sin : Math.cos)(2 * Math.PI * Math.floor(i / 2) / k));
const KNOWN = {
  "ring of eight": { means: ring(8, 2), sigma: 0.05 },
  "two blobs": { means: Float64Array.of(1.4, 0.7, -1.4, -0.7), sigma: 0.25 },
};
// The law of the data: exact for two shapes, else of the points there are.
function law(name, points) {
  if (name in KNOWN) return KNOWN[name];
  const count = points.length / 2, every = Math.max(1, Math.ceil(count / POINTS));
  return { means: points.filter((_, i) => Math.floor(i / 2) % every === 0), sigma: WIDTH };
}

// E[x0 | x_t] for n points x_t (n × 2), into out. All components have one weight and
// one width, so x0_hat = x_t gain + (1 − gain √ᾱ) Σ_k p(k | x_t) mean_k.
let share = new Float64Array(0); // p(k | x_t)
function posteriorMean({ means, sigma }, x, n, ab, out) {
  const count = means.length / 2, root = Math.sqrt(ab);
  const variance = ab * sigma * sigma + 1 - ab, gain = root * sigma * sigma / variance;
  if (share.length < count) share = new Float64Array(count);
  for (let i = 0; i < n; i++) {
    const x1 = x[2 * i], x2 = x[2 * i + 1];
    let top = -Infinity, sum = 0, m1 = 0, m2 = 0;
    for (let k = 0; k < count; k++) {
      const a = x1 - root * means[2 * k], b = x2 - root * means[2 * k + 1];
      share[k] = -0.5 * (a * a + b * b) / variance;
      if (share[k] > top) top = share[k];
    }
    for (let k = 0; k < count; k++) {
      if (share[k] < top - 30) continue;
      const p = Math.exp(share[k] - top);
      sum += p;
      m1 += p * means[2 * k];
      m2 += p * means[2 * k + 1];
    }
    out[2 * i] = gain * x1 + (1 - gain * root) * m1 / sum;
    out[2 * i + 1] = gain * x2 + (1 - gain * root) * m2 / sum;
  }
  return out;
}

// eps with x_t = √ᾱ x0 + √(1 − ᾱ) eps.
function epsFrom(x, x0, ab, out) {
  const root = Math.sqrt(ab), noise = Math.sqrt(1 - ab);
  for (let i = 0; i < x0.length; i++) out[i] = (x[i] - root * x0[i]) / noise;
  return out;
}
function exactEps(mixture) {
  const x0 = {}; // by the number of points
  return (x, n, t, ab, out) => {
    posteriorMean(mixture, x, n, ab, x0[n] ??= new Float64Array(2 * n));
    return epsFrom(x, x0[n], ab, out);
  };
}

// Point i of x0 noised to ᾱ, into x; its noise into eps.
function noised(x0, i, ab, rng, eps, x) {
  for (let k = 2 * i; k < 2 * i + 2; k++) {
    eps[k] = normal(rng);
    x[k] = Math.sqrt(ab) * x0[k] + Math.sqrt(1 - ab) * eps[k];
  }
}

// n points of the mixture, (n × 2).
function draws({ means, sigma }, n, rng, out) {
  for (let i = 0; i < n; i++) {
    const k = Math.floor(means.length / 2 * rng());
    for (const j of [0, 1]) out[2 * i + j] = means[2 * k + j] + sigma * normal(rng);
  }
  return out;
}

// The loss that no network can beat, ‖eps − E[eps | x_t]‖² averaged over n draws of x0 and
// eps at each t in turn: a function that adds some at each call, null until the end.
function leastLoss(mixture, alphaBar, n, seed) {
  const rng = random(seed), eps = exactEps(mixture), T = alphaBar.length - 1, some = 100;
  const [x0, e, x, guess, grad] = Array.from({ length: 5 }, () => new Float64Array(2));
  let done = 0, sum = 0;
  return () => {
    for (let i = 0; i < some && done < n; i++, done++) {
      const t = 1 + done % T;
      noised(draws(mixture, 1, rng, x0), 0, alphaBar[t], rng, e, x);
      sum += epsLoss(eps(x, 1, t, alphaBar[t], guess), e, 1, grad);
    }
    return done < n ? null : sum / n;
  };
}

// ---- What is learned ----------------------------------------------------------------

// A place and a time, as the network is told them: beside x1 and x2 also waves of them,
// or it would learn fine detail very slowly (Tancik et al. 2020), and waves of t/T.
const PLACE_WAVES = [1, 2, 4], TIME_WAVES = [1, 2, 3];
const FEATURES = 2 + 4 * PLACE_WAVES.length + 2 * TIME_WAVES.length;
function features(x, n, time, T, out) {
  let at = 0;
  const wave = (angle) => {
    out[at++] = Math.sin(angle);
    out[at++] = Math.cos(angle);
  };
  for (let i = 0; i < n; i++) {
    const x1 = out[at++] = x[2 * i], x2 = out[at++] = x[2 * i + 1];
    for (const j of PLACE_WAVES) { wave(j * x1); wave(j * x2); }
    for (const j of TIME_WAVES) wave(j * Math.PI * time(i) / T);
  }
  return out;
}

// ‖eps − eps_hat‖², summed over two coordinates, averaged over n; its gradient in
// eps_hat goes into grad.
function epsLoss(guess, eps, n, grad) {
  let loss = 0;
  for (let i = 0; i < 2 * n; i++) {
    const off = guess[i] - eps[i];
    loss += off * off / n;
    grad[i] = 2 * off / n;
  }
  return loss;
}

// A network for the noise, and a step that trains it on a mixture.
function learner(alphaBar, seed) {
  const T = alphaBar.length - 1, rng = random(seed);
  const net = network([FEATURES, ...HIDDEN, 2], "SiLU", rng), move = adam(net);
  const [x0, eps, x, grad] = Array.from({ length: 4 }, () => new Float64Array(2 * BATCH));
  const t = new Uint16Array(BATCH), inputs = {}; // by the number of points
  const told = (x, n, time) =>
    features(x, n, time, T, inputs[n] ??= new Float64Array(FEATURES * n));
  const self = { net, steps: 0 };
  self.step = (mixture) => {
    draws(mixture, BATCH, rng, x0);
    for (let i = 0; i < BATCH; i++) {
      t[i] = 1 + Math.floor(T * rng());
      noised(x0, i, alphaBar[t[i]], rng, eps, x);
    }
    const guess = forward(net, told(x, BATCH, (i) => t[i]), BATCH);
    const loss = epsLoss(guess, eps, BATCH, grad);
    backward(net, grad);
    self.steps++;
    move(RATE / (1 + self.steps / 1000));
    return loss;
  };
  self.eps = (x, n, t, ab, out) => {
    out.set(forward(net, told(x, n, () => t), n));
    return out;
  };
  return self;
}

// ---- The way back ---------------------------------------------------------------------

// The visited times, T … 0 in `steps` steps that are as equal as whole numbers allow.
function visited(T, steps) {
  return Array.from({ length: steps + 1 }, (_, k) => Math.round(T * (1 - k / steps)));
}

// One step from ᾱ_t to ᾱ_s of an earlier time s: DDIM for η = 0, ancestral for η = 1
// (Song et al. 2021, eq. 12 and 16).
function back(x, eps, z, ab, before, eta, out) {
  const sigma = eta * Math.sqrt((1 - before) / (1 - ab) * (1 - ab / before));
  const toward = Math.sqrt(Math.max(0, 1 - before - sigma * sigma));
  for (let i = 0; i < x.length; i++) {
    const x0 = (x[i] - Math.sqrt(1 - ab) * eps[i]) / Math.sqrt(ab);
    out[i] = Math.sqrt(before) * x0 + toward * eps[i] + sigma * z[i];
  }
  return out;
}

// Twice the mean distance between two sets of points less the mean distances within
// each (Székely and Rizzo 2013): 0 for one law, and never below.
function energyDistance(a, b) {
  const mean = (p, q) => {
    let sum = 0;
    for (let i = 0; i < p.length; i += 2) for (let j = 0; j < q.length; j += 2) {
      sum += Math.sqrt((p[i] - q[j]) ** 2 + (p[i + 1] - q[j + 1]) ** 2);
    }
    return sum / (p.length / 2) / (q.length / 2);
  };
  return 2 * mean(a, b) - mean(a, a) - mean(b, b);
}

// A walk from noise to data whose steps are taken one by one: states[k] is x at times[k].
function walk(eps, alphaBar, { start, noise, times, eta }) {
  const n = start.length / 2, guess = new Float64Array(2 * n), states = [start];
  return {
    states,
    step() {
      const k = states.length - 1, ab = alphaBar[times[k]];
      eps(states[k], n, times[k], ab, guess);
      states.push(back(states[k], guess, noise[k], ab, alphaBar[times[k + 1]], eta,
        new Float64Array(2 * n)));
    },
  };
}

// Where the particles start, and the noise of each step, for both walks.
function chances(n, steps, seed) {
  const rng = random(seed);
  const some = () => Float64Array.from({ length: 2 * n }, () => normal(rng));
  return { start: some(), noise: Array.from({ length: steps }, some) };
}

// ---- The figure -----------------------------------------------------------------------

const VIEW = 3; // the planes are [-VIEW, VIEW]²
const CELLS = 48; // the shading is computed in CELLS × CELLS places
const HAIRS = 13; // on a side: the field of the predicted noise
// Milliseconds of a frame for what is computed here; the browser needs as many. Training
// and walking get what the drawing leaves of them, and WORK at least.
const FRAME = 5, WORK = 2;
const SECONDS = 3; // that a run takes to watch
const EVERY = 20; // steps of training that are one point of the curve
const LEAST = 20; // points of a drawing before it can be learned

function render({ model, el }) {
  const alphaBar = model.get("alpha_bar"), T = alphaBar.length - 1;
  const steps = () => model.get("choices")[model.get("size")];
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  // ---- What is on the page ----
  const planes = [["learned", "model"], ["exact", "truth"]].map(([role, hue]) => {
    const canvas = make("canvas", { className: `gb-plane gb-${role}`, tabIndex: 0 });
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "plane");
    // JupyterLab would take the arrow keys to walk through the cells.
    canvas.setAttribute("data-lm-suppress-shortcuts", "true");
    const name = { learned: "learned: ε̂ of the network", exact: "exact: E[x₀ | xₜ]" }[role];
    const said = make("output", { className: "gb-said" });
    return { role, hue, canvas, name, said };
  });
  const [learned, exact] = planes;
  const small = (className) => {
    const canvas = make("canvas", { className });
    canvas.setAttribute("role", "img");
    return canvas;
  };
  const curve = small("gb-loss"), schedule = small("gb-schedule");
  const button = (textContent, act) => {
    const b = make("button", { type: "button", textContent });
    b.addEventListener("click", () => { act(); animation.ask(); });
    return b;
  };
  const train = button("Train", () => {
    training = !training;
    if (training && student.steps >= goal) goal += model.get("round");
  });
  const run = button("Run back", () => {
    playing = !playing;
    if (playing && model.get("done") === T) model.set("done", 0);
    since = performance.now() - model.get("done") / T * 1000 * SECONDS;
    if (playing && still) since = -Infinity; // to the end at once
  });
  const again = button("Start over", () => { forget(); training = false; });
  const clear = button("Clear drawing", () => {
    model.set("drawn", []);
    model.save_changes();
  });
  const news = make("output", { className: "gb-news" });
  const buttons = make("div", { className: "gb-buttons" }, train, run, again, clear, news);
  // JupyterLab would take Enter to edit the cell.
  buttons.setAttribute("data-lm-suppress-shortcuts", "true");
  const key = make("div", { className: "gb-key" });
  el.classList.add("gb-figure", "gb-diffusion-live");
  el.append(
    make("div", { className: "gb-pair" }, ...planes.map(({ name, canvas, said }) =>
      make("div", {}, make("div", { className: "gb-name", textContent: name }), canvas, said))),
    key, buttons,
    make("div", { className: "gb-pair" }, curve, schedule));

  // ---- The data, the network, the two walks ----
  let points, mixture, student, goal, losses, best, least;
  let training = false, playing = false, since = 0, chosen = 0, pen;
  let chance = "", plan, truth, shown, next; // walks: the exact, the learned, its renewal
  const empty = () => mixture.means.length < 2 * LEAST && !(NAMES[model.get("data")] in KNOWN);

  function forget() {
    student = learner(alphaBar, 0);
    goal = model.get("round");
    losses = [];
    best = null;
    least = leastLoss(mixture, alphaBar, 10000, 1);
    renew();
  }
  function renew() {
    shown = next = null;
  }
  function refresh() {
    const now = dataset(model, POINTS, 0);
    if (now !== points) {
      points = now;
      mixture = law(NAMES[model.get("data")], points);
      forget();
      chance = "";
    }
    const asked = [steps(), model.get("eta"), model.get("seed")].join();
    if (asked !== chance) {
      chance = asked;
      plan = { ...chances(PARTICLES, steps(), model.get("seed")), times: visited(T, steps()),
        eta: model.get("eta") };
      truth = walk(exactEps(mixture), alphaBar, plan);
      renew();
    }
    if (empty()) training = playing = false;
  }
  function begin() {
    return Object.assign(walk(student.eps, alphaBar, plan), { age: student.steps });
  }
  // The state at the slider's time is the last one reached by then; one more is needed,
  // to show where each particle goes next.
  const reached = () => plan.times.findLastIndex((t) => t >= T - model.get("done"));
  function catchUp(until) {
    const need = Math.min(reached() + 1, steps());
    const lacks = (w) => w.states.length <= need;
    shown ??= begin();
    do {
      if (lacks(truth)) truth.step();
      else if (lacks(shown)) shown.step();
      else if (shown.age === student.steps) return false;
      else if (!next || (!training && next.age !== student.steps)) next = begin();
      else if (lacks(next)) next.step();
      else [shown, next] = [next, null]; // the samples of a younger network
    } while (performance.now() < until);
    return true;
  }

  // What a frame has time for: some steps of training, then of the walks.
  let drew = 0; // for so many milliseconds, the last time
  function work(start) {
    const until = start + Math.max(WORK, FRAME - drew);
    let more = false;
    if (!empty()) {
      if (training) {
        do {
          if (student.steps % EVERY === 0) losses.push(0);
          losses[losses.length - 1] += student.step(mixture) / EVERY;
        } while (student.steps < goal && performance.now() < until - 1);
        if (student.steps >= goal) training = false;
      }
      if (student.steps && best === null) best = least();
      more = catchUp(until) || (student.steps > 0 && best === null);
    }
    if (playing && !more || playing && training) {
      const done = Math.min(T, Math.floor((start - since) / 1000 / SECONDS * T));
      if (done > model.get("done")) model.set("done", done);
      playing = model.get("done") < T;
      if (!playing) model.save_changes();
      return true;
    }
    return more || training || playing;
  }

  // ---- The planes ----
  // The density of noised data, as a small picture: a Gaussian of x1 times one of x2.
  const shade = make("canvas", { width: CELLS, height: CELLS });
  function drawShade(ab, hue) {
    const { means, sigma } = mixture, count = means.length / 2;
    const v = ab * sigma * sigma + 1 - ab + 0.002, root = Math.sqrt(ab); // a cell's width
    const total = new Float64Array(CELLS * CELLS), across = new Float64Array(CELLS);
    const bell = (i, m) => Math.exp(-0.5 * (((i + 0.5) / CELLS * 2 - 1) * VIEW - root * m) ** 2 / v);
    for (let k = 0; k < count; k++) {
      for (let j = 0; j < CELLS; j++) across[j] = bell(j, means[2 * k]);
      for (let i = 0; i < CELLS; i++) {
        const down = bell(CELLS - 1 - i, means[2 * k + 1]);
        if (down < 1e-4) continue;
        for (let j = 0; j < CELLS; j++) total[i * CELLS + j] += down * across[j];
      }
    }
    const top = total.reduce((most, value) => Math.max(most, value), 1e-9), tone = rgb(hue);
    const ctx = shade.getContext("2d"), image = ctx.createImageData(CELLS, CELLS);
    total.forEach((value, i) => {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = tone[c];
      image.data[4 * i + 3] = 110 * Math.sqrt(value / top);
    });
    ctx.putImageData(image, 0, 0);
  }

  // What lies beneath the particles in both planes: the density and the data.
  const ground = make("canvas");
  function drawGround(plane, w) {
    const ab = alphaBar[T - model.get("done")], hue = colour(el, "data");
    if (stands(ground, plane.width, plane.height, ab, hue, mixture)) return;
    drawShade(ab, hue);
    ground.width = plane.width;
    ground.height = plane.height;
    const ctx = ground.getContext("2d");
    ctx.setTransform(plane.getContext("2d").getTransform());
    ctx.imageSmoothingQuality = "high";
    ctx.drawImage(shade, 0, 0, w, w);
    ctx.strokeStyle = colour(el, "ink");
    ctx.strokeRect(0.5, 0.5, w - 1, w - 1);
    ctx.fillStyle = hue;
    ctx.globalAlpha = 0.45;
    for (let i = 0; i < points.length; i += 2) {
      const x = (points[i] / VIEW + 1) / 2 * w, y = (1 - points[i + 1] / VIEW) / 2 * w;
      ctx.fillRect(x - 0.8, y - 0.8, 1.6, 1.6);
    }
  }

  const places = new Float64Array(2 * HAIRS * HAIRS); // of the hairs
  for (let i = 0; i < HAIRS * HAIRS; i++) {
    places[2 * i] = ((i % HAIRS + 0.5) / HAIRS * 2 - 1) * VIEW;
    places[2 * i + 1] = ((Math.floor(i / HAIRS) + 0.5) / HAIRS * 2 - 1) * VIEW;
  }
  const field = new Float64Array(places.length);

  const at = (states, k) => states[Math.min(k, states.length - 1)];
  // What is read out only when it has come to rest.
  function say(where, words) {
    where.setAttribute("aria-live", training || playing ? "off" : "polite");
    if (where.textContent !== words) where.textContent = words;
  }

  let ink, family; // of the page, read once a frame
  // Does a canvas show this already? Remembers what it is asked about: all that the
  // picture depends on.
  const seen = new Map();
  function stands(canvas, ...state) {
    const before = seen.get(canvas);
    seen.set(canvas, state);
    return before?.every((value, i) => value === state[i]);
  }
  function drawPlane({ canvas, role, hue, said, name }, box) {
    const { ctx, w } = box, k = reached(), t = plan.times[k], own = role === "learned";
    const X = (v) => (v / VIEW + 1) / 2 * w, Y = (v) => (1 - v / VIEW) / 2 * w;
    ctx.drawImage(ground, 0, 0, w, w);
    ctx.lineWidth = 1;
    const tone = colour(el, hue), dot = clamp(w / 150, 1.4, 2.3);
    if (own && pen.down && isDrawing(model)) {
      const [x, y] = [X(pen.at[0]), Y(pen.at[1])];
      ctx.strokeStyle = ink;
      ctx.lineWidth = 2;
      ctx.beginPath();
      for (const [a, b] of [[7, 0], [0, 7]]) {
        ctx.moveTo(x - a, y - b);
        ctx.lineTo(x + a, y + b);
      }
      ctx.stroke();
    }
    if (empty()) {
      ctx.fillStyle = ink;
      ctx.textAlign = "center";
      ctx.font = `13px ${family}`;
      const here = points.length ? "Draw some more" : "Draw here: mouse, finger, or keys";
      ctx.fillText(own ? here : "What you draw left is learned", w / 2, 20);
      say(said, "");
      canvas.setAttribute("aria-label", own
        ? `${name}. Draw data: arrow keys move the pen, Enter leaves points` : `${name}. No data yet`);
      return;
    }
    // Against the noise that is predicted: the way the particles are pushed.
    const eps = own ? student.eps : exactEps(mixture), now = Math.max(t, 1);
    eps(places, HAIRS * HAIRS, now, alphaBar[now], field);
    ctx.strokeStyle = ink;
    ctx.globalAlpha = 0.4;
    ctx.beginPath();
    for (let i = 0; i < places.length; i += 2) {
      const long = Math.hypot(field[i], field[i + 1]) || 1, reach = 0.8 * VIEW / HAIRS;
      const scale = reach * Math.tanh(long / 2) / long * 2;
      ctx.moveTo(X(places[i]), Y(places[i + 1]));
      ctx.lineTo(X(places[i] - scale * field[i]), Y(places[i + 1] - scale * field[i + 1]));
    }
    ctx.stroke();
    const states = (own ? shown : truth).states, x = at(states, k), after = states[k + 1];
    ctx.globalAlpha = 0.35;
    ctx.strokeStyle = tone;
    if (after) {
      ctx.beginPath();
      for (let i = 0; i < x.length; i += 2) {
        ctx.moveTo(X(x[i]), Y(x[i + 1]));
        ctx.lineTo(X(after[i]), Y(after[i + 1]));
      }
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
    ctx.fillStyle = tone;
    ctx.beginPath();
    for (let i = 0; i < x.length; i += 2) {
      ctx.moveTo(X(x[i]), Y(x[i + 1]));
      ctx.arc(X(x[i]), Y(x[i + 1]), dot, 0, 7);
    }
    ctx.fill();
    // The particle that is followed: all its way, from the noise on.
    const i = 2 * chosen;
    ctx.strokeStyle = ink;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    states.slice(0, k + 1).forEach((s) => ctx.lineTo(X(s[i]), Y(s[i + 1])));
    ctx.stroke();
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(X(x[i]), Y(x[i + 1]), dot + 3, 0, 7);
    ctx.stroke();
    const words = own
      ? `energy distance to the exact ones ${energyDistance(x, at(truth.states, k)).toFixed(3)}`
      : `t = ${t}, after ${k} of ${steps()} steps`;
    say(said, words);
    canvas.setAttribute("aria-label", `${name}. ${PARTICLES} particles, ${words}; ` +
      `particle ${chosen + 1} is followed, ` + (own && isDrawing(model)
      ? "arrow keys move the pen, Enter leaves points" : "arrow keys follow another"));
  }

  // A click follows the nearest particle, and so do arrow keys the next one; on the
  // left plane a reader may be drawing.
  for (const plane of planes) {
    const { canvas } = plane, follow = (i) => { chosen = i; animation.ask(); };
    const place = (x, y) => [x, y].map((v, i) =>
      (i ? -1 : 1) * (v / canvas.clientWidth * 2 - 1) * VIEW);
    canvas.addEventListener("click", (e) => {
      if (empty() || (plane === learned && isDrawing(model))) return;
      const box = canvas.getBoundingClientRect();
      const [x1, x2] = place(e.clientX - box.left, e.clientY - box.top);
      const { states } = plane === learned ? shown : truth;
      const x = at(states, reached());
      let near = 0, least = Infinity;
      for (let i = 0; i < PARTICLES; i++) {
        const far = Math.hypot(x[2 * i] - x1, x[2 * i + 1] - x2);
        if (far < least) [near, least] = [i, far];
      }
      follow(near);
    });
    canvas.addEventListener("keydown", (e) => {
      if (plane === learned && isDrawing(model)) return; // the keys move the pen
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[e.key];
      if (!way) return;
      e.preventDefault();
      follow((chosen + way + PARTICLES) % PARTICLES);
    });
    if (plane === learned) pen = drawing(canvas, model, place, () => animation.ask());
  }

  // ---- The two small graphs ----
  const LEFT = 30, FOOT = 18;
  function axes({ ctx, w, h }, top) {
    ctx.font = `11px ${family}`;
    ctx.fillStyle = ink;
    ctx.strokeStyle = colour(el, "ink");
    ctx.lineWidth = 1;
    ctx.strokeRect(LEFT + 0.5, 4.5, w - LEFT - 5, h - FOOT - 5);
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    ctx.fillText("0", LEFT - 4, h - FOOT - 4);
    ctx.fillText(top, LEFT - 4, 9);
    ctx.textBaseline = "alphabetic";
  }
  function drawLoss(box) {
    const { ctx, w, h } = box, longest = Math.max(model.get("round"), student.steps);
    const X = (step) => LEFT + step / longest * (w - LEFT - 5);
    const Y = (loss) => h - FOOT - clamp(loss, 0, 2) / 2 * (h - FOOT - 5);
    axes(box, "2");
    ctx.textAlign = "right";
    ctx.fillText(`${longest.toLocaleString("en")} steps`, w - 5, h - 3);
    ctx.textAlign = "left";
    ctx.fillText("loss ‖ε − ε̂‖²", LEFT + 8, 18);
    let words = student.steps ? "" : "not trained yet";
    const last = losses.length - (student.steps % EVERY ? 2 : 1);
    if (best !== null) {
      ctx.strokeStyle = colour(el, "truth");
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      ctx.moveTo(LEFT, Y(best));
      ctx.lineTo(w - 5, Y(best));
      ctx.stroke();
      ctx.fillStyle = ink;
      ctx.fillText("the least possible", LEFT + 8, Y(best) + 13);
    }
    ctx.strokeStyle = colour(el, "model");
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    for (let i = 0; i <= last; i++) ctx.lineTo(X((i + 0.5) * EVERY), Y(losses[i]));
    ctx.stroke();
    if (last >= 0) {
      const recent = losses.slice(Math.max(0, last - 9), last + 1);
      const loss = recent.reduce((sum, v) => sum + v, 0) / recent.length;
      words = `step ${student.steps.toLocaleString("en")}: loss ${loss.toFixed(2)}` +
        (best === null ? "" : `, at best ${best.toFixed(2)}`);
    }
    say(news, words);
    curve.setAttribute("aria-label", `The loss of the training: ${words}`);
  }
  function drawSchedule(box) {
    const { ctx, w, h } = box, t = T - model.get("done");
    const X = (t) => LEFT + 4 + (1 - t / T) * (w - LEFT - 13);
    const Y = (ab) => h - FOOT - 2 - ab * (h - FOOT - 9);
    axes(box, "1");
    ctx.textAlign = "left";
    ctx.fillText("ᾱₜ", LEFT + 8, 18);
    ctx.fillText(`t = ${T}`, LEFT, h - 3);
    ctx.textAlign = "right";
    ctx.fillText("0", w - 5, h - 3);
    ctx.strokeStyle = colour(el, "noise");
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    for (let s = T; s >= 0; s--) ctx.lineTo(X(s), Y(alphaBar[s]));
    ctx.stroke();
    ctx.fillStyle = colour(el, "noise");
    ctx.beginPath();
    for (const s of plan.times) {
      ctx.moveTo(X(s), Y(alphaBar[s]));
      ctx.arc(X(s), Y(alphaBar[s]), 2.5, 0, 7);
    }
    ctx.fill();
    ctx.strokeStyle = ink;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.moveTo(X(t), 5);
    ctx.lineTo(X(t), h - FOOT);
    ctx.stroke();
    schedule.setAttribute("aria-label", `The schedule ᾱ from t = ${T} to 0, with the ` +
      `${steps()} times that are visited; now t = ${t}, ᾱ = ${alphaBar[t].toPrecision(3)}`);
  }

  function draw() {
    const start = performance.now();
    refresh();
    const more = work(start), style = getComputedStyle(el);
    ink = style.color;
    family = style.fontFamily;
    const began = performance.now();
    const boxes = [learned.canvas, curve].map(fit);
    if (boxes.includes(null)) return more;
    drawGround(learned.canvas, boxes[0].w);
    drawPlane(learned, boxes[0]);
    drawLoss(boxes[1]);
    // The other two stay as they are while the network trains.
    const now = [ink, model.get("done"), plan, devicePixelRatio];
    const size = ({ clientWidth, clientHeight }) => [clientWidth, clientHeight];
    if (!stands(exact.canvas, ...size(exact.canvas), ...now, chosen, truth.states.length)) {
      drawPlane(exact, fit(exact.canvas));
    }
    if (!stands(schedule, ...size(schedule), ...now)) drawSchedule(fit(schedule));
    drew = performance.now() - began;
    const label = (b, words) => { if (b.textContent !== words) b.textContent = words; };
    label(train, training ? "Pause training" : "Train");
    label(run, playing ? "Pause run" : "Run back");
    train.disabled = run.disabled = empty();
    again.disabled = !student.steps;
    clear.hidden = !isDrawing(model);
    clear.disabled = !points.length;
    learned.canvas.style.touchAction = isDrawing(model) ? "none" : "";
    const note = NAMES[model.get("data")] in KNOWN ? ""
      : ` The law of the data is taken to be a Gaussian of width ${WIDTH} around each point.`;
    const words = "Blue: data, and the density of xₜ. Hairs: against the predicted noise. " +
      `Lines: the next step. Ring: the particle you follow; click another.${note}`;
    if (key.textContent !== words) key.textContent = words;
    return more;
  }
  const keys = ["data", "drawn", "size", "eta", "seed", "done"];
  const animation = animate(model, el, keys, draw);
  return animation;
}
export default { render };
