"""What the widgets of a lesson hold, computed anew: a stored notebook has their pictures only.

Of the lesson just those cells are run that the widget's own cell needs, found by the names that they bind and read.
"""

import ast
import contextlib
import io
import os
import symtable
import tempfile
from dataclasses import dataclass

NEEDS_A_KERNEL = "ModelPicker"
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
INNER = (ast.FunctionDef, ast.ClassDef, ast.Lambda, *COMPREHENSIONS)
HOUSEKEEPING = ("_model_", "_view_", "_dom_", "_anywidget", "_esm", "_css", "layout", "tabbable", "tooltip")


@dataclass
class Alive:
    """A widget as the page mounts it: its module, style and traits; sliders: (trait, largest value) of those it has."""

    kind: str
    module: str
    style: str
    traits: dict
    sliders: list


def widgets(cells, places) -> dict:
    """{place: Alive} of the cells at these places.  Raises what the lesson raises."""
    spaces, found = {"__name__": "lesson"}, {}
    with _somewhere_else():
        done = set()
        for place in sorted(places):
            for each in needed(cells, place):
                if each not in done or each == place:
                    shown = _run(cells[each].source, spaces)
                    done.add(each)
            found[place] = _described(shown)
    return found


def needed(cells, place) -> list:
    """Places of the code cells that the one at `place` rests on, itself the last of them."""
    wanted, found = _reads(cells[place].source), [place]
    for earlier in range(place - 1, -1, -1):
        if cells[earlier].cell_type != "code":
            continue
        binds, source = _binds(cells[earlier].source), cells[earlier].source
        if (binds | _fills(source)) & wanted:
            wanted = (wanted - binds) | _reads(source)
            found.append(earlier)
    return found[::-1]


def _binds(source):
    symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()}


def _reads(source):
    """Names that a cell takes from those before it: what it reads without having bound it first."""
    tables = [symtable.symtable(source, "cell", "exec")]
    read = {symbol.get_name() for symbol in tables[0].get_symbols() if symbol.is_referenced()}
    for table in tables:  # which grows: functions and comprehensions, and those in them
        tables.extend(table.get_children())
        if table.get_type() != "module":
            read |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    first = _bound_first(source)
    return read - {name for name in first if first[name]} | {name for name in first if not first[name]}


def _bound_first(source):
    """{name: whether the cell binds it before it reads it}."""
    first = {}
    for node in _in_order(ast.parse(source)):
        if isinstance(node, ast.Name):
            first.setdefault(node.id, isinstance(node.ctx, ast.Store))
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first.setdefault(node.name, True)
        elif isinstance(node, COMPREHENSIONS):
            first = dict.fromkeys(_taken(node), False) | first
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            first.setdefault(node.target.id, False)
    return first


def _taken(comprehension):
    """Names that a comprehension reads and does not count with; what it goes through first is read outside of it."""
    names = [node for node in ast.walk(comprehension) if isinstance(node, ast.Name)]
    own = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    outside = {node.id for node in ast.walk(comprehension.generators[0].iter) if isinstance(node, ast.Name)}
    return {name.id for name in names} - own | outside


def _in_order(node):
    """The nodes of a cell as Python comes by them: values before the names that they go to, no inner scopes."""
    yield node
    if isinstance(node, INNER):
        return
    later = ("targets", "target", "body", "orelse", "finalbody")
    fields = sorted(ast.iter_fields(node), key=lambda field: later.index(field[0]) if field[0] in later else -1)
    for _, value in fields:
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _in_order(child)


def _fills(source):
    """Names of what a cell puts an entry into: `scores["gain"] = ...`."""
    stored = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store))
    return {node.value.id for node in stored if isinstance(node.value, ast.Name)}


def _run(source, space):
    """Run a cell; gives the value that it would show."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<lesson>", "exec"), space)
    return eval(compile(ast.Expression(last.value), "<lesson>", "eval"), space) if last else None


@contextlib.contextmanager
def _somewhere_else():
    """In an empty folder, saying nothing, and with no window for its figures."""
    import matplotlib.pyplot as plt

    before, backend = os.getcwd(), plt.get_backend()
    plt.switch_backend("Agg")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            plt.close("all")
            plt.switch_backend(backend)


def _described(widget):
    picture, sliders = widget, []
    if hasattr(widget, "picture") and hasattr(widget, "children"):  # the viewer: sliders of ipywidgets beside a picture
        picture = widget.picture
        sliders = [(slider.description, slider.max) for slider in (widget.layer, widget.head) if slider.max]
    state = picture.get_state()
    traits = {name: value for name, value in state.items() if not name.startswith(HOUSEKEEPING)}
    kind = type(picture).__module__.split(".")[2]
    return Alive(kind, state["_esm"], state["_css"], traits, sliders)
