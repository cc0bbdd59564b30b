// The plane of codes: every image the encoder saw is a digit on it. Drag the point and
// the decoder draws what lies there.

const STEP = 0.1; // of an arrow key, in units of the prior's standard deviation
const CELLS = 13; // the map behind the codes is CELLS × CELLS decoded digits
const MARGIN = 22; // pixels for the numbers of the axes
const WORK = 8000; // pixels of the map that are decoded in one frame

function render({ model, el }) {
  const shape = model.get("shape"), limit = model.get("limit");
  const labels = model.get("labels"), codes = floats(model.get("codes"));
  const net = layers(model.get("weights"), model.get("widths"), model.get("activations"),
    model.get("scales"), model.get("skips"));

  const plane = make("canvas", { className: "gb-plane", tabIndex: 0 });
  plane.setAttribute("role", "application");
  plane.setAttribute("aria-roledescription", "plane");
  plane.setAttribute("aria-label",
    "Latent plane: arrow keys move the point, with Shift in longer steps");
  // JupyterLab would take the arrow keys to walk through the cells.
  plane.setAttribute("data-lm-suppress-shortcuts", "true");
  const digit = make("canvas", { className: "gb-digit" });
  digit.setAttribute("role", "img");
  digit.setAttribute("aria-label", "The decoded digit");
  digit.style.aspectRatio = `${shape[1]} / ${shape[0]}`;
  const said = make("output", { className: "gb-said" });
  el.classList.add("gb-figure", "gb-latent-plane");
  el.append(plane, make("div", { className: "gb-decoded" }, digit, said));

  const paint = tiles(el, shape), size = shape[0] * shape[1];
  const dab = size < LARGE ? paint : quickTiles(el, shape); // for many small ones
  const map = make("canvas"); // the plane without its point: drawn for a size and a theme
  let drawn = "";

  // Between codes and pixels of the plane's canvas.
  const side = () => plane.clientWidth - MARGIN;
  const toX = (z) => MARGIN + (z / limit + 1) / 2 * side();
  const toY = (z) => (1 - z / limit) / 2 * side();
  const round = (z) => Math.round(clamp(z, -limit, limit) * 20) / 20; // the sliders' steps
  function move(z1, z2) {
    model.set("z1", round(z1));
    model.set("z2", round(z2));
    model.save_changes();
  }

  // What the decoder draws all over the plane: computed once. Where images are large it
  // takes some frames, so that the page never waits for it.
  const cell = 72, gap = 6, cells = CELLS ** 2;
  const digits = make("canvas", { width: cell * CELLS, height: cell * CELLS });
  const each = size < LARGE ? cells : Math.ceil(WORK / size);
  let done = 0;
  function addCells() {
    const ctx = digits.getContext("2d");
    for (const end = Math.min(cells, done + each); done < end; done++) {
      const i = done % CELLS, j = Math.floor(done / CELLS);
      const z = [i + 0.5, CELLS - j - 0.5].map((n) => (2 * n / CELLS - 1) * limit);
      dab(ctx, decode(net, z), i * cell + gap, j * cell + gap,
        cell - 2 * gap, cell - 2 * gap);
    }
    return done;
  }

  function drawMap() {
    const ink = getComputedStyle(el).color, r = devicePixelRatio || 1;
    const state = [side(), ink, r, addCells()].join();
    if (state === drawn) return;
    drawn = state;
    map.width = plane.width;
    map.height = plane.height;
    const ctx = map.getContext("2d"), s = side();
    ctx.setTransform(plane.getContext("2d").getTransform());
    ctx.fillStyle = colour(el, "tile");
    ctx.fillRect(MARGIN, 0, s, s);
    ctx.globalAlpha = 0.22;
    ctx.drawImage(digits, MARGIN, 0, s, s);
    ctx.globalAlpha = 1;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.font = `600 ${clamp(s / 38, 9, 11)}px system-ui, sans-serif`; // legible when small
    const hues = Array.from({ length: 10 }, (_, label) => colour(el, `class-${label}`));
    for (let n = 0; n < codes.length / 2; n++) {
      const x = toX(codes[2 * n]), y = toY(codes[2 * n + 1]);
      ctx.fillStyle = labels.length ? hues[labels[n]] : colour(el, "latent");
      if (labels.length) ctx.fillText(labels[n], x, y);
      else { ctx.beginPath(); ctx.arc(x, y, 2.2, 0, 7); ctx.fill(); }
    }
    ctx.fillStyle = ink;
    ctx.font = `11px ${getComputedStyle(el).fontFamily}`;
    for (let z = -Math.floor(limit - 0.5); z <= limit - 0.5; z++) {
      ctx.fillText(signed(z, 0), toX(z), s + MARGIN / 2 + 2);
      ctx.fillText(signed(z, 0), MARGIN / 2 - 2, toY(z));
    }
    ctx.font = `13px ${getComputedStyle(el).fontFamily}`;
    ctx.fillText("z₁", toX(limit) - 8, s + MARGIN / 2 + 2);
    ctx.fillText("z₂", MARGIN / 2 - 2, 8);
  }

  function draw() {
    const box = fit(plane), big = fit(digit);
    if (!box || !big) return;
    drawMap();
    const z = [model.get("z1"), model.get("z2")], x = toX(z[0]), y = toY(z[1]);
    box.ctx.drawImage(map, 0, 0, box.w, box.h);
    box.ctx.lineWidth = 5;
    box.ctx.strokeStyle = colour(el, "tile");
    box.ctx.beginPath();
    box.ctx.arc(x, y, 10, 0, 7);
    box.ctx.stroke();
    box.ctx.lineWidth = 2.5;
    box.ctx.strokeStyle = colour(el, "tile-ink");
    box.ctx.stroke();
    paint(big.ctx, decode(net, z), 0, 0, big.w, big.h);
    const words = `z = (${signed(z[0])}, ${signed(z[1])})`;
    if (said.textContent !== words) said.textContent = words;
    return done < cells;
  }

  draggable(
    plane,
    () => [toX(model.get("z1")), toY(model.get("z2"))],
    (x, y) => move(((x - MARGIN) / side() * 2 - 1) * limit, (1 - y / side() * 2) * limit),
    (dx, dy) => move(model.get("z1") + STEP * dx, model.get("z2") + STEP * dy),
  );
  return animate(model, el, ["z1", "z2"], draw);
}
export default { render };
