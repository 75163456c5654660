// config.json and the tensors beside it -> the facts of a model and its weights, whatever its family calls them.

const refusedModel = (why) => new Error(`This model cannot run here: ${why}.`);
const MOST_POSITIONS = 2048;

// Where each family keeps its parts, as in transformers 5.23; `in_out`: its matrices are (in, out), not (out, in).
const FAMILIES = {
  gpt_neox: {
    embedding: "gpt_neox.embed_in", final: "gpt_neox.final_layer_norm", layers: "gpt_neox.layers",
    norm1: "input_layernorm", qkv: "attention.query_key_value", output: "attention.dense",
    norm2: "post_attention_layernorm", up: "mlp.dense_h_to_4h", down: "mlp.dense_4h_to_h",
  },
  gpt2: {
    embedding: "transformer.wte", positions: "transformer.wpe", final: "transformer.ln_f", layers: "transformer.h",
    norm1: "ln_1", qkv: "attn.c_attn", output: "attn.c_proj", norm2: "ln_2", up: "mlp.c_fc", down: "mlp.c_proj",
    in_out: true,
  },
};

// json: config.json, its text or what is parsed from it.  The fields are those of Python's `suite.Spec`.
export function readSpec(json) {
  let config = json;
  try {
    if (typeof json === "string") config = JSON.parse(json);
  } catch {
    throw refusedModel("its config.json is no JSON");
  }
  const family = config?.model_type;
  if (!Object.hasOwn(FAMILIES, family)) throw refusedModel(`its family is ${String(family)}, not gpt_neox or gpt2`);
  const spec = family === "gpt_neox" ? neoxSpec(config) : gpt2Spec(config);
  Object.assign(spec, { family, vocab: config.vocab_size, tied: Boolean(config.tie_word_embeddings) });
  spec.head_dim = spec.width / spec.heads;
  spec.rotary_dims = Math.trunc(spec.head_dim * (spec.rotary_fraction ?? 0));
  refuseSizes(spec);
  if (spec.activation !== "gelu") throw refusedModel(`its MLP computes ${spec.activation}, not the exact gelu`);
  return spec;
}

function neoxSpec(config) {
  const rope = config.rope_parameters ?? {};
  if (rope.rope_type !== "default") throw refusedModel(`its positions rotate by ${rope.rope_type}, not by default`);
  if (config.attention_bias !== true) throw refusedModel("its attention has no biases");
  return {
    layers: config.num_hidden_layers, width: config.hidden_size, heads: config.num_attention_heads,
    mlp_width: config.intermediate_size, context: config.max_position_embeddings, eps: config.layer_norm_eps,
    rotary_fraction: rope.partial_rotary_factor ?? 1, rope_base: rope.rope_theta,
    parallel: config.use_parallel_residual, activation: config.hidden_act,
  };
}

function gpt2Spec(config) {
  if (config.scale_attn_by_inverse_layer_idx || config.scale_attn_weights === false) {
    throw refusedModel("its attention is scaled otherwise than by the square root of the head's size");
  }
  return {
    layers: config.n_layer, width: config.n_embd, heads: config.n_head, mlp_width: config.n_inner ?? 4 * config.n_embd,
    context: config.n_positions, eps: config.layer_norm_epsilon,
    parallel: Boolean(config.parallel_block), activation: config.activation_function,
  };
}

function refuseSizes(spec) {
  const names = ["layers", "width", "heads", "mlp_width", "vocab", "context"];
  const wrong = names.find((name) => !Number.isSafeInteger(spec[name]) || spec[name] < 1);
  if (wrong) throw refusedModel(`its ${wrong} is ${String(spec[wrong])}`);
  if (!Number.isInteger(spec.head_dim)) throw refusedModel(`${spec.heads} heads do not share a width of ${spec.width}`);
  const odd = ["width", "mlp_width", "vocab", "head_dim"].find((name) => spec[name] % 4);
  if (odd) throw refusedModel(`its ${odd}, ${spec[odd]}, is no multiple of 4`);
  if (spec.rotary_dims % 2 || spec.rotary_dims > spec.head_dim) throw refusedModel(`${spec.rotary_dims} dimensions rotate`);
  if (spec.rotary_dims && !(spec.rope_base > 0)) throw refusedModel(`the base of its rotations is ${String(spec.rope_base)}`);
  if (!(spec.eps > 0)) throw refusedModel(`the eps of its LayerNorms is ${String(spec.eps)}`);
  if (spec.context > MOST_POSITIONS) throw refusedModel(`it reads ${spec.context} tokens, more than ${MOST_POSITIONS}`);
}

// All weights, put into the memory; matrices are (out, in).
export function readWeights(spec, tensors, memory) {
  const { layers, width, mlp_width, vocab, context, tied, eps } = spec, places = FAMILIES[spec.family];
  const taken = (name, ...shape) => {
    const tensor = tensors.get(name);
    if (!tensor) throw refusedModel(`its weights lack ${name}`);
    if (String(tensor.shape) !== String(shape)) throw refusedModel(`${name} has shape (${tensor.shape}) and not (${shape})`);
    return tensor.data;
  };
  const norm = (path) => ({ gain: taken(`${path}.weight`, width), bias: taken(`${path}.bias`, width), eps });
  const matrix = (path, ins, outs) => {
    const weight = places.in_out ? turned(taken(`${path}.weight`, ins, outs), ins, outs) : taken(`${path}.weight`, outs, ins);
    return { weight: memory.put(weight), bias: memory.put(taken(`${path}.bias`, outs)) };
  };
  const layer = (_, number) => {
    const at = (part) => `${places.layers}.${number}.${places[part]}`;
    return {
      norm1: norm(at("norm1")), qkv: matrix(at("qkv"), width, 3 * width), output: matrix(at("output"), width, width),
      norm2: norm(at("norm2")), up: matrix(at("up"), width, mlp_width), down: matrix(at("down"), mlp_width, width),
    };
  };
  const embedding = taken(`${places.embedding}.weight`, vocab, width);
  return {
    embedding,
    positions: places.positions ? taken(`${places.positions}.weight`, context, width) : null,
    layers: Array.from({ length: layers }, layer),
    final: norm(places.final),
    unembedding: {
      weight: memory.put(tied ? embedding : taken("lm_head.weight", vocab, width)),
      bias: memory.take(vocab),
    },
  };
}

// (in, out) -> (out, in)
function turned(matrix, ins, outs) {
  const out = new Float32Array(ins * outs);
  for (let i = 0; i < ins; i++) for (let o = 0; o < outs; o++) out[o * ins + i] = matrix[i * outs + o];
  return out;
}
