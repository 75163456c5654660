"""The tiny models in a web page: forward pass, tokenizer and interventions in plain JavaScript, with no build step.

    model_files(name, step)  the files that it reads, in Python
    load(files) in model     a LanguageModel: trace, predict, ablate, patch, means, logitLens; Trace and AXES
Behind `model`: `forward`, the pass layer by layer; `arithmetic`, what that computes besides products of matrices;
`kernel`, those products, in WebAssembly and in JavaScript; `interventions`, what ablations and patches put where;
`tokenizer`, `safetensors` and `weights`, which read the files that ship. `worker` does all this in a worker, and
`engine` is the page's side of it; `changes`, how a picture says what it silences and patches. Each
is a .js file in this folder.
Names, axes and meanings are those of `pythia_course.inside`. `package.json` tells node that these files are modules.
"""

from pathlib import Path

from pythia_course import suite

FOLDER = Path(__file__).parent  # of the JavaScript


def model_files(name: str, step: int | None = None) -> dict[str, Path]:
    """Where the files are that `load` in model.js reads: {"config": …, "weights": …, "tokenizer": …}.

    name: of a model that ships, as `suite.SHIPPED` lists them.  step: of a checkpoint; the last when None.
    Raises ValueError where no such checkpoint ships.
    """
    name = suite.short_name(name)
    if name not in suite.SHIPPED:
        raise ValueError(f"The page runs the models that ship, {', '.join(suite.SHIPPED)}; {name!r} is none of them.")
    steps = suite.steps(name)
    step = steps[-1] if step is None else step
    if step not in steps:
        raise ValueError(f"{name} ships at the steps {', '.join(map(str, steps))}, not at {step!r}.")
    folder = suite.TINY_WEIGHTS / name / f"step{step}"
    return {
        "config": folder / "config.json",
        "weights": folder / "model.safetensors",
        "tokenizer": suite.TINY_TOKENIZER / "tokenizer.json",
    }
