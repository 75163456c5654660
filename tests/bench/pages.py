"""The page with a model inside, in a real browser: from a key to its picture, and from opening it to the first one."""

import re
import statistics
import tempfile
from pathlib import Path

from bench.turns import spread, table, why
from support.lab import chromium

from pythia_course import load
from pythia_course.site.page import write_page

NAME = "tiny-pythia"
LENGTHS = {32: 17, 128: 100}  # tokens -> milliseconds from a key to the picture, at most
OPENED, MAILED = 1.0, 3_000_000  # seconds to the first picture, bytes of the page, at most
WORDS = " Mia saw the red kite and Tom had a ball"
# Their own code says it: 63 files (src/routes/+page.svelte), cut 10 MiB long (src/utils/model/chunk.py).
PIECES, PIECE = 63, 10 * 2**20
SITE = "https://poloclub.github.io/transformer-explainer/"
WHY = (
    "profiled, the page's script took a third of it; the rest is the pass, in one thread, and painting, here by no "
    "graphics card."
)
THEIRS = "https://github.com/poloclub/transformer-explainer/blob"
# Types a letter before or after the text and waits until what comes next, drawn last, has been drawn; and the frame.
TYPE = """(text) => new Promise((done) => {
  const field = document.querySelector(".pg-text"), start = performance.now();
  const watcher = new MutationObserver(() => {
    watcher.disconnect();
    const drawn = performance.now() - start;
    requestAnimationFrame(() => done(drawn));
  });
  watcher.observe(document.querySelector(".pg-next"), { childList: true });
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
})"""
FIRST = """() => new Promise((done) => {
  const there = () => document.querySelector("#playground[data-ready]");
  const look = () => (there() ? done(performance.now()) : setTimeout(look, 5));
  look();
})"""


def live(quick, rounds):
    """Typing in the page, and opening it, beside the published figures of Transformer Explainer."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        file = Path(folder) / f"{NAME}.html"
        write_page(file, NAME)
        opened, keys = [], {}
        for turn in range(rounds + 1):
            context = browser.new_context(offline=True)
            page = context.new_page()
            page.goto(file.as_uri())
            seconds = page.evaluate(FIRST) / 1000
            if turn:
                opened.append(seconds)
            if turn == rounds:
                keys = {length: typed(page, length, 10 if quick else 40) for length in LENGTHS}
            context.close()
        size = file.stat().st_size
    yield "One HTML file, opened from a disk in headless Chromium with the network off: from opening it to the first"
    yield f"picture of all heads, {rounds} times; and from a key to the picture that has it, a letter at the end of the"
    yield "text, where the pass before is taken over, and one at its start, where nothing is. Wall clock, medians"
    yield f"(least–most). Beside it what the code of [Transformer Explainer]({SITE}), which shows GPT-2,"
    yield f"says of itself: {PIECES} files ([`+page.svelte`]({THEIRS}/f2b4c648/src/routes/+page.svelte)), cut every"
    yield f"10 MiB ([`chunk.py`]({THEIRS}/17a07a55/src/utils/model/chunk.py))."
    yield ""
    least, most = (count * PIECE / 1e6 for count in (PIECES - 1, PIECES))
    fetched = f"{size / 1e6:.2f} MB with all code {told(size, MAILED)}"
    first = f"{spread(opened)} {told(statistics.median(opened), OPENED, 's')}"
    rows = [
        ["model", "tiny-pythia, 1.06 million parameters", "GPT-2, 124 million"],
        ["fetched", fetched, f"{least:.0f}–{most:.0f} MB for the model"],
        ["opened → first picture", first, "not published"],
    ]
    for length, goal in LENGTHS.items():
        for where, took in keys[length].items():
            key = f"a key at the {where} of {length} tokens → picture"
            said = f"{spread(took)} {told(1000 * statistics.median(took), goal, 'ms')}"
            rows.append([key, said, "not published"])
    yield from table(["", "this course", "Transformer Explainer"], rows)
    yield from why(rows, WHY)


def typed(page, length, keys):
    """{"end": seconds, "start": seconds} from a key to its picture, of a text of so many tokens."""
    text, took = text_of(length), {"end": [], "start": []}
    for letter in ("abcdefghij" * keys)[:keys]:
        for where, new in (("end", text + letter), ("start", letter + text)):
            page.evaluate(TYPE, text)
            took[where].append(page.evaluate(TYPE, new) / 1000)
    return took


def text_of(length):
    """A text of so many tokens: words that are one token each."""
    text = (WORDS * length)[: sum(map(len, (re.findall(" ?\\S+", WORDS) * length)[:length]))]
    if len(load(NAME).tokens(text)) != length:
        raise RuntimeError(f"A word of {WORDS!r} is more than one token.")
    return text


def told(value, goal, unit=""):
    """ "(at most 17 ms: met)" """
    most = f"{goal / 1e6:.0f} MB" if goal == MAILED else f"{goal:g} {unit}"
    return f"(at most {most}: {'met' if value <= goal else 'missed'})"
