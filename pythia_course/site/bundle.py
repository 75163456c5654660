"""JavaScript as files that a page can take from a disk: classic scripts, since browsers read no modules from file://.

Each adds to one object, PYTHIA: `held`, data by key; `widgets`, a widget's module by kind.
"""

import base64
import json
import re

from pythia_course.site.alive import Alive

BEGIN = "globalThis.PYTHIA ??= { held: {}, widgets: {} };\n"


def held(key: str, value) -> str:
    """A script that holds a value (JSON; bytes as {"base64": …}) under this key."""
    text = json.dumps(value, default=_encoded, ensure_ascii=False, separators=(",", ":"))
    return f"{BEGIN}PYTHIA.held[{json.dumps(key)}] = {text};\n"


def widget(kind: str, module: str) -> str:
    """A script that holds what a widget's module exports.  Raises ValueError for a module that imports another."""
    if re.search(r"^import\b", module, re.MULTILINE) or module.count("export default ") != 1:
        raise ValueError(f"The module of {kind} must import nothing and have one default export.")
    body = re.sub(r"^export ", "", module.replace("export default ", "const exported = "), flags=re.MULTILINE)
    return f'{BEGIN}PYTHIA.widgets.{kind} = (() => {{ "use strict";\n{body}\nreturn exported;\n}})();\n'


def traits(alive: Alive) -> dict:
    """What the page is told of one widget."""
    return {"kind": alive.kind, "traits": alive.traits, "sliders": alive.sliders}


def _encoded(value):
    if isinstance(value, (bytes, memoryview)):
        return {"base64": base64.b64encode(value).decode("ascii")}
    raise TypeError(f"{type(value).__name__} cannot be held by a page.")
