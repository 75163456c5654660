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

// In place: the exact GELU, x times the share of a standard normal distribution that lies below x. That share is read
// from a table, and between two of its places from the cubic with the same values and slopes there: right to 1e-9.
export function gelu(numbers, count) {
  for (let i = 0; i < count; i++) {
    const x = numbers[i], place = (x + END) / STEP, left = Math.floor(place), t = place - left;
    if (x <= -END || x >= END) {
      numbers[i] = Math.max(0, x);
      continue;
    }
    const rise = BELOW[left + 1] - BELOW[left], a = SLOPE[left], b = SLOPE[left + 1];
    numbers[i] = x * (BELOW[left] + t * (a + t * (3 * rise - 2 * a - b + t * (a + b - 2 * rise))));
  }
}

const END = 8, STEP = 1 / 64, ENTRIES = (2 * END) / STEP + 1; // from -8 to 8; farther out, float32 sees 0 and 1
const density = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const SLOPE = Float64Array.from({ length: ENTRIES }, (_, i) => STEP * density(i * STEP - END));
const BELOW = new Float64Array(ENTRIES); // by Simpson's rule
for (let i = 1; i < ENTRIES; i++) {
  BELOW[i] = BELOW[i - 1] + (SLOPE[i - 1] + 4 * STEP * density((i - 0.5) * STEP - END) + SLOPE[i]) / 6;
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
