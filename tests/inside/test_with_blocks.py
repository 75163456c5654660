"""Does a pass see what its own thread and block asked for, and nothing else?  Threads, hooks, and Stop anywhere."""

import copy
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest
import torch
from support.random_models import hooks_on, layers, opened, prompt, wrapped
from torch.utils import hooks as torch_hooks

from pythia_course.inside import interventions
from pythia_course.inside import with_blocks as blocks
from pythia_course.inside.recording import hooks

# A Stop inside a finaliser is Python's to report, and none of a model's state hangs on one.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
KEPT = ["residual", "attn_out", "mlp_out", "z", "logits"]


@pytest.fixture
def lm():
    return opened("neox")


def in_threads(*runs):
    """What each returned, all started at once; an exception in one is raised here."""
    results, start = [None] * len(runs), threading.Barrier(len(runs))

    def work(number, run):
        start.wait()
        try:
            results[number] = run()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def same(a, b):
    return all(torch.equal(getattr(a, field), getattr(b, field)) for field in KEPT)


@pytest.fixture
def busy_threads():
    """Threads that take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# --- threads ---


def test_traces_in_two_threads_are_those_of_one(lm, busy_threads):
    prompts = [prompt(lm, 24), prompt(lm, 24)[::-1], prompt(lm, 9)]
    alone = [lm.trace(ids, keep=KEPT) for ids in prompts]
    runs = [lambda ids=ids: [lm.trace(ids, keep=KEPT) for _ in range(30)] for ids in prompts]
    for expected, traces in zip(alone, in_threads(*runs)):
        assert all(same(expected, trace) for trace in traces)


def test_an_intervention_belongs_to_its_thread(lm, busy_threads):
    ids = prompt(lm, 24)
    plain, clean = lm.trace(ids, keep=KEPT), lm.trace(ids[::-1], keep=KEPT)
    with lm.ablate(layers=[1]):
        ablated = lm.trace(ids, keep=KEPT)

    def repeat(block=None):
        found = []
        for _ in range(30):
            with block or ExitStack():
                found.append(lm.trace(ids, keep=KEPT))
        return found

    shared = lm.ablate(layers=[1])
    runs = [repeat, lambda: repeat(shared), lambda: repeat(shared), lambda: repeat(lm.patch(clean, residual=3))]
    for expected, traces in zip((plain, ablated, ablated), in_threads(*runs)):
        assert all(same(expected, trace) for trace in traces)
    assert hooks_on(lm.model) == 0


def test_a_block_held_for_long_makes_no_other_thread_wait_or_see_it(lm):
    ids = prompt(lm, 24)
    plain = lm.trace(ids, keep=KEPT)
    with lm.ablate(layers=[0, 1, 2]):
        (other,) = in_threads(lambda: lm.trace(ids, keep=KEPT))
    assert same(plain, other)


def test_dropout_stays_off_while_another_thread_still_traces(busy_threads):
    lm = wrapped(copy.deepcopy(opened("gpt2").model).train())  # its dropout is 0.1
    ids = prompt(lm, 24)
    plain = lm.trace(ids, keep=KEPT)
    for traces in in_threads(*[lambda: [lm.trace(ids, keep=KEPT) for _ in range(20)]] * 2):
        assert all(same(plain, trace) for trace in traces)
    assert all(module.training for module in lm.model.modules())


def test_a_part_that_was_asleep_stays_so(lm):
    lm = wrapped(copy.deepcopy(lm.model).train())
    layers(lm)[1].eval()
    lm.trace([1, 2, 3])
    assert lm.model.training and layers(lm)[0].mlp.training and not layers(lm)[1].mlp.training


# --- inside a hook ---


@pytest.mark.parametrize("inner", [[1, 2, 3, 4], [1, 2, 3]])
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_model_run_inside_a_hook_of_its_trace_is_refused_in_a_sentence(lm, inner, place):
    module = lm.model.base_model.embed_in if place == "first" else lm.model.lm_head
    for run in (lm.trace, lm.predict, lambda ids: lm.model(torch.tensor([ids]))):
        calls = []

        def hook(*_, run=run, calls=calls):
            if not calls:
                calls.append(run)
                run(inner)

        with hooks([(module.register_forward_hook, hook)]), pytest.raises(RuntimeError, match="ran the model again"):
            lm.trace([1, 2, 3, 4], keep=KEPT)
    assert hooks_on(lm.model) == 0
    lm.trace([1, 2, 3, 4])


def test_a_trace_inside_a_hook_of_a_plain_pass_is_the_plain_trace(lm):
    found, plain = [], lm.trace([1, 2, 3], keep=KEPT)

    def hook(*_):
        if not found:
            found.append(None)
            found.append(lm.trace([1, 2, 3], keep=KEPT))

    with hooks([(layers(lm)[1].register_forward_hook, hook)]):
        lm.predict([5, 6])
    assert same(found[1], plain)


# --- however the block is left ---


@contextmanager
def stopped(install, counted):
    """A KeyboardInterrupt at one event that `counted` gives a number; yields a function that arms it."""
    state = {"left": 0}

    def watch(frame, event, arg):
        if counted(frame, event):
            state["left"] -= 1
            if state["left"] == 0:
                install(None)
                raise KeyboardInterrupt
        return watch

    def run(at, action):
        """Whether the event was reached."""
        state["left"] = at
        install(watch)
        try:
            action()
        except KeyboardInterrupt:
            pass
        finally:
            install(None)
        return state["left"] <= 0

    before = sys.getprofile(), sys.gettrace()
    yield run
    sys.setprofile(before[0])
    sys.settrace(before[1])


def calls(frame, event):
    """Where Python looks for a Stop: as a function starts, and as a call of C is done."""
    return event in ("call", "c_return")


FILES = {module.__file__ for module in (blocks, interventions, torch_hooks)} | {__file__}


def lines(frame, event):
    """More than that: before each line of what places hooks and takes them out, and of the block itself."""
    return event in ("line", "return") and frame.f_code.co_filename in FILES and frame.f_code.co_name != "run"


STOPS = {"calls": (sys.setprofile, calls), "lines": (sys.settrace, lines)}


@pytest.mark.parametrize(("install", "counted"), STOPS.values(), ids=STOPS)
def test_a_stop_at_every_single_point_leaves_the_model_as_it_was(install, counted):
    lm = opened("one layer")
    ids = [3, 2, 1]
    clean = lm.trace([1, 2, 3], keep=KEPT)
    weights = copy.deepcopy(lm.model.state_dict())
    plain = lm.model(torch.tensor([ids])).logits

    def cell():
        with lm.ablate(heads=[(0, 1)]), lm.patch(clean, residual=(1, 1)):
            lm.trace(ids, keep=KEPT)

    with stopped(install, counted) as run:
        at = 1
        while run(at, cell):
            assert torch.is_grad_enabled() and torch.equal(lm.model(torch.tensor([ids])).logits, plain), at
            assert hooks_on(lm.model) == 0, at
            at += 1
    print(f"{at - 1} points")
    assert at > 100 and all(map(torch.equal, weights.values(), lm.model.state_dict().values()))
    assert not lm.model.training


def test_a_stop_at_every_point_of_a_training_model_brings_its_mode_back():
    lm = wrapped(copy.deepcopy(opened("one layer").model).train())
    layers(lm)[0].mlp.eval()
    modes = [module.training for module in lm.model.modules()]
    with stopped(sys.setprofile, calls) as run, torch.autocast("cpu", dtype=torch.bfloat16):
        at = 1
        while run(at, lambda: lm.predict([3, 2, 1])):
            assert torch.is_grad_enabled() and [module.training for module in lm.model.modules()] == modes, at
            assert torch.is_autocast_enabled("cpu"), at
            at += 1
    assert at > 100


def test_hooks_that_could_not_be_taken_out_do_nothing(lm, monkeypatch):
    """Made certain: the second removal is stopped, as it was when hooks were left in place."""
    plain, removals = lm.model(torch.tensor([[1, 2, 3]])).logits, []
    remove = torch_hooks.RemovableHandle.remove

    def stop(handle):
        removals.append(handle)
        if len(removals) == 2:
            raise KeyboardInterrupt
        remove(handle)

    block = lm.ablate(heads=[(0, 0), (1, 2)], layers=[1])
    monkeypatch.setattr(torch_hooks.RemovableHandle, "remove", stop)
    with pytest.raises(KeyboardInterrupt), block:
        lm.predict([1, 2, 3])
    monkeypatch.undo()
    assert hooks_on(lm.model) > 0
    assert torch.equal(lm.model(torch.tensor([[1, 2, 3]])).logits, plain)
    assert hooks_on(lm.model) == 0


def test_a_copy_made_inside_a_block_is_not_changed_for_longer_than_the_block_runs(lm):
    plain = lm.trace([1, 2, 3], keep=KEPT)
    with ExitStack() as stack, lm.ablate(heads=[(1, 1)]):
        stack.enter_context(lm.patch([4, 5, 6], residual=(1, 1)))
        twin = copy.deepcopy(lm)
        assert same(twin.trace([1, 2, 3], keep=KEPT), lm.trace([1, 2, 3], keep=KEPT))
    assert same(twin.trace([1, 2, 3], keep=KEPT), plain) and hooks_on(twin.model) == 0


def test_a_block_may_be_held_by_an_exit_stack(lm):
    plain = lm.trace([1, 2, 3], keep=KEPT)
    with ExitStack() as stack:
        stack.enter_context(lm.ablate(layers=[1]))
        assert not same(plain, lm.trace([1, 2, 3], keep=KEPT))
    assert same(plain, lm.trace([1, 2, 3], keep=KEPT)) and hooks_on(lm.model) == 0
