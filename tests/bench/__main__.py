"""Measures the course beside what people would use instead, and writes docs/measurements.md.

    make bench                        everything but `limits` and `learners`: about an hour on two quiet cores
    make bench QUICK=1                fewer rounds and rows, about a minute, only printed
    make bench ONLY="sweeps limits"   these sections; the page keeps its others

Full-size models have seeded random weights and come from a hub on this machine over HTTP.  MB are 10**6 bytes.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import looking, pages, room, screens, work
from bench.turns import PEERS, ROOT
from support import hub_folders
from support.hub_server import Hub

PAGE = ROOT / "docs/measurements.md"
GPT2_124M = {"n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}
SECTIONS = {  # name -> (title, what yields its lines)
    "looking": ("Looking inside Pythia-160M", looking.looking),
    "memory": ("Memory for a look", looking.memory),
    "card": ("Waits for a graphics card", looking.card),
    "heads": ("All heads on the screen", screens.heads),
    "live": ("Live in the page", pages.live),
    "kernels": ("From a kernel's start", screens.kernels),
    "sweeps": ("Sweeps", work.sweeps),
    "training": ("Training", work.training),
    "growth": ("Growth", work.growth),
    "limits": ("Memory", room.memory),
    "learners": ("Learners on one machine", room.learners),
}
LONG = ("limits", "learners")  # only when asked for
QUICK = ("looking", "card", "heads")
SPREAD = 0.07  # of the random weights: with it the streams stay as small as a trained model's
INTRODUCTION = """# Measurements

Made by `make bench`, the last two sections by `make bench ONLY="limits learners"`: the course beside what people would
use instead, as whole processes in turns (A B C A B C …) after a round that is not counted. Full-size models have random
weights and come from a hub on the same machine. Times are processor seconds of a process with one thread, which a busy
machine stretches less than those on the clock. MB are 10⁶ bytes. A ratio is what the course takes, divided by what the
other takes, and in brackets stands its goal. What each contender does is a short script in `tests/bench/contenders`.
"""


def main():
    """Measure the sections asked for, print each figure as it comes, and write the page."""
    asked = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    asked.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    asked.add_argument("--quick", action="store_true", help="fewer rounds and rows, only printed")
    asked.add_argument("--rounds", type=int, help="counted rounds of each contender (7; with --quick 1)")
    asked = asked.parse_args()
    rounds = asked.rounds or (1 if asked.quick else 7)
    if unknown := set(asked.sections) - set(SECTIONS):
        sys.exit(f"No section {', '.join(unknown)}: there are {', '.join(SECTIONS)}.")
    names = asked.sections or (QUICK if asked.quick else [name for name in SECTIONS if name not in LONG])
    if not PEERS.exists():
        sys.exit(f"The others are not installed in {PEERS.parents[1]}: make bench does that.")
    with tempfile.TemporaryDirectory() as folder, Hub() as hub:
        os.environ |= surroundings(hub, Path(folder), names)
        for name in names:
            title, lines = SECTIONS[name]
            measured = list(shown(title, lines(asked.quick, rounds), asked.quick))
            if not asked.quick:
                write({title: measured})


def shown(title, lines, quick):
    """The lines of a section, printed as they come, with what the machine was and did meanwhile."""
    begin, busy = time.monotonic(), os.getloadavg()[0]
    print(f"\n## {title}{' (quick: few rounds)' if quick else ''}\n", flush=True)
    for line in lines:
        print(line, flush=True)
        yield line
    minutes = (time.monotonic() - begin) / 60
    said = f"{machine()}; load {busy:.1f} before and {os.getloadavg()[0]:.1f} after, {minutes:.1f} minutes."
    print(f"\n{said}", flush=True)
    yield from ("", f"<sub>{said}</sub>")


def write(measured):
    """The page with these sections new and its others as they were.  measured: {title: lines}."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = [part.partition("\n") for part in re.split(r"^## ", old, flags=re.M)[1:]]
    sections = {title: text.strip("\n") for title, _, text in parts} | {
        title: "\n".join(lines) for title, lines in measured.items()
    }
    titles = [title for title, _ in SECTIONS.values() if title in sections]
    text = "\n\n".join([INTRODUCTION.strip(), *(f"## {title}\n\n{sections[title]}" for title in titles)])
    PAGE.write_text(text + "\n", encoding="utf-8")


def machine():
    """Processor, memory and versions."""
    import torch
    import transformers

    from pythia_course.machine.processor import fast_bfloat16

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    cores = f"{os.cpu_count()} processor cores {'with' if fast_bfloat16() else 'without'} fast bfloat16"
    versions = f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    versions += f", transformers {transformers.__version__}; beside them {others()}"
    return f"{cores}, {memory:.0f} GB of memory, {platform.system()}; {versions}"


def others():
    """The versions of what the course is compared with."""
    names = ("transformer-lens", "nnsight", "bertviz", "transformers")
    ask = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    return subprocess.run([PEERS, "-c", ask, *names], capture_output=True, text=True, check=True).stdout.strip()


def surroundings(hub, folder, sections):
    """The environment in which every process sees the hub on this machine, with what these sections open in a cache."""
    steps = work.FEW if "sweeps" in sections else ()
    branches = {"main": 0} | {f"step{step}": seed for seed, step in enumerate(steps)}
    for name, seed in branches.items():
        hub_folders.write_pythia(folder / name, seed=seed, spread=SPREAD, **hub_folders.PYTHIA_160M)
    hub.repositories["EleutherAI/pythia-160m"] = {name: folder / name for name in branches}
    fetch = "from pythia_course import load\n"
    fetch += f"for step in (None, *{steps}): load('pythia-160m', step, dtype='float32')\n"
    if "limits" in sections:
        hub_folders.write_gpt2(folder / "gpt2", **GPT2_124M)
        hub.repositories["openai-community/gpt2"] = {"main": folder / "gpt2"}
        fetch += "load('gpt2', dtype='float32')"
    hub.hash_all()
    cache = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"), "HF_HUB_CACHE": str(folder / "cache")}
    cache |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", fetch], env=os.environ | cache, check=True)
    return cache


if __name__ == "__main__":
    main()
