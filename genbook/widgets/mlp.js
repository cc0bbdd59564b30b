// A multilayer perceptron in the browser: the numbers are torch's, to 1e-4 (tests/site).

// Abramowitz & Stegun 7.1.26, |error| < 1.5e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t
    - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - p * Math.exp(-x * x));
}
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const ACTIVATIONS = {
  Identity: (x) => x,
  ReLU: (x) => Math.max(0, x),
  SiLU: (x) => x * sigmoid(x),
  Tanh: Math.tanh,
  GELU: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  "GELU tanh": (x) =>
    0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

// A bytes trait arrives as a DataView, whose offset need not be a multiple of four.
function floats(view) {
  const end = view.byteOffset + view.byteLength;
  return new Float32Array(view.buffer.slice(view.byteOffset, end));
}

// Cut one buffer into layers: weight (n, m) then bias (n), layer after layer. Where there
// are scales the weights are int8, and a row is so many times its scale: they lie in a
// buffer of their own, scale (n) then bias (n), layer after layer. A skip of s adds the
// input of the layer s - 1 before: x + f(W x + b), for s = 1.
function layers(weights, widths, activations, scales, skips) {
  const small = scales?.byteLength > 0, all = floats(small ? scales : weights);
  let at = 0, from = 0;
  return activations.map((name, i) => {
    const m = widths[i], n = widths[i + 1], f = ACTIVATIONS[name], skip = skips?.[i];
    if (!small) {
      const weight = all.subarray(at, at += n * m), bias = all.subarray(at, at += n);
      return { m, n, weight, bias, f, skip };
    }
    const scale = all.subarray(at, at += n), bias = all.subarray(at, at += n);
    const weight = Float32Array.from({ length: n * m }, (_, k) =>
      scale[Math.floor(k / m)] * weights.getInt8(from + k));
    from += n * m;
    return { m, n, weight, bias, f, skip };
  });
}

// The mean of p(x|z): sigmoid of the network's logits, a share of full ink per pixel.
function decode(net, z) {
  const inputs = [z];
  let x = z;
  for (const { m, n, weight, bias, f, skip } of net) {
    const y = new Float64Array(n);
    for (let i = 0, k = 0; i < n; i++) {
      let sum = bias[i];
      for (let j = 0; j < m; j++) sum += weight[k++] * x[j];
      y[i] = f(sum);
    }
    if (skip) {
      const before = inputs[inputs.length - skip];
      for (let i = 0; i < n; i++) y[i] += before[i];
    }
    inputs.push(x = y);
  }
  return x.map(sigmoid);
}
