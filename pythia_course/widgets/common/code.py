"""A widget's JavaScript and style as the browser gets them: its own file and what it shares with the others.

anywidget sends one text, from which nothing beside it can be imported. So a line `import { … } from "./x.js";` is
replaced by what that file holds: the files stay as any editor, browser or node reads them, with no build step.
"""

import re
from pathlib import Path

SHARED = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def script(path):
    """The text of a module, and of all it imports from its neighbours, each once."""
    return _joined(path.resolve(), set())


def style(*own):
    """The text of the style that all widgets share, and of a widget's own, if it has one."""
    return "".join(path.read_text(encoding="utf-8") for path in (SHARED / "shared.css", *own))


def _joined(path, seen):
    if path in seen:
        return ""
    seen.add(path)
    inlined = lambda found: EXPORT.sub("", _joined((path.parent / found[1]).resolve(), seen))  # noqa: E731
    return IMPORT.sub(inlined, path.read_text(encoding="utf-8"))
