"""Seeded command lines and surroundings for `pythia-course`: what people type, and what machines do to them."""

import json
import os
import random

NAMES = (
    "pythia-160m", "EleutherAI/Pythia-160M", "gpt2", "tiny-pythia", "pythia-161m", "", " ", ".", "..", "/", "~", "~x/y",
    "a/b", "a/b/c", "owner/--x", "https://x.org/a/b", "-x", "--", "x" * 2000, "a/" + "b" * 300, "ünï/cödé", "a\nb",
    "\0", "\udcff", "👾", "C:\\models", "pythia-160m ", "%s{0}", "$(true)", "None", "0",
)  # fmt: skip
STEPS = (
    "0", "3000", "last", "all", "1500", "-1", "1e3", "3,000", "0-512", "512-0", "0-143000/0", "0-143000/70000", "٣",
    "²", "", "9" * 5000, "9" * 30, "\0", "1-2-3", "step3000",
)  # fmt: skip
CONFIGS = (
    b"",
    b"[]",
    b"{",
    b"null",
    b'{"model_type": []}',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"model_type": "gpt2"}',
    b"1",
)


def arguments(chance: random.Random) -> list[str]:
    """A command line, sensible or not."""
    command = chance.choice(("list", "prefetch", "free", "prefetch", "free", "", "dance", "--version"))
    words = [command, *chance.sample(NAMES, chance.choice((0, 1, 1, 1, 2)))] if command != "list" else [command]
    if chance.random() < 0.5:
        words += [chance.choice(("--steps", "--step", "--json", "--all", "--yes", "--help", "--to"))]
        words += chance.sample(STEPS, chance.choice((0, 1, 1, 2)))
    if chance.random() < 0.5 and command == "free":
        words.append("--yes")
    return words


def spoil(chance: random.Random, cache) -> str:
    """Do something to a cache that others do to caches; gives what was done."""
    models = [path for path in cache.glob("models--*") if path.is_dir()] or [cache]
    model = chance.choice(models)
    files = [path for path in model.rglob("*") if path.is_file() and not path.is_symlink()]
    kind = chance.choice(("config", "cut", "gone", "link", "stray", "ref", "foreign", "nothing"))
    if kind == "config" and (configs := list(model.rglob("config.json"))):
        configs[0].resolve().write_bytes(chance.choice(CONFIGS))
    elif kind == "cut" and files:
        path = chance.choice(files)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "gone" and files:
        chance.choice(files).unlink()
    elif kind == "link":
        os.symlink("nowhere", model / f"link{chance.random()}")
    elif kind == "stray":
        folder = chance.choice([path for path in (model, model / "refs", model / "snapshots") if path.is_dir()])
        (folder / chance.choice(("._main", ".DS_Store", "notes", "main"))).write_bytes(b"\xff\x00")
    elif kind == "ref" and (model / "refs").is_dir():
        (model / "refs/main").write_bytes(chance.choice((b"", b"\xff", b"\n", b"../..", b"f" * 40, b"x" * 9999)))
    elif kind == "foreign":
        folder = cache / f"models--somebody--model{chance.randrange(9)}"
        commit = folder / "snapshots" / ("a" * 40)
        commit.mkdir(parents=True, exist_ok=True)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs/main").write_text("a" * 40)
        for name in ("tokenizer.json", "model.safetensors", "config.json"):
            (commit / name).write_bytes(chance.choice(CONFIGS))
    return kind


def half_written(cache) -> list:
    """Files in the cache's layout that a command left unfinished, other than parts that the next one goes on from."""
    return [path for path in cache.rglob("*") if path.suffix in (".tmp", ".part")]


def is_json(text: str) -> bool:
    """Whether it is one whole JSON document."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
