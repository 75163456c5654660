"""Which measure is this?  A fingerprint that changes whenever what a function computes might have changed.

It covers the function's code (not its name, its place or its comments), its defaults and what it closes over, and in
the same way every function, class and value that it reads by name.  Files of the course and modules of your own count
by their source; an installed library counts by its name alone.  Not seen: files and addresses that a function reads,
and modules that it imports inside itself.
"""

import dis
import functools
import hashlib
import sys
import sysconfig
import types
from pathlib import Path

import numpy as np

_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}
_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
# Of a class: what every one has, what only says where it was written, and types that Python does not look at.
_NOT_OF_A_CLASS = {
    "__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__", "__slots__",
    "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__parameters__",
    "__dataclass_fields__", "__dataclass_params__", "__abstractmethods__", "_abc_impl",
}  # fmt: skip


def fingerprint(function) -> str:
    """40 hex digits that stand for what a function (or any callable object) computes.

    The same in another process or after a restart.  Raises ValueError where a value that it reads cannot be compared.
    """
    return _Reader().digest(function).hex()[:40]


class _Reader:
    """Digests by value, each object once."""

    def __init__(self):
        self.known: dict[int, bytes] = {}
        self.alive = []  # so that an id stands for one object as long as it is in `known`

    def digest(self, thing) -> bytes:
        if type(thing) in _ATOMS:
            return _hash(type(thing).__name__, repr(thing))
        if id(thing) not in self.known:
            self.alive.append(thing)
            self.known[id(thing)] = b"itself"  # for what refers back to itself
            self.known[id(thing)] = _hash(type(thing).__qualname__, *self.parts(thing))
        return self.known[id(thing)]

    def parts(self, thing):
        """What makes this object up, as digests and names."""
        for kind, read in _READERS.items():
            if isinstance(thing, kind):
                return read(self, thing)
        if (torch := sys.modules.get("torch")) and isinstance(thing, torch.Tensor):
            return self.of_tensor(thing, torch)
        if hasattr(thing, "__wrapped__"):  # functools.cache, for example
            return [self.digest(thing.__wrapped__)]
        return self.of_object(thing)

    def of_sequence(self, items):
        return map(self.digest, items)

    def of_set(self, items):
        return sorted(map(self.digest, items))

    def of_dict(self, items):
        return [self.digest(part) for item in items.items() for part in item]

    def of_code(self, code):
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return [code.co_code, *map(self.digest, (counts, names, code.co_consts))]

    def of_function(self, function):
        if _is_library(function.__module__):
            return [function.__module__, function.__qualname__]
        cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
        read = {name: function.__globals__[name] for name in _globals_read(function.__code__, function.__globals__)}
        return map(self.digest, (function.__code__, function.__defaults__, function.__kwdefaults__, cells, read))

    def of_method(self, method):
        return [self.digest(method.__func__), self.digest(method.__self__)]

    def of_builtin(self, function):
        owner = function.__self__
        bound = owner is not None and not isinstance(owner, types.ModuleType)
        return [str(function.__module__), function.__qualname__, *([self.digest(owner)] if bound else [])]

    def of_descriptor(self, wrapped):
        if isinstance(wrapped, property):
            return map(self.digest, (wrapped.fget, wrapped.fset, wrapped.fdel))
        return [self.digest(wrapped.func if isinstance(wrapped, functools.cached_property) else wrapped.__func__)]

    def of_slot(self, slot):
        return [slot.__qualname__]

    def of_module(self, module):
        return [module.__name__, *([] if _is_library(module.__name__) else _sources(module))]

    def of_class(self, kind):
        if _is_library(kind.__module__):
            return [kind.__module__, kind.__qualname__]
        if _is_course(kind.__module__):  # by its text, since its methods lead to much that no measure uses
            return [kind.__qualname__, *_sources(sys.modules[kind.__module__]), self.digest(kind.__bases__)]
        body = {name: value for name, value in vars(kind).items() if name not in _NOT_OF_A_CLASS}
        return [self.digest(kind.__bases__), self.digest(body)]

    def of_array(self, array):
        if array.dtype.hasobject:
            return [str(array.shape), self.digest(array.tolist())]
        return [str(array.dtype.descr), str(array.shape), np.ascontiguousarray(array).tobytes()]

    def of_tensor(self, tensor, torch):
        flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        return [str(tensor.dtype), str(tuple(tensor.shape)), flat.numpy().tobytes()]

    def of_object(self, thing):
        """Any other object, by what pickle would write of it."""
        try:
            reduced = thing.__reduce_ex__(4)
        except Exception as error:  # whatever a class raises to say that it cannot be pickled
            raise ValueError(
                f"The measure reads a {type(thing).__qualname__}, of which one cannot tell whether it is the same as "
                "the last time: make it inside the measure, or name the measure yourself with label='...'."
            ) from error
        if isinstance(reduced, str):
            return [str(getattr(thing, "__module__", "")), reduced]
        maker, arguments, state, items, pairs = (*reduced, *(None,) * 5)[:5]
        return map(self.digest, (maker, arguments, state, list(items or ()), list(pairs or ())))


_READERS = {
    (list, tuple): _Reader.of_sequence,
    (set, frozenset): _Reader.of_set,
    (dict, types.MappingProxyType): _Reader.of_dict,
    types.CodeType: _Reader.of_code,
    types.FunctionType: _Reader.of_function,
    types.MethodType: _Reader.of_method,
    types.BuiltinFunctionType: _Reader.of_builtin,
    (property, staticmethod, classmethod, functools.cached_property): _Reader.of_descriptor,
    (types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType): _Reader.of_slot,
    types.ModuleType: _Reader.of_module,
    type: _Reader.of_class,
    np.ndarray: _Reader.of_array,
}


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


def _globals_read(code, defined) -> list[str]:
    """Names of globals that a piece of code reads, in the functions inside it too."""
    inside = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    own = {step.argval for step in dis.get_instructions(code) if "GLOBAL" in step.opname or step.opname == "LOAD_NAME"}
    return sorted((own & defined.keys()).union(*(_globals_read(part, defined) for part in inside)))


def _is_library(name: str | None) -> bool:
    """Whether a module belongs to Python or to an installed library, and so stays as it is."""
    if name is None or name == "__main__" or _is_course(name):
        return False
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        return True
    return bool(_LIBRARY_FOLDERS & set(Path(file).parts)) or file.startswith(_STANDARD)


def _is_course(name: str) -> bool:
    return name.partition(".")[0] == __package__.partition(".")[0]


def _sources(module) -> list[bytes]:
    """The text of a module, or of all modules of a package."""
    if module.__name__ == "__main__" or not getattr(module, "__file__", None):
        return []
    file = Path(module.__file__)
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    return [path.read_bytes() for path in files]
