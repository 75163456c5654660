"""One batch of a training, as `pile.training_batch` makes it: its tokens as arrays, its text to read, a picture."""

import bisect
import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pythia_course import suite
from pythia_course.plots import sentences
from pythia_course.plots.axes import COLORS, axes_or_new, name_axes
from pythia_course.plots.described import describe

END_OF_TEXT = 0  # the id of <|endoftext|>, which closes a document, in Pythia's tokenizer and in the course's
# A colour for each of up to nine sources; the last, of what was planted, is to stand out. All from Okabe and Ito's
# palette, see `axes.COLORS`, but the grey.
SOURCE_COLORS = (*COLORS[:6], "#F0E442", "#999999", "#000000")


@dataclass(frozen=True)
class Piece:
    """A document, or as much of it as one row holds.  source: None where nobody wrote down where it comes from."""

    text: str
    source: str | None
    begins: bool  # with the document's first token
    ends: bool  # with its last


@dataclass(frozen=True, eq=False, repr=False)
class TrainingBatch:
    """What a model learned from in one step of its training."""

    model: str
    step: int
    data: str  # the name of the data set
    tokens: np.ndarray  # (row, position) int64: a row is one token longer than the model's context
    decode: Callable[[Iterable[int]], str]  # token ids -> text
    sources: np.ndarray | None = None  # (row, position), places in `source_names`
    source_names: tuple[str, ...] = ()
    continuous: bool = False  # whether each row goes on where the one before was cut

    @property
    def inputs(self) -> np.ndarray:
        """What the model reads: (row, position), all but the last token of each row."""
        return self.tokens[:, :-1]

    @property
    def targets(self) -> np.ndarray:
        """What it should say: (row, position), the token after each of `inputs`."""
        return self.tokens[:, 1:]

    @property
    def around(self) -> tuple[int, int | None]:
        """Steps of the last checkpoint that has not seen this batch and of the first that has, if it is there yet."""
        checkpoints = suite.steps(self.model)
        after = bisect.bisect_right(checkpoints, self.step)
        return checkpoints[after - 1], checkpoints[after] if after < len(checkpoints) else None

    def text(self, row: int) -> str:
        """The text of one row, with `<|endoftext|>` where a document ends."""
        return self.decode(self.tokens[row])

    def pieces(self, row: int) -> list[Piece]:
        """The documents of one row, in order; the first and the last may be cut."""
        row = range(len(self.tokens))[row]
        ids = self.tokens[row]
        stops = [*(np.flatnonzero(ids == END_OF_TEXT) + 1), len(ids)]
        starts = [0, *stops[:-1]]
        return [self._piece(row, start, stop) for start, stop in zip(starts, stops) if start < stop]

    def _piece(self, row: int, start: int, stop: int) -> Piece:
        ids = self.tokens[row, start:stop]
        ends = bool(ids[-1] == END_OF_TEXT)
        # What is before a row's first token is known only where rows follow one another.
        begins = start > 0 or (self.continuous and (row == 0 or self.tokens[row - 1, -1] == END_OF_TEXT))
        source = None if self.sources is None else self.source_names[self.sources[row, start]]
        return Piece(self.decode(ids[: len(ids) - ends]), source, bool(begins), ends)

    def show(self, rows=4, characters: int = 400):
        """Readable text for a notebook: each document on its own ground, named by its source where that is known.

        rows: how many of the first rows, or a list of rows.  characters: how much of a document is shown.
        """
        from IPython.display import HTML

        chosen = range(min(rows, len(self.tokens))) if isinstance(rows, int) else rows
        return HTML("".join(self._row_html(row, characters) for row in chosen))

    def _row_html(self, row: int, characters: int) -> str:
        pieces = "".join(self._piece_html(piece, characters) for piece in self.pieces(row) if piece.text)
        return f'<div style="margin:0 0 .7em"><div style="opacity:.7">row {row}</div>{pieces}</div>'

    def _piece_html(self, piece: Piece, characters: int) -> str:
        color = COLORS[0] if piece.source is None else SOURCE_COLORS[self.source_names.index(piece.source)]
        text = piece.text if len(piece.text) <= characters else f"{piece.text[:characters]} […]"
        text = f"{'' if piece.begins else '… '}{text}{'' if piece.ends else ' …'}"
        label = f'<b style="font-size:80%">{html.escape(piece.source)}</b> ' if piece.source else ""
        # Black is the colour of the text, so that it is seen in a dark theme too.
        edge, ground = ("currentColor", "#80808022") if color == "#000000" else (color, f"{color}22")
        style = (
            f"border-left:4px solid {edge};background:{ground};padding:1px 8px;margin:1px 0;"
            "white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;font-family:monospace"
        )
        return f'<div style="{style}">{label}{html.escape(text)}</div>'

    def plot(self, ax=None):
        """Draw the batch as a picture with one line a row: a colour for each source, or for each next document."""
        from matplotlib.colors import ListedColormap

        ax = axes_or_new(ax, (9, 4))
        # Without sources, documents are drawn in two colours by turns.
        parts = (self.tokens == END_OF_TEXT).cumsum(1) % 2 if self.sources is None else self.sources
        names = ("a document", "the next one") if self.sources is None else self.source_names
        colors = ListedColormap(SOURCE_COLORS[: len(names)])
        image = ax.imshow(parts, cmap=colors, vmin=-0.5, vmax=len(names) - 0.5, aspect="auto", interpolation="nearest")
        bar = ax.figure.colorbar(image, ax=ax, ticks=range(len(names)), pad=0.02)
        bar.ax.set_yticklabels(names)
        bar.ax.invert_yaxis()
        name_axes(ax, f"the batch of step {self.step:,} of {self.model}", x="position", y="row")
        describe(ax, sentences.shares_of_tokens(parts, names))
        return ax

    def __repr__(self):
        rows, length = self.tokens.shape
        before, after = self.around
        seen = "nor has any other yet" if after is None else f"the one at step {after:,} has"
        return (
            f"<the batch of step {self.step:,} of {self.model}: {rows:,} rows of {length:,} tokens of {self.data}; "
            f"the checkpoint at step {before:,} has not seen it, {seen}>"
        )
