"""Read from the source which room of the package imports which, and draw docs/images/rooms.svg from it.

    python docs/rooms.py          (`make rooms`)
"""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pythia_course"
FRONT_DOOR = "pythia_course"  # __init__.py and the two modules that it installs
IMAGE = ROOT / "docs" / "images" / "rooms.svg"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room that a file belongs to: the first name below the package."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return FRONT_DOOR if first in ("__init__", "missing_names", "short_names") else first


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


def draw():
    """A box a room, floor above floor; an arrow for each room that another imports.  The figure, not yet saved.

    Dark arrows alone hold the house together; a pale one goes where a way of dark arrows leads too.
    """
    import matplotlib.pyplot as plt

    rooms = arrows()
    place = places(rooms)
    fig, ax = plt.subplots(figsize=(9, 7.5), layout="constrained")
    boxes = {}
    for room, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.5", "facecolor": "#e8f1fa", "edgecolor": "#1f4e79"}
        boxes[room] = ax.text(x, y, room, ha="center", va="center", fontsize=12, bbox=box, zorder=3).get_bbox_patch()
    for room, below in rooms.items():
        for other in sorted(below):
            pale = any(other in reached(rooms, between) for between in below.keys() - {other})
            ends = {"patchA": boxes[room], "patchB": boxes[other], "shrinkA": 0, "shrinkB": 2}
            style = {"arrowstyle": "-|>", "color": "0.85" if pale else "0.3", "lw": 1, **ends}
            arrow = ax.annotate("", place[other], place[room], arrowprops=style, zorder=1 if pale else 2)
            arrow.arrow_patch.set_gid(f"{room}->{other}")
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.5, max(y for _, y in place.values()) + 0.5))
    ax.axis("off")
    return fig


def reached(rooms, start) -> set[str]:
    """All rooms that a way of arrows leads to."""
    return set(rooms[start]).union(*(reached(rooms, below) for below in rooms[start]))


def places(rooms) -> dict[str, tuple[float, float]]:
    """{room: (x, y)}: a floor's rooms side by side, each above those that it imports, as far as there is room."""
    height, found = floors(rooms), {}
    for floor in sorted(set(height.values())):
        wish = {
            room: sum(found[below][0] for below in rooms[room]) / max(len(rooms[room]), 1)
            for room in sorted(height) if height[room] == floor
        }  # fmt: skip
        for number, room in enumerate(sorted(wish, key=wish.get)):
            found[room] = ((number + 0.5 + 0.15 * (-1) ** floor) / len(wish), floor)
    return found


if __name__ == "__main__":
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = "rooms"  # the same picture, the same bytes
    draw().savefig(IMAGE, metadata={"Date": None})
    print(f"{IMAGE.relative_to(ROOT)}: {len(arrows())} rooms, {sum(map(len, arrows().values()))} arrows")
