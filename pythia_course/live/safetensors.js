// A .safetensors file -> its tensors. The file: 8 bytes, the length of the header; the header, JSON; the numbers.
// Source: github.com/huggingface/safetensors, README, "Format".

const BYTES = { F16: 2, F32: 4 };
const damagedWeights = (why) => new Error(`These weights cannot be read: ${why}.`);
const isCount = (number) => Number.isSafeInteger(number) && number >= 0;

// Numbers in a row, and the sizes of their axes: at(1, 3) is the part with these first indices, as a view.
export class Tensor {
  constructor(data, shape) {
    Object.assign(this, { data, shape });
  }

  at(...indices) {
    const shape = this.shape.slice(indices.length), size = shape.reduce((a, b) => a * b, 1);
    const place = indices.reduce((sum, index, axis) => {
      if (!isCount(index) || index >= this.shape[axis]) throw new Error(`There is no ${indices} in shape ${this.shape}.`);
      return sum * this.shape[axis] + index;
    }, 0);
    return new Tensor(this.data.subarray(place * size, (place + 1) * size), shape);
  }
}

// buffer: an ArrayBuffer.  Back: Map(name -> Tensor of float32).  Throws one sentence for what is no such file.
export function readSafetensors(buffer) {
  const [header, start] = weightsHeader(buffer), tensors = new Map();
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__").map(checkedEntry);
  let end = 0;
  for (const { name, kind, shape, from, to } of entries.sort((a, b) => a.from - b.from)) {
    if (from !== end) throw damagedWeights(`${name} does not begin where the tensor before it ends`);
    if (to > buffer.byteLength - start) throw damagedWeights(`${name} goes on behind the end of the file, which was cut off`);
    tensors.set(name, new Tensor(floats(buffer.slice(start + from, start + to), kind), shape));
    end = to;
  }
  if (start + end !== buffer.byteLength) throw damagedWeights("there is more behind the last tensor");
  return tensors;
}

function weightsHeader(buffer) {
  if (buffer.byteLength < 8) throw damagedWeights("the file is shorter than a header");
  const length = new DataView(buffer).getBigUint64(0, true), start = 8 + Number(length);
  if (start > buffer.byteLength) throw damagedWeights("its header goes on behind the end of the file");
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, Number(length))));
  } catch {
    throw damagedWeights("its header is no JSON");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw damagedWeights("its header is no table");
  return [header, start];
}

function checkedEntry([name, entry]) {
  const { dtype, shape, data_offsets: offsets } = entry ?? {};
  const kind = Object.hasOwn(BYTES, dtype) ? dtype : null;
  if (!kind) throw damagedWeights(`${name} holds ${String(dtype)} and only F16 and F32 are read here`);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw damagedWeights(`the shape of ${name} is none`);
  const wanted = shape.reduce((a, b) => a * b, BYTES[kind]);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) throw damagedWeights(`${name} has no place`);
  const [from, to] = offsets;
  if (to - from !== wanted) throw damagedWeights(`${name} has ${to - from} bytes and its shape needs ${wanted}`);
  return { name, kind, shape, from, to };
}

// Every float16 there is, as the float32 of the same value, by its bits.
let HALVES = null;

function floats(buffer, kind) {
  if (kind === "F32") return new Float32Array(buffer);
  HALVES ??= Float32Array.from({ length: 65536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  });
  const bits = new Uint16Array(buffer), numbers = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) numbers[i] = HALVES[bits[i]];
  return numbers;
}
