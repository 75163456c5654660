// What the forward pass computes besides products of matrices. Sums are taken in float64, what is kept is float32.

// In place, of `count` numbers from `start` on.
export function softmax(numbers, start, count) {
  let most = -Infinity, sum = 0;
  for (let i = start; i < start + count; i++) if (numbers[i] > most) most = numbers[i];
  for (let i = start; i < start + count; i++) sum += numbers[i] = Math.exp(numbers[i] - most);
  for (let i = start; i < start + count; i++) numbers[i] /= sum;
}

// Each row of x (position, width): minus its mean, divided by its standard deviation, times a gain, plus a bias.
export function layerNorm(out, x, { gain, bias, eps }) {
  const width = gain.length;
  for (let row = 0; row < x.length; row += width) {
    let mean = 0, variance = 0;
    for (let i = 0; i < width; i++) mean += x[row + i] / width;
    for (let i = 0; i < width; i++) variance += (x[row + i] - mean) ** 2 / width;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < width; i++) out[row + i] = (x[row + i] - mean) * scale * gain[i] + bias[i];
  }
}

// In place: x times the share of a normal distribution below x, the exact GELU. Its error function is a quotient of
// polynomials in x / sqrt(2), right to six digits. Source: Eigen 3, MathFunctionsImpl.h, generic_fast_erf_float.
export function gelu(numbers, count) {
  for (let i = 0; i < count; i++) {
    const x = numbers[i], t = Math.max(-4, Math.min(4, x * Math.SQRT1_2)), s = t * t;
    const above = -1.60960333262415e-2 + s * (-2.95459980854025e-3 + s * (-7.34990630326855e-4 + s * (-5.69250639462346e-5 +
      s * (-2.10102402082508e-6 + s * (2.77068142495902e-8 - s * 2.72614225801306e-10)))));
    const below = -1.42647390514189e-2 + s * (-7.37332916720468e-3 + s * (-1.68282697438203e-3 + s * (-2.13374055278905e-4 -
      s * 1.45660718464996e-5)));
    numbers[i] = 0.5 * x * (1 + (t * above) / below);
  }
}

// cos and sin (position, rotary_dims / 2) of the angles by which queries and keys turn.
// Source: Su et al. 2021, arXiv 2104.09864; which dimensions turn together: EleutherAI/gpt-neox.
export function rotations({ context, rotary_dims, rope_base }) {
  const half = rotary_dims / 2, angles = new Float32Array(context * half); // rounded to float32, as torch does
  const turns = Float32Array.from({ length: half }, (_, i) => 1 / rope_base ** ((2 * i) / rotary_dims));
  for (let i = 0; i < angles.length; i++) angles[i] = Math.floor(i / half) * turns[i % half];
  return { cos: angles.map(Math.cos), sin: angles.map(Math.sin) };
}

// A Tensor's sums over its positions, the last axis but one, in float64, onto those of `sums`, if there are any.
export function addPositions({ data, shape }, sums) {
  const size = shape.at(-1), number = shape.at(-2), blocks = data.length / size / number;
  const out = sums ?? { data: new Float64Array(blocks * size), shape: [...shape.slice(0, -2), size] };
  for (let i = 0; i < data.length; i++) out.data[Math.floor(i / size / number) * size + (i % size)] += data[i];
  return out;
}
