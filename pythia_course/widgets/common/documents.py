"""What a model read in training, for a reader: documents of one batch that hold a word."""

from pythia_course.plots.labels import VISIBLE, escaped
from pythia_course.training.pile import training_batch

MOST, LONGEST = 6, 400  # documents; characters of one
SPACES = {visible: chr(plain) for plain, visible in VISIBLE.items()}


def documents(name: str, step: int, token: str) -> dict:
    """Documents of the last batch that a checkpoint of a tiny model has read; before the first step, of the first.

    token: as labels show it, such as "␣ball"; the word in it is looked for, and where it holds none, any document
        will do.
    Back: {"batch": its number, "word": the word or "", "total": documents in it, "found": [{"source", "text"}, …]},
    those few that hold the word, each cut to some 400 characters around it.  Raises what `training_batch` does.
    """
    batch, whole = read_last(name, step)
    word = "".join(SPACES.get(letter, letter) for letter in token).strip()
    word = word if any(letter.isalnum() for letter in word) else ""
    found = [(source, text) for source, text in whole if word in text][:MOST]
    told = [{"source": source, "text": _around(text, word)} for source, text in found]
    return {"batch": batch, "word": word, "total": len(whole), "found": told}


def read_last(name: str, step: int) -> tuple[int, list[tuple[str, str]]]:
    """(number, [(source, text), …]) of the last batch that a checkpoint has read; before the first step, of the first.

    Its documents, cut where a row ends; what does not print is escaped.  Raises what `training_batch` does.
    """
    batch = training_batch(name, max(step - 1, 0))
    pieces = [piece for row in range(len(batch.tokens)) for piece in batch.pieces(row) if piece.text.strip()]
    return batch.step, [(piece.source, _escaped_lines(piece.text)) for piece in pieces]


def _around(text, word):
    start = max(0, text.find(word) - LONGEST // 2)
    return f"{'… ' if start else ''}{text[start : start + LONGEST]}{' …' if start + LONGEST < len(text) else ''}"


def _escaped_lines(text):
    """The text with what does not print escaped, but for its line ends."""
    return "\n".join(map(escaped, text.split("\n")))
