"""One model's attention on a prompt, found to be what the explorer can draw."""

from dataclasses import InitVar, dataclass, field

import numpy as np

from pythia_course import plots
from pythia_course.errors import shown
from pythia_course.plots import axes
from pythia_course.plots.labels import escaped, printable
from pythia_course.widgets.common.attention import MOST_BYTES, all_heads, head_scores, packed, unpacked

MOST_TOKENS = 512


@dataclass
class Panel:
    """The attention of one model on its prompt, found to be what the explorer can draw."""

    name: str
    attention: InitVar[np.ndarray]
    tokens: list
    scores: dict | None = None
    period: int | None = None
    next: list | None = None  # the likeliest next tokens, (token, probability) each, where the model is known
    shape: tuple = field(init=False)
    weights: bytes = field(init=False)
    shown_tokens: list = field(init=False)

    def __post_init__(self, attention):
        self.name, self.tokens = escaped(self.name), list(self.tokens)
        attention = all_heads(attention, self.tokens, "AttentionExplorer", MOST_TOKENS)
        self.shape, self.weights = attention.shape, packed(attention)
        self.shown_tokens = [printable(token) for token in self.tokens]
        self.scores = head_scores(attention, self.tokens, self.period) | {
            escaped(label): _checked_score(label, values, self.shape[:2])
            for label, values in (self.scores or {}).items()
        }

    def described(self):
        """What the browser is told beside the weights."""
        layers, heads = self.shape[:2]
        scores = {label: np.round(values, 7).tolist() for label, values in self.scores.items()}
        told = {"name": self.name, "tokens": self.shown_tokens, "layers": layers, "heads": heads, "scores": scores}
        return told if self.next is None else told | {"next": self.next}

    def draw(self, left, right, layer, head):
        """All heads on the left Axes and one on the right, if this model has it."""
        layers, heads = self.shape[:2]
        attention = unpacked(self.weights, self.shape)
        here = layer < layers and head < heads
        name = axes.drawable(self.name, space=" ")
        plots.attention_grid(attention, ax=left, highlight=(layer, head) if here else None, title=name)
        if here:
            plots.attention(attention[layer, head], self.tokens, ax=right, title=f"layer {layer}, head {head}")
        else:
            right.set_axis_off()


def pair(name, pair):
    """The (attention, tokens) that `compare` was given for a model, or ValueError."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(
            f"AttentionExplorer.compare needs (attention, tokens) for {name!r}, got {type(pair).__name__}. "
            "Pass (trace.attention, trace.tokens)."
        )
    return pair


def _checked_score(label, values, shape):
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(
            f"The score {shown(label)} needs one finite number per head, shape {shape} (layer, head), "
            f"got {values.shape}."
        )
    return values


def check_size(models):
    """ValueError where these panels are more than a browser should get."""
    size = sum(len(model.weights) for model in models)
    if size > MOST_BYTES:
        raise ValueError(
            f"AttentionExplorer would send {size / 1e6:.0f} MB to the browser, more than its "
            f"{MOST_BYTES / 1e6:.0f} MB. Pass fewer layers, for example trace.attention[:6], or a shorter prompt."
        )
