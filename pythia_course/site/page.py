"""One HTML file with a tiny model inside: type a sentence and watch attention move, on any computer with a browser.

A content security policy lets the page run its own script, known by its hash, and ask nobody for anything.
`offered` is what the playground shows and reads, here as in the site of many files (`folder.py`).
"""

import base64
import hashlib
import html
import json
from pathlib import Path

from pythia_course import live, suite
from pythia_course.widgets.common.attention import color_table
from pythia_course.widgets.common.code import script, style

FOLDER = Path(__file__).parent
PROMPT = "Then Mia and Tom went to the park. Then Tom gave the ball to"
OTHER = "Then Mia and Tom went to the park. Then Mia gave the ball to"  # as long, to bring values over from
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{name}, live</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{name}, live</h1>
<p>A language model of {parameters:,} parameters, computed in this page: nothing you type leaves it.</p>
<div id="playground"><noscript>This page computes with JavaScript, which is switched off here.</noscript></div>
</main>
<script type="application/json" id="data">{data}</script>
<script type="text/plain" id="tokenizer">{tokenizer}</script>
<script type="text/plain" id="worker">{worker}</script>
<script type="text/plain" id="weights">{weights}</script>
<script>{script}</script>
</body>
</html>
"""


def write_page(out: Path, name: str = "tiny-pythia", step: int | None = None) -> None:
    """Write the page of a model that ships.  Raises what `live.model_files` does, and OSError."""
    Path(out).write_text(page_text(name, step), encoding="utf-8")


def page_text(name: str = "tiny-pythia", step: int | None = None) -> str:
    """The page of a model that ships, at its last checkpoint or another."""
    name, files = suite.short_name(name), live.model_files(name, step)
    code = f"\n{script(FOLDER / 'page.js')}"
    look = f"\n{style(FOLDER / 'page.css', FOLDER / 'playground.css')}"
    step = suite.steps(name)[-1] if step is None else step
    data = offered({name: [step]}) | {"config": files["config"].read_text(encoding="utf-8")}
    tokenizer = data.pop("tokenizer")  # as it is: within JSON each of its quotes would be two characters
    return PAGE.format(
        policy=_policy(code, look),
        name=html.escape(name),
        parameters=suite.total(_spec(name)),
        style=look,
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),  # no HTML can end it
        tokenizer=tokenizer,
        worker=script(live.FOLDER / "worker.js"),
        weights=base64.b64encode(files["weights"].read_bytes()).decode("ascii"),
        script=code,
    )


def offered(steps: dict[str, list[int]]) -> dict:
    """What the playground is told of these models, {name: its steps}, the first of which it shows at first."""
    specs = {name: _spec(name) for name in steps}
    first = next(iter(specs.values()))
    models = {name: {"layers": s.layers, "heads": s.heads, "steps": list(steps[name])} for name, s in specs.items()}
    return {
        "models": models,
        "model": first.name,
        "prompt": PROMPT,
        "other": OTHER,
        "colors": base64.b64encode(color_table()).decode("ascii"),
        "tokenizer": (suite.TINY_TOKENIZER / "tokenizer.json").read_text(encoding="utf-8"),
    }


def _policy(code: str, look: str) -> str:
    """Only this script and this style, a worker made of text in the page, and WebAssembly; no address at all."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") for text in (code, look)]
    return (
        f"default-src 'none'; script-src 'sha256-{digests[0]}' 'wasm-unsafe-eval'; style-src 'sha256-{digests[1]}'; "
        "worker-src blob:; base-uri 'none'; form-action 'none'"
    )


def _spec(name: str) -> suite.Spec:
    from transformers import AutoConfig

    return suite.spec_from_config(AutoConfig.from_pretrained(live.model_files(name)["config"].parent), name)
