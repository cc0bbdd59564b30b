// Data in the plane to learn from: shapes to choose, and drawing by hand. Needs
// figure.js and train.js before it; its half in Python is points.py, whose class Points
// has the traits `data` (which of NAMES) and `drawn` (a flat list of numbers).
//
//   NAMES                   the shapes in the dropdown's order, DRAWN at the end
//   shape(name, n, rng)     -> n points, Float64Array (n × 2), row by row, within
//       [-LIMIT, LIMIT]² and with the laws of genbook.data
//   dataset(model, n, seed) -> the points that are chosen now: n of a shape, or the
//       drawing, which may be empty; the same array until the reader changes them
//   isDrawing(model)        -> true when the reader may draw
//   drawing(canvas, model, place, moved) -> pen: while so, what a mouse, a finger or a
//       pen draws on the canvas becomes points, else a finger scrolls the page. place(x, y)
//       turns pixels of the canvas into a point [x1, x2]. model.set("drawn", []) clears.
//       By keyboard the arrow keys move pen.at, with Shift in longer steps, and Enter
//       leaves some points there: moved() is called, to show a cross while pen.down.
//
// Listen to "data" and "drawn". Whoever shows a drawing offers a button that clears it,
// and says what to do while it is empty.

const LIMIT = 2.5;
const DRAWN = "drawn by hand";
const DRAWN_MOST = 1200; // points: then a drawing is full
const SPACING = 0.04, BRUSH = 0.06; // a stroke: a point so often, with so much spread

const near = (rng, x1, x2, sd) => [x1 + sd * normal(rng), x2 + sd * normal(rng)];
const SHAPES = {
  "ring of eight": (rng) => {
    const angle = Math.PI / 4 * Math.floor(8 * rng());
    return near(rng, 2 * Math.cos(angle), 2 * Math.sin(angle), 0.05);
  },
  "two moons": (rng) => {
    const angle = Math.PI * rng(), side = rng() < 0.5 ? 1.5 : -1.5;
    return near(rng, side * (Math.cos(angle) - 0.5), side * (Math.sin(angle) - 0.25), 0.1);
  },
  "spirals": (rng) => {
    const radius = Math.sqrt(rng()), angle = 3 * Math.PI * radius;
    const side = rng() < 0.5 ? 2 * radius : -2 * radius;
    return near(rng, side * Math.cos(angle), side * Math.sin(angle), 0.05);
  },
  "checkerboard": (rng) => {
    const row = Math.floor(4 * rng()), column = 2 * Math.floor(2 * rng()) + row % 2;
    return [column + rng() - 2, row + rng() - 2];
  },
  "two blobs": (rng) => {
    const side = rng() < 0.5 ? 1 : -1;
    return near(rng, 1.4 * side, 0.7 * side, 0.25);
  },
};
const NAMES = [...Object.keys(SHAPES), DRAWN];

// A point beyond the edge, which a Gaussian may have, is drawn again.
function shape(name, n, rng) {
  const points = new Float64Array(2 * n);
  for (let i = 0; i < n; i++) {
    let at;
    do at = SHAPES[name](rng); while (Math.max(...at.map(Math.abs)) > LIMIT);
    points.set(at, 2 * i);
  }
  return points;
}

// One array as long as the choice stays: others may compare it, not its numbers.
const isDrawing = (model) => NAMES[model.get("data")] === DRAWN;
const chosen = new WeakMap(); // model -> { key, points }
function dataset(model, n, seed) {
  const key = isDrawing(model) ? model.get("drawn") : model.get("data");
  if (chosen.get(model)?.key !== key) {
    const points = isDrawing(model) ? Float64Array.from(key)
      : shape(NAMES[key], n, random(seed));
    chosen.set(model, { key, points });
  }
  return chosen.get(model).points;
}

// The points of a stroke from a to b, as a brush leaves them; of a tap, if a is b.
function stroke(a, b, rng) {
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  const count = length ? Math.round(length / SPACING) : 8, points = [];
  for (let i = 1; i <= count; i++) {
    const t = i / count;
    points.push(...near(rng, a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), BRUSH)
      .map((v) => clamp(Math.round(1000 * v) / 1000, -LIMIT, LIMIT)));
  }
  return points;
}

const KEY_STEP = 0.1; // of an arrow key
function drawing(canvas, model, place, moved = () => {}) {
  const rng = random(1), pen = { at: [0, 0], down: false };
  let last = null; // where the stroke has left its last point
  const at = (e) => {
    const box = canvas.getBoundingClientRect();
    return place(e.clientX - box.left, e.clientY - box.top);
  };
  function to(next) {
    const points = stroke(last, next, rng);
    if (!points.length) return; // too short: it counts with the next movement
    last = next;
    model.set("drawn", [...model.get("drawn"), ...points].slice(0, 2 * DRAWN_MOST));
  }
  canvas.addEventListener("touchstart", (e) => { if (isDrawing(model)) e.preventDefault(); },
    { passive: false });
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button || !isDrawing(model)) return;
    canvas.setPointerCapture(e.pointerId);
    pen.down = false;
    last = at(e);
    to(last);
  });
  canvas.addEventListener("keydown", (e) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1],
      ArrowUp: [0, 1] }[e.key];
    if (!isDrawing(model) || (!way && e.key !== "Enter")) return;
    e.preventDefault();
    const step = e.shiftKey ? 5 * KEY_STEP : KEY_STEP;
    if (way) pen.at = pen.at.map((v, i) => clamp(v + step * way[i], -LIMIT, LIMIT));
    else {
      last = pen.at;
      to(last);
      last = null;
      model.save_changes();
    }
    pen.down = true;
    moved();
  });
  canvas.addEventListener("blur", () => { pen.down = false; moved(); });
  canvas.addEventListener("pointermove", (e) => { if (last) to(at(e)); });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (last) model.save_changes();
      last = null;
    });
  }
  return pen;
}
