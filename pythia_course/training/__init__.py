"""What happens over training: any measure at any checkpoint, whether the checkpoints are real, and the batches read.

    sweep.sweep(name, steps, measure)   any function of a model over its checkpoints, kept on disk, resumed when stopped
    audit.audit(name)                   are the published checkpoints what their names say?
    pile.training_batch(name, step)     the very batch of a step, of the Tiny Pile or of the Pile
Behind these: `workers` (one after another or by joblib), `store` and `fingerprint` (what is kept, and when it may be
used again), `inventory` (sha256 of every weight file), `batches` and `shards` (rows of tokens, read by range).
"""
