"""Turn a query and a key by their positions and watch their score."""

from pathlib import Path

import anywidget
import numpy as np
import traitlets

from pythia_course.errors import shown
from pythia_course.widgets.common import code
from pythia_course.widgets.common.models import checkpoint, opened
from pythia_course.widgets.common.refused import Refused
from pythia_course.widgets.common.still import WithStill
from pythia_course.widgets.rope_lab.live import OfAModel
from pythia_course.widgets.rope_lab.picture import picture

HERE = Path(__file__).parent
MOST_POSITIONS = 10_000  # the browser draws the score at every one of them


class RopeLab(OfAModel, WithStill, anywidget.AnyWidget):
    """Two vectors of one head, turned pair by pair, and their score against the distance; drawn in the browser.

    query, key: (head_dim,), before rotation; without them all ones.  positions: how far the sliders reach.
    What the controls show is `lab.query_position`, `lab.key_position`, `lab.pair`, `lab.base` and
    `lab.rotary_fraction`; each can be set from code, and a value out of range is refused in one sentence.
    `RopeLab.of` opens it on a model and a text, to type on.
    """

    _esm = code.script(HERE / "rope_lab.js")
    _css = code.style(HERE / "rope_lab.css")
    query_position = traitlets.Int(12, help="Where the query stands; the key stands at or before it.").tag(sync=True)
    key_position = traitlets.Int(5).tag(sync=True)
    pair = traitlets.Int(0, help="The pair in the large dial.").tag(sync=True)
    base = traitlets.Float(10_000.0).tag(sync=True)
    rotary_fraction = traitlets.Float(0.25, help="Share of the head's dimensions that turn.").tag(sync=True)
    positions = traitlets.Int(128, read_only=True).tag(sync=True)
    _query = traitlets.List(trait=traitlets.Float()).tag(sync=True)
    _key = traitlets.List(trait=traitlets.Float()).tag(sync=True)

    def __init__(self, query=None, key=None, *, head_dim=32, rotary_fraction=0.25, base=10_000.0, positions=128):
        query, key = _two_vectors(query, key, head_dim)
        if not isinstance(positions, (int, np.integer)) or not 2 <= positions <= MOST_POSITIONS:
            came, most = shown(positions), f"{MOST_POSITIONS:,}"
            raise ValueError(f"RopeLab compares positions: it needs 2 or more, {most} at most, got {came}.")
        super().__init__()
        self.set_trait("positions", positions)
        self._query, self._key = query.tolist(), key.tolist()
        self.rotary_fraction, self.base = rotary_fraction, base
        self.query_position = min(self.query_position, positions - 1)
        self.key_position = min(self.key_position, self.query_position)

    @classmethod
    def of(cls, lm, text, layer=0, head=0, *, query=None, key=None, positions=128):
        """A head of a model on a text, with a text field: the query and the key of two of its tokens, to turn.

            RopeLab.of("tiny-pythia", "Mia saw a red kite. Mia saw a red", layer=2, head=2)

        lm: what `load` opened, or a name that it takes.  query, key: which two tokens, counted from 0; without them
        the last one and the one it looks at most.  positions: how far the sliders reach, and how many tokens a text
        may have.
        Positions, base and rotary fraction begin as the model has them, so that the score is the model's own before
        the softmax. `lab.text`, `lab.layer`, `lab.head`, `lab.query_token`, `lab.key_token` can be set from code, and
        bring the positions back.  A model that ships is computed in the page itself, any other by the kernel.
        Raises what `load` and `lm.trace` raise, and ValueError for a model whose positions are learned.
        """
        given, run = opened(lm)
        spec = (given or checkpoint(run["model"], run["step"])).spec
        if spec.positions != "rotary":
            raise ValueError(
                f"{run['model']} has a learned table of positions, so none of its queries and keys are rotated: "
                "RopeLab.of takes a rotary model, such as tiny-pythia."
            )
        options = {"rotary_fraction": spec.rotary_fraction, "base": spec.rope_base, "positions": positions}
        lab = cls(head_dim=spec.head_dim, **options)
        lab._begin(given, run, text, (layer, head), (query, key))
        return lab

    def __repr__(self):
        if self._live:
            where = f"layer {self.layer}, head {self.head} of {self._live['model']}, {len(self._tokens)} tokens"
            return f"RopeLab of {where} (run the notebook to use it)"
        return f"RopeLab of a head with {len(self._query)} dimensions (run the notebook to use it)"

    def still(self):
        """The pair chosen and the score against the distance, as the bytes of a PNG."""
        return picture(self)

    @property
    def pairs(self):
        """How many pairs turn at the present rotary fraction."""
        return int(len(self._query) * self.rotary_fraction) // 2

    @traitlets.validate("query_position", "key_position")
    def _inside(self, proposal):
        if 0 <= proposal.value < self.positions:
            return proposal.value
        raise Refused(f"A position here is 0 to {self.positions - 1}, got {shown(proposal.value)}.")

    @traitlets.validate("pair")
    def _a_pair(self, proposal):
        if 0 <= proposal.value < max(self.pairs, 1):
            return proposal.value
        raise Refused(f"There are {self.pairs} pairs that turn, counted from 0; got {shown(proposal.value)}.")

    @traitlets.validate("base")
    def _above_one(self, proposal):
        if 1 < proposal.value < np.inf:
            return proposal.value
        raise Refused(f"The base is a number above 1, got {proposal.value:g}: 10,000 is usual.")

    @traitlets.validate("rotary_fraction")
    def _a_share(self, proposal):
        if 0 <= proposal.value <= 1:
            return proposal.value
        raise Refused(f"The rotary fraction is a share from 0 to 1, got {proposal.value:g}.")

    @traitlets.observe("rotary_fraction")
    def _fewer_pairs(self, _change):
        self.pair = min(self.pair, max(self.pairs - 1, 0))

    @traitlets.observe("query_position")
    def _pull_the_key(self, _change):
        self.key_position = min(self.key_position, self.query_position)

    @traitlets.observe("key_position")
    def _push_the_query(self, _change):
        self.query_position = max(self.key_position, self.query_position)


def _two_vectors(query, key, head_dim):
    """Query and key as float64 (head_dim,), or one sentence that says what was wanted."""
    ones = np.ones(head_dim)
    query, key = (ones if values is None else _numbers(values) for values in (query, key))
    if query.ndim != 1 or query.shape != key.shape or len(query) < 2:
        raise ValueError(
            "RopeLab turns one query and one key of the same length, such as trace.queries_unrotated[layer, head, "
            f"position]; got shapes {query.shape} and {key.shape}."
        )
    if not np.isfinite([query, key]).all():
        raise ValueError("RopeLab cannot draw a query or key with a number that is infinite or not a number.")
    return query, key


def _numbers(values):
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"RopeLab turns vectors of numbers, got {shown(values)}.") from None
