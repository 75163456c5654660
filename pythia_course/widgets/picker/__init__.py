"""Choose a model, see what opening it takes, and open it."""

import os
import sys
import threading
import time
from contextlib import contextmanager

import ipywidgets
import traitlets

import pythia_course
from pythia_course import suite
from pythia_course.errors import shown
from pythia_course.hub.addresses import DEFAULT_MODEL, MODEL_VARIABLE
from pythia_course.suite.runs import run_names
from pythia_course.widgets.common.keyboard import KeyGuard
from pythia_course.widgets.common.status import Status
from pythia_course.widgets.common.still import WithStill
from pythia_course.widgets.picker.described import describe
from pythia_course.widgets.picker.download import Download

ON_THE_HUB = ("EleutherAI/pythia-160m", "EleutherAI/pythia-410m")
ANOTHER = "another id…"
ASK_FOR_ID = "Type a model's id, for example EleutherAI/pythia-1b or EleutherAI/pythia-1.4b, and press Enter."
SECONDS_FOR_A_CLICK = 0.15
NO_ANSWER = (
    "The hub has not answered yet; is there a network? The models that ship with the course need none. "
    "Open tries all the same."
)


class _Opened(traitlets.Any):
    """The open model: whoever asks while another is being opened waits for that one."""

    def get(self, obj, cls=None):
        if obj is not None:
            obj.wait()
        return super().get(obj, cls)


class ModelPicker(WithStill, ipywidgets.VBox):
    """A list of models, what each takes to download and hold, and a button that opens the one chosen.

    `picker.lm` is the open model; at first it is `load(default)`, so that a cell below can use it at once.  A cell that
    asks for it while a model is being opened waits for that model; stopping the cell stops the opening, as the button
    does.
    default: a name as `pythia_course.load` takes it, or a model that is open already, which then is not opened again.
    load, plan: used in place of `pythia_course.load` and `download_plan`.  patience: seconds to wait for the hub
        before saying that it does not answer.

    Raises what `load` raises when the default cannot be opened; later failures are shown in place.
    """

    lm = _Opened(help="The open model; picker.observe(handler, 'lm') tells of another.")

    def __init__(self, default=None, *, load=None, plan=None, patience=5.0):
        self._load, self._plan, self._patience = load or pythia_course.load, plan or _download_plan, patience
        self._callbacks, self._lock, self._question = [], threading.Lock(), None
        self._wanted, self._opening, self._stopped = None, None, threading.Event()
        self._idle = threading.Event()
        is_open = hasattr(default, "trace")
        name = default.name if is_open else os.fspath(default or os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL)
        lm = default if is_open else self._load(name)
        self._build(name)
        super().__init__(
            [
                ipywidgets.HBox([self.model, self.step, self.button], layout={"flex_flow": "row wrap"}),
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
        choices = {suite.short_name(choice): choice for choice in (*suite.SHIPPED, *run_names(), *ON_THE_HUB)}
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
        if step and not (step.isdecimal() and len(step) < 20):
            raise ValueError(
                f"A step is a whole number such as 3000 (nothing: the last one), but {shown(self.step.value)} came."
            )
        return name, int(step) if step else None

    def wait(self):
        """Wait until no model is being opened.  Raises KeyboardInterrupt when stopped, and then opens none."""
        _let_clicks_in()
        opening = self.__dict__.get("_opening")
        if opening is None or opening is threading.current_thread():
            return
        try:
            while not self._idle.wait(0.1):  # not join: interrupted, it takes the thread for one that has ended
                pass
        except KeyboardInterrupt:
            self._stopped.set()
            raise

    def _chosen(self, _change):
        """Say what the new choice takes; pressed before that is known, the button opens it right after."""
        _show(self.other, self.model.value == ANOTHER)
        with self._lock:
            question = self._question = object()
        self.button.disabled = True
        with self.status.reporting():
            name, step = self._choice()
            if not name:
                return self.status.say(ASK_FOR_ID)
            self.button.disabled = False
            self.status.say(f"Asking what {name:.80} takes …")
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
            if question is not self._question:
                return
            show(what)
            self._question = None if final else question
            wanted = self._wanted is question
        if wanted:
            self._open()

    def _pressed(self, _button):
        """Open the choice; while one is being opened, stop that."""
        if self._opening:
            return self._stopped.set()
        with self._lock:
            self._wanted = self._question
        if self._wanted is None or NO_ANSWER in self.status.value:
            self._open()

    def _open(self):
        """Open the choice in a thread of its own, so that the button can stop it."""
        with self.status.reporting():
            name, step = self._choice()
            self._stopped.clear()
            self._idle.clear()
            self._opening = threading.Thread(target=self._work, args=(name, step))
            self._start(self._opening)

    def _work(self, name, step):
        with self._working(), self.status.reporting():
            self.status.say(f"Opening {name:.80} …")
            try:
                lm = self._load(name, step=step, progress=Download(self))
            except KeyboardInterrupt:
                return self.status.say(f"Stopped: {_title(self.lm)} is still open. What was fetched is kept.")
            except Exception as error:
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
            self._question = self._wanted = None  # what a late answer would say is of no use any more
        self.button.description, self.button.button_style = "Stop", "warning"
        try:
            yield
        finally:
            self.button.description, self.button.button_style = "Open", "primary"
            _show(self.progress, False)
            self.progress.value = 0
            self._opening = None
            self._idle.set()


def _let_clicks_in():
    """In a notebook's cell: give a click just before it, which comes to another thread, the time to be heard first."""
    in_a_cell = threading.current_thread() is threading.main_thread() and "ipykernel" in sys.modules
    if in_a_cell:
        time.sleep(SECONDS_FOR_A_CLICK)


def _text_field(description, placeholder, value=""):
    """A field that tells of what was typed when Enter is pressed or the focus leaves it."""
    return ipywidgets.Text(value, description=description, placeholder=placeholder, continuous_update=False)


def _title(lm):
    return lm.name if lm.step is None else f"{lm.name} at step {lm.step:,}"


def _show(widget, visible):
    widget.layout.display = None if visible else "none"


def _download_plan(name, step):
    """Asked for only now: a picker whose model is built in needs none of the hub's library."""
    from pythia_course.hub.fetching import download_plan

    return download_plan(name, step)
