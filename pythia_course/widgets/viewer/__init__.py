"""Look at one attention head at a time."""

from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from pythia_course import plots
from pythia_course.plots.labels import printable
from pythia_course.widgets.common import code
from pythia_course.widgets.common.attention import all_heads, color_table, packed, unpacked
from pythia_course.widgets.common.keyboard import KeyGuard
from pythia_course.widgets.common.still import WithStill, png

HERE = Path(__file__).parent
MOST_TOKENS = 512


class AttentionViewer(WithStill, ipywidgets.VBox):
    """Two sliders, layer and head, above the picture of that head: rows look at columns.

    attention: (layer, head, query, key), each row sums to 1.  tokens: one label a position.
    The head shown is `viewer.layer.value`, `viewer.head.value`; both can be set from code.
    """

    def __init__(self, attention, tokens):
        self._tokens = list(tokens)
        attention = all_heads(attention, self._tokens, "AttentionViewer", MOST_TOKENS)
        self._shape = attention.shape
        layers, heads = self._shape[:2]
        self.layer, self.head = _slider("layer", layers), _slider("head", heads)
        self.picture = HeadPicture(attention, self._tokens)
        # A slider with one position cannot be drawn by the browser, nor is it of use.
        sliders = [slider for slider in (self.layer, self.head) if slider.max]
        # Linked in the browser: the kernel is not asked for pictures, and need not run.
        self._links = [ipywidgets.jslink((s, "value"), (self.picture, s.description)) for s in sliders]
        super().__init__([*sliders, self.picture, KeyGuard()])

    def __repr__(self):
        layers, heads, positions, _ = self._shape
        return f"AttentionViewer of {layers} × {heads} heads, {positions} tokens (run the notebook to use it)"

    def still(self):
        """The head chosen, as `plots.attention` draws it: the bytes of a PNG."""
        from matplotlib.figure import Figure

        layer, head = self.layer.value, self.head.value
        figure = Figure(plots.attention_size(self._tokens), dpi=80, layout="compressed")
        title = f"layer {layer}, head {head}"
        attention = unpacked(self.picture._weights, self._shape)
        plots.attention(attention[layer, head], self._tokens, ax=figure.add_subplot(), title=title)
        return png(figure)


class HeadPicture(anywidget.AnyWidget):
    """The picture below the sliders; `layer` and `head` follow them."""

    _esm = code.script(HERE / "viewer.js")
    _css = code.style()
    _weights = traitlets.Bytes(help="As `packed` makes them.").tag(sync=True)
    _colors = traitlets.Bytes(help="Red, green and blue of the 256 levels.").tag(sync=True)
    _described = traitlets.Dict(help="The tokens, and how many heads a layer has.").tag(sync=True)
    layer = traitlets.Int().tag(sync=True)
    head = traitlets.Int().tag(sync=True)

    def __init__(self, attention, tokens):
        described = {"tokens": [printable(token) for token in tokens], "heads": attention.shape[1]}
        super().__init__(_weights=packed(attention), _colors=color_table(), _described=described)


def _slider(name, number):
    return ipywidgets.IntSlider(0, 0, max(number - 1, 0), description=name)
