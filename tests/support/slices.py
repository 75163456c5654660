"""The part of a notebook that has to do with something: the cells that use it, and those that make what they need.

A name is made where it is bound at the top of a cell, or something in it is set (`cost[1] = …`, `rows.append(…)`); what
other methods change in place is not seen, so what is left has to be run to know that it is whole.
"""

import ast

CHANGING = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "clear"}  # methods


def part_with(cells, begins):
    """The code cells, in order, that begin it, that use what came from those, and that make what these use.

    cells: cells of a notebook, in order.  begins: says of the text of a statement whether it brings the thing in.
    """
    code = [cell for cell in cells if cell.cell_type == "code"]
    steps = [[names(statement) for statement in statements(cell.source)] for cell in code]
    kept, from_there = set(), set()
    for place, cell in enumerate(code):
        for statement, (uses, makes) in zip(statements(cell.source), steps[place]):
            if begins(ast.unparse(statement)) or uses & from_there:
                kept.add(place)
                from_there |= makes
            else:
                from_there -= makes - uses
    wanted = set()
    for place in reversed(range(len(code))):
        if place in kept or any(makes & wanted for _, makes in steps[place]):
            kept.add(place)
            for uses, makes in reversed(steps[place]):
                wanted = (wanted - makes) | uses
    return [code[place] for place in sorted(kept)]


def statements(source):
    """The statements of a cell; of `a, b = c, d` two."""
    for statement in ast.parse(source).body:
        match statement:
            case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)) if len(targets) == len(values):
                for target, value in zip(targets, values):
                    yield ast.copy_location(ast.Assign([target], value), statement)
            case _:
                yield statement


def names(statement):
    """(names that a statement uses, names that it makes)."""
    nodes = list(ast.walk(statement))
    named = [node for node in nodes if isinstance(node, ast.Name)]
    makes = {node.id for node in named if isinstance(node.ctx, ast.Store)}
    makes |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    imports = [alias for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]
    makes |= {(alias.asname or alias.name).partition(".")[0] for alias in imports}
    own = {name for node in nodes for name in bound_within(node)}
    changed = {name for node in nodes for name in changed_by(node)}
    uses = {node.id for node in named if isinstance(node.ctx, ast.Load)} - own
    return uses | changed, makes | changed


def bound_within(node):
    """Names that stand for something within a statement only: arguments, and what loops count with."""
    if isinstance(node, ast.arg):
        yield node.arg
    targets = [node.target] if isinstance(node, (ast.For, ast.comprehension)) else []
    if isinstance(node, ast.With):
        targets = [item.optional_vars for item in node.items if item.optional_vars]
    for target in targets:
        yield from (inner.id for inner in ast.walk(target) if isinstance(inner, ast.Name))


def changed_by(node):
    """The name of what an assignment to a part of it, `+=` or a method changes."""
    match node:
        case ast.AugAssign(target=place):
            pass
        case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
            place = node
        case ast.Call(func=ast.Attribute(value=place, attr=method)) if method in CHANGING:
            pass
        case _:
            return
    while isinstance(place, (ast.Attribute, ast.Subscript)):
        place = place.value
    if isinstance(place, ast.Name):
        yield place.id
