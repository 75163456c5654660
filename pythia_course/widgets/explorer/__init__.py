"""Every head of a model at a glance and any one in detail, moved with the mouse or the keyboard in the browser."""

from pathlib import Path

import anywidget
import traitlets

from pythia_course.errors import shown
from pythia_course.plots import axes
from pythia_course.plots.labels import escaped
from pythia_course.widgets.common import code
from pythia_course.widgets.common.attention import color_table
from pythia_course.widgets.common.refused import Refused
from pythia_course.widgets.common.still import WithStill, png
from pythia_course.widgets.explorer.live import WithRuns
from pythia_course.widgets.explorer.panel import Panel, check_size, pair
from pythia_course.widgets.explorer.runs import first_runs

HERE = Path(__file__).parent
LONGEST_TITLE = 100  # characters on the static picture
# Inches of the static picture: its width, the height a model takes, and the side of either drawing.
WIDE, TALL, SIDE = 9.4, 5.8, 3.8


class AttentionExplorer(WithRuns, WithStill, anywidget.AnyWidget):
    """Thumbnails of all heads; the one chosen is drawn large, and a token shows where it looks.

    attention: (layer, head, query, key), each row sums to 1.  tokens: one label a position.
    scores: {name: (layer, head) numbers} to sort by, beside the previous-token and first-token scores of this
    prompt and, where it is one text twice, the induction score.  period: tokens in one copy, if that is not seen.
    The head shown is `explorer.layer`, `explorer.head`; both can be set from code.
    `AttentionExplorer.of` opens it on a model and a text, to type on.

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
        self._open([Panel("", attention, tokens, scores, period)], title, layer, head)

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
        panels = [Panel(name, *pair(name, given), (scores or {}).get(name)) for name, given in models.items()]
        explorer = cls.__new__(cls)  # __init__ takes one model
        explorer._open(panels, title, layer, head)
        return explorer

    @classmethod
    def of(cls, models, texts, *, title="", layer=0, head=0):
        """A model on a text, with a text field: type, silence heads, move through its training, and see at once.

            AttentionExplorer.of("tiny-pythia", "Then Mia lost the")
            AttentionExplorer.of(["tiny-pythia", "tiny-gpt2"], "Then Mia lost the")  # two models on one text
            AttentionExplorer.of("tiny-pythia", ["Then Mia lost the", "Then Tom lost the"])  # one model on two

        models: one or two of what `load` opened, or of names that it takes.  texts: one, or two for one model: then
        the values of a head, or of the stream, can be dragged from one run into the other.
        A model that ships is computed in the page itself, from weights that the kernel sends it once; any other, and
        one whose weights were changed, by the kernel. The explorer says which.  What is shown: `explorer.runs`,
        and as arrays `explorer.trace`; `explorer.show` changes it from code.
        Raises what `load` and `lm.trace` raise.
        """
        explorer = cls.__new__(cls)
        runs, explorer._given, linked = first_runs(models, texts)
        explorer._open(explorer._begin(runs, linked), title, layer, head, **explorer._live_state(runs, linked))
        return explorer

    def _open(self, shown, title, layer, head, **live):
        check_size(shown)
        self._shown = shown
        super().__init__(
            _weights=b"".join(model.weights for model in shown),
            _colors=color_table(),
            _models=[model.described() for model in shown],
            _title=escaped(title),
            layer=layer,
            head=head,
            **live,
        )

    @traitlets.validate("layer", "head")
    def _exists(self, proposal):
        name, value = proposal.trait.name, proposal.value
        number = max(shape[name == "head"] for shape in self._shapes())
        if not 0 <= value < number:
            raise Refused(f"There are {name}s 0 to {number - 1}, but {name} {shown(value)} was asked for.")
        return value

    def __repr__(self):
        said = [
            f"{model.name + ': ' if model.name else ''}{layers} × {heads} heads, {positions} tokens"
            for model in self._panels()
            for layers, heads, positions, _ in [model.shape]
        ]
        return f"AttentionExplorer of {'; '.join(said)} (run the notebook to use it)"

    def still(self):
        """What the browser shows at first, as the bytes of a PNG: all heads and the chosen one of each model."""
        from matplotlib.figure import Figure

        # No pyplot, so no notebook cell shows or closes it; and no layout engine, which would take a second.
        panels = self._panels()
        number = len(panels)
        figure = Figure((WIDE, TALL * number), dpi=80)
        size = SIDE / WIDE, SIDE / TALL / number
        for place, panel in enumerate(panels):
            bottom = 1 - (place + 1) / number
            left, right = (figure.add_axes((x, bottom, *size)) for x in (0, 1 - size[0]))
            panel.draw(left, right, self.layer, self.head)
        if self._title:
            title = axes.drawable(self._title, space=" ", longest=LONGEST_TITLE)
            figure.suptitle(title, y=1 - (TALL - SIDE - 0.6) / TALL / number, parse_math=False)
        return png(figure)
