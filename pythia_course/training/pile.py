"""`training_batch(name, step)`: what a model read at one step of its training, for the real Pythias as for the tiny.

The batches of the tiny models are made anew, from `tiny.corpus`. Those of the real ones are read from the hub, where
EleutherAI keeps the Pile in the order in which it was trained on: 146,432,000 rows of 2,049 tokens, two bytes each,
1,024 rows a step (README of EleutherAI/pythia, "Exploring the Dataset"; utils/batch_viewer.py there).
"""

import operator
import re
from functools import cache

import numpy as np

from pythia_course import suite
from pythia_course.errors import ModelDamaged, ModelRefused, StepNotFound, shown
from pythia_course.hub.addresses import Place, find
from pythia_course.hub.failures import plain_errors
from pythia_course.hub.reports import Progress
from pythia_course.tiny import corpus, own_runs
from pythia_course.training import shards
from pythia_course.training.batches import TrainingBatch

STANDARD = "EleutherAI/pile-standard-pythia-preshuffled"
DEDUPED = "EleutherAI/pile-deduped-pythia-preshuffled"
TINY_PILE = "the Tiny Pile"
TOKENIZER = "EleutherAI/pythia-160m"  # all Pythias have the same

STEPS = suite.TRAINING["steps"]
ROWS = suite.TRAINING["sequences per step"]
ROW = suite.TRAINING["tokens per sequence"] + 1  # one more: the last is only predicted
TOKEN = np.dtype("<u2")
BATCH_BYTES = ROWS * ROW * TOKEN.itemsize
ENTRIES = 50_277  # of the tokenizer: no token of the data has a higher id


def training_batch(name: str | None = None, step: int = 0, *, progress: Progress | None = None) -> TrainingBatch:
    """The batch that step `step` of a model's training learned from: the checkpoint at step N has seen 0 … N - 1.

    name: as `pythia_course.load` takes it, a training of your own too.  For a real Pythia 4.2 MB are read from the hub,
    and nothing is kept on the disk.  progress: called as progress(bytes_done, bytes_total) meanwhile, instead of a bar.

    Raises ModelNotFound for a name nobody knows, ModelRefused where what it was trained on is not published in
    order, StepNotFound for a step that has no batch, HubUnreachable or ModelDamaged: one sentence each.
    """
    place, data = find(name), data_of(name)
    step = _step(step, corpus.STEPS if data == TINY_PILE else STEPS, place.name)
    return _tiny(place, step) if data == TINY_PILE else _published(place.name, step, data, progress)


def data_of(name: str | None = None) -> str:
    """The data set that a model was trained on: "EleutherAI/pile-…", or "the Tiny Pile".

    Raises ModelNotFound for a name nobody knows, ModelRefused where the order is not published as rows.
    """
    place = find(name)
    model = place.name
    if model in suite.SHIPPED and place.tokenizer or _order_of(place):
        return TINY_PILE
    if place.folder:
        raise ModelRefused(f"What the model in {place} was trained on, a folder cannot tell: give a Pythia's name.")
    if model in suite.PYTHIAS:
        return STANDARD
    if model in suite.HUB_IDS and model.endswith("-deduped"):
        return DEDUPED
    if re.fullmatch(r"(EleutherAI/)?pythia-.*seed\d+", model):
        raise ModelRefused(
            f"{model} read the Pile in an order of its own, which is published as an index (EleutherAI/"
            "pile-preshuffled-seeds) and not as rows: take pythia-160m or pythia-160m-deduped, whose rows are."
        )
    raise ModelRefused(f"What {model} was trained on, and in which order, is not known to the course: take a Pythia.")


def first_byte(step: int) -> int:
    """Where a step's batch begins in the shards of the real data laid end to end."""
    return step * BATCH_BYTES


def _step(step, steps: int, model: str) -> int:
    try:
        step = operator.index(step)
    except TypeError:
        raise StepNotFound(f"A step is a whole number such as 3000, but {shown(step)} came.") from None
    if 0 <= step < steps:
        return step
    seen = f", and its last checkpoint, at step {steps:,}, has seen them all" if step == steps else ""
    raise StepNotFound(f"{model} has no batch {step:,}: they go from 0 to {steps - 1:,}{seen}.")


def _order_of(place: Place) -> own_runs.Order | None:
    """What is trained there, if it is a training of one's own; ModelDamaged where it does not say."""
    own = place.folder and place.tokenizer and place.name not in suite.SHIPPED
    try:
        return own_runs.read_order(place.name) if own else None
    except ValueError as error:
        raise ModelDamaged(str(error)) from None


def _tiny(place: Place, step: int) -> TrainingBatch:
    order, model = _order_of(place), place.name
    made = corpus.batch(step, order.seed if order else suite.seed_of(model))
    return TrainingBatch(
        model, step, TINY_PILE, made.tokens, corpus.decode, made.sources, corpus.SOURCE_NAMES, continuous=True
    )


def _published(model: str, step: int, data: str, progress: Progress | None) -> TrainingBatch:
    title = f"batch {step:,} of {model}"
    content = shards.read(data, first_byte(step), BATCH_BYTES, title, total=first_byte(STEPS), progress=progress)
    tokens = np.frombuffer(content, TOKEN).reshape(ROWS, ROW).astype(np.int64)
    if tokens.max() >= ENTRIES:
        raise ModelDamaged(
            f"What came as {title} holds {tokens.max():,}, and Pythia's tokens go up to {ENTRIES - 1:,}: the shards of "
            f"{data} are not what they were."
        )
    return TrainingBatch(model, step, data, tokens, _decode)


def _decode(ids) -> str:
    return _tokenizer().decode(list(map(int, ids)), skip_special_tokens=False)


@cache
def _tokenizer():
    """Pythia's tokenizer, 2 MB from the hub or its cache: asked for only when text is to be shown."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import tqdm
    from tokenizers import Tokenizer

    class Silent(tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **options | {"disable": True})

    with plain_errors(Place("the tokenizer of pythia-160m", None, hub_id=TOKENIZER, revision="main")):
        file = hf_hub_download(TOKENIZER, "tokenizer.json", tqdm_class=Silent)
    return Tokenizer.from_file(file)
