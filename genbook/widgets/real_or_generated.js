// Real or generated? One image at a time; the reader says, and each family is scored.

const LINE = 28, AXIS = 34; // of the score: a player's line, and the axis beneath
const Z = 1.96; // of a 95 % interval

// The order of a game: blocks in which every family comes once, and a real image for
// each of them, shuffled; each player's images come in an order of their own, again and
// again. players[0] is real. next() gives [player, image].
function deck(players, rng) {
  const shuffle = (all) => {
    for (let i = all.length - 1; i > 0; i--) {
      const j = Math.floor(rng() * (i + 1));
      [all[i], all[j]] = [all[j], all[i]];
    }
    return all;
  };
  const numbers = (count) => Array.from({ length: count }, (_, i) => i);
  const left = players.map(() => []);
  let block = [];
  return () => {
    if (!block.length) {
      block = shuffle(players.slice(1).flatMap((_, i) => [0, i + 1]));
    }
    const player = block.pop();
    if (!left[player].length) left[player] = shuffle(numbers(players[player].count));
    return [player, left[player].pop()];
  };
}

// The interval of a share of k out of n (Wilson 1927), [low, high].
function wilson(k, n) {
  const p = k / n, z2 = Z * Z / n, middle = (p + z2 / 2) / (1 + z2);
  const half = Z * Math.sqrt(p * (1 - p) / n + z2 / (4 * n)) / (1 + z2);
  return [middle - half, middle + half];
}

async function render({ model, el }) {
  const shape = model.get("shape"), players = model.get("players");
  const images = await Promise.all(players.map(({ atlas, count }) =>
    sprite(atlas, count, shape, model.get("columns"))));
  const inks = images.map((all) => all.map((bytes) => Float64Array.from(bytes, (b) => b / 255)));
  let next, now, last, right, score; // score: how often shown, and taken for real

  const tile = (className, label) => {
    const canvas = make("canvas", { className });
    canvas.style.aspectRatio = `${shape[1]} / ${shape[0]}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    return canvas;
  };
  const card = tile("gb-card", "The image to judge");
  const before = tile("gb-before", "The image before");
  const verdict = make("p", { className: "gb-verdict" });
  verdict.setAttribute("aria-live", "polite");
  const said = make("output", { className: "gb-said" });
  const chart = make("canvas", { className: "gb-score" });
  chart.setAttribute("role", "img");
  chart.style.height = `${LINE * players.length + AXIS}px`;
  const button = (words, key, act) => {
    const b = make("button", { type: "button" }, words);
    if (key) {
      b.append(" ", make("kbd", { textContent: key }));
      b.setAttribute("aria-keyshortcuts", key);
    }
    b.addEventListener("click", act);
    return b;
  };
  const table = make("div", { className: "gb-table", tabIndex: 0 }, card,
    make("div", { className: "gb-buttons" },
      button("Real", "R", () => answer(true)),
      button("Generated", "G", () => answer(false))));
  table.setAttribute("role", "group");
  table.setAttribute("aria-label", "Is this image real or generated? R for real, G for generated");
  // JupyterLab would take the letters for its own.
  table.setAttribute("data-lm-suppress-shortcuts", "true");
  table.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const real = { r: true, g: false }[e.key.toLowerCase()];
    if (real === undefined) return;
    e.preventDefault();
    answer(real);
  });
  el.classList.add("gb-figure", "gb-real-or-generated");
  el.append(table, make("div", { className: "gb-told" }, before, verdict),
    make("div", { className: "gb-tally" }, chart,
      make("div", { className: "gb-buttons" }, button("Start again", "", start), said)));
  const paint = tiles(el, shape);

  function start() {
    next = deck(players, random(model.get("seed") || Math.floor(2 ** 32 * Math.random())));
    now = next();
    last = null;
    right = 0;
    score = players.map(() => ({ shown: 0, real: 0 }));
    verdict.textContent = "Your first answer will be met by the truth here.";
    delete verdict.dataset.correct;
    loop?.ask();
  }

  function answer(real) {
    const [player] = now, { name, tell } = players[player], hit = real === (player === 0);
    score[player].shown++;
    if (real) score[player].real++;
    if (hit) right++;
    const truth = player === 0 ? "It is real." : `It was drawn by ${name}.`;
    verdict.replaceChildren(
      make("strong", { textContent: `${hit ? "✓ Right." : "✗ Not so."} ${truth}` }), ` ${tell}`);
    verdict.dataset.correct = hit;
    [last, now] = [now, next()];
    loop.ask();
  }

  // How often each was taken for real, with what so few answers leave open.
  function drawScore({ ctx, w, h }) {
    const ink = getComputedStyle(el).color, family = getComputedStyle(el).fontFamily;
    ctx.font = `13px ${family}`;
    const widest = Math.max(...players.map(({ name }) => ctx.measureText(name).width));
    const left = Math.min(widest + 14, w / 2), right = w - 48, bottom = LINE * players.length;
    const X = (share) => left + share * (right - left);
    ctx.textBaseline = "middle";
    players.forEach(({ name }, i) => {
      const y = (i + 0.5) * LINE, { shown, real } = score[i];
      const hue = colour(el, i ? "model" : "truth");
      ctx.textAlign = "left";
      ctx.fillStyle = ink;
      ctx.fillText(name, 0, y);
      ctx.strokeStyle = colour(el, "ink");
      ctx.lineWidth = 0.5;
      ctx.beginPath();
      ctx.moveTo(left, y);
      ctx.lineTo(right, y);
      ctx.stroke();
      ctx.textAlign = "right";
      ctx.fillText(shown ? `${real} of ${shown}` : "–", w, y);
      if (!shown) return;
      const [low, high] = wilson(real, shown);
      ctx.strokeStyle = ctx.fillStyle = hue;
      ctx.lineWidth = 3;
      ctx.beginPath();
      ctx.moveTo(X(low), y);
      ctx.lineTo(X(high), y);
      ctx.stroke();
      ctx.beginPath();
      ctx.arc(X(real / shown), y, 5.5, 0, 7);
      ctx.fill();
    });
    ctx.fillStyle = ink;
    ctx.textAlign = "center";
    for (const share of [0, 0.5, 1]) {
      ctx.fillText(share ? `${100 * share} %` : "0", X(share), bottom + 9);
    }
    ctx.fillText("taken for real", X(0.5), h - 6);
  }

  function draw() {
    const big = fit(card), small = fit(before), box = fit(chart);
    if (big) paint(big.ctx, inks[now[0]][now[1]], 0, 0, big.w, big.h);
    before.style.visibility = last ? "visible" : "hidden";
    if (small && last) paint(small.ctx, inks[last[0]][last[1]], 0, 0, small.w, small.h);
    if (box) drawScore(box);
    const all = score.reduce((sum, { shown }) => sum + shown, 0);
    const words = all ? `${right} of ${all} right` : "";
    if (said.textContent !== words) said.textContent = words;
    chart.setAttribute("aria-label", "How often each was taken for real: " +
      players.map(({ name }, i) => `${name} ${score[i].real} of ${score[i].shown}`).join(", "));
  }
  let loop;
  start();
  loop = animate(model, el, [], draw);
  return loop;
}
export default { render };
