"""The Python side of a scrubber that knows its model: the text shown, and what a page cannot compute of another."""

from functools import partial

import numpy as np
import traitlets

from pythia_course import load, suite
from pythia_course.errors import shown
from pythia_course.inside.prompts import token_ids
from pythia_course.plots.labels import printable
from pythia_course.training.sweep import sweep
from pythia_course.widgets.common.answers import Answers
from pythia_course.widgets.common.attention import MOST_BYTES, head_scores, packed
from pythia_course.widgets.common.models import checkpoint, number_of_tokens
from pythia_course.widgets.common.refused import Refused
from pythia_course.widgets.scrubber.snapshots import DIGITS, MOST_TOKENS, Moments, moment

ARRAYS_ALONE = (
    "This scrubber knows no model to read another text with. TrainingScrubber.of(name, text) does, where the text is "
    "one and no list of ids that none gives, and downloads are kept."
)
WHO = "TrainingScrubber"


class WithText(Answers, traitlets.HasTraits):
    """For a scrubber, before its other bases. Of another text nothing large gets into a saved notebook."""

    text = traitlets.Unicode(help="The text shown; empty where no model is known.").tag(sync=True)
    _live = traitlets.Dict(help="What does not change: the first text, the model, who computes.").tag(sync=True)
    _options = {}  # what `sweep` was given, besides steps and measure
    _reads = None  # the tokenizer
    _later = (None, None)  # (a text, its Moments), of the last one drawn here

    def _know(self, name, given, text, options):
        """Let it read other texts.  given: the name as `sweep` took it; name: as it says it."""
        plain = options.get("dtype", "float32") == "float32"
        ships = (given is None or isinstance(given, str)) and suite.short_name(name) in suite.SHIPPED and plain
        ships = ships and (given is None or suite.short_name(given) in suite.SHIPPED)
        text = text if isinstance(text, str) else self._text_of(name, text) if ships else None
        if text is None or (options.get("free") and not ships):
            return
        self._options = {"name": given, **options}
        limits = {"most": MOST_TOKENS, "bytes": MOST_BYTES}
        self._live = {"first": text, "model": name, "where": "page" if ships else "kernel", **limits}
        self.text = text
        self.on_msg(self._asked)

    def _text_of(self, name, ids):
        """The text that gives just these token ids, None if there is none."""
        tokenizer = checkpoint(name, self._moments.steps[-1]).tokenizer
        text = tokenizer.decode(ids)
        return text if token_ids(tokenizer, text).tolist() == list(ids) else None

    @traitlets.validate("text")
    def _can_be_read(self, proposal):
        text = proposal.value
        if not self._live and text:
            raise Refused(ARRAYS_ALONE)
        if text != self._live.get("first", ""):
            try:
                self._check(text)
            except ValueError as error:
                raise Refused(str(error)) from error
        return text

    def _check(self, text):
        """How many tokens a text has; ValueError where it cannot be shown."""
        number = number_of_tokens(self._tokenizer(), text, MOST_TOKENS, WHO)
        size = len(self._moments.steps) * np.prod(self._moments.heads) * number * (number + 1) // 2
        if size > MOST_BYTES:
            raise ValueError(
                f"Of this text {WHO} would hold {size / 1e6:.0f} MB in the browser, more than its "
                f"{MOST_BYTES / 1e6:.0f} MB: shorten it."
            )
        return number

    def _tokenizer(self):
        if self._reads is None:
            self._open(self.step)
        return self._reads

    def _open(self, step):
        """The checkpoint of a step."""
        if step not in self._moments.steps:
            raise ValueError(f"This scrubber has no step {shown(step)}.")
        if self._live["where"] == "page":
            lm = checkpoint(self._live["model"], step)
        else:
            numbers = {name: self._options[name] for name in ("dtype", "device") if name in self._options}
            lm = load(self._options["name"], step, **numbers)
        self._reads = lm.tokenizer
        return lm

    def _tell_moment(self, content):
        text, step = content["run"]["prompt"], content["run"]["step"]
        self._check(text)
        seen = moment(self._open(step), text)
        layers, heads = seen["attention"].shape[:2]
        own = head_scores(seen["attention"].astype(np.float32), seen["tokens"].tolist())
        told = {
            "tokens": [printable(token) for token in seen["tokens"].tolist()],
            "layers": layers,
            "heads": heads,
            "scores": {name: np.round(values, DIGITS).tolist() for name, values in own.items()},
            "next": [[printable(token), float(p)] for token, p in zip(seen["next"].tolist(), seen["p"], strict=True)],
            "words": [printable(word) for word in seen["words"].ravel().tolist()],
        }
        sure = np.rint(255 * seen["sure"].clip(0, 1)).astype(np.uint8)
        return {"moment": told}, [packed(seen["attention"].astype(np.float32)), sure.tobytes()]

    def _shown(self):
        """Moments of the text shown."""
        if self.text == self._live.get("first", ""):
            return self._moments
        if self._later[0] != self.text:
            options = {**self._options, "duplicates": "keep"}
            found = sweep(steps=self._moments.steps, measure=partial(moment, text=self.text), **options)
            self._later = self.text, Moments(*parts(found))
        return self._later[1]


def parts(found):
    """What `sweep` found by `moment`, as Moments takes it: steps, tokens, attention, predictions, lens."""
    said = [list(zip(one["next"].tolist(), one["p"].tolist())) for one in found.values()]
    lens, tokens = (found.array("words"), found.array("sure")), found[found.steps[0]]["tokens"].tolist()
    return found.steps, tokens, found.array("attention"), said, lens
