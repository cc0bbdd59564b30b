// What each family draws, side by side: live where its decoder is here, and from stored
// images where it is not. One seed for all of them.

const SHOWN = 10; // images of a row
const NARROW = 480; // pixels of a row below which it breaks in two
const ROWS = 1; // that are drawn in one frame; the others come in the next ones
const GAP = 4;
const LINE = 26, AXIS = 34; // of the distances: a family's line, and the axis beneath

// n codes of k standard normal numbers, the same for the same seed.
function codes(seed, n, k) {
  const rng = random(seed);
  return Array.from({ length: n }, () => Array.from({ length: k }, () => normal(rng)));
}

// n different whole numbers below count, the same for the same seed.
function choose(seed, n, count) {
  const rng = random(seed), all = Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < n; i++) {
    const j = i + Math.floor(rng() * (count - i));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all.slice(0, n);
}

async function render({ model, el }) {
  const shape = model.get("shape"), floor = model.get("floor");
  const families = await Promise.all(model.get("families").map(async (family) => {
    const { name, said, numbers, distance, weights, atlas, count } = family;
    const canvas = make("canvas", { className: "gb-row" });
    canvas.setAttribute("role", "img");
    if (!weights) {
      const images = await sprite(atlas, count, shape, model.get("columns"));
      const draw = (seed) => choose(seed, SHOWN, count).map((n) => images[n]);
      return { name, said, numbers, distance, canvas, draw, full: 255 };
    }
    const net = layers(weights, family.widths, family.activations, family.scales,
      family.skips);
    const draw = (seed) => codes(seed, SHOWN, net[0].m).map((z) => decode(net, z));
    return { name, said, numbers, distance, canvas, draw, full: 1, live: true };
  }));

  const again = make("button", { type: "button", textContent: "Draw again" });
  again.addEventListener("click", () => {
    model.set("seed", model.get("seed") % model.get("seeds") + 1);
    model.save_changes();
  });
  const said = make("output", { className: "gb-said" });
  const rows = families.map((family) => {
    const facts = make("div", { className: "gb-facts" }, ...family.numbers.map(
      ([what, value]) => make("div", {}, make("span", { textContent: what }), " ",
        make("strong", { textContent: value }))));
    const how = make("span", { textContent: family.live ? "drawn live" : "stored images" });
    const head = make("div", { className: "gb-head" },
      make("strong", { textContent: family.name }), how);
    const words = make("p", { className: "gb-how", textContent: family.said });
    words.hidden = !family.said;
    return make("div", { className: "gb-family" }, head, family.canvas, facts, words);
  });
  const measured = families.filter(({ distance }) => distance.length);
  const chart = make("canvas", { className: "gb-distances" });
  chart.style.height = `${LINE * measured.length + AXIS + (floor ? 18 : 4)}px`;
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", "Fréchet distances, less is better: " +
    [...measured.map(({ name, distance }) => `${name} ${distance[0].toPrecision(3)}`),
      ...floor ? [`real images among themselves ${floor.toPrecision(3)}`] : []].join(", "));
  el.classList.add("gb-figure", "gb-gallery");
  el.append(make("div", { className: "gb-buttons" }, again, said), ...rows,
    ...measured.length ? [chart] : []);
  const paint = quickTiles(el, shape), paintBytes = quickTiles(el, shape, 255);

  function drawRow({ canvas, draw, full, name, live }, seed) {
    const columns = canvas.clientWidth < NARROW ? SHOWN / 2 : SHOWN;
    const width = (canvas.clientWidth - (columns - 1) * GAP) / columns;
    const height = width * shape[0] / shape[1], lines = SHOWN / columns;
    canvas.style.height = `${lines * height + (lines - 1) * GAP}px`;
    const box = fit(canvas);
    if (!box) return;
    draw(seed).forEach((pixels, i) => {
      const x = i % columns * (width + GAP), y = Math.floor(i / columns) * (height + GAP);
      (full === 1 ? paint : paintBytes)(box.ctx, pixels, x, y, width, height);
    });
    canvas.setAttribute("aria-label",
      `Ten images by ${name}, ${live ? "drawn here" : "chosen"} with seed ${seed}`);
  }

  // Every family on one axis, whose steps are factors: the floor, and how far from it.
  function drawDistances({ ctx, w, h }) {
    const ink = getComputedStyle(el).color, family = getComputedStyle(el).fontFamily;
    const values = measured.flatMap(({ distance: [d, half] }) => [d - half, d + half]);
    if (floor) values.push(floor);
    const positive = values.filter((v) => v > 0);
    const low = Math.min(...positive) / 1.3, high = Math.max(...positive) * 1.3;
    ctx.font = `13px ${family}`;
    const names = Math.max(...measured.map(({ name }) => ctx.measureText(name).width));
    const left = Math.min(names + 14, w / 2), right = w - 46;
    const X = (v) => left + (right - left) * Math.log(clamp(v, low, high) / low)
      / Math.log(high / low);
    const top = floor ? 18 : 4, bottom = top + LINE * measured.length;
    ctx.textBaseline = "middle";
    if (floor) {
      ctx.strokeStyle = ctx.fillStyle = colour(el, "truth");
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      ctx.moveTo(X(floor), top);
      ctx.lineTo(X(floor), bottom);
      ctx.stroke();
      ctx.fillStyle = ink;
      ctx.textAlign = "left";
      ctx.fillText(`real against real ${floor.toPrecision(2)}`, X(floor) - 4, 8);
    }
    measured.forEach(({ name, distance: [d, half] }, i) => {
      const y = top + (i + 0.5) * LINE;
      ctx.fillStyle = ink;
      ctx.textAlign = "left";
      ctx.fillText(name, 0, y);
      ctx.strokeStyle = ctx.fillStyle = colour(el, "model");
      ctx.lineWidth = 2;
      ctx.beginPath();
      ctx.moveTo(X(d - half), y);
      ctx.lineTo(X(d + half), y);
      ctx.stroke();
      ctx.beginPath();
      ctx.arc(X(d), y, 4.5, 0, 7);
      ctx.fill();
      ctx.fillStyle = ink;
      ctx.fillText(d.toPrecision(d < 10 ? 2 : 3), X(d + half) + 9, y);
    });
    ctx.fillStyle = ctx.strokeStyle = colour(el, "ink");
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(left, bottom + 4);
    ctx.lineTo(right, bottom + 4);
    ctx.stroke();
    ctx.fillStyle = ink;
    ctx.textAlign = "center";
    let free = 0; // from here on a number finds room
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const step of [1, 2, 5]) {
        const v = step * 10 ** power;
        if (v < low || v > high || X(v) < free) continue;
        ctx.fillText(String(+v.toPrecision(1)), X(v), bottom + 14);
        free = X(v) + 30;
      }
    }
    ctx.fillText("Fréchet distance, less is better", (left + right) / 2, h - 6);
  }

  let turn = 0; // whose row is drawn next, so that none waits while a slider is dragged
  function draw() {
    const seed = model.get("seed");
    let drawn = 0, left = 0;
    for (let i = 0; i < families.length; i++) {
      const family = families[(turn + i) % families.length];
      const state = [seed, family.canvas.clientWidth, devicePixelRatio].join();
      if (family.state === state) continue;
      if (drawn === ROWS) { left++; continue; }
      drawRow(family, seed);
      if (family.canvas.clientWidth) family.state = state;
      drawn++;
    }
    turn += drawn;
    const box = measured.length && fit(chart);
    if (box) drawDistances(box);
    const words = `seed ${seed}`;
    if (said.textContent !== words) said.textContent = words;
    return left > 0;
  }
  return animate(model, el, ["seed"], draw);
}
export default { render };
