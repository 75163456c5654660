"""Every figure says in a sentence what is to be seen on it: its alt text, for whoever cannot see it.

The plots functions write it from the data they draw.  It reaches a notebook as the picture's metadata,
`output.metadata["image/png"]["alt"]`, live and stored.
"""

import sys
import weakref

LONGEST = 300  # characters; a screen reader cannot stop and go back within them
MISSING = "Figure without a description"  # how the alt text of such a figure begins
_TEXTS = weakref.WeakKeyDictionary()  # Axes or Figure -> a sentence, or a function that makes it when it is shown
_FINAL = weakref.WeakSet()  # those of which an author spoke: no title goes before


def alt(where, text=None) -> str:
    """The alt text of a figure or of one Axes; with `text`, set it first: one or two sentences, what is to be seen.

    where: a matplotlib Figure or Axes, or what `plots` or `compare` gave back.  Said of a Figure, it stands for all of
    its Axes.  To say more than the function did: `plots.alt(ax, plots.alt(ax) + " The stripe is induction.")`.
    Raises ValueError for an empty text and for one of more than 300 characters.
    """
    if text is not None:
        text = " ".join(str(text).split())
        if not 0 < len(text) <= LONGEST:
            fix = "Say what is to be seen" if not text else "Keep what matters most, and put the rest into the prose"
            raise ValueError(f"An alt text has 1 to {LONGEST} characters, and this one has {len(text)}. {fix}.")
        _TEXTS[where] = text
        _FINAL.add(where)
    return _of_figure(where) if hasattr(where, "axes") and hasattr(where, "savefig") else _of_axes(where)


def describe(ax, sentence):
    """Note what a plots function drew; the Axes' title goes before it.  sentence: a text, or a function that makes it.

    A function is called when the figure is shown, so that it knows what was renamed in the meantime.
    """
    _TEXTS[ax] = sentence
    _FINAL.discard(ax)


def _of_axes(ax):
    sentence = _TEXTS.get(ax)
    if ax in _FINAL:
        return sentence
    if sentence is None:
        return f"{MISSING}. {_names(ax)}".strip()
    return _cut(_with_title(ax.get_title(), sentence() if callable(sentence) else sentence))


def _with_title(title, text):
    return f"{title.rstrip('.')}. {text}" if title else text


def _of_figure(figure):
    """The author's words, or those of each Axes as far as they fit, the Axes in the order they were made."""
    if figure in _FINAL:
        return _TEXTS[figure]
    drawn = [ax for ax in figure.axes if ax.get_visible() and ax.get_label() != "<colorbar>"]
    told = [_of_axes(ax) for ax in drawn if ax in _TEXTS]
    if len(told) < len(drawn) or not drawn:
        names = " ".join(_names(ax) for ax in drawn if ax not in _TEXTS)
        told.insert(0, f"{MISSING}. {names}".strip())
    if len(told) == 1:
        return _cut(_with_title(_heading(figure), told[0]))
    return _joined(_with_title(_heading(figure), f"{len(told)} panels."), told)


def _heading(figure):
    return figure.get_suptitle()


def _joined(start, told):
    """Each panel in as many characters as its share, cut where a sentence or a clause ends."""
    share = max((LONGEST - len(start)) // len(told) - 1, 40)
    whole = " ".join([start, *told])
    return whole if len(whole) <= LONGEST else _cut(" ".join([start, *(_cut(text, share) for text in told)]))


def _cut(text, longest=LONGEST):
    """The text, or as much of it as fits, up to the end of a sentence, else of a clause, else of a word."""
    if len(text) <= longest:
        return text
    kept = text[: longest - 1]
    for end in (". ", "; ", ", ", " "):
        at = kept.rfind(end)
        if at > longest // 3:
            return kept[:at].rstrip(".") + ("." if end == ". " else "…")
    return kept + "…"


def _names(ax):
    """What is written on an Axes: its title, the names of its axes and of its lines."""
    _, labels = ax.get_legend_handles_labels()
    pairs = (("", ax.get_title()), ("across: ", ax.get_xlabel()), ("up: ", ax.get_ylabel()), ("", ", ".join(labels)))
    return "; ".join(before + " ".join(text.split()) for before, text in pairs if text)


def in_notebooks():
    """From now on every figure that IPython shows carries its alt text.  Nothing happens outside IPython."""
    ipython = sys.modules.get("IPython")  # the course itself needs no IPython to draw
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        formatter = shell.display_formatter.mimebundle_formatter
        formatter.for_type_by_name("matplotlib.figure", "Figure", _bundle)


def _bundle(figure, include=None, exclude=None):
    """No picture, which IPython makes as the learner has set it, only what is to be known of it."""
    return {}, {"image/png": {"alt": alt(figure)}}
