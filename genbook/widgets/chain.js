// A stored chain of a sampler: sixteen images on their way from noise to data, and what
// the model took for the end at each moment. Choose one to see its whole way.

const SIDE = 4; // the images stand in SIDE rows of SIDE
const STOPS = 9; // of the way of one image

function render({ model, el }) {
  const [h, w] = model.get("shape"), size = h * w, count = SIDE * SIDE;
  const times = model.get("times"), last = times.length - 1;
  const states = ["x_t", "x0_hat"].map((key) => model.get(key)); // bytes
  // Image n of frame f, 0…1 between paper and ink.
  const pixels = (which, f, n) => Float64Array.from({ length: size }, (_, i) =>
    states[which].getUint8((f * count + n) * size + i) / 255);
  const names = ["xₜ", "x̂₀, the guess of its end"];
  const paint = tiles(el, [h, w]);

  const grid = make("div", { className: "gb-grids", tabIndex: 0 });
  grid.setAttribute("role", "application");
  grid.setAttribute("aria-roledescription", "grid of images");
  // JupyterLab would take the arrow keys to walk through the cells.
  grid.setAttribute("data-lm-suppress-shortcuts", "true");
  const panes = names.map((name, which) => {
    const canvas = make("canvas", { className: `gb-sixteen gb-${which ? "guess" : "state"}` });
    canvas.style.aspectRatio = `${w} / ${h}`;
    canvas.setAttribute("role", "img");
    grid.append(make("div", {}, make("div", { className: "gb-name", textContent: name }), canvas));
    return { canvas, which, name };
  });
  const way = make("canvas", { className: "gb-way" });
  way.setAttribute("role", "img");
  const said = make("output", { className: "gb-said" });
  el.classList.add("gb-figure", "gb-chain");
  el.append(grid, said, way);

  const gap = (width) => Math.max(2, width / 60);
  const tile = (width) => (width - (SIDE - 1) * gap(width)) / SIDE;

  function choose(n) {
    model.set("digit", n);
    model.save_changes();
  }
  for (const { canvas } of panes) {
    canvas.addEventListener("click", (e) => {
      const box = canvas.getBoundingClientRect();
      const at = (p, whole) => clamp(Math.floor(p / whole * SIDE), 0, SIDE - 1);
      choose(SIDE * at(e.clientY - box.top, box.height) + at(e.clientX - box.left, box.width));
    });
  }
  grid.addEventListener("keydown", (e) => {
    const n = model.get("digit"), column = n % SIDE, row = (n - column) / SIDE;
    const to = {
      ArrowLeft: column > 0 && n - 1, ArrowRight: column < SIDE - 1 && n + 1,
      ArrowUp: row > 0 && n - SIDE, ArrowDown: row < SIDE - 1 && n + SIDE,
      Home: 0, End: count - 1,
    }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    if (to !== false) choose(to);
  });

  function drawGrid({ ctx, w: width, h: height }, which) {
    const f = model.get("frame"), side = [tile(width), tile(height)];
    const corner = (n) => [n % SIDE * (side[0] + gap(width)),
      Math.floor(n / SIDE) * (side[1] + gap(height))];
    for (let n = 0; n < count; n++) paint(ctx, pixels(which, f, n), ...corner(n), ...side);
    const [x, y] = corner(model.get("digit"));
    ctx.strokeStyle = colour(el, "model");
    ctx.lineWidth = 3;
    ctx.strokeRect(x + 1.5, y + 1.5, side[0] - 3, side[1] - 3);
  }

  // The way of the chosen image: x_t above, x̂0 beneath, and a mark at this frame. The
  // images are drawn once for each choice.
  const stops = Array.from({ length: Math.min(STOPS, last + 1) }, (_, i, all) =>
    Math.round(i * last / (Math.min(STOPS, last + 1) - 1)));
  const LABEL = 18, GAP = 4, MARK = 9;
  const row = make("canvas");
  let drawn = "";
  function drawWay({ ctx, w: width, h: height }) {
    const ink = getComputedStyle(el).color, family = getComputedStyle(el).fontFamily;
    const n = model.get("digit"), each = (width - (stops.length - 1) * GAP) / stops.length;
    const tall = (height - LABEL - MARK - GAP) / 2;
    const state = [way.width, way.height, n, ink].join();
    if (state !== drawn) {
      drawn = state;
      row.width = way.width;
      row.height = way.height;
      const wall = row.getContext("2d");
      wall.setTransform(ctx.getTransform());
      wall.font = `11px ${family}`;
      wall.fillStyle = ink;
      wall.textBaseline = "bottom";
      stops.forEach((f, i) => {
        const x = i * (each + GAP);
        for (const which of [0, 1]) {
          paint(wall, pixels(which, f, n), x, MARK + which * (tall + GAP), each, tall);
        }
        wall.textAlign = "center";
        wall.fillText(i ? times[f] : `t = ${times[f]}`, x + each / 2, height);
      });
    }
    ctx.drawImage(row, 0, 0, width, height);
    const f = model.get("frame"), after = stops.findIndex((stop) => stop >= f);
    const part = after ? (f - stops[after - 1]) / (stops[after] - stops[after - 1]) : 1;
    const x = each / 2 + (after - 1 + part) * (each + GAP);
    ctx.fillStyle = colour(el, "model");
    ctx.beginPath();
    ctx.moveTo(x, MARK - 2);
    ctx.lineTo(x + 6, 0);
    ctx.lineTo(x - 6, 0);
    ctx.fill();
  }

  function draw() {
    // An image keeps its shape; the mark and the labels need some room as well.
    const each = (way.clientWidth - (stops.length - 1) * GAP) / stops.length;
    way.style.height = `${2 * each * h / w + LABEL + MARK + GAP}px`;
    const boxes = panes.map(({ canvas }) => fit(canvas)), long = fit(way);
    if (!long || boxes.includes(null)) return;
    boxes.forEach(drawGrid);
    drawWay(long);
    const f = model.get("frame"), n = model.get("digit"), known = model.get("alpha_bar");
    let words = `t = ${times[f]}`;
    if (known.length) {
      const ratio = known[f] / (1 - known[f]);
      words += `, ᾱ = ${known[f].toPrecision(3)}, signal to noise ` +
        (ratio === Infinity ? "∞" : ratio.toPrecision(3));
    }
    if (said.textContent !== words) said.textContent = words;
    const which = `image ${n + 1} of ${count}`;
    grid.setAttribute("aria-label", `Arrow keys choose an image: ${which}`);
    for (const { canvas, name } of panes) {
      canvas.setAttribute("aria-label", `Sixteen images, ${name}, at ${words}`);
    }
    way.setAttribute("aria-label",
      `The whole way of ${which}, from t = ${times[0]} to ${times[last]}: xₜ above, x̂₀ beneath`);
  }
  return animate(model, el, ["frame", "digit"], draw);
}
export default { render };
