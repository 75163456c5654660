"""A measure's fingerprint: one for one computation, in any process; another as soon as anything it reads differs."""

import functools
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from pythia_course.training.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[2]


def defined(source, name="measure", **given):
    """The function that a cell with this source defines; given: globals that are there already."""
    scope = {"__name__": "__main__"} | given
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), scope)
    return scope[name]


BASE = """
import numpy as np
TEXT = "the cat sat"
SHIFT = {"up": [1, 2, np.arange(3)]}
def helper(lm, k=2):
    return len(TEXT) * k
class Scale:
    factor = 2
    def times(self, x):
        return self.factor * x
def measure(lm, *, size=3):
    inner = lambda x: helper(x) + size
    return Scale().times(inner(lm)) + SHIFT["up"][0]
"""


@pytest.mark.parametrize(
    "change",
    [
        ('"the cat sat"', '"the dog sat"'),
        ("[1, 2,", "[1, 3,"),
        ("np.arange(3)", "np.arange(4)"),
        ("np.arange(3)", "np.arange(3.0)"),
        ("k=2", "k=3"),
        ("* k", "+ k"),
        ("factor = 2", "factor = 3"),
        ("self.factor * x", "self.factor + x"),
        ("size=3", "size=4"),
        ("helper(x) + size", "helper(x) - size"),
        ('["up"][0]', '["up"][1]'),
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
        ("import numpy as np", "import numpy as np\nNOT_READ = 5"),
    ],
    ids=["moved", "commented", "beside"],
)
def test_a_remark_or_a_name_that_is_not_read_changes_nothing(change):
    assert fingerprint(defined(BASE)) == fingerprint(defined(BASE.replace(*change)))


def test_an_attribute_is_not_taken_for_a_global_of_that_name():
    source = "def measure(lm):\n    return lm.model"
    assert fingerprint(defined(source, model=1)) == fingerprint(defined(source, model=2))


def test_it_is_the_same_in_another_process_whatever_the_hash_seed():
    code = f"""
from pythia_course.training.fingerprint import fingerprint
import functools
WORDS = {{"a", "b", "c", "dd"}}
exec({BASE!r})
print(fingerprint(functools.partial(measure, size=5)), fingerprint(lambda lm: sorted(WORDS)))
"""
    runs = []
    for seed in ("1", "2"):
        command, environment = [sys.executable, "-c", code], {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        runs.append(done.stdout)
    assert runs[0] == runs[1] and len(runs[0]) == 82


def test_closures_partials_methods_and_callable_objects_count_with_what_they_hold():
    def of(n):
        return lambda lm: n

    class Measure:
        def __init__(self, n):
            self.n = n

        def __call__(self, lm):
            return self.n

        def method(self, lm):
            return -self.n

    for make in (of, Measure, lambda n: Measure(n).method, lambda n: functools.partial(of, n)):
        assert fingerprint(make(1)) == fingerprint(make(1)) != fingerprint(make(2))
    assert fingerprint(Measure(1)) != fingerprint(Measure(1).method)


def test_a_cached_function_counts_by_its_code():
    first, second = (functools.cache(defined(f"def measure(lm):\n    return {n}")) for n in (1, 2))
    assert fingerprint(first) != fingerprint(second)


def test_tensors_count_by_their_numbers_their_kind_and_their_shape():
    source = "def measure(lm):\n    return X"
    tensors = [torch.zeros(4), torch.zeros(4, dtype=torch.bfloat16), torch.zeros(2, 2), torch.ones(4)]
    assert len({fingerprint(defined(source, X=x)) for x in tensors}) == 4
    wide = torch.arange(8.0).reshape(2, 4)
    assert fingerprint(defined(source, X=wide.T)) == fingerprint(defined(source, X=wide.T.contiguous()))


def test_a_model_that_a_measure_reads_counts_by_its_weights():
    source = "def measure(lm):\n    return X"
    layers = [torch.nn.Linear(3, 2) for _ in range(2)]
    twin = torch.nn.Linear(3, 2)
    twin.load_state_dict(layers[0].state_dict())
    first, second, third = (fingerprint(defined(source, X=layer)) for layer in (*layers, twin))
    assert first == third != second


def test_classes_with_types_slots_and_cached_properties_count_by_what_they_do():
    source = """
    from dataclasses import dataclass, field
    from functools import cached_property
    from abc import ABC, abstractmethod
    @dataclass
    class Probe:
        layer: int | None = LAYER
        names: list[str] = field(default_factory=list)
        @cached_property
        def double(self):
            return 2 * self.layer
    class Base(ABC):
        __slots__ = ("x",)
        @abstractmethod
        def score(self): ...
    class Scored(Base):
        def score(self):
            return Probe().double
    def measure(lm):
        return Scored().score()
    """
    first, second, third = (fingerprint(defined(source.replace("LAYER", n))) for n in "122")
    assert first != second == third
    assert fingerprint(defined(source.replace("2 * self", "3 * self"), LAYER=1)) != fingerprint(
        defined(source, LAYER=1)
    )


def test_an_opened_model_of_the_course_counts_by_its_weights_and_can_be_read_at_all():
    from pythia_course import load

    source = "def measure(other):\n    return lm.model, lm.tokenizer"
    prints = [fingerprint(defined(source, lm=load("tiny-pythia", step))) for step in (0, 512, 0)]
    assert prints[0] == prints[2] != prints[1]


def test_what_refers_to_itself_comes_to_an_end():
    endless = [1]
    endless.append(endless)
    source = "def measure(lm):\n    return measure(lm) if X else 0"
    assert fingerprint(defined(source, X=endless)) == fingerprint(defined(source, X=endless))


def test_a_module_of_one_s_own_counts_by_its_text(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    prints = []
    for number in (1, 2):
        (tmp_path / "my_own.py").write_text(f"def score(lm):\n    return {number}\n")
        module = types.ModuleType("my_own")
        module.__file__ = str(tmp_path / "my_own.py")
        monkeypatch.setitem(sys.modules, "my_own", module)
        prints.append(fingerprint(defined("def measure(lm):\n    return my_own.score(lm)", my_own=module)))
    assert prints[0] != prints[1]


def test_an_installed_library_counts_by_its_name():
    source = "def measure(lm):\n    return np.mean(lm)"
    assert fingerprint(defined(source, np=np)) == fingerprint(defined(source, np=np))
    assert fingerprint(defined(source, np=np)) != fingerprint(defined(source, np=torch))


def test_what_cannot_be_compared_is_said_with_a_way_out():
    with pytest.raises(ValueError, match="reads a generator, .* label="):
        fingerprint(defined("def measure(lm):\n    return X", X=(n for n in range(3))))
