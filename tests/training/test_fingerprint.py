"""A measure's fingerprint: one for one computation, in any process; another, or none, as soon as anything differs."""

import collections
import enum
import functools
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from pythia_course.training.fingerprint import NotKnown, fingerprint

ROOT = Path(__file__).resolve().parents[2]


def defined(source, name="measure", **given):
    """The function that a cell with this source defines; given: globals that are there already."""
    scope = {"__name__": "__main__"} | given
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), scope)
    return scope[name]


def reads(**given):
    """A measure that reads what is given under its name."""
    return defined(f"def measure(lm):\n    return {next(iter(given))}", **given)


BASE = """
import numpy as np
from pathlib import Path
TEXT = "the cat sat"
SHIFT = {"up": [1, 2, np.arange(3)]}
PLACE = Path("a") / "b"
def helper(lm, k=2):
    return len(TEXT) * k
def measure(lm, *, size=3):
    import math
    inner = lambda x: helper(x) + size
    class Scale:
        factor = 2
        def times(self, x):
            return self.factor * x
    try:
        return math.sqrt(Scale().times(inner(lm)) + SHIFT["up"][0]), PLACE
    except KeyError:
        return measure(lm)
"""


@pytest.mark.parametrize(
    "change",
    [
        ('"the cat sat"', '"the dog sat"'),
        ("[1, 2,", "[1, 3,"),
        ("np.arange(3)", "np.arange(4)"),
        ("np.arange(3)", "np.arange(3.0)"),
        ('/ "b"', '/ "c"'),
        ("k=2", "k=3"),
        ("* k", "+ k"),
        ("factor = 2", "factor = 3"),
        ("self.factor * x", "self.factor + x"),
        ("size=3", "size=4"),
        ("helper(x) + size", "helper(x) - size"),
        ('["up"][0]', '["up"][1]'),
        ("except KeyError", "except IndexError"),
    ],
    ids=lambda change: change[1],
)
def test_another_value_or_another_line_of_code_is_another_measure(change):
    assert change[0] in BASE
    assert fingerprint(defined(BASE)) != fingerprint(defined(BASE.replace(*change)))


@pytest.mark.parametrize(
    "change",
    [
        ("def measure", "# a remark\n\n\ndef measure"),
        ("    inner =", "    # a remark\n    inner ="),
        ("import numpy as np", "import numpy as np\nNOT_READ = open"),
    ],
    ids=["moved", "commented", "beside"],
)
def test_a_remark_or_a_name_that_is_not_read_changes_nothing(change):
    assert fingerprint(defined(BASE)) == fingerprint(defined(BASE.replace(*change)))


def test_the_same_code_over_another_range_of_a_try_is_another_measure():
    first = "def measure(lm):\n    try:\n        x = 1; f(lm)\n    except KeyError:\n        pass\n    return 1"
    second = first.replace("try:\n        x = 1; ", "x = 1\n    try:\n        ")
    assert fingerprint(defined(first)) != fingerprint(defined(second))


def test_an_attribute_is_not_taken_for_a_global_of_that_name():
    source = "def measure(lm):\n    return lm.model"
    assert fingerprint(defined(source, model=1)) == fingerprint(defined(source, model=2))


def test_it_is_the_same_in_another_process_whatever_the_hash_seed():
    code = f"""
from pythia_course.training.fingerprint import fingerprint
import functools
WORDS = {{"a", "b", "c", "dd"}}
exec({BASE!r})
print(fingerprint(functools.partial(measure, size=5)), fingerprint(lambda lm: sorted(WORDS) and lm in {{"x", "yy"}}))
"""
    runs = []
    for seed in ("1", "2", "3"):
        command, environment = [sys.executable, "-c", code], {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        runs.append(done.stdout)
    assert runs[0] == runs[1] == runs[2] and len(runs[0]) == 82


def test_closures_and_partials_count_with_what_they_hold():
    def of(n):
        return lambda lm: n

    for make in (of, lambda n: functools.partial(of, n), lambda n: functools.partial(of, n=n)):
        assert fingerprint(make(1)) == fingerprint(make(1)) != fingerprint(make(2))


VALUES = [
    0, 1, True, 1.0, -0.0, 0.0, float("nan"), 10**5000, 1j, None, "1", b"1", "\ud800", (), [], {}, set(), (1,), [1],
    {1},
    {1: 2}, {2: 1}, {1: 2, 2: 1}, {2: 1, 1: 2}, [[1], 2], [[1, 2]], Path("a"), Path("b"), np.float32(1), np.int64(1),
    np.array(1), np.array([1]), np.array([1.0]), np.array([[1]]), np.array(["1"]), np.zeros(2, ">f4"),
    np.zeros(2, "<f4"),
    torch.zeros(4), torch.zeros(4, dtype=torch.bfloat16), torch.zeros(2, 2), torch.ones(4), torch.zeros(4) + 0j,
    len, np, np.mean, np.exp, torch, torch.Tensor, collections.Counter,
]  # fmt: skip


def test_plain_values_and_what_libraries_have_count_each_for_itself():
    prints = [fingerprint(reads(X=value)) for value in VALUES]
    assert len(set(prints)) == len(VALUES)
    assert prints == [fingerprint(reads(X=value)) for value in VALUES]
    wide = torch.arange(8.0).reshape(2, 4)
    assert fingerprint(reads(X=wide.T)) == fingerprint(reads(X=wide.T.contiguous()))


def test_a_function_of_one_s_own_counts_by_the_code_that_is_in_memory_not_by_the_file(tmp_path, monkeypatch):
    """Edited without being loaded again, it is still the old one; after a restart it is the new one."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "own_module_a.py"
    file.write_text("K = 7\ndef score(lm):\n    return K + 1\n")
    import own_module_a

    old = fingerprint(reads(score=own_module_a.score))
    file.write_text("K = 7\ndef score(lm):\n    return K + 2222\n")
    assert fingerprint(reads(score=own_module_a.score)) == old
    monkeypatch.delitem(sys.modules, "own_module_a")
    sys.path_importer_cache.clear()
    import own_module_a as again

    new = fingerprint(reads(score=again.score))
    assert new != old
    again.K = 8
    assert fingerprint(reads(score=again.score)) not in (new, old)


def test_attributes_of_a_function_count():
    first, second = (reads(X=1) for _ in range(2))
    first.size = 1
    assert fingerprint(first) != fingerprint(second)
    second.size = 1
    assert fingerprint(first) == fingerprint(second)


def test_a_decorator_that_takes_a_library_s_name_does_not_hide_the_code():
    def pretending(n):
        @functools.wraps(np.mean)
        def measure(lm):
            return n

        del measure.__wrapped__
        return measure

    assert pretending(1).__module__ == "numpy" and fingerprint(pretending(1)) != fingerprint(pretending(2))


class OwnList(list):
    def total(self):
        return sum(self)


class OwnArray(np.ndarray):
    pass


class Meta(type):
    def __call__(cls, *arguments):
        return 5


class Made(metaclass=Meta):
    pass


class Color(enum.Enum):
    RED = 1


class Scored:
    def __call__(self, lm):
        return 1


@functools.singledispatch
def dispatched(lm):
    return 1


@functools.cache
def remembered(lm):
    return 1


endless = [1]
endless.append(endless)
own_module = types.ModuleType("helpers")
UNKNOWN = {
    "a module": (own_module, "a module of your own"),
    "list's subclass": (OwnList([1]), "an object of the kind OwnList"),
    "dict's subclass": (type("OwnDict", (dict,), {})(), "an object of the kind OwnDict"),
    "array's subclass": (np.zeros(2).view(OwnArray), "an object of the kind OwnArray"),
    "defaultdict": (collections.defaultdict(lambda: 1), "an object of the kind defaultdict"),
    "namedtuple": (collections.namedtuple("Pair", "b a")(1, 2), "an object of the kind Pair"),
    "metaclass": (Made, "a class of your own"),
    "enum": (Color.RED, "an object of the kind Color"),
    "object": (Scored(), "an object of the kind Scored"),
    "method": (OwnList([1]).total, "an object of the kind method"),
    "class": (OwnList, "a class of your own"),
    "singledispatch": (dispatched, "an object of the kind WeakKeyDictionary"),
    "cache": (remembered, "an object of the kind _lru_cache_wrapper"),
    "generator": ((n for n in range(3)), "an object of the kind generator"),
    "inside": ([{"a": (1, OwnList())}], "an object of the kind OwnList"),
    "array of objects": (np.array([None, Scored()]), "an array of objects"),
    "sparse": (torch.zeros(2).to_sparse(), "an unusual tensor"),
    "meta": (torch.zeros(2, device="meta"), "an unusual tensor"),
    "layer": (torch.nn.Linear(1, 1), "an object of the kind Linear"),
    "itself": (endless, "which holds itself"),
}


@pytest.mark.parametrize("value, said", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_compared_is_named(value, said):
    with pytest.raises(NotKnown, match=f"it reads `(X|dispatch_cache)`, {said}"):
        fingerprint(reads(X=value))


@pytest.mark.parametrize(
    "body, said",
    [
        ("return open('a').read()", "`open`, by which it can read anything"),
        ("return eval('1')", "`eval`, by which"),
        ("import no_such_helpers; return no_such_helpers.f(lm)", "`no_such_helpers`, a module of your own"),
        ("from . import f; return f(lm)", "a module of your own"),
        ("global N; N += 1; return N", "`N`, which it also changes"),
    ],
)
def test_a_measure_with_a_door_to_elsewhere_is_not_known(body, said):
    with pytest.raises(NotKnown, match=said):
        fingerprint(defined(f"def measure(lm):\n    {body}", N=1))


def test_a_counter_is_not_known():
    def counter():
        n = 0

        def measure(lm):
            nonlocal n
            n += 1
            return n

        return measure

    with pytest.raises(NotKnown, match="`n`, which it also changes"):
        fingerprint(counter())


def test_a_callable_object_is_not_known():
    with pytest.raises(NotKnown, match="it is an object of the kind Scored"):
        fingerprint(Scored())
    with pytest.raises(NotKnown, match="it is an object of the kind method"):
        fingerprint(OwnList().total)


def test_an_opened_model_is_not_known():
    from pythia_course import load

    with pytest.raises(NotKnown, match="it reads `lm`, an object of the kind LanguageModel"):
        fingerprint(defined("def measure(other):\n    return lm.model", lm=load("tiny-pythia")))


def test_vouched_for_the_rest_of_the_code_counts_all_the_same():
    first, second = (defined(f"def measure(lm):\n    return X, {n}", X=Scored()) for n in (1, 2))
    assert fingerprint(first, vouched=True) != fingerprint(second, vouched=True)
    again = defined("def measure(lm):\n    return X, 1", X=Scored())
    assert fingerprint(first, vouched=True) == fingerprint(again, vouched=True)


def test_another_version_of_a_library_or_of_the_course_is_another_measure(monkeypatch):
    from pythia_course.training import fingerprint as module

    measure, before = reads(X=1), fingerprint(reads(X=1))
    monkeypatch.setattr(module, "COURSE_VERSION", "another")
    assert fingerprint(measure) != before
    monkeypatch.undo()
    real = module._version
    monkeypatch.setattr(module, "_version", lambda root: "99" if root == "torch" else real(root))
    assert fingerprint(measure) != before
    monkeypatch.setattr(module, "_version", lambda root: "99" if root == "matplotlib" else real(root))
    assert fingerprint(measure) == before  # it is not read
