"""Write docs/api.md: every public name with its signature and docstring.  PUBLIC is the one list of what is public.

    python docs/api.py            (`make api`)
"""

import importlib
import inspect
import sys
from dataclasses import is_dataclass
from pathlib import Path

PAGE = Path(__file__).with_suffix(".md")
# Module, as lessons import it -> its public names.  The rest of a module is its own business and may change.
PUBLIC = {
    "pythia_course": ["load", "steps"],
    "pythia_course.tracing": ["LanguageModel", "Trace"],
    "pythia_course.recording": ["hooks"],
    "pythia_course.compare": ["compare", "logit_lens", "Comparison"],
    "pythia_course.attribution": ["gradients", "edge", "edge_estimates", "written"],
    "pythia_course.lens": ["tuned_lens", "TunedLens", "read_out", "streams"],
    "pythia_course.paths": ["PARTS", "translate", "part_of"],
    "pythia_course.measures": [
        "previous_token_scores", "induction_scores", "first_token_scores", "best_head", "repeated_random_tokens",
        "token_losses", "divergences", "probe_accuracies",
    ],
    "pythia_course.plots": [
        "attention", "attention_grid", "head_scores", "next_token", "parameter_budget", "scores_over_steps", "stream",
        "alt", "color_of", "line_of",
    ],
    "pythia_course.axes": ["log_steps"],
    "pythia_course.widgets": [
        "AttentionExplorer", "AttentionViewer", "BlockDiagram", "ModelPicker", "RopeLab", "TrainingScrubber",
        "block_picture",
    ],
    "pythia_course.progress": ["course_map"],
    "pythia_course.checks": ["compare", "environment", "Verdict"],
    "pythia_course.labs": ["own_numbers"],
    "pythia_course.sweep": ["sweep", "Sweep"],
    "pythia_course.audit": ["audit", "listed", "Audit"],
    "pythia_course.pile": ["training_batch"],
    "pythia_course.suite": [
        "SUITE", "Spec", "PYTHIAS", "HUB_IDS", "TINY", "LADDER", "SHIPPED",
        "seed_of", "PYTHIA_STEPS", "TRAINING", "PEAK_LEARNING_RATE", "parameters",
        "total", "without_embeddings", "steps", "nearest_steps", "short_name",
    ],
    "pythia_course.zero_shot": ["zero_shot", "MODELS", "TASKS", "STEPS"],
    "pythia_course.defects": ["DEFECTS", "known_defects"],
    "pythia_course.errors": [
        "ModelNotFound", "StepNotFound", "ModelRefused", "ModelDamaged", "HubUnreachable", "DiskFull", "ModelTooLarge",
        "DuplicateCheckpoints", "MeasureFailed",
    ],
    "pythia_course.tiny.corpus": [
        "batch", "training_document", "held_out", "encode", "decode", "planted_at", "END_OF_TEXT",
    ],
    "pythia_course.tiny.models": ["new_model"],
    "pythia_course.tiny.train": ["train", "training_log", "Run"],
    "pythia_course.tiny.evaluate": ["evaluate", "document_loss", "evaluation_documents"],
    "pythia_course.tiny.entropy": ["floor", "above_floor", "together", "entropies", "Floor", "Above"],
    "pythia_course.tiny.likelihood": ["log_probability"],
    "pythia_course.tiny.ngrams": ["NGrams"],
    "pythia_course.tiny.seeds": ["length_losses"],
    "pythia_course.tiny.sources": ["true_weather"],
    "pythia_course.tiny.sums": ["readable_sums"],
    "pythia_course.tiny.words": ["EVERYDAY", "HEROES", "NAMES", "PLANTED", "TOWNS"],
}  # fmt: skip
OPENING = """\
# What is public

Made from the docstrings by `docs/api.py` (`make api`); a test holds it to them. These names keep their meaning from
version to version, and CHANGELOG.md says so when one changes. A module stands here under the name that lessons import
it by; [architecture.md](architecture.md) shows in which room it lives.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [OPENING]
    for module_name, names in PUBLIC.items():
        module = importlib.import_module(module_name)
        parts.append(f"## `{module_name}`\n\n{first_paragraph(module)}\n")
        parts += [entry(getattr(module, name), name) for name in names]
    return "\n".join(parts)


def first_paragraph(module) -> str:
    return " ".join(inspect.getdoc(module).split("\n\n")[0].split())


def entry(thing, name: str) -> str:
    """One public name: how it is called, what it says of itself, and for a class its fields and methods."""
    if not callable(thing):
        return f"### `{name}`\n\n{kind_of(thing)}\n"
    lines = [f"### `{name}{signature(thing)}`", "", fenced(inspect.getdoc(thing))]
    if inspect.isclass(thing):
        if is_dataclass(thing) and (fields := field_lines(thing)):
            lines += ["Fields:", "", fenced(fields, "python")]
        for method_name, method in public_methods(thing):
            lines += [f"#### `{name}.{method_name}{signature(method)}`", "", fenced(inspect.getdoc(method))]
    return "\n".join(lines)


def kind_of(value) -> str:
    """What a constant is, without its values, which the source shows with where they come from."""
    size = f", {len(value)} entries" if hasattr(value, "__len__") else ""
    return f"A constant: {type(value).__name__}{size}."


def signature(thing) -> str:
    """As it is called: nothing for a property, a dataclass, or a class with its base class's constructor."""
    own = "__init__" in vars(thing) if inspect.isclass(thing) else not isinstance(thing, property)
    if not own or is_dataclass(thing):
        return ""
    found = inspect.signature(thing)
    kept = [p.replace(annotation=written(p.annotation)) for p in found.parameters.values() if p.name != "self"]
    kept = [p.replace(default=Bare("…")) if isinstance(p.default, Path) else p for p in kept]  # this machine's
    return str(found.replace(parameters=kept, return_annotation=written(found.return_annotation)))


class Bare(str):
    """Text that stands in a signature without quotes."""

    __repr__ = str.__str__


def written(annotation):
    return Bare(annotation.strip('"')) if isinstance(annotation, str) else annotation


def field_lines(thing) -> str:
    """The fields of a dataclass as its source has them, with their comments."""
    body = inspect.getsource(thing).split('"""', 2)[-1].splitlines()
    kept = []
    for line in body:
        if line.lstrip().startswith(("def ", "@")):
            break
        kept.append(line[4:])
    return "\n".join(kept).strip()


def public_methods(thing):
    """(name, function or property) of what a class itself offers, in the order of its source."""
    for name, value in vars(thing).items():
        value = getattr(value, "__func__", value)
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            if inspect.getdoc(value):
                yield name, value


def fenced(text: str | None, language: str = "text") -> str:
    return f"```{language}\n{(text or '').strip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name}: {sum(map(len, PUBLIC.values()))} names in {len(PUBLIC)} modules")
    sys.exit(0)
