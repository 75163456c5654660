"""What an explorer that knows its models shows: a model, a checkpoint, a prompt, and what was changed inside."""

from contextlib import ExitStack

from pythia_course import live
from pythia_course.errors import shown
from pythia_course.inside.tracing import LanguageModel
from pythia_course.widgets.common.models import checkpoint, opened
from pythia_course.widgets.common.sizes import sizes
from pythia_course.widgets.explorer.panel import Panel

FIELDS = ("model", "step", "prompt", "silenced", "patched", "clean")
MOST_NEXT = 6


def first_runs(models, texts):
    """What `AttentionExplorer.of` was given: ([run, …], [its model, None where it ships, …], what the panels share)."""
    models, texts = ([given] if isinstance(given, str | LanguageModel) else list(given) for given in (models, texts))
    if not models or not texts or len(models) * len(texts) > 2 or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            "AttentionExplorer.of shows one model on one text, two models on one text, or one model on two; "
            f"{len(models)} of the one and {len(texts)} of the other came."
        )
    found = [opened(model) for model in models]
    whole = {"silenced": [], "patched": [], "clean": None}
    runs = [{**run, "prompt": text, **whole} for _, run in found for text in texts]
    return runs, [lm for lm, _ in found for _ in texts], "model" if len(texts) > 1 else "prompt"


def names(runs, linked) -> list[str]:
    """What the panels of these runs are called; one alone needs no name."""
    if linked == "model":
        return ["prompt A", "prompt B"]
    full = [run["model"] if run["step"] is None else f"{run['model']}, step {run['step']:,}" for run in runs]
    return full if len(runs) > 1 else [""]


def checked(run, given):
    """The run as the browser or a learner asks for it, or ValueError.  given: the panel's own model, if it has one."""
    if not isinstance(run, dict) or set(run) != set(FIELDS) or not isinstance(run["prompt"], str):
        raise ValueError(f"A run has {', '.join(FIELDS)}, and its prompt is a text; {shown(run)} came.")
    if given is not None:
        if (run["model"], run["step"]) != (given.name, given.step):
            raise ValueError(f"This explorer shows {given.name}, which was given to it, and no other model.")
        return run
    live.model_files(run["model"], run["step"])
    return run


def traced(run, given, keep=None):
    """A Trace of the run.  given: the model, None where it ships."""
    lm, silenced = given or checkpoint(run["model"], run["step"]), [tuple(place) for place in run["silenced"]]
    with ExitStack() as changed:
        for patch in run["patched"]:
            changed.enter_context(lm.patch(run["clean"], **_part(patch)))
        if silenced:
            changed.enter_context(lm.ablate(heads=silenced))
        return lm.trace(run["prompt"], keep=keep)


def _part(patch):
    if set(patch) == {"head"}:
        return {"heads": [tuple(patch["head"])]}
    if set(patch) == {"stream"}:
        return {"residual": [tuple(patch["stream"])]}
    raise ValueError(f"What is brought over is a head or a place of the stream; {shown(patch)} came.")


def pictured(name, run, given):
    """A Panel of the run."""
    trace = traced(run, given, keep=["attention", "logits"])
    best = trace.logits[-1].softmax(-1).topk(MOST_NEXT)
    words = (given or checkpoint(run["model"], run["step"])).tokens(best.indices)
    said = [[word, round(float(share), 7)] for word, share in zip(words, best.values, strict=True)]
    return Panel(name, trace.attention, trace.tokens, next=said)


def shape_of(run, given):
    """(layers, heads) of the run's model."""
    return (given.spec.layers, given.spec.heads) if given else sizes(run["model"])
