"""One slider through training: attention, next tokens, logit lens and scores of every checkpoint, in the browser."""

from functools import partial
from pathlib import Path

import anywidget
import traitlets

from pythia_course import suite
from pythia_course.errors import DuplicateCheckpoints, shown
from pythia_course.plots.labels import escaped
from pythia_course.training.audit import DUPLICATES, listed
from pythia_course.training.sweep import sweep
from pythia_course.widgets.common import code
from pythia_course.widgets.common.attention import color_table
from pythia_course.widgets.common.refused import Refused
from pythia_course.widgets.common.still import WithStill
from pythia_course.widgets.scrubber.live import WithText, parts
from pythia_course.widgets.scrubber.picture import picture
from pythia_course.widgets.scrubber.snapshots import Moments, moment

HERE = Path(__file__).parent


class TrainingScrubber(WithText, WithStill, anywidget.AnyWidget):
    """A slider with a notch a checkpoint moves all that is shown; drawn in the browser from data sent once.

    steps: training steps, ascending.  tokens: one label a position.  At least one of the others:
    attention: (step, layer, head, query, key), each row sums to 1; its previous-token, first-token and, where the
        prompt is one text twice, induction scores are shown with it.
    predictions: for each step a list of (token, probability), the likeliest first, as `lm.predict` gives it.
    lens: (words, probabilities), both (step, layer + 1, position): what the model would say next if it stopped
        after each layer.
    scores: {name: (step,) numbers, or (step, layer, head) of which those of the head chosen are shown}.

    duplicates: "refuse" steps whose attention or lens is the same to the last digit, since between them nothing was
        learned (some published checkpoints are copies, see `audit`), or "keep" them.

    What is shown is `scrubber.step`, `scrubber.layer` and `scrubber.head`; each can be set from code.
    `TrainingScrubber.of` opens it on a model and a text, to type on.  Where no kernel runs, a picture of what was
    chosen when the cell ran stands in its place.
    """

    _esm = code.script(HERE / "scrubber.js")
    _css = code.style(HERE / "scrubber.css")
    _weights = traitlets.Bytes(help="Attention of all checkpoints, as `packed` makes it.").tag(sync=True)
    _said = traitlets.Bytes(help="Words of the lens, uint32 places in the vocabulary.").tag(sync=True)
    _sure = traitlets.Bytes(help="Their probabilities in 1/255.").tag(sync=True)
    _colors = traitlets.Bytes(help="Red, green and blue of the 256 levels.").tag(sync=True)
    _data = traitlets.Dict(help="All that is small: see `Moments.described`.").tag(sync=True)
    _title = traitlets.Unicode().tag(sync=True)
    step = traitlets.Int(help="The training step shown.").tag(sync=True)
    layer = traitlets.Int(help="The layer of the head drawn large.").tag(sync=True)
    head = traitlets.Int(help="The head drawn large.").tag(sync=True)

    def __init__(
        self, steps, tokens, attention=None, predictions=None, lens=None, scores=None, *,
        title="", step=None, layer=0, head=0, duplicates="refuse",
    ):  # fmt: skip
        self._moments = moments = Moments(steps, tokens, attention, predictions, lens, scores)
        if duplicates not in DUPLICATES:
            raise ValueError(f"duplicates is one of {', '.join(DUPLICATES)}, but {shown(duplicates)} came.")
        if duplicates == "refuse" and (same := moments.duplicates()):
            raise _refusal(same)
        super().__init__(
            _weights=moments.weights(),
            _said=moments.vocabulary()[1],
            _sure=moments.sureness(),
            _colors=color_table(),
            _data=moments.described(),
            _title=escaped(title),
            step=moments.steps[-1] if step is None else step,
            layer=layer,
            head=head,
        )

    @classmethod
    def of(cls, name, text, steps=None, *, scores=None, duplicates="refuse", title=None, step=None, layer=0, head=0,
           **options):  # fmt: skip
        """Run checkpoints of a model over a text, each once and kept on disk by `sweep`, and show them; then type.

        name, steps: as `sweep` takes them, steps=None for all.  text: as `lm.trace` takes it.  scores: more of them,
        as above, of this text.  options: what else `sweep` takes, such as keep=, a folder for what was collected.
        Another text, of up to 128 tokens, is typed above the slider or set as `scrubber.text`: the step shown comes
        first, the others follow.  A model that ships is computed in the page itself, from weights that the kernel
        sends it once, any other by the kernel; the scrubber says which.  There is no text field for token ids that
        no text gives, nor where free=True takes downloads away.
        Raises what `sweep` raises; above all DuplicateCheckpoints, for steps that serve the same weights.
        """
        found = sweep(name, steps, partial(moment, text=text), duplicates=duplicates, **options)
        scrubber = cls(
            *parts(found), scores,
            title=found.name if title is None else title, step=step, layer=layer, head=head, duplicates=duplicates,
        )  # fmt: skip
        scrubber._know(found.name, name, text, options)
        return scrubber

    @traitlets.validate("step")
    def _is_a_checkpoint(self, proposal):
        steps = self._moments.steps
        if proposal.value in steps:
            return proposal.value
        near = " and ".join(map(str, suite.nearest_steps(proposal.value, tuple(steps))))
        raise Refused(f"This scrubber has no step {shown(proposal.value)}; the nearest it has: {near}.")

    @traitlets.validate("layer", "head")
    def _exists(self, proposal):
        name, value = proposal.trait.name, proposal.value
        number = max(self._moments.heads[name == "head"], 1)
        if not 0 <= value < number:
            raise Refused(f"There are {name}s 0 to {number - 1}, but {name} {shown(value)} was asked for.")
        return value

    def __repr__(self):
        steps, first = self._moments.steps, self.text == self._live.get("first", "")
        number = len(self._moments.tokens) if first else self._check(self.text)
        return (
            f"TrainingScrubber of {len(steps)} checkpoints, steps {steps[0]:,} to {steps[-1]:,}, "
            f"{number} tokens (run the notebook to use it)"
        )

    def still(self):
        """The step and head chosen, as the bytes of a PNG."""
        return picture(self._shown(), self._title, self._moments.steps.index(self.step), self.layer, self.head)


def _refusal(groups):
    same = "; ".join(map(listed, groups[:3]))
    return DuplicateCheckpoints(
        f"What was passed is the same to the last digit at steps {same}, so what lies between them is not training: "
        "audit(name) says whether these checkpoints serve the same weights. Leave copies out, or show them all the "
        "same with duplicates='keep'."
    )
