"""A model and a prompt -> arrays: what `load` gives, what `trace` sees, and how to change a pass.

    loading.Loaded                a name -> a model and its tokenizer; the only module that picks device and dtype
    tracing.LanguageModel, Trace  `load()` gives the first, `lm.trace(text)` the second: one forward pass as arrays
    interventions                 `lm.ablate` and `lm.patch`: silence a head, put in what another run computed
    recording.hooks               the hooks beneath both, for an experiment of one's own
    attribution                   what patches would do, from one gradient; one edge patched exactly
    lens.tuned_lens               a lens that learns each layer's language; many prompts' streams at once
    compare.compare               two models on one prompt (`description`: in which facts they differ)
Behind these: `anatomy` (where each architecture keeps its parts), `module_paths` (the same part under each
architecture's name), `prompts` (text -> token ids, or one sentence saying why not).
"""
