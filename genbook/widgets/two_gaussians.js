// Two Gaussians, what each costs in terms of the other, and where on the line it does.

const REACH = 6; // the line is drawn from -REACH to REACH
const LINE = 241; // points on it

// In nats. p = N(mu_p, sigma_p²) is what happens, q = N(mu_q, sigma_q²) what is believed.
function logNormal(x, mu, sigma) {
  return -0.5 * (((x - mu) / sigma) ** 2 + Math.log(2 * Math.PI * sigma ** 2));
}
function entropy(sigma) {
  return 0.5 * Math.log(2 * Math.PI * Math.E * sigma ** 2);
}
function crossEntropy(mu_p, sigma_p, mu_q, sigma_q) {
  const squared = sigma_p ** 2 + (mu_p - mu_q) ** 2;
  return 0.5 * (squared / sigma_q ** 2 + Math.log(2 * Math.PI * sigma_q ** 2));
}
function kl(mu_p, sigma_p, mu_q, sigma_q) {
  return crossEntropy(mu_p, sigma_p, mu_q, sigma_q) - entropy(sigma_p);
}

function render({ model, el }) {
  const keys = ["mu_p", "sigma_p", "mu_q", "sigma_q"];
  const picture = (className, words) => {
    const canvas = make("canvas", { className });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    return canvas;
  };
  const densities = picture("gb-densities", "The densities of p and q");
  const excess = picture("gb-excess",
    "What each point adds to the two KLs: p log p/q, and q log q/p");
  // What is computed, with its name; the words change, so they are an output.
  const rows = [["H(p)", "entropy"], ["H(p, q)", "cross-entropy"],
    ["KL(p ‖ q)", "forward: the excess"], ["KL(q ‖ p)", "reverse"]];
  const said = rows.map(() => make("output"));
  const table = make("dl", {}, ...rows.map(([name, meaning], i) =>
    make("div", {},
      make("dt", {}, name, make("small", { textContent: meaning })),
      make("dd", {}, said[i]))));
  el.classList.add("gb-figure", "gb-two-gaussians");
  el.append(make("div", { className: "gb-curves" }, densities, excess), table);

  const xs = Array.from({ length: LINE }, (_, i) => (2 * i / (LINE - 1) - 1) * REACH);

  function axes({ ctx, w, h }, low, high) {
    const bottom = h - 18, ink = getComputedStyle(el).color;
    const X = (x) => (x / REACH + 1) / 2 * w;
    const Y = (y) => 6 + (high - y) / (high - low) * (bottom - 6);
    ctx.font = `11px ${getComputedStyle(el).fontFamily}`;
    ctx.fillStyle = ctx.strokeStyle = ink;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(0, Y(0));
    ctx.lineTo(w, Y(0));
    ctx.stroke();
    for (let x = 2 - REACH; x < REACH; x += 2) ctx.fillText(signed(x, 0), X(x), h - 7);
    ctx.fillText("x", X(REACH) - 6, h - 7);
    return { ctx, X, Y };
  }
  // A curve over the line, and its area down to zero.
  function curve({ ctx, X, Y }, ys, hue) {
    ctx.beginPath();
    ys.forEach((y, i) => ctx.lineTo(X(xs[i]), Y(y)));
    ctx.strokeStyle = ctx.fillStyle = hue;
    ctx.lineWidth = 2.5;
    ctx.stroke();
    ctx.lineTo(X(REACH), Y(0));
    ctx.lineTo(X(-REACH), Y(0));
    ctx.globalAlpha = 0.16;
    ctx.fill();
    ctx.globalAlpha = 1;
  }
  function write({ ctx }, words, hue, x, y, align = "left") {
    ctx.fillStyle = hue;
    ctx.textAlign = align;
    ctx.font = `600 13px ${getComputedStyle(el).fontFamily}`;
    ctx.fillText(words, x, y);
  }

  function draw() {
    const top = fit(densities), under = fit(excess);
    if (!top || !under) return;
    const [mu_p, sigma_p, mu_q, sigma_q] = keys.map((key) => model.get(key));
    const log_p = xs.map((x) => logNormal(x, mu_p, sigma_p));
    const log_q = xs.map((x) => logNormal(x, mu_q, sigma_q));
    const p = log_p.map(Math.exp), q = log_q.map(Math.exp);
    const hues = [colour(el, "truth"), colour(el, "model")];

    const upper = axes(top, 0, 1.1 * Math.max(...p, ...q));
    curve(upper, p, hues[0]);
    curve(upper, q, hues[1]);
    write(upper, "p, what happens", hues[0], 2, 12);
    write(upper, "q, what is believed", hues[1], top.w - 2, 12, "right");

    // Room above and beneath, so that a KL of zero is a flat line in the middle.
    const forward = xs.map((_, i) => p[i] * (log_p[i] - log_q[i]));
    const reverse = xs.map((_, i) => q[i] * (log_q[i] - log_p[i]));
    const all = [...forward, ...reverse];
    const high = Math.max(0.2, ...all), low = Math.min(-0.15 * high, ...all);
    const lower = axes(under, 1.1 * low, 1.15 * high);
    curve(lower, forward, hues[0]);
    curve(lower, reverse, hues[1]);
    write(lower, "p log p/q", hues[0], 2, 12);
    write(lower, "q log q/p", hues[1], under.w - 2, 12, "right");

    const nats = [entropy(sigma_p), crossEntropy(mu_p, sigma_p, mu_q, sigma_q),
      kl(mu_p, sigma_p, mu_q, sigma_q), kl(mu_q, sigma_q, mu_p, sigma_p)];
    nats.forEach((value, i) => {
      const words = `${number(value)} nats = ${number(value / Math.LN2)} bits`;
      if (said[i].textContent !== words) said[i].textContent = words;
    });
  }
  return animate(model, el, keys, draw);
}

// Two places, and no minus before a rounded zero.
const number = (x) => signed(Math.abs(x) < 0.005 ? 0 : x);
export default { render };
