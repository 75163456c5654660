"""Sentences of the lessons that state something, and what stands behind each: a test, a source, or the cell beside it.

    python tests/support/claims.py        (`make claims`) prints, lesson by lesson, those with nothing behind them

A claim is a test under tests/claims that quotes the lesson and computes the matter anew:

    @says("03", "Flipping the first layer alone does nearly all of the harm")
    def test_the_first_layer_alone():
        ...

The quote must stand in the lesson word for word, so that a reworded sentence asks for its test to be looked at again.
"""

import ast
import functools
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
SOURCES = ROOT / "docs" / "sources.md"
EXCUSES = ROOT / "tests" / "claims" / "excused.json"  # {lesson: {sentence: why nothing need stand behind it}}

# What makes a sentence look like a claim.
SIGNS = re.compile(
    r"\d|\b(only|never|always|every|each|all|none|no|most|least|more|less|fewer|than|because|so|therefore|hence|thus|causes?|"
    r"cannot|must|exactly|nearly|almost|\w{3,}est|first|same|alone|identical)\b",
    re.IGNORECASE,
)
# Words that say more than any printed number can: these need a test or a source.
STRONG = re.compile(
    r"\b(only|never|always|every|most|because|therefore|causes?|cannot)\b|\bso\b(?! (far|that|many|much))",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Sentence:
    """One sentence of a lesson's text, and the code cells on both sides of the cell it stands in."""

    lesson: str
    text: str
    beside: tuple[dict, ...]

    def stands_in_its_cells(self) -> bool:
        """Whether a cell beside it asserts something, or printed every number that the sentence names."""
        code = "\n".join("".join(cell["source"]) for cell in self.beside)
        if re.search(r"\bassert\b|assert_close", code):
            return True
        numbers = set(NUMBER.findall(self.text))
        return bool(numbers) and not STRONG.search(self.text) and numbers <= printed(self.beside)


def says(lesson: str, *quotes: str):
    """Mark a test as the proof of these sentences of a lesson; each must stand there word for word."""

    def mark(test):
        @functools.wraps(test)
        def checked(*args, **kwargs):
            text = text_of(lesson)
            for quote in quotes:
                assert plain(quote) in text, f"lesson {lesson} no longer says: {quote}"
            return test(*args, **kwargs)

        return checked

    return mark


def lessons() -> list[str]:
    return [path.name[:2] for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))]


@functools.cache
def cells(lesson: str) -> list[dict]:
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@functools.cache
def text_of(lesson: str) -> str:
    """All that the Markdown cells of a lesson say, without line breaks and marks."""
    return " ".join(plain(source(cell)) for cell in cells(lesson) if cell["cell_type"] == "markdown")


def source(cell: dict) -> str:
    return "".join(cell["source"])


def plain(text: str) -> str:
    """Text without line breaks and without the marks of Markdown for emphasis, code and links."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*`]|(?<!\w)_|_(?!\w)", "", text).split())


def sentences(lesson: str) -> list[Sentence]:
    """The sentences of a lesson's running text: no titles, tables or questions, and nothing from its exercises on."""
    found, all_cells = [], cells(lesson)
    for place, cell in enumerate(all_cells):
        if cell["cell_type"] != "markdown":
            continue
        if place and re.search(r"^#+ (Exercises|Further reading)", source(cell), re.M):
            break
        beside = tuple(c for c in (_code(all_cells, place, -1), _code(all_cells, place, 1)) if c)
        if place:  # the opening cell says what the lesson needs; test_notebooks holds it
            found += [Sentence(lesson, text, beside) for text in split(source(cell))]
    return found


def _code(all_cells: list[dict], place: int, step: int) -> dict | None:
    """The nearest code cell before or after."""
    place += step
    while 0 <= place < len(all_cells):
        if all_cells[place]["cell_type"] == "code":
            return all_cells[place]
        place += step
    return None


def split(markdown: str) -> list[str]:
    """The sentences of a Markdown cell that state something."""
    text = re.sub(r"```.*?```|<details.*?</details>|\$\$.*?\$\$", "", markdown, flags=re.S)
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*|>]|\d+\.) )", text)
    blocks = [block for block in blocks if not re.match(r"\s*(#|\||>)", block)]
    pieces = [piece for block in blocks for piece in re.split(r"(?<=[.!?:])[)\"”*]*\s+(?=[A-Z“*`(])", plain(block))]
    return [piece.lstrip("- ").strip() for piece in pieces if not piece.rstrip("*)”").endswith("?")]


def printed(code: tuple[dict, ...]) -> set[str]:
    """Every number in the stored text outputs of these cells, and in their source."""
    text = "\n".join(source(cell) for cell in code)
    for output in (output for cell in code for output in cell.get("outputs", [])):
        text += "".join(output.get("text", [])) + "".join(output.get("data", {}).get("text/plain", []))
    return set(NUMBER.findall(text))


@functools.cache
def quotes() -> dict[str, list[str]]:
    """{lesson: what the tests under tests/claims quote of it}, read from their source."""
    found = {lesson: [] for lesson in lessons()}
    for path in sorted((ROOT / "tests" / "claims").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "says":
                lesson, *said = map(ast.literal_eval, node.args)
                found.setdefault(lesson, []).extend(map(plain, said))
    return found


@functools.cache
def cited() -> list[str]:
    """Every cell of every row of docs/sources.md whose last cell says that the source bears the sentence out."""
    if not SOURCES.exists():
        return []
    lines = SOURCES.read_text(encoding="utf-8").splitlines()
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    borne_out = [row for row in rows if not re.match(r"\**(wrong|unconfirmed)", row[-1].strip())]
    return [plain(cell).strip(" “”\"") for row in borne_out for cell in row if len(cell.split()) > 3]


@functools.cache
def excused() -> dict[str, dict[str, str]]:
    return json.loads(EXCUSES.read_text(encoding="utf-8")) if EXCUSES.exists() else {}


def covered(sentence: Sentence) -> bool:
    text = plain(sentence.text)
    behind = (*quotes()[sentence.lesson], *cited(), *map(plain, excused().get(sentence.lesson, {})))
    return any(quote in text or text in quote for quote in behind) or sentence.stands_in_its_cells()


def uncovered(lesson: str) -> list[str]:
    """Sentences that look like claims, with no claim, source, excuse or assertion behind them."""
    return [s.text for s in sentences(lesson) if SIGNS.search(s.text) and not covered(s)]


def main() -> int:
    total = 0
    for lesson in lessons():
        found = uncovered(lesson)
        total += len(found)
        print(f"\nLesson {lesson}: {len(found)} of {len(sentences(lesson))} sentences", *found, sep="\n  ")
    print(f"\n{total} sentences look like claims and have nothing behind them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
