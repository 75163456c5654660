"""What stands in a widget's place where no kernel runs: a line of text and a picture, stored beside the live view.

A saved notebook holds a widget's address, not the widget. JupyterLab prefers that address to every other form of the
same output, finds nobody there once the kernel is gone, and shows an error. So the live view is an output of its own;
text and picture follow as two more, and a style hides whichever is not wanted.
"""

import base64
import html

from IPython.display import display

VIEW = "application/vnd.jupyter.widget-view+json"
# JupyterLab names the form of every output on its element, but not that of a widget, which is a panel.
_OUTPUT, _VIEW = ".jp-OutputArea-child", "> .lm-Panel.jp-OutputArea-output"
_LIVE, _TEXT = f"{_OUTPUT}:has({_VIEW} > *)", f"{_OUTPUT}:has(.pythia-still)"
STYLE = f"""<style>
{_LIVE} + {_TEXT}, {_LIVE} + {_TEXT}:has(.pythia-pictured) + {_OUTPUT},
{_OUTPUT}:has({_VIEW}):not(:has({_VIEW} > *)):has(+ {_OUTPUT} .pythia-still) {{ display: none; }}
</style>"""


class WithStill:
    """For a widget, before its other bases: `_ipython_display_` shows it live and leaves text and picture behind."""

    def still(self):
        """The bytes of a PNG of what the widget shows now; None where words say all."""
        return None

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        picture = self.still()
        if picture:
            data = data | {"image/png": base64.b64encode(picture).decode("ascii")}
            metadata = metadata | {"image/png": {"alt": picture.alt}}
        return data, metadata

    def _ipython_display_(self):
        data, metadata = self._repr_mimebundle_()
        text, picture = data["text/plain"], data.get("image/png")
        kind = "pythia-still pythia-pictured" if picture else "pythia-still"
        display({VIEW: data[VIEW]}, raw=True)
        display({"text/plain": text, "text/html": f'{STYLE}<p class="{kind}">{html.escape(text)}</p>'}, raw=True)
        if picture:
            display({"image/png": picture}, metadata={"image/png": metadata["image/png"]}, raw=True)


class Picture(bytes):
    """The bytes of a PNG, with `alt`: what is to be seen on it, for whoever cannot see it."""

    alt = ""


def png(figure):
    """A Picture of a matplotlib Figure that belongs to no pyplot, cut to what is drawn."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from pythia_course import plots

    FigureCanvasAgg(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", metadata={"Software": None})
    picture = Picture(file.getvalue())
    picture.alt = plots.alt(figure)
    return picture
