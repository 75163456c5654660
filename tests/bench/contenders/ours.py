"""The course: `lm.trace(ids)` as a learner writes it, which keeps queries, keys and values too."""

from looking import NAME, compete


def open_model():
    from pythia_course import load

    return load(NAME.split("/")[1], dtype="float32")


def look(lm, ids):
    trace = lm.trace(ids)
    return {name: getattr(trace, name) for name in ("attention", "residual", "attn_out", "mlp_out", "logits")}


if __name__ == "__main__":
    compete(open_model, look)
