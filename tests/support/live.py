"""What the page's engine is held to: prompts, what torch computes of them, and node and a server to run it by."""

import itertools
import json
import random
import shutil
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from safetensors.numpy import save_file
from support.odd_prompts import HALVES, PIECES, PLANES

import pythia_course
from pythia_course import suite
from pythia_course.inside.compare import logit_lens
from pythia_course.tiny import corpus

ROOT = Path(__file__).resolve().parents[2]
TOKENIZER = suite.TINY_TOKENIZER / "tokenizer.json"
NODE = shutil.which("node") or shutil.which("nodejs")
SEEN = ["attention", "residual", "logits"]
FIXED = (
    "", *HALVES[:4], "a" * 6_000,  # what is refused
    "M", " ", "é", "<|endoftext|>", "<|padding|>" * 2, "a<|endoftext|>b <|endoftext|> ", "<|endoftext|",
    "<<|endoftext|>>", "I don't, we'll, I'm, you're, they'd, he's, we've; CAN'T 'tis ''s 'll'll 1's é's ²'s _'s",
    "木's 木 's 木'木'm",
    "a  b   c    d", " a \n b \n\n  c\t\td ", "x\r\ny\u0085z\u00a0\u2003w\ufeff\u200bv\u3000", "1a2b 3c 4½५Ⅷ",
    "naïve café",
    "Then Mia and Tom went to the park. Then Tom gave the ball to",
    "2 + 3 = 5. 4 + 4 =", "def f(x):\n    return x\n",
)  # fmt: skip


@cache
def prompts():
    """200 of them: what is refused, odd pieces, every plane of Unicode, the corpus, one of the 512 tokens that fit."""
    draw = random.Random(14)
    planes = ["".join(character(draw, *plane) for _ in range(5)) for plane in PLANES]
    tales = corpus.batch(0).tokens.reshape(-1)
    starts = [draw.randrange(0, len(tales) - 600) for _ in range(60)]
    read = pythia_course.load("tiny-pythia").tokenizer
    told = [read.decode(tales[start : start + draw.randint(2, 40)]) for start in starts]
    longest = [exactly(512, read, tales[start:]) for start in starts[:1]]
    mixed = ["".join(draw.choices([*PIECES, *planes, "'s", " ", "the"], k=2)) for _ in range(200)]
    return [*FIXED, *PIECES, *planes, *longest, *told, *mixed][:200]


def character(draw, first, last):
    """A random one of these code points; the halves of surrogate pairs are none."""
    code = draw.randint(first, last)
    return character(draw, first, last) if 0xD800 <= code < 0xE000 else chr(code)


def exactly(number, tokenizer, ids):
    """A text of so many tokens, from ids that begin with it or with a little less."""
    for end in itertools.count(number - 3):
        text = tokenizer.decode(ids[:end])
        if len(tokenizer(text)["input_ids"]) == number:
            return text


def changed(lm, specs):
    """The `with` blocks of Python for changes as the page takes them."""
    blocks = []
    for spec in specs:
        if "ablate" in spec:
            blocks.append(lm.ablate(**{part: placed(part, value) for part, value in spec["ablate"].items()}))
        else:
            places = {part: placed(part, value) for part, value in spec["patch"].items()}
            blocks.append(lm.patch(spec["clean"], **places))
    return blocks


def placed(part, value):
    """JSON's lists as Python's places: [1, 3] is (1, 3) where a place has several numbers, else a list of layers."""
    if part in ("by", "over", "attention", "mlps", "layers"):
        return value
    one = all(isinstance(number, int) for number in value)
    return tuple(value) if one else [tuple(place) for place in value]


class Reference:
    """Cases for one model and, in a file beside, the arrays that torch computes for them."""

    def __init__(self, folder, lm, step, files, *, wasm=True):
        self.path = folder / f"{lm.name}-{step}.safetensors"
        self.job = {"name": lm.name, "files": files, "reference": str(self.path), "wasm": wasm, "cases": []}
        self.arrays = {}

    def add(self, lm, prompt, keep=SEEN, changes=(), predicted=0):
        """One prompt, under these changes."""
        case = {"prompt": prompt, "keep": list(keep), "changes": list(changes)}
        number = len(self.job["cases"])
        self.job["cases"].append(case)
        try:
            trace, case["predicted"] = run(lm, prompt, keep, changes, predicted)
        except ValueError as error:
            case["error"] = str(error)
            return
        case["tokens"] = trace.tokens
        self.arrays[f"{number}.ids"] = trace.ids.numpy().astype(np.float32)
        for field in keep:
            self.arrays[f"{number}.{field}"] = getattr(trace, field).contiguous().numpy()
        if "residual" in keep:
            self.arrays[f"{number}.lens"] = logit_lens(lm, trace.residual[:, -1])
        if predicted:
            said = logit_lens(lm, trace.residual.flatten(0, 1))  # (layer + 1 and position, vocab)
            case["words"] = lm.tokens(said.argmax(-1))
            self.arrays[f"{number}.sure"] = said.max(-1).reshape(len(trace.residual), -1)

    def written(self):
        save_file(self.arrays, self.path)
        return self.job


def run(lm, prompt, keep, changes, predicted):
    with ExitStack() as stack:
        for block in changed(lm, changes):
            stack.enter_context(block)
        trace = lm.trace(prompt, keep=keep)
        return trace, lm.predict(prompt, predicted) if predicted else None


def files_of(name, step):
    """Where the page finds a shipped model."""
    folder = suite.TINY_WEIGHTS / name / f"step{step}"
    found = {"config": folder / "config.json", "weights": folder / "model.safetensors", "tokenizer": TOKENIZER}
    return {what: str(path) for what, path in found.items()}


def in_node(folder, job):
    """What `tests/live/compare.mjs` finds, run by node."""
    assert NODE, "These tests run the page's code by node, which is missing: apt-get install nodejs (18 or newer)."
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    command = [NODE, str(ROOT / "tests/live/in_node.mjs"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def served(*folders):
    """A server on loopback for what lies in these folders, and nothing else: its address.  /file/a/path is /a/path."""
    allowed = [Path(folder).resolve() for folder in (ROOT / "pythia_course", ROOT / "tests/live", *folders)]

    class Handler(SimpleHTTPRequestHandler):
        extensions_map = {".js": "text/javascript", ".mjs": "text/javascript", ".html": "text/html", "": "text/plain"}

        def translate_path(self, path):
            found = Path(unquote(urlsplit(path).path).removeprefix("/file")).resolve()
            return str(found) if any(found.is_relative_to(folder) for folder in allowed) else ""

        def log_message(self, *message):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/file"
    finally:
        server.shutdown()
        server.server_close()
