// From one digit to another through the latent space, along a straight line or along
// a great circle, and how long the code is on the way.

const STEPS = 9; // of the strip
const AT_ONCE = 5; // of them in a frame: all of them take a large decoder too long
const NUDGE = 0.02; // of t, for an arrow key: the slider's step

function lerp(a, b, t) {
  return a.map((x, i) => (1 - t) * x + t * b[i]);
}

// Shoemake 1985; for codes, White 2016. Between parallel (or opposite) directions there
// is no one great circle: the straight line takes its place.
function slerp(a, b, t) {
  const cosine = dot(a, b) / (norm(a) * norm(b));
  const angle = Math.acos(clamp(cosine, -1, 1)), sine = Math.sin(angle);
  if (!(sine > 1e-6)) return lerp(a, b, t);
  const s = Math.sin((1 - t) * angle) / sine, u = Math.sin(t * angle) / sine;
  return a.map((x, i) => s * x + u * b[i]);
}
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));

function render({ model, el }) {
  const shape = model.get("shape"), names = model.get("names");
  const net = layers(model.get("weights"), model.get("widths"), model.get("activations"),
    model.get("scales"), model.get("skips"));
  const k = net[0].m, pixels = shape[0] * shape[1];
  const all = floats(model.get("codes")), bytes = model.get("images");
  const codes = names.map((_, i) => [...all.subarray(i * k, (i + 1) * k)]);
  const images = names.map((_, i) =>
    Float64Array.from({ length: pixels }, (_, j) => bytes.getUint8(i * pixels + j) / 255));
  const paths = [lerp, slerp], path = (t, which = model.get("path")) =>
    paths[which](codes[model.get("a")], codes[model.get("b")], t);

  const canvas = (className) => {
    const c = make("canvas", { className });
    c.style.aspectRatio = `${shape[1]} / ${shape[0]}`;
    return c;
  };
  // The two ends: real images; a click takes the next one.
  const ends = ["a", "b"].map((key, i) => {
    const picture = canvas(), word = make("span");
    const button = make("button", { type: "button", className: "gb-end" }, picture, word);
    button.addEventListener("click", () => {
      model.set(key, (model.get(key) + 1) % names.length);
      model.save_changes();
    });
    let shown = "";
    const show = () => { // only a change: it may be t that moves
      const n = model.get(key);
      const now = [picture.clientWidth, picture.clientHeight, devicePixelRatio, n].join();
      const box = now !== shown && fit(picture);
      if (!box) return;
      shown = now;
      paint(box.ctx, images[n], 0, 0, box.w, box.h);
      word.textContent = names[n];
      button.setAttribute("aria-label", `${["From", "To"][i]} ${names[n]}: take the next`);
    };
    return { button, show };
  });
  const digit = canvas("gb-digit");
  digit.setAttribute("role", "img");
  digit.setAttribute("aria-label", "The decoded digit");
  const said = make("output", { className: "gb-said" });
  const curve = make("canvas", { className: "gb-curve" });
  curve.setAttribute("role", "img");
  const strip = make("canvas", { className: "gb-strip", tabIndex: 0 });
  const facts = { role: "slider", "aria-label": "Step between the two digits",
    "aria-valuemin": 0, "aria-valuemax": 1, "data-lm-suppress-shortcuts": "true" };
  for (const [name, value] of Object.entries(facts)) strip.setAttribute(name, value);
  el.classList.add("gb-figure", "gb-interpolation");
  el.append(
    make("div", { className: "gb-journey" }, ends[0].button,
      make("div", { className: "gb-middle" }, digit, said), ends[1].button),
    curve, strip);
  const paint = tiles(el, shape);
  const dab = pixels < LARGE ? paint : quickTiles(el, shape); // for the strip's

  function go(t) {
    model.set("t", Math.round(clamp(t, 0, 1) / NUDGE) / Math.round(1 / NUDGE));
    model.save_changes();
  }

  // ---- The strip: nine steps, and a mark beneath at t ----
  const GAP = 4, MARK = 10;
  const stepWidth = (w) => (w - (STEPS - 1) * GAP) / STEPS;
  strip.style.aspectRatio = `${STEPS * shape[1] * 1.1} / ${shape[0] * 1.25}`;
  // The strip without its mark: drawn once for each path, in two frames. What is not yet
  // drawn anew shows the path before.
  const row = make("canvas");
  let drawn = "", done = 0;
  function drawStrip({ ctx, w, h }) {
    const width = stepWidth(w), height = h - MARK;
    const on = ["a", "b", "path"].map((key) => model.get(key));
    const state = [strip.width, strip.height, ...on].join();
    if (state !== drawn) [drawn, done] = [state, 0];
    for (const side of ["width", "height"]) {
      if (row[side] !== strip[side]) row[side] = strip[side];
    }
    const wall = row.getContext("2d");
    wall.setTransform(ctx.getTransform());
    for (const end = Math.min(done + AT_ONCE, STEPS); done < end; done++) {
      const pixels = decode(net, path(done / (STEPS - 1)));
      dab(wall, pixels, done * (width + GAP), 0, width, height);
    }
    ctx.drawImage(row, 0, 0, w, h);
    const x = width / 2 + model.get("t") * (w - width);
    ctx.fillStyle = getComputedStyle(el).color;
    ctx.beginPath();
    ctx.moveTo(x, height + 2);
    ctx.lineTo(x + 6, h);
    ctx.lineTo(x - 6, h);
    ctx.fill();
  }
  const follow = (e) => {
    const box = strip.getBoundingClientRect(), width = stepWidth(box.width);
    go((e.clientX - box.left - width / 2) / (box.width - width));
  };
  let held = false;
  strip.addEventListener("pointerdown", (e) => {
    if (e.button) return;
    held = true;
    strip.setPointerCapture(e.pointerId);
    follow(e);
  });
  strip.addEventListener("pointermove", (e) => { if (held) follow(e); });
  for (const end of ["pointerup", "pointercancel"]) {
    strip.addEventListener(end, () => { held = false; });
  }
  strip.addEventListener("keydown", (e) => {
    const t = model.get("t");
    const to = { ArrowLeft: t - NUDGE, ArrowDown: t - NUDGE, ArrowRight: t + NUDGE,
      ArrowUp: t + NUDGE, Home: 0, End: 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    go(to);
  });

  // ---- The curve: ‖z(t)‖ on both paths, and where the prior's codes lie ----
  const [low, typical, high] = model.get("shell");
  function drawCurve({ ctx, w, h }) {
    const ink = getComputedStyle(el).color, family = getComputedStyle(el).fontFamily;
    const lengths = paths.map((_, which) =>
      Array.from({ length: 49 }, (_, i) => norm(path(i / 48, which))));
    const top = 1.12 * Math.max(high, ...lengths.flat());
    const left = 26, bottom = h - 20, right = w - 6;
    const X = (t) => left + t * (right - left), Y = (v) => bottom - v / top * (bottom - 4);
    const say = (words, x, y, align = "center", fill = ink) => {
      ctx.fillStyle = fill;
      ctx.textAlign = align;
      ctx.fillText(words, x, y);
    };
    ctx.font = `11px ${family}`;
    ctx.textBaseline = "middle";
    ctx.globalAlpha = 0.16;
    ctx.fillStyle = colour(el, "truth");
    ctx.fillRect(left, Y(high), right - left, Y(low) - Y(high));
    ctx.globalAlpha = 1;
    const line = (points, stroke, width) => {
      ctx.beginPath();
      points.forEach((v, i) => ctx.lineTo(X(i / (points.length - 1)), Y(v)));
      ctx.strokeStyle = stroke;
      ctx.lineWidth = width;
      ctx.stroke();
    };
    line([typical, typical], colour(el, "truth"), 1.5);
    line([0, 0], ink, 1);
    const now = model.get("path");
    line(lengths[1 - now], colour(el, "ink"), 1.5);
    line(lengths[now], colour(el, "latent"), 2.5);
    ctx.beginPath();
    ctx.arc(X(model.get("t")), Y(norm(path(model.get("t")))), 5, 0, 7);
    ctx.fillStyle = colour(el, "latent");
    ctx.fill();
    say("linear", X(0.5), Y(lengths[0][24]) + 12);
    say("spherical", X(0.5), Y(lengths[1][24]) - 10);
    ctx.textBaseline = "top";
    say("90 % of the prior", right - 6, Y(high) + 5, "right");
    ctx.textBaseline = "middle";
    say("√K", left - 4, Y(typical), "right");
    say("‖z‖", left - 4, 10, "right");
    say("0", left - 4, bottom, "right");
    say("t = 0", left, h - 8, "left");
    say("1", right, h - 8, "right");
    const least = lengths.map((v) => signed(Math.min(...v), 1));
    curve.setAttribute("aria-label", `The length of the code on the way: at least ${least[0]} ` +
      `on the line, ${least[1]} on the circle; ` +
      `√K = ${signed(typical, 1)} is typical of the prior`);
  }

  function draw() {
    for (const { show } of ends) show();
    const t = model.get("t"), big = fit(digit), steps = fit(strip), graph = fit(curve);
    if (!big || !steps || !graph) return;
    paint(big.ctx, decode(net, path(t)), 0, 0, big.w, big.h);
    drawStrip(steps);
    drawCurve(graph);
    const words = `t = ${t.toFixed(2)}, ‖z‖ = ${norm(path(t)).toFixed(2)}`;
    if (said.textContent !== words) said.textContent = words;
    strip.setAttribute("aria-valuenow", t);
    strip.setAttribute("aria-valuetext", words);
    return done < STEPS;
  }
  return animate(model, el, ["a", "b", "t", "path"], draw);
}
export default { render };
