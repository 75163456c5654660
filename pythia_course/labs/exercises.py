"""A lesson and its solutions -> exercises in pieces: what is given, what is asked, how it is checked, what is right.

A lesson's exercise is one cell that ends with the call of a check, with three dots where the answer goes.  The right
answer is what the notebook of solutions gives to the same check.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import indent

TITLE = re.compile(r"\*\*Exercise (\d+)\*\* · difficulty (\d) of 5")
KEPT_WHOLE = ast.For | ast.While | ast.With | ast.Try | ast.If


@dataclass(frozen=True)
class Exercise:
    """Code in five pieces; the points are the difficulty, from 1 to 5."""

    number: int
    points: int
    given: str  # before the answer; may be empty
    answer: str  # the learner's part, with the three dots
    solution: str  # to be run after it: puts the right answer in place of the dots
    check: str  # an expression that is a Verdict, on the last line


def titled(text: str) -> tuple[int, int]:
    """The number and the points of the last exercise that a text announces."""
    number, points = TITLE.findall(text)[-1]
    return int(number), int(points)


def is_exercise(source: str) -> bool:
    """Whether a cell asks for an answer and checks it; a prediction, which nothing marks, does not count."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    return bool(body) and _check_in(body[-1]) is not None and any(map(_asks, body))


def asks(source: str) -> bool:
    """Whether there are three dots in a cell, for a prediction or an answer."""
    try:
        return any(map(_asks, ast.parse(source).body))
    except SyntaxError:
        return False


def exercise(source: str, text: str, solution: str) -> Exercise:
    """Take an exercise's cell apart.  text: the Markdown before it.  solution: from `solutions`, in the same order."""
    number, points = titled(text)
    body = ast.parse(source).body
    places = [place for place, statement in enumerate(body) if _asks(statement)]
    parts = body[: places[0]], body[places[0] : places[-1] + 1], body[places[-1] + 1 :]
    given, answer, check = ("\n".join(_lines(source, part)) for part in parts)
    return numbered(number, points, given=given, answer=answer, solution=solution, check=check)


def numbered(number: int, points: int, **pieces: str) -> Exercise:
    """An exercise whose `answer` has its number, so that a cell that fails leaves no other exercise's answer in it."""
    own = {name: re.sub(r"\banswer\b", f"answer_{number}", code) for name, code in pieces.items()}
    return Exercise(number, points, **own)


def solutions(lesson: Iterable[str], solved: Iterable[str]) -> list[str]:
    """The right answers to a lesson's exercises, in their order, as code to be run after the cell with the dots.

    lesson, solved: the code cells of the lesson and of its solutions.  Raises LookupError where one is not solved.
    """
    cells = [ast.parse(source).body for source in solved]
    sources = list(solved)
    calls = [(place, call) for place, body in enumerate(cells) for statement in body if (call := _check_in(statement))]
    return [_solution(body, call, cells[: place + 1], sources) for body, place, call in _paired(lesson, calls)]


def _paired(lesson, calls):
    """(an exercise's statements, the place and the call of its solution); a check that comes twice, in order."""
    met = Counter()
    for source in filter(is_exercise, lesson):
        body = ast.parse(source).body
        name = ast.unparse(_check_in(body[-1]).func)
        same = [(place, call) for place, call in calls if ast.unparse(call.func) == name]
        if len(same) <= met[name]:
            raise LookupError(f"The solutions never call {name}, which the lesson asks for.")
        yield body, *same[met[name]]
        met[name] += 1


def _solution(body, solved, cells, sources):
    """Code that assigns what the lesson asks for, by the cells of the solutions that lead to it, in a function."""
    asked = [name for statement in body if _asks(statement) for name in _asked(statement)]
    passed = [ast.unparse(part) for part in _check_in(body[-1]).args]
    right = [solved.args[passed.index(name)] for name in asked]
    code = _leading_to({name for part in right for name in _read(part)}, cells, sources)
    code.append(f"return {', '.join(map(ast.unparse, right))}")
    return f"def solution():\n{indent(chr(10).join(code), '    ')}\n\n\n{', '.join(asked)} = solution()"


def _leading_to(wanted, cells, sources):
    """The lines of all cells that make what is wanted, from the last back to the first."""
    kept = []
    for body, source in reversed(list(zip(cells, sources))):
        if not wanted & set().union(*map(_changes, body)):
            continue
        for statement in reversed(body):
            if _is_needed(statement, wanted):
                kept[:0] = _lines(source, [statement])
                wanted = (wanted - _binds(statement)) | set(_read(statement))
    return kept


def _is_needed(statement, wanted):
    if {"verdict", "checks"} & set(_read(statement)) or isinstance(statement, ast.Assert):
        return False
    return isinstance(statement, KEPT_WHOLE) or bool(_changes(statement) & wanted)


def _check_in(statement):
    """The call `checks.module.name(…)` in a statement that is no loop, or None."""
    if not isinstance(statement, ast.Expr | ast.Assign | ast.Assert):
        return None
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return next((call for call in calls if re.fullmatch(r"checks\.\w+\.\w+", ast.unparse(call.func))), None)


def _asks(statement):
    return any(isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(statement))


def _asked(statement):
    """The names that a statement gives three dots to: `answer = ...`, `prompt, step = ..., 2200`, a function."""
    if isinstance(statement, ast.FunctionDef):
        return [statement.name]
    (target,), value = statement.targets, statement.value
    if isinstance(target, ast.Tuple):
        return [name.id for name, part in zip(target.elts, value.elts) if _asks(part)]
    return [target.id]


def _binds(statement):
    """Names that a statement gives a new meaning to."""
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    if isinstance(statement, ast.FunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    return names


def _changes(statement):
    """Names that a statement binds, and those of objects that it changes: `a[0] = 1`, `a.append(1)`."""
    found = _binds(statement)
    for node in ast.walk(statement):
        stores = isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)
        calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if stores or calls and isinstance(node.value.func, ast.Attribute):
            found |= set(_read(node if stores else node.value.func)[:1])
    return found


def _read(node):
    """Names that are looked up, in the order of the text."""
    return [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)]


def _lines(source, statements):
    """The whole lines of statements that follow one another, with the comments between them."""
    if not statements:
        return []
    first = min([statements[0].lineno, *(part.lineno for part in getattr(statements[0], "decorator_list", []))])
    return source.splitlines()[first - 1 : statements[-1].end_lineno]
