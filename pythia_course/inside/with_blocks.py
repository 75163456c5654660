"""Hooks of a `with` block: they act in its thread only, and not a moment longer than it runs, however it is left.

A notebook's Stop can come between any two steps of Python, before the first line of `__exit__` too.  So whether a hook
acts never depends on its having been taken out: each time it is called it asks whether its block still runs.  A `with`
statement that runs holds the bound method `__exit__` that it is going to call, and nobody else does: once that method
is gone, the statement has been left.  A hook that finds it gone takes itself out.
"""

import threading
import weakref
from types import MethodType

_PLACING = threading.RLock()  # torch numbers its hooks without one


class _Exit:
    """An `__exit__` that notes, for each thread, the method which it handed to a `with` statement."""

    def __init__(self, function):
        self.function = function

    def __get__(self, block, kind=None):
        if block is None:
            return self.function  # contextlib.ExitStack binds it itself
        method = MethodType(self.function, block)
        block.statement.exit = weakref.ref(method)
        return method


class Block:
    """Hooks on a model while a `with` block runs.  It may be entered again, inside itself and in other threads."""

    def __init__(self, places):
        """places: pairs (a module's `register_…_hook`, the function to call)."""
        self.places, self.running, self.statement = list(places), [], threading.local()

    def __enter__(self):
        entry = Entry(self.statement.__dict__.pop("exit", None))
        self.running.append(entry)
        try:
            entry.place(self.places)
        except BaseException:
            self.running.remove(entry)
            entry.leave()
            raise

    @_Exit
    def __exit__(self, *error):
        entry = next(entry for entry in reversed(self.running) if entry.thread == threading.get_ident())
        entry.left = True
        self.running.remove(entry)
        entry.leave()


class Entry:
    """One time that a block is entered: by which thread, by which statement, and the hooks placed for it."""

    def __init__(self, statement):
        self.thread, self.statement, self.left, self.handles = threading.get_ident(), statement, False, []

    def over(self) -> bool:
        return self.left or (self.statement is not None and self.statement() is None)

    def place(self, places):
        with _PLACING:
            for register, hook in places:
                self.handles.append(register(Guard(self, hook)))

    def leave(self):
        self.left = True
        for handle in self.handles:
            handle.remove()


class Guard:
    """A hook that acts while its block runs, in that block's thread."""

    def __init__(self, entry, hook):
        self.entry, self.hook = entry, hook

    def __call__(self, module, *args):
        if self.entry.over():
            self.take_out(module)
        elif self.entry.thread == threading.get_ident():
            return self.hook(module, *args)

    def __deepcopy__(self, memo):
        return self  # a copy of the model, made in the block, is changed as long as the block runs, and no longer

    def take_out(self, module):
        """Leave the module, where a Stop came before the block did it."""
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for number in [number for number, hook in list(hooks.items()) if hook is self]:
                hooks.pop(number, None)
                module._forward_pre_hooks_with_kwargs.pop(number, None)
