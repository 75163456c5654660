"""What the doctor tries out: the models that ship with the course, widgets, a kernel, and the model asked for."""

import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from subprocess import DEVNULL

from pythia_course import suite
from pythia_course.commands import opens_as
from pythia_course.commands.health import BROKEN, INSTALL_AGAIN, OK, WARNING, Finding
from pythia_course.errors import HubUnreachable, ModelNotFound, StepNotFound
from pythia_course.hub.addresses import MODEL_VARIABLE, Place, find
from pythia_course.machine import budget
from pythia_course.machine.memory import in_words

START_WITHIN = 30  # seconds, for a kernel on a machine that has much else to do
PROMPT, NEXT = "One day Mia went to the", " garden"  # all four tiny models go on like that
EXTENSIONS = {"anywidget": "anywidget", "ipywidgets": "@jupyter-widgets/jupyterlab-manager"}
MANAGER_OF = {"8": ["5"]}  # ipywidgets' first number -> its manager's
KERNEL_SAYS = "import sys, importlib.util as u; print(sys.prefix, u.find_spec('pythia_course') is not None, sep='|')"


def weights() -> Iterator[Finding]:
    """Every checkpoint that ships with the course is whole, and each model says what it was trained to say."""
    from safetensors import SafetensorError, safe_open

    files = sorted(suite.TINY_WEIGHTS.glob("*/step*/model.safetensors"))
    for file in files:
        try:
            safe_open(file, "np")  # reads the header, and compares it with the file's length
        except SafetensorError as error:
            yield Finding(BROKEN, "tiny models", f"{file} is damaged ({error})", INSTALL_AGAIN)
            return
    said = {name: _continuation(name) for name in suite.TINY}
    wrong = [f"{name} goes on with {token!r}" for name, token in said.items() if token != NEXT]
    if wrong:
        yield Finding(BROKEN, "tiny models", f"after {PROMPT!r}, {' and '.join(wrong)}, not {NEXT!r}", INSTALL_AGAIN)
    else:
        yield Finding(OK, "tiny models", f"{len(files)} checkpoints whole; all four go on as they were trained to")


def _continuation(name: str) -> str:
    import torch

    from pythia_course import load

    lm = load(name)
    ids = [0, *lm.tokenizer(PROMPT)["input_ids"]]  # 0 ends the document before
    return lm.tokenizer.decode(int(lm.model(torch.tensor([ids])).logits[0, -1].argmax()))


def widgets() -> Iterator[Finding]:
    """Each widget library has its other half in JupyterLab, of a version that understands it."""
    pairs = [(package, version(package), extension) for package, extension in EXTENSIONS.items()]
    problems = [finding for pair in pairs if (finding := _mismatch(*pair))]
    here = " and ".join(f"{package} {number}" for package, number, _ in pairs)
    yield from problems or [Finding(OK, "widgets", f"{here}, each with its half in JupyterLab {version('jupyterlab')}")]


def _mismatch(package: str, number: str, extension: str) -> Finding | None:
    lab = _extension_version(extension)
    if lab is None:
        todo = f"python -m pip install --force-reinstall --no-deps {package}, then reload the page"
        return Finding(BROKEN, "widgets", f"JupyterLab lacks the extension {extension}: {package} draws nothing", todo)
    # anywidget and its extension share a version; ipywidgets 8 goes with manager 5.
    wanted = number.split(".")[:2] if package == "anywidget" else MANAGER_OF.get(number.split(".")[0])
    if wanted is None or lab.split(".")[: len(wanted)] == wanted:
        return None
    todo = f"remove the older one: `jupyter labextension list` says where {extension} is"
    return Finding(BROKEN, "widgets", f"{package} is {number}, but its half in JupyterLab is {lab}", todo)


def _extension_version(extension: str) -> str | None:
    """The version of the extension that JupyterLab would load: the first on Jupyter's own search path."""
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("labextensions"):
        package = Path(folder, extension, "package.json")
        if package.is_file():
            return json.loads(package.read_text(encoding="utf-8"))["version"]
    return None


def kernel() -> Iterator[Finding]:
    """A kernel starts, as the notebooks ask for it, and it is one that has the course."""
    todo = "in the environment of the course: python -m ipykernel install --sys-prefix"
    try:
        prefix, _, there = _kernel_says(KERNEL_SAYS).rpartition("|")
    except Exception as error:  # of asyncio, ZeroMQ or the kernel itself: whatever it is, notebooks do not run
        reason = (str(error) or type(error).__name__).splitlines()[0]
        yield Finding(BROKEN, "kernel", f"the kernel python3 does not start ({reason})", todo)
        return
    if there != "True":
        yield Finding(BROKEN, "kernel", f"the kernel python3 runs in {prefix}, without the course", todo)
    elif Path(prefix) != Path(sys.prefix):
        text = f"the kernel python3 runs in {prefix}, this command in {sys.prefix}"
        yield Finding(WARNING, "kernel", text, f"check that one too, or {todo}")
    else:
        yield Finding(OK, "kernel", "starts, and has the course")


def _kernel_says(code: str) -> str:
    """What a new kernel prints for this code."""
    from jupyter_client.manager import start_new_kernel

    said, still = [], {"stdout": DEVNULL, "stderr": DEVNULL}
    manager, client = start_new_kernel(startup_timeout=START_WITHIN, kernel_name="python3", **still)
    try:
        client.execute_interactive(code, timeout=START_WITHIN, output_hook=said.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return "".join(message["content"].get("text", "") for message in said).strip()


def chosen_model() -> Iterator[Finding]:
    """The model that load() opens by default."""
    name = os.environ.get(MODEL_VARIABLE)
    if not name:
        yield Finding(OK, "model", f"{MODEL_VARIABLE} is not set: load() opens tiny-pythia")
        return
    try:
        place = find(name)
    except (ModelNotFound, StepNotFound) as error:
        yield Finding(BROKEN, "model", f"{MODEL_VARIABLE} is {name!r}: {error}", f"correct or unset {MODEL_VARIABLE}")
        return
    yield _opening(place)


def _opening(place: Place) -> Finding:
    """Whether the model asked for is here, or can come, and fits."""
    from huggingface_hub import constants

    from pythia_course.hub.fetching import cached_folder

    text, spec = f"load() opens {place} ({MODEL_VARIABLE})", suite.SUITE.get(place.name)
    if spec and opens_as(spec, budget.memory_for_weights()) is None:
        todo = f"choose a smaller one: this takes {in_words(2 * suite.total(spec))} even in bfloat16, more than is free"
        return Finding(WARNING, "model", text, todo)
    todo = f"with a network: pythia-course prefetch {place.name}"
    try:
        here = place.folder or cached_folder(place)
    except HubUnreachable as error:
        said, _, todo = str(error).rpartition(": ")
        return Finding(BROKEN, "model", f"{text}. {said}", todo)
    if here:
        return Finding(OK, "model", f"{text}, which is on this machine")
    if constants.HF_HUB_OFFLINE:
        return Finding(BROKEN, "model", f"{text}, which is not in the cache, and HF_HUB_OFFLINE is set", todo)
    return Finding(WARNING, "model", f"{text}, which is not on this machine yet", todo)
