"""Choose a model, see what opening it takes, and open it."""

import os
import sys
import threading
from contextlib import contextmanager

import ipywidgets
import traitlets

import pythia_course
from pythia_course import suite
from pythia_course.hub.addresses import DEFAULT_MODEL, MODEL_VARIABLE
from pythia_course.machine.budget import what_fits
from pythia_course.machine.memory import available_memory, in_words
from pythia_course.widgets.common.keyboard import KeyGuard
from pythia_course.widgets.common.status import Status
from pythia_course.widgets.common.still import WithStill

ON_THE_HUB = ("EleutherAI/pythia-160m", "EleutherAI/pythia-410m")
ANOTHER = "another id…"
ASK_FOR_ID = "Type a model's id, for example EleutherAI/pythia-1b or EleutherAI/pythia-1.4b, and press Enter."
NO_ANSWER = (
    "The hub has not answered yet; is there a network? The models that ship with the course need none. "
    "Open tries all the same."
)


class ModelPicker(WithStill, ipywidgets.VBox):
    """A list of models, what each takes to download and hold, and a button that opens the one chosen.

    `picker.lm` is the open model; at first it is `load(default)`, so that a cell below can use it at once.
    default: a name as `pythia_course.load` takes it, or a model that is open already, which then is not opened again.
    load, plan: used in place of `pythia_course.load` and `download_plan`.  patience: seconds to wait for the hub
        before saying that it does not answer.

    Raises what `load` raises when the default cannot be opened; later failures are shown in place.
    """

    lm = traitlets.Any(help="The open model; picker.observe(handler, 'lm') tells of another.")

    def __init__(self, default=None, *, load=None, plan=None, patience=5.0):
        self._load, self._plan, self._patience = load or pythia_course.load, plan or _download_plan, patience
        self._callbacks, self._lock, self._question = [], threading.Lock(), None
        is_open = hasattr(default, "trace")
        name = default.name if is_open else os.fspath(default or os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL)
        lm = default if is_open else self._load(name)
        self._build(name)
        super().__init__(
            [
                ipywidgets.HBox([self.model, self.step, self.button]),
                self.other, self.progress, self.status, KeyGuard(),
            ],
            lm=lm,
        )  # fmt: skip
        self.status.say(f"{_title(lm)} is open.")
        for control in (self.model, self.other, self.step):
            control.observe(self._chosen, "value")
        self.button.on_click(self._pressed)

    def __repr__(self):
        return "ModelPicker (run the notebook to choose a model)"

    def on_open(self, callback):
        """Have callback(lm) called after each model that is opened from now on."""
        self._callbacks.append(callback)

    def _build(self, name):
        choices = {suite.short_name(choice): choice for choice in (*suite.TINY, *ON_THE_HUB)}
        known = choices.get(suite.short_name(name), ANOTHER)
        options = (*choices.values(), ANOTHER)
        self.model = ipywidgets.Dropdown(options=options, value=known, description="Model")
        self.step = _text_field("Step", "the last one")
        self.button = ipywidgets.Button(description="Open", button_style="primary")
        self.other = _text_field("Id", "owner/name", name if known == ANOTHER else "")
        self.progress = ipywidgets.IntProgress(max=100, description="0%")
        self.status = Status()
        _show(self.other, known == ANOTHER)
        _show(self.progress, False)

    def _choice(self):
        """The name and step now chosen; the name is empty while none is typed."""
        name = self.other.value.strip() if self.model.value == ANOTHER else self.model.value
        step = self.step.value.strip().removeprefix("step").replace(",", "")
        if step and not step.isdecimal():
            raise ValueError(
                f"A step is a whole number such as 3000 (nothing: the last one), but {self.step.value!r} came."
            )
        return name, int(step) if step else None

    def _chosen(self, _change):
        """Say what the new choice takes; until that is known it cannot be opened."""
        _show(self.other, self.model.value == ANOTHER)
        self.button.disabled = True
        with self._lock:
            question = self._question = object()
        with self.status.reporting():
            name, step = self._choice()
            if not name:
                return self.status.say(ASK_FOR_ID)
            self.status.say(f"Asking what {name} takes …")
            self._start(threading.Thread(target=self._look_up, args=(question, name, step)))
            no_answer = (question, self.status.say, NO_ANSWER)
            self._start(threading.Timer(self._patience, self._answer, no_answer, {"final": False}))

    @staticmethod
    def _start(thread):
        """Start it as one that the kernel does not wait for when it stops: the hub may never answer."""
        thread.daemon = True
        thread.start()

    def _look_up(self, question, name, step):
        try:
            answer = self.status.say, describe(name, self._plan(name, step))
        except Exception as error:
            answer = self.status.fail, error
        self._answer(question, *answer)

    def _answer(self, question, show, what, final=True):
        """Show an answer, unless its question is answered already or another choice was made since."""
        with self._lock:
            if question is self._question:
                show(what)
                self.button.disabled = False
                self._question = None if final else question

    def _pressed(self, _button):
        """Open the choice. The notebook waits meanwhile, so that a cell run after it has the new model."""
        if self.button.disabled:  # pressed before it was said what the choice takes
            return
        with self.status.reporting(), self._working():
            name, step = self._choice()
            self.status.say(f"Opening {name} …")
            try:
                lm = self._load(name, step=step, progress=_Download(self))
            except (Exception, KeyboardInterrupt) as error:
                return self.status.fail(error, after=f"{_title(self.lm)} is still open.")
            self._opened(lm)

    def _opened(self, lm):
        self.status.say(f"{_title(lm)} is open.")
        self.lm = lm
        for callback in self._callbacks:
            callback(lm)

    @contextmanager
    def _working(self):
        with self._lock:
            self._question = None  # what a late answer would say is of no use any more
        self.button.disabled = True
        try:
            yield
        finally:
            self.button.disabled = False
            _show(self.progress, False)
            self.progress.value = 0


class _Download:
    """Moves a picker's progress bar, and says when a busy hub makes one wait."""

    def __init__(self, picker):
        self._picker, self._said = picker, picker.status.value

    def __call__(self, done, total):
        bar = self._picker.progress
        bar.value = 100 * done // max(total, 1)
        bar.description = f"{bar.value}%"
        _show(bar, True)
        self._picker.status.value = self._said

    def waiting(self, seconds):
        self._picker.status.say(f"The hub is busy and asks to wait: going on in {seconds} s …")


def _text_field(description, placeholder, value=""):
    """A field that tells of what was typed when Enter is pressed or the focus leaves it."""
    return ipywidgets.Text(value, description=description, placeholder=placeholder, continuous_update=False)


def describe(name, plan):
    """What a model takes, in a few sentences.  plan: as `download_plan` gives it."""
    if plan.bytes_to_download:
        cached = f" ({in_words(plan.bytes_cached)} of it are here already)" if plan.bytes_cached else ""
        first = f"{name}: {in_words(plan.bytes_to_download)} to download{cached}"
    else:
        first = f"{name} is on this machine: nothing to download"
    free = available_memory()
    here = f"; {in_words(free)} are free here" if free < sys.maxsize else ""
    memory = f"It takes {in_words(plan.memory_needed)} of memory{_in_half(plan)}{here}."
    return " ".join(filter(None, [f"{first}.", memory, _warning(plan, free), plan.note]))


def _in_half(plan):
    """Says so where the model would be opened in fewer bytes than usual."""
    return "" if plan.dtype == "float32" else f" in {plan.dtype}, since float32 would leave too little"


def _warning(plan, free):
    """What keeps a model from being opened, if anything does."""
    if plan.memory_needed > free:
        return f"That is too much: {what_fits(free)}."
    if plan.bytes_to_download > plan.disk_free:
        return f"The disk has room for {in_words(plan.disk_free)} only."
    return ""


def _title(lm):
    return lm.name if lm.step is None else f"{lm.name} at step {lm.step:,}"


def _show(widget, visible):
    widget.layout.display = None if visible else "none"


def _download_plan(name, step):
    """Asked for only now: a picker whose model is built in needs none of the hub's library."""
    from pythia_course.hub.fetching import download_plan

    return download_plan(name, step)
