// The one product that takes the time: rows of x times a matrix, plus a bias. Once in WebAssembly, four numbers at a
// time, written down below instruction by instruction, and once in JavaScript for a page that allows no WebAssembly.
//
//     affine(out, x, weight, bias, positions)
//     x: (position, in)   weight: (out, in), as torch.nn.Linear keeps it   bias: (out)   out: (position, out)
//
// Each out number is a sum over two contiguous rows. Two positions and four rows of the matrix are taken at once, so
// that each number read is used several times: `in` and `out` are multiples of 4, and x and out have an even number of
// rows. All arrays lie in the memory that `Memory` hands out.

const PAGE = 65536; // bytes, of WebAssembly's memory

export class Memory {
  // floats: how many numbers there is room for.  wasm: false for JavaScript only.
  constructor(floats, wasm = true) {
    this.end = 0;
    try {
      if (!wasm) throw new Error("not wanted");
      const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * floats) / PAGE) });
      const { affine } = new WebAssembly.Instance(new WebAssembly.Module(assembled()), { js: { memory } }).exports;
      this.buffer = memory.buffer;
      this.affine = (out, x, weight, bias, positions) => affine(out.byteOffset, x.byteOffset, weight.byteOffset,
        bias.byteOffset, positions, weight.length / bias.length, bias.length);
    } catch { // an old browser, or a page whose content security policy forbids it
      Object.assign(this, { buffer: new ArrayBuffer(4 * floats), affine: affineInJavaScript });
    }
  }

  // So many numbers, zeros.
  take(floats) {
    const start = this.end;
    this.end += 4 * Math.ceil(floats / 4);
    return new Float32Array(this.buffer, 4 * start, floats);
  }

  put(numbers) {
    const place = this.take(numbers.length);
    place.set(numbers);
    return place;
  }
}

function affineInJavaScript(out, x, weight, bias, positions) {
  const outs = bias.length, ins = weight.length / outs;
  for (let o = 0; o < outs; o += 4) {
    const w0 = o * ins, w1 = w0 + ins, w2 = w1 + ins, w3 = w2 + ins;
    for (let position = 0; position < positions; position += 2) {
      const x0 = position * ins, x1 = x0 + ins, out0 = position * outs + o, out1 = out0 + outs;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let i = 0; i < ins; i++) {
        const a = x[x0 + i], b = x[x1 + i], r0 = weight[w0 + i], r1 = weight[w1 + i], r2 = weight[w2 + i], r3 = weight[w3 + i];
        a0 += a * r0; a1 += a * r1; a2 += a * r2; a3 += a * r3;
        b0 += b * r0; b1 += b * r1; b2 += b * r2; b3 += b * r3;
      }
      out[out0] = a0 + bias[o]; out[out0 + 1] = a1 + bias[o + 1]; out[out0 + 2] = a2 + bias[o + 2]; out[out0 + 3] = a3 + bias[o + 3];
      out[out1] = b0 + bias[o]; out[out1 + 1] = b1 + bias[o + 1]; out[out1 + 2] = b2 + bias[o + 2]; out[out1 + 3] = b3 + bias[o + 3];
    }
  }
}

// The same in WebAssembly. Source of the numbers: WebAssembly Core Specification 2.0, chapter 5, "Binary Format".
function assembled() {
  const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >> 7)]);
  const vector = (...items) => [...leb(items.length), ...items.flat()];
  const section = (id, content) => [id, ...leb(content.length), ...content];
  const text = (word) => vector(...new TextEncoder().encode(word));
  const [I32, V128] = [0x7f, 0x7b];

  const NAMES = ["out", "x", "weight", "bias", "positions", "ins", "outs", // parameters: addresses, then sizes
    "o", "position", "a", "b", "row", "stop", "to", "step", // a, b: in two rows of x; row: in the first of four of weight
    "xa", "xb", "w", "a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"]; // four numbers each
  const get = (name) => [0x20, NAMES.indexOf(name)], set = (name, ...value) => [...value.flat(), 0x21, NAMES.indexOf(name)];
  const constant = (n) => [0x41, n]; // below 64
  const add = (...ab) => [...ab.flat(), 0x6a], times = (...ab) => [...ab.flat(), 0x6c];
  const simd = (code, ...ab) => [...ab.flat(), 0xfd, ...leb(code)];
  const load = (...address) => [...address.flat(), 0xfd, 0, 2, 0], store = (address, value) => [...address, ...value, 0xfd, 11, 2, 0];
  const sum = (...ab) => simd(228, ...ab), product = (...ab) => simd(230, ...ab), zero = [0xfd, 12, ...Array(16).fill(0)];
  const pick = (places, ...ab) => [...ab.flat(), 0xfd, 13, ...places.flatMap((place) => [0, 1, 2, 3].map((byte) => 4 * place + byte))];
  const repeat = (counter, until, ...body) => [0x03, 0x40, ...body.flat(), ...get(counter), ...get(until), 0x49, 0x0d, 0, 0x0b];

  // Four sums of four numbers each, side by side.
  const halves = (...ab) => sum(pick([0, 1, 4, 5], ...ab), pick([2, 3, 6, 7], ...ab)); // a0 + a2, a1 + a3, b0 + b2, b1 + b3
  const sums = (v) => {
    const pairs = [halves(get(v + 0), get(v + 1)), halves(get(v + 2), get(v + 3))];
    return sum(pick([0, 2, 4, 6], ...pairs), pick([1, 3, 5, 7], ...pairs));
  };
  const four = [0, 1, 2, 3], bias = load(add(get("bias"), times(get("o"), constant(4))));
  const code = repeat("o", "outs",
    set("position", constant(0)),
    repeat("position", "positions",
      set("a", add(get("x"), times(times(get("position"), get("ins")), constant(4)))),
      set("b", add(get("a"), get("step"))),
      set("stop", get("b")), // the first row ends where the second begins
      set("row", add(get("weight"), times(get("o"), get("step")))),
      four.map((n) => [...set(`a${n}`, zero), ...set(`b${n}`, zero)]).flat(),
      repeat("a", "stop",
        set("xa", load(get("a"))), set("xb", load(get("b"))), set("to", get("row")),
        four.map((n) => [
          ...set("w", load(get("to"))), ...set("to", add(get("to"), get("step"))),
          ...set(`a${n}`, sum(get(`a${n}`), product(get("xa"), get("w")))),
          ...set(`b${n}`, sum(get(`b${n}`), product(get("xb"), get("w")))),
        ]).flat(),
        ...["a", "b", "row"].map((place) => set(place, add(get(place), constant(16)))),
      ),
      set("to", add(get("out"), times(add(times(get("position"), get("outs")), get("o")), constant(4)))),
      store(get("to"), sum(sums("a"), bias)),
      store(add(get("to"), times(get("outs"), constant(4))), sum(sums("b"), bias)),
      set("position", add(get("position"), constant(2))),
    ),
    set("o", add(get("o"), constant(4))),
  );
  const start = set("step", times(get("ins"), constant(4)));
  const body = [...vector([8, I32], [11, V128]), ...start, ...code, 0x0b];
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, vector([0x60, ...vector(...Array(7).fill(I32)), ...vector()])), // one type: seven whole numbers -> nothing
    ...section(2, vector([...text("js"), ...text("memory"), 2, 0, 0])),
    ...section(3, vector(0)), // one function, of that type
    ...section(7, vector([...text("affine"), 0, 0])),
    ...section(10, vector([...leb(body.length), ...body])),
  ]);
}
