"""Look at one attention head at a time."""

import io

import ipywidgets
import numpy as np

from pythia_course import plots
from pythia_course.widgets.shared.keyboard import KeyGuard
from pythia_course.widgets.shared.status import Status


class AttentionViewer(ipywidgets.VBox):
    """Two sliders, layer and head, above the picture that `plots.attention` draws of that head.

    attention: (layer, head, query, key).  tokens: one label a position.
    The head shown is `viewer.layer.value`, `viewer.head.value`; both can be set from code.
    """

    def __init__(self, attention, tokens):
        self._attention = _all_heads(attention, tokens)
        self._picture = Picture(tokens)
        layers, heads = self._attention.shape[:2]
        self.layer, self.head = _slider("layer", layers), _slider("head", heads)
        self.status = Status()
        width, height = self._picture.pixels
        layout = {"align_self": "flex-start", "max_width": "100%", "object_fit": "contain"}
        self.image = ipywidgets.Image(format="png", width=width, height=height, layout=layout)
        # A slider with one position cannot be drawn by the browser, nor is it of use.
        sliders = [slider for slider in (self.layer, self.head) if slider.max]
        super().__init__([*sliders, self.image, self.status, KeyGuard()])
        for slider in sliders:
            slider.observe(self._redraw, "value")
        self._draw()

    def __repr__(self):
        layers, heads, positions, _ = self._attention.shape
        return f"AttentionViewer of {layers} × {heads} heads, {positions} tokens (run the notebook to use it)"

    def _redraw(self, _change):
        with self.status.reporting():
            self._draw()

    def _draw(self):
        layer, head = self.layer.value, self.head.value
        title = f"layer {layer}, head {head}"
        self.image.value = self._picture.png(self._attention[layer, head], title)
        self.status.value = ""


class Picture:
    """A drawing of one head that keeps its place: laid out once for its tokens, then only drawn anew.

    It belongs to no pyplot, so no notebook cell shows or closes it.  pixels: its width and height.
    """

    def __init__(self, tokens):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.tokens = list(tokens)
        self.figure = Figure(plots.attention_size(self.tokens), dpi=100, layout="compressed")
        self.canvas = FigureCanvasAgg(self.figure)
        self.ax = self.figure.add_subplot()
        # A title and the colour bar take their room now; a layout for every head would take twice the time.
        plots.attention(np.eye(len(self.tokens)), self.tokens, ax=self.ax, title="layer, head")
        self.canvas.draw()
        self.figure.set_layout_engine("none")
        self.pixels = self.canvas.get_width_height()

    def png(self, weights, title):
        """One head's attention as the bytes of a PNG.  weights: (query, key)."""
        self.ax.clear()
        plots.attention(weights, self.tokens, ax=self.ax, title=title, colorbar=False)
        file = io.BytesIO()
        self.canvas.print_png(file)
        return file.getvalue()


def _slider(name, number):
    return ipywidgets.IntSlider(0, 0, max(number - 1, 0), description=name)


def _all_heads(attention, tokens):
    attention = np.asarray(attention)
    expected = (len(tokens), len(tokens))
    if attention.ndim != 4 or attention.shape[2:] != expected or not attention.size:
        raise ValueError(
            f"AttentionViewer shows all heads: it needs shape (layer, head, {len(tokens)}, {len(tokens)}), "
            f"one label a position, got {attention.shape}. Pass trace.attention and trace.tokens."
        )
    return attention
