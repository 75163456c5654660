"""Which measure is this?  A fingerprint that changes whenever what a function computes might have changed, or none.

A small rule, so that a reader can predict it.  A measure is known by

- its code and defaults, and what it closes over or reads by name, where that is a number, a text, bytes, a path, None,
  a numpy array or torch tensor, or a list, tuple, dict or set of these;
- in the same way every function of one's own that it reads, and every `functools.partial` of such;
- what it reads of the course, of Python and of installed libraries, by name and version.

Anything else, such as an object of one's own class, a module of one's own or a model, is not known: `NotKnown` names
it.  Not seen at all: what a library's function reads of files, addresses, chance and the clock.
"""

import builtins
import dis
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
import sys
import sysconfig
import types
from pathlib import Path, PurePath

import numpy as np

_COURSE = __package__.partition(".")[0]
_ATOMS = (type(None), bool, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
_DOORS = ("open", "eval", "exec", "compile", "input", "globals", "locals", "vars", "__import__")
_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}
_ITSELF = "the measure"
_ALWAYS = ("torch", "transformers", "tokenizers", "numpy")  # what a model is run with


class NotKnown(ValueError):
    """What a measure reads, of which one cannot tell whether it is what it was."""


def fingerprint(measure, vouched: bool = False) -> str:
    """40 hex digits that stand for what a measure computes; the same in another process and after a restart.

    vouched: what is not known counts by the name it is read by; the rest counts all the same.
    Raises NotKnown, a phrase such as "it reads `helpers`, a module of your own", where it is not.
    """
    surroundings = (platform.python_version(), *map(_version, _ALWAYS), COURSE_VERSION)
    return _hash(*surroundings, _Reader(vouched).digest(measure, _ITSELF)).hex()[:40]


class _Reader:
    """Digests by value."""

    def __init__(self, vouched):
        self.vouched = vouched
        self.functions: list = []  # in the order in which they were met: one that is met again counts by its place
        self.inside: list = []  # the containers around what is read now

    def digest(self, thing, name) -> bytes:
        """name: what the measure calls it, for the message."""
        kind = type(thing)
        if kind in _ATOMS:
            return _hash(kind.__name__, repr(thing).encode("utf-8", "surrogatepass"))
        if kind is int:
            return _hash("int", hex(thing))
        if whose := _of_a_library(thing):
            return _hash("library", *whose)
        if kind in _READERS:
            return _hash(kind.__name__, *_READERS[kind](self, thing, name))
        if isinstance(thing, PurePath) and kind.__module__.startswith("pathlib"):
            return _hash("path", str(thing))
        if kind.__module__ in ("torch", "torch.nn.parameter") and kind.__name__ in ("Tensor", "Parameter"):
            return _hash("tensor", *self.of_tensor(thing, name))
        if isinstance(thing, np.generic) and kind.__module__ == "numpy":
            return _hash(kind.__name__, *self.of_array(np.asarray(thing), name))
        return self.not_known(name, _described(thing))

    def not_known(self, name, what) -> bytes:
        if self.vouched:
            return _hash("vouched for", name)
        raise NotKnown(f"it is {what}" if name == _ITSELF else f"it reads `{name}`, {what}")

    def of_parts(self, things, name):
        if any(thing is things for thing in self.inside):
            return [self.not_known(name, "which holds itself")]
        self.inside.append(things)
        parts = things.items() if isinstance(things, dict) else things
        found = [self.digest(part, name) for part in parts]
        self.inside.pop()
        return sorted(found) if isinstance(things, (set, frozenset)) else found

    def of_array(self, array, name):
        if array.dtype.hasobject:
            return [self.not_known(name, "an array of objects")]
        return [str(array.dtype.descr), str(array.shape), np.ascontiguousarray(array).tobytes()]

    def of_tensor(self, tensor, name):
        import torch

        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized or vars(tensor):
            return [self.not_known(name, "an unusual tensor")]
        flat = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().flatten().view(torch.uint8)
        return [str(tensor.dtype), str(tensor.device), str(tuple(tensor.shape)), flat.numpy().tobytes()]

    def of_partial(self, partial, name):
        parts = (partial.func, partial.args, partial.keywords, vars(partial))
        return [self.digest(part, getattr(partial.func, "__name__", name)) for part in parts]

    def of_function(self, function, name):
        for place, met in enumerate(self.functions):
            if met is function:
                return [str(place)]
        self.functions.append(function)
        own = [(function.__defaults__, name), (function.__kwdefaults__, name), (vars(function), name)]
        names = function.__code__.co_freevars
        cells = [(cell.cell_contents, name) for name, cell in zip(names, function.__closure__ or ()) if _filled(cell)]
        parts = [self.digest(*part) for part in (*own, *cells)]
        if whose := _library_of_file(function.__code__.co_filename):  # a wrapper that a library's decorator made
            return [*whose, function.__code__.co_qualname, *parts]
        return [*parts, *self.of_code(function.__code__, function)]

    def of_code(self, code, function):
        """Code and what it reads by name; functions, classes and comprehensions inside it too."""
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        found = [code.co_code, code.co_exceptiontable, self.digest((counts, names), code.co_name)]
        for constant in code.co_consts:
            inner = isinstance(constant, types.CodeType)
            found += self.of_code(constant, function) if inner else [self.digest(constant, code.co_name)]
        return [*found, *(self.of_step(step, function) for step in dis.get_instructions(code))]

    def of_step(self, step, function) -> bytes:
        if step.opname == "IMPORT_NAME":
            whose = _library_named(step.argval.partition(".")[0])
            return _hash(*whose) if whose else self.not_known(step.argval or ".", "a module of your own")
        outside = step.opname == "STORE_DEREF" and step.argval in function.__code__.co_freevars
        if outside or step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            return self.not_known(step.argval, "which it also changes")
        if "GLOBAL" in step.opname or step.opname == "LOAD_NAME":
            return self.of_name(step.argval, function)
        return b""

    def of_name(self, name, function) -> bytes:
        if name in function.__globals__:
            return self.digest(function.__globals__[name], name)
        if name in _DOORS:
            return self.not_known(name, "by which it can read anything")
        return self.digest(getattr(builtins, name), name) if hasattr(builtins, name) else _hash("missing", name)


_READERS = {
    **dict.fromkeys((list, tuple, dict, set, frozenset), _Reader.of_parts),
    np.ndarray: _Reader.of_array,
    functools.partial: _Reader.of_partial,
    types.FunctionType: _Reader.of_function,
}


def _described(thing) -> str:
    if isinstance(thing, types.ModuleType):
        return "a module of your own"
    if isinstance(thing, type):
        return "a class of your own"
    return f"an object of the kind {type(thing).__qualname__}"


def _of_a_library(thing) -> tuple[str, ...] | None:
    """Name and version of a module, function or class that Python, a library or the course has under its own name."""
    if isinstance(thing, types.ModuleType):
        name, path = thing.__name__, []
    else:
        name, path = getattr(thing, "__module__", None), str(getattr(thing, "__qualname__", "")).split(".")
    module = sys.modules.get(name) if isinstance(name, str) else None
    found = module
    for part in path:
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    if module is None or found is not thing or not _is_installed(module):
        return None
    return (name, *path, *_whose(name.partition(".")[0]))


def _is_installed(module) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__ in sys.builtin_module_names
    return _library_of_file(file) is not None


def _library_named(root: str) -> tuple[str, ...] | None:
    """As `_library_of_file`, for what `import` would find under this name."""
    spec = importlib.util.find_spec(root) if root else None
    if spec is None or spec.origin in (None, "built-in", "frozen"):
        return _whose(root) if root in sys.stdlib_module_names else None
    return _library_of_file(spec.origin)


def _library_of_file(file: str) -> tuple[str, ...] | None:
    """("numpy", its version) of a file that belongs to an installed library, Python or the course."""
    path = Path(file)
    if path.is_relative_to(Path(__file__).parents[1]):
        return _whose(_COURSE)
    folder = next((place for place in _LIBRARY_FOLDERS if place in path.parts), None)
    if folder:
        root = path.parts[path.parts.index(folder) + 1].partition(".")[0]
        return _whose(root) if _version(root) else None
    return _whose("python") if file.startswith((*_STANDARD, "<frozen ")) else None


def _whose(root: str) -> tuple[str, ...]:
    return (root, COURSE_VERSION if root == _COURSE else _version(root) or platform.python_version())


@functools.cache
def _version(root: str) -> str:
    """The version of the installed library that has this package, "" where there is none."""
    names = _distributions().get(root, ())
    return " ".join(importlib.metadata.version(name) for name in sorted(set(names)))


@functools.cache
def _distributions():
    return importlib.metadata.packages_distributions()


def _hash(*parts) -> bytes:
    """sha256 of a sequence of texts and bytes, each with its length in front."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.digest()


def _filled(cell) -> bool:
    try:
        cell.cell_contents  # noqa: B018  (reading it is the question)
    except ValueError:
        return False
    return True


# Of the course's own source, as it was when this module came in: what changes on the disk later is not what runs here.
COURSE_VERSION = _hash(*(file.read_bytes() for file in sorted(Path(__file__).parents[1].rglob("*.py")))).hex()
