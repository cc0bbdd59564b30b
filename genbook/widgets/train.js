// Networks that train on the page: dense layers, their gradients, Adam, seeded noise.
// The numbers are torch's in float64 (tests/site/test_train_js.py).
//
//   random(seed)           -> rng; rng() is uniform in (0, 1), the same on every visit
//   normal(rng)            -> one standard normal number
//   network(widths, activation, rng) -> net, initialised as torch's nn.Linear is.
//       widths [2, 64, 64, 1]; activation, after every layer but the last: "SiLU",
//       "ReLU", "LeakyReLU" (slope 0.2), "Tanh" or "Identity"
//   forward(net, x, n)     -> output (n × out), for inputs x (n × in), row by row
//   backward(net, dOut)    -> gradient of the inputs (n × in), for the last forward and
//       the gradient dOut (n × out) of its outputs; net.grads then holds the weights'
//   adam(net, { lr, beta1, beta2, eps }) -> step(rate = lr), which moves net.params
//       along net.grads, as torch.optim.Adam does
//
// All arrays are Float64Array. net.params and net.grads lie layer after layer, weight
// (out × in) then bias, as torch's parameters do: net.params.set(other) copies a net.
// What forward and backward return belongs to the net, until the next call with the
// same n; x is not copied, so leave it alone between the two. No step allocates.

// ---- Noise ------------------------------------------------------------------------

// mulberry32, by Tommy Ettinger.
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

// Box and Muller 1958: the half of the pair that a cosine gives.
function normal(rng) {
  return Math.sqrt(-2 * Math.log(rng())) * Math.cos(2 * Math.PI * rng());
}

// ---- Layers -----------------------------------------------------------------------

// Each replaces a by f(a) and leaves f'(a) in slope, while a is at hand.
const LEAK = 0.2;
const BENDS = {
  Identity(a, slope) { slope.fill(1); },
  ReLU(a, slope) {
    for (let i = 0; i < a.length; i++) {
      slope[i] = a[i] > 0 ? 1 : 0;
      a[i] *= slope[i];
    }
  },
  LeakyReLU(a, slope) {
    for (let i = 0; i < a.length; i++) {
      slope[i] = a[i] > 0 ? 1 : LEAK;
      a[i] *= slope[i];
    }
  },
  Tanh(a, slope) {
    for (let i = 0; i < a.length; i++) {
      a[i] = Math.tanh(a[i]);
      slope[i] = 1 - a[i] * a[i];
    }
  },
  SiLU(a, slope) {
    for (let i = 0; i < a.length; i++) {
      const s = 1 / (1 + Math.exp(-a[i]));
      slope[i] = s * (1 + a[i] * (1 - s));
      a[i] *= s;
    }
  },
};

function network(widths, activation, rng) {
  if (!Object.hasOwn(BENDS, activation)) {
    throw new Error(`activation: expected ${Object.keys(BENDS).join(", ")}, got ${activation}`);
  }
  const pairs = widths.slice(1).map((n, i) => [widths[i], n]);
  const size = pairs.reduce((sum, [m, n]) => sum + (m + 1) * n, 0);
  const params = new Float64Array(size), grads = new Float64Array(size);
  let at = 0;
  const layers = pairs.map(([m, n], i) => {
    const bound = 1 / Math.sqrt(m), w = at, b = w + m * n;
    at = b + n;
    for (let k = w; k < at; k++) params[k] = bound * (2 * rng() - 1);
    return {
      m, n, bend: i < pairs.length - 1 ? BENDS[activation] : null,
      weight: params.subarray(w, b), bias: params.subarray(b, at),
      dWeight: grads.subarray(w, b), dBias: grads.subarray(b, at),
      turned: new Float64Array(m * n), // the weight, in × out
    };
  });
  return { widths, params, grads, layers, kept: {}, last: null };
}

// C += A B, with C (rows × cols), B (inner × cols) and element (i, k) of A at
// A[i * down + k * right], so that A may also be read transposed. Every product of a
// layer is one of these. Blocks of two rows of C and four of B are four times as fast
// as single products: a number, once read, is used more often.
function addProduct(C, A, B, rows, inner, cols, down, right) {
  const pairs = rows & ~1, fours = inner & ~3;
  for (let i = 0; i < pairs; i += 2) for (let k = 0; k < fours; k += 4) {
    const a = i * down + k * right, d = a + down;
    const a0 = A[a], a1 = A[a + right], a2 = A[a + 2 * right], a3 = A[a + 3 * right];
    const d0 = A[d], d1 = A[d + right], d2 = A[d + 2 * right], d3 = A[d + 3 * right];
    let b = k * cols, c = i * cols;
    for (const end = b + cols; b < end; b++, c++) {
      const b0 = B[b], b1 = B[b + cols], b2 = B[b + 2 * cols], b3 = B[b + 3 * cols];
      C[c] += a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3;
      C[c + cols] += d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3;
    }
  }
  for (let i = 0; i < rows; i++) for (let k = i < pairs ? fours : 0; k < inner; k++) {
    const a = A[i * down + k * right], b = k * cols, c = i * cols;
    for (let j = 0; j < cols; j++) C[c + j] += a * B[b + j];
  }
}

// What a batch of n leaves behind, layer by layer; made once for each n.
function keep(net, n) {
  return net.kept[n] ??= {
    n, x: null,
    out: net.layers.map((layer) => new Float64Array(n * layer.n)), // after the bend
    slope: net.layers.map((layer) => new Float64Array(n * layer.n)),
    dIn: net.layers.map((layer) => new Float64Array(n * layer.m)),
  };
}

function forward(net, x, n) {
  const batch = net.last = keep(net, n);
  batch.x = x;
  net.layers.forEach((layer, l) => {
    const { m, n: wide, weight, bias, turned, bend } = layer, out = batch.out[l];
    for (let i = 0; i < wide; i++) for (let j = 0; j < m; j++) {
      turned[j * wide + i] = weight[i * m + j];
    }
    for (let i = 0; i < n; i++) out.set(bias, i * wide);
    addProduct(out, l ? batch.out[l - 1] : x, turned, n, m, wide, m, 1);
    bend?.(out, batch.slope[l]);
  });
  return batch.out.at(-1);
}

function backward(net, dOut) {
  const { n, x, out, slope, dIn } = net.last;
  net.grads.fill(0);
  for (let l = net.layers.length - 1; l >= 0; l--) {
    const { m, n: wide, weight, dWeight, dBias } = net.layers[l];
    // Of the layer's sums, before the next layer's inputs were bent out of them.
    const d = l === net.layers.length - 1 ? dOut : dIn[l + 1];
    if (d !== dOut) for (let i = 0; i < d.length; i++) d[i] *= slope[l][i];
    for (let i = 0, k = 0; i < n; i++) for (let j = 0; j < wide; j++) dBias[j] += d[k++];
    addProduct(dWeight, d, l ? out[l - 1] : x, wide, n, m, 1, wide);
    addProduct(dIn[l].fill(0), d, weight, n, wide, m, wide, 1);
  }
  return dIn[0];
}

// ---- Adam (Kingma and Ba 2015, algorithm 1) -----------------------------------------

function adam(net, { lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = {}) {
  const { params, grads } = net;
  const mean = new Float64Array(params.length), square = new Float64Array(params.length);
  let t = 0;
  return (rate = lr) => {
    t++;
    const meanBias = 1 - beta1 ** t, squareBias = 1 - beta2 ** t;
    for (let i = 0; i < params.length; i++) {
      const g = grads[i];
      mean[i] = beta1 * mean[i] + (1 - beta1) * g;
      square[i] = beta2 * square[i] + (1 - beta2) * g * g;
      params[i] -= rate * (mean[i] / meanBias) / (Math.sqrt(square[i] / squareBias) + eps);
    }
  };
}
