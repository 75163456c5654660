"""Read from the source which room of the package imports which, and draw docs/images/rooms.svg from it.

    python docs/rooms.py
"""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pythia_course"
FRONT_DOOR = "pythia_course"  # what stands in pythia_course/__init__.py and short_names.py
IMAGE = ROOT / "docs" / "images" / "rooms.svg"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room that a file belongs to: the first name below the package."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return FRONT_DOOR if first in ("__init__", "short_names") else first


@cache
def imported(path: Path) -> set[str]:
    """Dotted names of the modules that a file imports, inside functions too; of the course's own, the finest known."""
    package = (PACKAGE.name, *path.relative_to(PACKAGE).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            inner = {f"{base}.{alias.name}" for alias in node.names} & set(_by_name())
            found |= inner or {base}
    return found


@cache
def _by_name() -> dict[str, Path]:
    """{dotted name: file} of every module of the course."""
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in modules()}
    return {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in parts.items()}


@cache
def module_arrows() -> dict[Path, set[Path]]:
    """{module: the modules of the course that it imports}."""
    names = _by_name()
    return {path: {names[name] for name in imported(path) if name in names} for path in modules()}


@cache
def arrows() -> dict[str, dict[str, set[Path]]]:
    """{room: {room it imports: the files that do}}."""
    found = {room_of(path): {} for path in modules()}
    for path, below in module_arrows().items():
        for room in {room_of(other) for other in below} - {room_of(path)}:
            found[room_of(path)].setdefault(room, set()).add(path)
    return found


def floors(rooms: dict[str, dict]) -> dict[str, int]:
    """{room: its floor}: one above the highest of those it imports; 0 imports none.  The rooms must make no circle."""
    height = {}

    def climb(room):
        if room not in height:
            height[room] = 1 + max(map(climb, rooms[room]), default=-1)
        return height[room]

    for room in rooms:
        climb(room)
    return height
