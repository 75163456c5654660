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
    batch = training_batch(name, max(step - 1, 0))
    whole = [piece for row in range(len(batch.tokens)) for piece in batch.pieces(row) if piece.text.strip()]
    word = "".join(SPACES.get(letter, letter) for letter in token).strip()
    word = word if any(letter.isalnum() for letter in word) else ""
    found = [piece for piece in whole if word in piece.text][:MOST]
    told = [{"source": piece.source, "text": _escaped_lines(_around(piece.text, word))} for piece in found]
    return {"batch": batch.step, "word": word, "total": len(whole), "found": told}


def _around(text, word):
    start = max(0, text.find(word) - LONGEST // 2)
    return f"{'… ' if start else ''}{text[start : start + LONGEST]}{' …' if start + LONGEST < len(text) else ''}"


def _escaped_lines(text):
    """The text with what does not print escaped, but for its line ends."""
    return "\n".join(map(escaped, text.split("\n")))
