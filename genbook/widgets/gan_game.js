// The game of a GAN, played on the page: G turns noise into points, D tells them from
// the data, and each learns from the other (Goodfellow et al. 2014).

const BATCH = 96;
const DATA = 1000; // points of a shape
const SHOWN = 200, PUSHED = 100; // generated points on the plane, and with an arrow
const VIEW = 2.8; // the plane shown is [-VIEW, VIEW]²
const CELLS = 32; // D is asked in CELLS × CELLS places
const NEAR = 0.2; // so close to a data point, a generated one lies on the data
const ARROW = 0.25, LONGEST = 0.45; // an arrow for a push of 1, and for a strong one
const CANNOT_TELL = 2 * Math.log(2); // D's loss where D = 1/2 everywhere
const BUDGET = 7, MOST = 8; // milliseconds and rounds of training in a frame
const PAUSE = 24, CALM = 500; // milliseconds between pictures; with less motion

// ---- The game ---------------------------------------------------------------------

const sigma = (a) => 1 / (1 + Math.exp(-a));
const softplus = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));

// Two networks, and the moves of both players. data() gives the points (N × 2).
function game(seed, data) {
  const rng = random(seed), betas = { beta1: 0.5, beta2: 0.9 };
  const G = network([2, 32, 32, 2], "LeakyReLU", rng);
  const D = network([2, 32, 32, 1], "LeakyReLU", rng);
  const stepG = adam(G, betas), stepD = adam(D, betas);
  const z = new Float64Array(2 * BATCH);
  const both = new Float64Array(4 * BATCH); // data, then what G made
  const dBoth = new Float64Array(2 * BATCH), dFake = new Float64Array(BATCH);

  function generate() {
    for (let i = 0; i < z.length; i++) z[i] = normal(rng);
    return forward(G, z, BATCH);
  }

  // −mean log D(x) − mean log(1 − D(G(z))), with D = σ(logit); one step of D down it.
  function moveD(rate) {
    const x = data(), count = x.length / 2;
    for (let i = 0; i < BATCH; i++) {
      const k = Math.floor(count * rng());
      both[2 * i] = x[2 * k];
      both[2 * i + 1] = x[2 * k + 1];
    }
    both.set(generate(), 2 * BATCH);
    const logits = forward(D, both, 2 * BATCH);
    let loss = 0;
    for (let i = 0; i < BATCH; i++) {
      const real = logits[i], fake = logits[BATCH + i];
      loss += (softplus(-real) + softplus(fake)) / BATCH;
      dBoth[i] = (sigma(real) - 1) / BATCH;
      dBoth[BATCH + i] = sigma(fake) / BATCH;
    }
    backward(D, dBoth);
    stepD(rate);
    return loss;
  }

  // −mean log D(G(z)), or where it saturates mean log(1 − D(G(z))); one step of G down it.
  function moveG(rate, saturating) {
    const logits = forward(D, generate(), BATCH);
    let loss = 0;
    for (let i = 0; i < BATCH; i++) {
      loss += (saturating ? -softplus(logits[i]) : softplus(-logits[i])) / BATCH;
      dFake[i] = slope(logits[i], saturating) / BATCH;
    }
    backward(G, backward(D, dFake));
    stepG(rate);
    return loss;
  }
  return { G, D, moveD, moveG };
}

// The derivative of a generated point's loss in D's logit a.
const slope = (a, saturating) => saturating ? -sigma(a) : sigma(a) - 1;

// Where D's gradient pushes each of n points: −∂ loss / ∂ x, by the generator's loss.
function pushes(D, x, n, saturating) {
  const d = forward(D, x, n).map((a) => slope(a, saturating));
  return backward(D, d).map((v) => -v);
}

// The share of the points (n × 2) that have a data point within NEAR.
function onData(points, x) {
  let on = 0;
  for (let i = 0; i < points.length; i += 2) {
    for (let k = 0; k < x.length; k += 2) {
      const a = points[i] - x[k], b = points[i + 1] - x[k + 1];
      if (a * a + b * b < NEAR * NEAR) { on++; break; }
    }
  }
  return 2 * on / points.length;
}

// ---- The figure -------------------------------------------------------------------

function render({ model, el }) {
  const rates = model.get("rates"), seed = model.get("seed");
  const x = () => dataset(model, DATA, seed);
  const noise = new Float64Array(2 * SHOWN), rng = random(seed + 1);
  for (let i = 0; i < noise.length; i++) noise[i] = normal(rng);
  const places = new Float64Array(2 * CELLS * CELLS);
  for (let i = 0; i < CELLS; i++) for (let j = 0; j < CELLS; j++) {
    places[2 * (i * CELLS + j)] = ((j + 0.5) / CELLS * 2 - 1) * VIEW;
    places[2 * (i * CELLS + j) + 1] = (1 - (i + 0.5) / CELLS * 2) * VIEW;
  }

  const plane = make("canvas", { className: "gb-plane" });
  plane.setAttribute("role", "img");
  const round = make("canvas", { className: "gb-round" });
  round.setAttribute("role", "img");
  const curve = make("canvas", { className: "gb-curve" });
  curve.setAttribute("role", "img");
  const said = make("output", { className: "gb-said" });
  const button = (words, act) => {
    const made = make("button", { type: "button", textContent: words });
    made.addEventListener("click", () => { act(); ask(); });
    return made;
  };
  const play = button("▶ Play", () => { playing = !playing; });
  const one = { D: button("Step D", () => move("D")), G: button("Step G", () => move("G")) };
  const again = button("Start again", start);
  const clear = button("Clear drawing", () => {
    model.set("drawn", []);
    model.save_changes();
  });
  el.classList.add("gb-figure", "gb-gan-game");
  const buttons = make("div", { className: "gb-buttons" }, play, one.D, one.G, again, clear);
  // JupyterLab would take Enter to edit the cell.
  buttons.setAttribute("data-lm-suppress-shortcuts", "true");
  const mark = (name) => make("i", { className: `gb-mark gb-${name}` });
  const key = make("div", { className: "gb-key" },
    make("span", {}, mark("data"), "data; where D says data"),
    make("span", {}, mark("model"), "generated; where D says so"),
    make("span", {}, "→ the push of G’s loss"));
  el.append(make("div", {}, plane, key), make("div", { className: "gb-side" },
    buttons, round, curve, said));

  // ---- Playing

  let players, turn, rounds, losses, moves; // turn: steps of D that this round has had
  let playing = false, seen = true, painted = 0, trained = true; // since the picture
  function start() {
    players = game(seed, x);
    [turn, rounds, losses, moves] = [0, 0, [], 0];
    playing = false;
  }
  start();
  const next = () => (turn < model.get("d_steps") ? "D" : "G");
  function move(who) {
    moves++;
    if (who === "D") {
      losses.push(players.moveD(rates[model.get("rate_d")]));
      turn++;
    } else {
      players.moveG(rates[model.get("rate_g")], model.get("loss") === 1);
      turn = 0;
      rounds++;
    }
  }
  function train() {
    const end = performance.now() + BUDGET, last = rounds + MOST;
    do move(next()); while (rounds < last && performance.now() < end);
  }

  // ---- Pictures

  let side = 1; // of the plane; asked for once a picture, since it may cost a layout
  const toX = (v) => (v / VIEW + 1) / 2 * side;
  const toY = (v) => (1 - v / VIEW) / 2 * side;
  const surface = make("canvas", { width: CELLS, height: CELLS });
  let asked = ""; // the state of D that the surface shows
  function drawSurface() {
    const state = [moves, rounds, seed].join();
    if (state === asked) return;
    asked = state;
    const logits = forward(players.D, places, CELLS * CELLS);
    const ctx = surface.getContext("2d"), image = ctx.createImageData(CELLS, CELLS);
    const [data, fake] = [rgb(colour(el, "data")), rgb(colour(el, "model"))];
    logits.forEach((a, i) => {
      const p = sigma(a);
      image.data.set(p > 0.5 ? data : fake, 4 * i);
      image.data[4 * i + 3] = 255 * 0.4 * Math.abs(2 * p - 1);
    });
    ctx.putImageData(image, 0, 0);
  }

  const dots = make("canvas"); // the data: drawn when they or the size change
  let dotted = null;
  const size = (w) => clamp(w / 260, 1.1, 1.6);
  function drawDots(data, w) {
    if (dotted === data && dots.width === plane.width) return;
    dotted = data;
    dots.width = dots.height = plane.width;
    const ctx = dots.getContext("2d"), half = size(w);
    ctx.setTransform(plane.getContext("2d").getTransform());
    ctx.fillStyle = colour(el, "data");
    for (let i = 0; i < data.length; i += 2) {
      ctx.fillRect(toX(data[i]) - half, toY(data[i + 1]) - half, 2 * half, 2 * half);
    }
  }

  function drawPlane({ ctx, w, h }, points, pushed) {
    const ink = getComputedStyle(el).color, data = x();
    drawSurface();
    drawDots(data, w);
    ctx.drawImage(surface, 0, 0, w, h);
    ctx.drawImage(dots, 0, 0, w, h);
    ctx.fillStyle = colour(el, "model");
    for (let i = 0; i < points.length; i += 2) {
      ctx.beginPath();
      ctx.arc(toX(points[i]), toY(points[i + 1]), 1.8 * size(w), 0, 7);
      ctx.fill();
    }
    ctx.strokeStyle = ink;
    ctx.globalAlpha = 0.75;
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let i = 0; i < 2 * PUSHED; i += 2) {
      const push = Math.hypot(pushed[i], pushed[i + 1]);
      const length = Math.min(LONGEST, ARROW * push) / (2 * VIEW) * w;
      if (length < 1) continue;
      const a = pushed[i] / push * length, b = -pushed[i + 1] / push * length;
      const X = toX(points[i]) + a, Y = toY(points[i + 1]) + b;
      const head = Math.min(0.4, 4 / length);
      ctx.moveTo(X - a, Y - b);
      ctx.lineTo(X, Y);
      ctx.lineTo(X - head * (a + 0.6 * b), Y - head * (b - 0.6 * a));
      ctx.moveTo(X, Y);
      ctx.lineTo(X - head * (a - 0.6 * b), Y - head * (b + 0.6 * a));
    }
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colour(el, "ink");
    ctx.strokeRect(0.5, 0.5, w - 1, h - 1);
    if (data.length) return;
    ctx.fillStyle = ink;
    ctx.textAlign = "center";
    ctx.font = `14px ${getComputedStyle(el).fontFamily}`;
    ctx.fillText("Draw here, with the mouse or a finger", w / 2, h / 4);
  }

  // One round as blocks, each as high as its learning rate is large; the next one full.
  function drawRound({ ctx, w, h }) {
    const steps = model.get("d_steps"), gap = 4, base = h - 18, room = base - 14;
    const wide = Math.min(30, (w - steps * gap) / (steps + 1)), least = Math.log(rates[0]);
    const tall = (index) => room *
      (0.25 + 0.75 * (Math.log(rates[index]) - least) / (Math.log(rates.at(-1)) - least));
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.font = `600 12px ${getComputedStyle(el).fontFamily}`;
    for (let i = 0; i <= steps; i++) {
      const who = i < steps ? "D" : "G", up = tall(model.get(who === "D" ? "rate_d" : "rate_g"));
      const left = i * (wide + gap), hue = colour(el, who === "D" ? "ink" : "model");
      ctx.fillStyle = ctx.strokeStyle = hue;
      ctx.globalAlpha = i === Math.min(turn, steps) ? 1 : 0.45;
      ctx.fillRect(left, base - up, wide, up);
      ctx.globalAlpha = 1;
      ctx.fillStyle = getComputedStyle(el).color;
      ctx.fillText(who, left + wide / 2, base + 10);
    }
    ctx.textAlign = "left";
    ctx.font = `12px ${getComputedStyle(el).fontFamily}`;
    const loss = model.get("loss") ? "log (1 − D)" : "−log D";
    const after = (steps + 1) * (wide + gap) + 8, words = `G lowers ${loss}`;
    if (after + ctx.measureText(words).width < w) ctx.fillText(words, after, base - 6);
    else ctx.fillText(words, 0, 6);
    round.setAttribute("aria-label",
      `One round: ${steps} × D at rate ${rates[model.get("rate_d")]}, ` +
      `then G at rate ${rates[model.get("rate_g")]}. ${words}.`);
  }

  // D's loss, averaged over the steps that share a pixel.
  function drawCurve({ ctx, w, h }) {
    const left = 26, top = 8, base = h - 20, high = 2.2;
    const count = Math.max(400, losses.length);
    const X = (i) => left + i / count * (w - left - 1);
    const Y = (v) => base - clamp(v, 0, high) / high * (base - top);
    const ink = getComputedStyle(el).color;
    ctx.font = `11px ${getComputedStyle(el).fontFamily}`;
    ctx.strokeStyle = colour(el, "ink");
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(left, top);
    ctx.lineTo(left, base);
    ctx.lineTo(w, base);
    ctx.stroke();
    ctx.fillStyle = ink;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    for (const v of [0, 1, 2]) ctx.fillText(v, left - 5, Y(v));
    ctx.textBaseline = "alphabetic";
    ctx.fillText(`${count} steps of D`, w, h - 6);
    ctx.textAlign = "left";
    ctx.fillText("D’s loss", left + 6, top + 8);
    ctx.strokeStyle = colour(el, "truth");
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.moveTo(left, Y(CANNOT_TELL));
    ctx.lineTo(w, Y(CANNOT_TELL));
    ctx.stroke();
    ctx.textAlign = "right"; // above the line, which the loss stays under most of the time
    ctx.fillText("2 log 2: D cannot tell", w, Y(CANNOT_TELL) - 6);
    ctx.strokeStyle = ink;
    ctx.beginPath();
    const group = Math.ceil(count / (w - left));
    for (let i = 0; i < losses.length; i += group) {
      const some = losses.slice(i, i + group);
      ctx.lineTo(X(i), Y(some.reduce((sum, v) => sum + v, 0) / some.length));
    }
    if (losses.length === 1) ctx.lineTo(X(0) + 2, Y(losses[0]));
    ctx.stroke();
  }

  function draw() {
    const empty = !x().length;
    if (empty) playing = false;
    play.textContent = playing ? "❚❚ Pause" : "▶ Play";
    play.disabled = one.D.disabled = one.G.disabled = empty;
    clear.hidden = !isDrawing(model);
    clear.disabled = empty;
    plane.classList.toggle("gb-draws", isDrawing(model));
    // A frame trains or paints, so that none is slow. A reader who asked for less
    // motion sees a picture now and then.
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (playing && !(trained && performance.now() - painted > (calm ? CALM : PAUSE))) {
      train();
      trained = true;
      return seen;
    }
    const boxes = [plane, round, curve].map(fit);
    if (boxes.includes(null)) return playing;
    painted = performance.now();
    trained = false;
    side = boxes[0].w;
    const points = forward(players.G, noise, SHOWN);
    const pushed = pushes(players.D, points, SHOWN, model.get("loss") === 1);
    drawPlane(boxes[0], points, pushed);
    drawRound(boxes[1]);
    drawCurve(boxes[2]);
    tell(points);
    return playing && seen;
  }

  function tell(points) {
    const share = x().length ? Math.round(100 * onData(points, x())) : 0;
    const loss = losses.length ? `D’s loss ${losses.at(-1).toFixed(2)}` : "D has not moved";
    const words = `Round ${rounds}: ${loss}; ${share} % of G’s points lie on the data`;
    said.ariaLive = playing ? "off" : "polite"; // else a reader would hear every frame
    if (said.textContent !== words) said.textContent = words;
    if (playing) return;
    plane.setAttribute("aria-label", `Plane with ${x().length / 2} data points, ` +
      `${SHOWN} generated ones with the arrows that push them, and D’s belief. ${words}`);
    curve.setAttribute("aria-label", `D’s loss after each of ${losses.length} steps, and ` +
      "a line at 2 log 2, where D cannot tell");
  }

  drawing(plane, model, (px, py) =>
    [(px / side * 2 - 1) * VIEW, (1 - py / side * 2) * VIEW]);
  const end = animate(model, el,
    ["data", "drawn", "rate_d", "rate_g", "d_steps", "loss"], draw);
  const ask = end.ask;
  // Out of sight, nothing trains.
  const sight = new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting;
    ask();
  });
  sight.observe(el);
  return () => {
    sight.disconnect();
    end();
  };
}
export default { render };
