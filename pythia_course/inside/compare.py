"""One call compares two models on one prompt: `compare(a, b, text)` -> a Comparison that shows itself in a notebook.

    compare(load("tiny-pythia"), load("tiny-gpt2"), "Mia had a red ball. Then Mia lost the red")

What it draws is kept as arrays, so that a number can be asked for that no picture shows.
"""

from __future__ import annotations

import html
import unicodedata
from dataclasses import dataclass

import numpy as np

from pythia_course import measures, plots, suite
from pythia_course.inside.description import describe
from pythia_course.inside.module_paths import PARTS
from pythia_course.inside.tracing import LanguageModel, Trace
from pythia_course.plots import sentences
from pythia_course.plots.axes import axes_or_new, bare, drawable, name_axes
from pythia_course.plots.colors import lines_of
from pythia_course.plots.described import describe as describe_axes


@dataclass(frozen=True, eq=False)
class Reading:
    """What one model made of the prompt; arrays are numpy, float32."""

    name: str
    lm: LanguageModel
    trace: Trace  # with attention, residual and logits
    ends: np.ndarray  # (position), the character at which each token ends
    losses: np.ndarray  # (position - 1), nats: the surprise at each token after the first
    lens: np.ndarray  # (layer + 1, vocab): the next token's probabilities, read after each layer; [-1] is the model's

    @property
    def predictions(self) -> list[tuple[str, float]]:
        """The five likeliest next tokens, likeliest first: (printable token, probability)."""
        best = np.argsort(-self.lens[-1], kind="stable")[:5]
        return list(zip(self.lm.tokens(best), self.lens[-1][best].tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models that read one text.  Shown in a notebook it is a table and a figure; `a` and `b` hold the arrays."""

    text: str
    a: Reading
    b: Reading
    facts: list[tuple[str, str, str, bool]]  # what, of a, of b, whether they differ

    @property
    def parameters(self) -> dict[str, dict[str, int]]:
        """{model: {component: number of parameters}}, as `plots.parameter_budget` takes it."""
        return {reading.name: suite.parameters(reading.lm.spec) for reading in (self.a, self.b)}

    @property
    def differences(self) -> list[str]:
        """Names of the facts in which the two models differ."""
        return [what for what, *_, differ in self.facts if differ]

    @property
    def shared_start(self) -> int:
        """The first character at which a token of a and a token of b both end: from there on both read the same."""
        return min(set(self.a.ends.tolist()) & set(self.b.ends.tolist()))

    @property
    def bits_per_byte(self) -> tuple[float, float]:
        """Surprise, of a and of b, per byte after the shared start; nan where nothing follows it.

        Fair between tokenizers, since both are asked about the same bytes, however they cut them.
        """
        size = len(self.text[self.shared_start :].encode())
        nats = [reading.losses[reading.ends[1:] > self.shared_start].sum() for reading in (self.a, self.b)]
        return tuple(float(n / np.log(2) / size) if size else float("nan") for n in nats)

    def plot_next_tokens(self, axes=(None, None)):
        """Each model's five likeliest next tokens.  axes: one for each model."""
        styles = lines_of([self.a.name, self.b.name])
        for ax, reading, style in zip(axes, (self.a, self.b), styles, strict=True):
            tokens, probabilities = zip(*reading.predictions)
            ax = plots.next_token(probabilities, tokens, ax=ax, title=f"{reading.name}: next token")
            for bar in ax.patches:
                bar.set_color(style["color"])

    def plot_lens(self, ax=None):
        """The logit lens: how likely each model's own final answer already is after each layer."""
        ax = axes_or_new(ax, (6, 3))
        lines = []
        likely = [reading.lens[:, reading.lens[-1].argmax()] for reading in (self.a, self.b)]
        for values, style in zip(likely, lines_of([self.a.name, self.b.name])):
            lines += ax.plot(range(len(values)), values, **style)
        labels = [f"{reading.name}: {drawable(reading.predictions[0][0])}" for reading in (self.a, self.b)]
        _finish(ax, lines, labels)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xticks(range(max(len(self.a.lens), len(self.b.lens))))
        name_axes(ax, "logit lens: the final answer", x="layers read", y="probability")
        depth = range(max(map(len, likely)))
        describe_axes(ax, sentences.courses(depth, dict(zip(labels, likely)), "probability", ("layers read", "layer")))
        return ax

    def plot_losses(self, ax=None):
        """Surprise at each token; where the two cut the text differently, added up along its characters."""
        ax = axes_or_new(ax, (7, 3))
        same = self.a.trace.tokens == self.b.trace.tokens
        lines = _draw_bars(ax, self.a, self.b) if same else _draw_sums(ax, self.a, self.b, self.shared_start)
        _finish(ax, lines, [self.a.name, self.b.name])
        return ax

    def plot(self):
        """All of it in one figure, whose axes come back: next tokens above; logit lens and losses below."""
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(2, 2, figsize=(12, 6), layout="constrained")
        self.plot_next_tokens(axes[0])
        self.plot_lens(axes[1, 0])
        self.plot_losses(axes[1, 1])
        plots.alt(figure, self._in_words())
        return axes

    def _in_words(self):
        """What the figure shows, for its alt text; names that are very long are cut."""
        (first, p), (second, q) = (reading.predictions[0] for reading in (self.a, self.b))
        return (
            f"{self.a.name[:60]} and {self.b.name[:60]}: likeliest next token {drawable(first)!r}, {p:.1%}, against "
            f"{drawable(second)!r}, {q:.1%}; below, how this grows over the layers, and the loss along the text, "
            f"{self.a.losses.sum():.1f} against {self.b.losses.sum():.1f} nats in all."
        )

    def __repr__(self):
        lines = [f"  {what:<22} {a:<44} {b}" for what, a, b, differ in self.facts if differ]
        return "\n".join([f"{self.a.name} and {self.b.name} differ in {len(lines)} of {len(self.facts)}:", *lines])

    def _repr_html_(self):
        """What differs (marked), what does not, and the parameters by component."""
        counts = [(f"parameters: {what}", f"{a:,}", f"{b:,}", a != b) for what, a, b in self._counts()]
        rows = [_row(what, "≠" if differ else "", a, b) for what, a, b, differ in [*self.facts, *counts]]
        head = _row("what", "differs", self.a.name, self.b.name, tag="th")
        return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"

    def _counts(self):
        first, second = self.parameters.values()
        yield from ((part, first[part], second[part]) for part in first)
        for what, count in (("all", suite.total), ("without embeddings", suite.without_embeddings)):
            yield what, count(self.a.lm.spec), count(self.b.lm.spec)

    def _ipython_display_(self):
        from IPython.display import HTML, display

        display(HTML(self._repr_html_()))
        self.plot()  # pyplot's, so the notebook shows it when the cell ends


def compare(a, b, text) -> Comparison:
    """Have two models read the same text.  a, b: opened models, or names as `pythia_course.load` takes them.

    Letters in pieces (e and an accent) are put together first, as Pythia's tokenizer does and GPT-2's does not, so that
    both read the same bytes.
    Raises what `load` and `LanguageModel.trace` raise, and TypeError where the text is not a string.
    """
    if not isinstance(text, str):
        kind = type(text).__name__
        raise TypeError(f"compare reads one text, so that each model can cut it in its own way, and not a {kind}.")
    text = unicodedata.normalize("NFC", text)
    models = [lm if isinstance(lm, LanguageModel) else LanguageModel.open(lm) for lm in (a, b)]
    readings = [read(lm, text, name) for lm, name in zip(models, _names(*models))]
    return Comparison(text, *readings, facts=_side_by_side(*models))


def read(lm, text, name=None) -> Reading:
    """What one model makes of a text, without keeping more than a comparison needs."""
    trace = lm.trace(text, keep=["attention", "residual", "logits"])
    spans = lm.tokenizer(text, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    losses = measures.token_losses(trace.logits, trace.ids).astype(np.float32)
    ends = np.array([end for _, end in spans])
    return Reading(name or lm.name, lm, trace, ends, losses, logit_lens(lm, trace.residual[:, -1]))


def logit_lens(lm, stream):
    """Next-token probabilities if the model stopped there: final LayerNorm, output matrix, softmax.

    stream: (..., width), of a residual stream before the final LayerNorm.  Back: (..., vocab), numpy float32.
    Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    norm = lm.model.get_submodule(PARTS["final LayerNorm"][lm.spec.family])
    stream = stream.to(next(norm.parameters()))  # the device and the dtype of that part of the model
    logits = lm.model.get_output_embeddings()(norm(stream))
    return logits.float().softmax(-1).cpu().numpy()


def _side_by_side(a, b):
    """(what, of a, of b, whether they differ) for each fact."""
    pairs = zip(describe(a).items(), describe(b).values(), strict=True)
    rows = [(what, of_a, of_b, of_a != of_b) for (what, of_a), of_b in pairs]
    if a.tokenizer.get_vocab() == b.tokenizer.get_vocab():
        return rows
    # two vocabularies of the same size are still two
    return [(what, of_a, of_b, differ or what == "tokenizer") for what, of_a, of_b, differ in rows]


def _names(a, b):
    """A name for each, told apart where both are the same model."""
    if a.name != b.name:
        return a.name, b.name
    if a.step != b.step:
        return f"{a.name} at step {a.step}", f"{b.name} at step {b.step}"
    return f"{a.name} (a)", f"{b.name} (b)"


def _row(*texts, tag="td"):
    cells = "".join(f'<{tag} style="text-align:left">{html.escape(text)}</{tag}>' for text in texts)
    return f"<tr>{cells}</tr>"


def _draw_bars(ax, a, b):
    """Two bars a token, where both have the same tokens."""
    places = np.arange(len(a.losses))
    bars = [
        ax.bar(places + 0.4 * number, reading.losses, 0.4, color=style["color"], align="edge")
        for number, (reading, style) in enumerate(zip((a, b), lines_of([a.name, b.name])))
    ]
    tokens = [drawable(token) for token in a.trace.tokens[1:]]
    ax.set_xticks(places + 0.4, tokens, rotation=90, parse_math=False)
    name_axes(ax, "surprise at each token", y="loss (nats)")
    if tokens:
        describe_axes(ax, sentences.losses({a.name: a.losses, b.name: b.losses}, tokens))
    return bars


def _draw_sums(ax, a, b, start):
    """Two lines that climb by the loss of each token where it ends: comparable wherever both have an end."""
    lines, sums = [], {}
    for reading, style in zip((a, b), lines_of([a.name, b.name])):
        counts = reading.ends[1:] > start
        ends, losses = [start, *reading.ends[1:][counts]], [0, *reading.losses[counts].cumsum()]
        lines += ax.plot(ends, losses, **style, markersize=3)
        sums[reading.name] = ends[-1], losses[-1]
    name_axes(ax, "surprise, added up", x="characters read", y="loss so far (nats)")
    describe_axes(ax, sentences.losses_added_up(sums))
    return lines


def _finish(ax, lines, labels):
    """A legend inside, since two pictures stand side by side, and no lines that bound nothing."""
    legend = ax.legend(lines, [drawable(label, space=" ", longest=None) for label in labels], frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    bare(ax)
