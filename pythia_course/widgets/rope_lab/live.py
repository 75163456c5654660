"""The Python side of a lab that knows its model: which two tokens' query and key it turns, of which head and text."""

from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import traitlets

from pythia_course.errors import shown
from pythia_course.plots.labels import printable
from pythia_course.widgets.common.answers import Answers
from pythia_course.widgets.common.models import checkpoint, number_of_tokens
from pythia_course.widgets.common.refused import Refused

VECTORS_ALONE = "This lab was given vectors alone and knows no model; RopeLab.of(lm, text) does."
CHOSEN = ("text", "layer", "head", "query_token", "key_token")


class OfAModel(Answers, traitlets.HasTraits):
    """For a lab, before its other bases: `text`, `layer`, `head` and the two tokens decide on its vectors."""

    text = traitlets.Unicode(help="What the model reads; empty where no model is known.").tag(sync=True)
    layer = traitlets.Int(help="The layer of the head.").tag(sync=True)
    head = traitlets.Int(help="The head whose query and key turn.").tag(sync=True)
    query_token = traitlets.Int(help="Which token the query is of.").tag(sync=True)
    key_token = traitlets.Int(help="Which one the key is of; it stands at or before the query's.").tag(sync=True)
    _tokens = traitlets.List(help="The tokens of the text.").tag(sync=True)
    _live = traitlets.Dict(help="What does not change: the model, its sizes, who computes.").tag(sync=True)
    _given = None  # the model, None where it ships
    _by_page = False  # whether a change comes from a page, vectors and all

    def _begin(self, given, run, text, places, tokens):
        """Open it on a text.  places: (layer, head).  tokens: (query, key), None for the last, and what it looks at."""
        self._given = given
        self._vectors = lru_cache(maxsize=1)(self._computed)
        spec = self._model(run).spec
        own = {"base": spec.rope_base, "rotary_fraction": spec.rotary_fraction}
        sizes = {"layers": spec.layers, "heads": spec.heads, "most": self.positions}
        self._live = {**run, **own, **sizes, "where": "kernel" if given else "page"}
        self.on_msg(self._asked)
        with self._told_by_page():  # so that nothing follows before all is chosen
            self.layer, self.head = places
            self.text = text
            labels, queries, keys, attention = self._vectors(text, *places)
            self._tokens = labels
            self.query_token = len(labels) - 1 if tokens[0] is None else tokens[0]
            looked_at = int(attention[self.query_token].argmax())
            self.key_token = looked_at if tokens[1] is None else tokens[1]
        if self.key_token > self.query_token:
            raise ValueError(
                f"A query looks at no later token: key={self.key_token} stands after query={self.query_token}."
            )
        self._take()

    def _model(self, run=None):
        run = run or self._live
        return self._given or checkpoint(run["model"], run["step"])

    def _computed(self, text, layer, head):
        """(tokens, queries, keys, attention) of a head; (position, head_dim) before rotation, and (query, key)."""
        trace = self._model().trace(text, keep=["queries_unrotated", "keys_unrotated", "attention"])
        vectors = (getattr(trace, name)[layer, head].numpy() for name in ("queries_unrotated", "keys_unrotated"))
        return [printable(token) for token in trace.tokens], *vectors, trace.attention[layer, head].numpy()

    def _take(self):
        """Vectors and positions of the two tokens."""
        tokens, queries, keys, _ = self._vectors(self.text, self.layer, self.head)
        self._tokens = tokens
        self._query, self._key = queries[self.query_token].tolist(), keys[self.key_token].tolist()
        self.query_position = self.query_token
        self.key_position = self.key_token

    @contextmanager
    def _told_by_page(self):
        before, self._by_page = self._by_page, True
        try:
            yield
        finally:
            self._by_page = before

    def set_state(self, sync_data):
        """What a page has changed comes with the vectors that it has computed."""
        with self._told_by_page():
            super().set_state(sync_data)

    @traitlets.validate("text")
    def _can_be_read(self, proposal):
        self._refuse_vectors(proposal.value != "")
        if self._live:
            try:
                number_of_tokens(self._model().tokenizer, proposal.value, self.positions, "RopeLab")
            except ValueError as error:
                raise Refused(str(error)) from error
        return proposal.value

    @traitlets.validate("layer", "head", "query_token", "key_token")
    def _exists(self, proposal):
        name, value = proposal.trait.name, proposal.value
        self._refuse_vectors(value != 0)
        known = {"layer": self._live.get("layers", 1), "head": self._live.get("heads", 1)}
        number = known.get(name, max(len(self._tokens), 1))
        if not 0 <= value < number:
            what = name.removeprefix("query_").removeprefix("key_")
            raise Refused(f"There are {what}s 0 to {number - 1}, but {what} {shown(value)} was asked for.")
        return value

    def _refuse_vectors(self, changed):
        if changed and not self._live:
            raise Refused(VECTORS_ALONE)

    @traitlets.observe(*CHOSEN)
    def _follow(self, change):
        """What follows from one change by code: the tokens of another text, a key that never stands after its query."""
        if self._by_page or not self._live:
            return
        with self._told_by_page():
            if change.name == "text":
                last, now = len(self._tokens) - 1, self._vectors(self.text, self.layer, self.head)[0]
                self._tokens = now
                self.query_token = len(now) - 1 if self.query_token >= last else min(self.query_token, len(now) - 1)
            if change.name == "key_token":
                self.query_token = max(self.query_token, self.key_token)
            self.key_token = min(self.key_token, self.query_token)
            self._take()

    def _tell_vectors(self, content):
        run = content["run"]
        number_of_tokens(self._model().tokenizer, run["prompt"], self.positions, "RopeLab")
        tokens, queries, keys, _ = self._vectors(run["prompt"], run["layer"], run["head"])
        return {"tokens": tokens}, [np.ascontiguousarray(each, "<f4").tobytes() for each in (queries, keys)]
