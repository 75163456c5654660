"""Every head of a model at a glance and any one in detail, moved with the mouse or the keyboard in the browser."""

from dataclasses import InitVar, dataclass, field
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from pythia_course import plots
from pythia_course.errors import shown
from pythia_course.plots import axes
from pythia_course.plots.labels import escaped, printable
from pythia_course.widgets.common import code
from pythia_course.widgets.common.attention import MOST_BYTES, all_heads, color_table, head_scores, packed, unpacked
from pythia_course.widgets.common.refused import Refused
from pythia_course.widgets.common.still import WithStill, png

HERE = Path(__file__).parent
MOST_TOKENS = 512
LONGEST_TITLE = 100  # characters on the static picture
# Inches of the static picture: its width, the height a model takes, and the side of either drawing.
WIDE, TALL, SIDE = 9.4, 5.8, 3.8


class AttentionExplorer(WithStill, anywidget.AnyWidget):
    """Thumbnails of all heads; the one chosen is drawn large, and a token shows where it looks.

    attention: (layer, head, query, key), each row sums to 1.  tokens: one label a position.
    scores: {name: (layer, head) numbers} to sort by, beside the previous-token and first-token scores of this
    prompt and, where it is one text twice, the induction score.  period: tokens in one copy, if that is not seen.
    The head shown is `explorer.layer`, `explorer.head`; both can be set from code.

    Where no kernel runs, a picture of the head chosen when the cell ran stands in its place.
    """

    _esm = code.script(HERE / "explorer.js")
    _css = code.style(HERE / "explorer.css")
    _weights = traitlets.Bytes(help="Weights of all models one after another, as `packed` makes them.").tag(sync=True)
    _colors = traitlets.Bytes(help="Red, green and blue of the 256 levels.").tag(sync=True)
    _models = traitlets.List(help="Name, tokens, numbers of layers and heads, and scores of each.").tag(sync=True)
    _title = traitlets.Unicode().tag(sync=True)
    layer = traitlets.Int(help="The layer shown.").tag(sync=True)
    head = traitlets.Int(help="The head shown.").tag(sync=True)

    def __init__(self, attention, tokens, *, title="", scores=None, period=None, layer=0, head=0):
        self._open([_Model("", attention, tokens, scores, period)], title, layer, head)

    @classmethod
    def compare(cls, models, *, title="", scores=None, layer=0, head=0):
        """Two models side by side, always at the same layer and head; their tokens may differ.

        models: {name: (attention, tokens)}.  scores: {name: {score: (layer, head) numbers}}.
        """
        if not isinstance(models, dict) or not models:
            raise ValueError(
                "AttentionExplorer.compare needs a dictionary {name: (attention, tokens)}, for example "
                '{"tiny-pythia": (trace.attention, trace.tokens), …}, ' + f"got {type(models).__name__}."
            )
        pairs = [_Model(name, *_pair(name, pair), (scores or {}).get(name)) for name, pair in models.items()]
        explorer = cls.__new__(cls)  # __init__ takes one model
        explorer._open(pairs, title, layer, head)
        return explorer

    def _open(self, shown, title, layer, head):
        _check_size(shown)
        self._shown = shown
        super().__init__(
            _weights=b"".join(model.weights for model in shown),
            _colors=color_table(),
            _models=[model.described() for model in shown],
            _title=escaped(title),
            layer=layer,
            head=head,
        )

    @traitlets.validate("layer", "head")
    def _exists(self, proposal):
        name, value = proposal.trait.name, proposal.value
        number = max(model.shape[name == "head"] for model in self._shown)
        if not 0 <= value < number:
            raise Refused(f"There are {name}s 0 to {number - 1}, but {name} {shown(value)} was asked for.")
        return value

    def __repr__(self):
        said = [
            f"{model.name + ': ' if model.name else ''}{layers} × {heads} heads, {positions} tokens"
            for model in self._shown
            for layers, heads, positions, _ in [model.shape]
        ]
        return f"AttentionExplorer of {'; '.join(said)} (run the notebook to use it)"

    def still(self):
        """What the browser shows at first, as the bytes of a PNG: all heads and the chosen one of each model."""
        from matplotlib.figure import Figure

        # No pyplot, so no notebook cell shows or closes it; and no layout engine, which would take a second.
        number = len(self._shown)
        figure = Figure((WIDE, TALL * number), dpi=80)
        size = SIDE / WIDE, SIDE / TALL / number
        for place, model in enumerate(self._shown):
            bottom = 1 - (place + 1) / number
            left, right = (figure.add_axes((x, bottom, *size)) for x in (0, 1 - size[0]))
            model.draw(left, right, self.layer, self.head)
        if self._title:
            title = axes.drawable(self._title, space=" ", longest=LONGEST_TITLE)
            figure.suptitle(title, y=1 - (TALL - SIDE - 0.6) / TALL / number, parse_math=False)
        return png(figure)


@dataclass
class _Model:
    """The attention of one model on its prompt, found to be what the explorer can draw."""

    name: str
    attention: InitVar[np.ndarray]
    tokens: list
    scores: dict | None = None
    period: int | None = None
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
        return {"name": self.name, "tokens": self.shown_tokens, "layers": layers, "heads": heads, "scores": scores}

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


def _pair(name, pair):
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
            f"The score {shown(label)} needs one finite number a head, shape {shape} (layer, head), "
            f"got {values.shape}."
        )
    return values


def _check_size(models):
    size = sum(len(model.weights) for model in models)
    if size > MOST_BYTES:
        raise ValueError(
            f"AttentionExplorer would send {size / 1e6:.0f} MB to the browser, more than its "
            f"{MOST_BYTES / 1e6:.0f} MB. Pass fewer layers, for example trace.attention[:6], or a shorter prompt."
        )
