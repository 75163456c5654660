"""What one prompt looked like inside a model at each checkpoint, found to be what the training scrubber can draw."""

from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from pythia_course.errors import shown
from pythia_course.inside.compare import logit_lens
from pythia_course.plots.axes import percent
from pythia_course.plots.labels import escaped, printable
from pythia_course.widgets.common.attention import MOST_BYTES, check_weights, head_scores, packed, packed_size

MOST_TOKENS = 128  # more could not be read, nor drawn within a frame
DIGITS = 7  # after the point, of what the browser rounds again


@dataclass(eq=False)
class Moments:
    """Arrays with an entry a step: see `TrainingScrubber` for what each may be."""

    steps: list
    tokens: list
    attention: np.ndarray | None = None  # (step, layer, head, query, key)
    predictions: list | None = None  # for each step [(token, probability), …]
    lens: tuple | None = None  # (words, probabilities), both (step, layer + 1, position)
    scores: dict | None = None  # {name: (step) or (step, layer, head)}

    def __post_init__(self):
        self.steps, self.tokens = _checked_steps(self.steps), _checked_tokens(self.tokens)
        if all(part is None for part in (self.attention, self.predictions, self.lens)) and not self.scores:
            raise ValueError(
                "TrainingScrubber has nothing to show beside the steps: give it attention, predictions, lens or scores."
            )
        steps, tokens, own = len(self.steps), len(self.tokens), {}
        if self.attention is not None:
            self.attention = _checked_attention(self.attention, steps, tokens)
            own = head_scores(self.attention, self.tokens)
        self.predictions = _checked_predictions(self.predictions, steps)
        self.lens = None if self.lens is None else _checked_lens(self.lens, steps, tokens)
        shapes = [(steps,), *([] if self.attention is None else [self.attention.shape[:3]])]
        given = (self.scores or {}).items()
        self.scores = own | {escaped(name): _checked_score(name, values, shapes) for name, values in given}

    def duplicates(self):
        """Groups of steps at which attention and lens are the same to the last digit."""
        steps = defaultdict(list)
        arrays = [array for array in (self.attention, *(self.lens or ())) if array is not None]
        for at, step in enumerate(self.steps if arrays else ()):
            steps[sha256(b"".join(array[at].tobytes() for array in arrays)).digest()].append(step)
        return [tuple(group) for group in steps.values() if len(group) > 1]

    @property
    def heads(self):
        """(layers, heads), (0, 0) without attention."""
        return (0, 0) if self.attention is None else self.attention.shape[1:3]

    @property
    def labels(self):
        """The tokens as one can see them."""
        return [printable(token) for token in self.tokens]

    def described(self):
        """What the browser is told beside the bytes."""
        layers, heads = self.heads
        return {
            "steps": self.steps,
            "tokens": self.labels,
            "layers": layers,
            "heads": heads,
            "predictions": [[[printable(token), p, percent(p)] for token, p in said] for said in self.predictions],
            "lens_rows": 0 if self.lens is None else self.lens[0].shape[1],
            "vocabulary": self.vocabulary()[0],
            "scores": [{"name": name, "values": _without_nan(values)} for name, values in self.scores.items()],
        }

    def vocabulary(self):
        """The words of the lens, each once, and as bytes which one is where: little-endian uint32."""
        if self.lens is None:
            return [], b""
        words, places = np.unique(self.lens[0], return_inverse=True)
        return [printable(word) for word in words], places.astype("<u4").tobytes()

    def weights(self):
        """The attention of all checkpoints one after another, as `packed` makes it."""
        return b"" if self.attention is None else b"".join(map(packed, self.attention))

    def sureness(self):
        """The probabilities of the lens as bytes: p is sent as round(255 p)."""
        return b"" if self.lens is None else np.rint(255 * self.lens[1].clip(0, 1)).astype(np.uint8).tobytes()


def _checked_steps(steps):
    try:
        numbers = np.asarray(steps)
    except ValueError:  # lists of different lengths
        numbers = np.empty(0)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or len(numbers) < 2 or (np.diff(numbers) <= 0).any():
        raise ValueError(
            "TrainingScrubber moves through training: steps are two or more whole numbers, ascending, each once, "
            f"got {shown(steps)}."
        )
    return numbers.tolist()


def _checked_tokens(tokens):
    tokens = list(tokens)
    if not 0 < len(tokens) <= MOST_TOKENS:
        raise ValueError(
            f"TrainingScrubber draws prompts of 1 to {MOST_TOKENS} tokens, got {len(tokens)}. "
            "Pass trace.tokens of a shorter prompt."
        )
    return tokens


def _checked_attention(attention, steps, tokens):
    attention = np.asarray(attention)
    wanted = f"({steps} steps, layer, head, {tokens}, {tokens})"
    if attention.ndim != 5 or attention.shape[0] != steps or attention.shape[3:] != (tokens,) * 2 or not attention.size:
        raise ValueError(
            f"TrainingScrubber needs the attention of every head at every step, shape {wanted}, got "
            f"{attention.shape}. Stack one trace.attention a step."
        )
    size = packed_size(attention)
    if size > MOST_BYTES:
        raise ValueError(
            f"TrainingScrubber would send {size / 1e6:.0f} MB to the browser, more than its {MOST_BYTES / 1e6:.0f} MB. "
            "Pass fewer steps, for example every third, or a shorter prompt."
        )
    check_weights(attention, "TrainingScrubber", 1e-3)  # float16 may be a bit above 1
    return attention


def _checked_predictions(predictions, steps):
    if predictions is None:
        return []
    try:
        said = [[(str(token), float(p)) for token, p in at_a_step] for at_a_step in predictions]
    except (TypeError, ValueError):
        said = []
    if len(said) != steps or not all(said) or not all(0 <= p <= 1 + 1e-6 for each in said for _, p in each):
        raise ValueError(
            f"TrainingScrubber's predictions are one list a step, here {steps}, of (token, probability), the likeliest "
            "first. Pass [lm.predict(text) for each checkpoint]."
        )
    return said


def _checked_lens(lens, steps, tokens):
    shapes = "no pair"
    if isinstance(lens, tuple | list) and len(lens) == 2:
        words, sure = np.asarray(lens[0], dtype=str), np.asarray(lens[1], dtype=float)
        shapes = f"{words.shape} and {sure.shape}"
        fits = words.shape == sure.shape and words.ndim == 3 and words.shape[::2] == (steps, tokens) and words.size
        if fits and sure.min() >= -1e-3 and sure.max() <= 1 + 1e-3:
            return words, sure
    raise ValueError(
        "TrainingScrubber's lens is a pair, words and their probabilities from 0 to 1, both of shape "
        f"({steps} steps, layer + 1, {tokens} positions), got {shapes}."
    )


def _checked_score(name, values, shapes):
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape not in shapes or not np.isfinite(values).any():
        wanted = " or one a head, ".join(map(str, shapes))
        raise ValueError(f"The score {shown(name)} needs one number a step, shape {wanted}, got {values.shape}.")
    return values


def _without_nan(values):
    """Nested lists, None where there is no number: JSON has no other word for it."""
    if values.ndim > 1:
        return [_without_nan(part) for part in values]
    return [round(value, DIGITS) if np.isfinite(value) else None for value in values.tolist()]


def moment(lm, text, k=8):
    """One checkpoint's part of the scrubber: {name: array}, for `sweep`.

    text: as `lm.trace` takes it.  k: how many next tokens.  Back: `tokens` (position); `attention` (layer, head, query,
    key), float16; `words` and `sure` (layer + 1, position), what the logit lens says; `next` and `p` (k).
    """
    trace = lm.trace(text, keep=["attention", "residual"])
    said = [logit_lens(lm, stream) for stream in trace.residual]  # each (position, vocab)
    best = [each.argmax(-1) for each in said]
    likeliest = np.argsort(-said[-1][-1], kind="stable")[:k]
    return {
        "tokens": np.array(trace.tokens),
        "attention": trace.attention.numpy().astype(np.float16),
        "words": np.array([lm.tokens(ids) for ids in best]),
        "sure": np.array([each.max(-1) for each in said]),
        "next": np.array(lm.tokens(likeliest)),
        "p": said[-1][-1][likeliest],
    }
