"""Token ids -> strings that can be printed and drawn, in which every character of a token can be seen."""

import weakref
from functools import cache

# All three are in DejaVu Sans, the font that matplotlib brings.
VISIBLE = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥"})


def token_labels(tokenizer, ids) -> list[str]:
    """One printable string a token: " the" is "␣the", a line end is "↵", a tab is "⇥".

    A token that holds only a part of a character shows its bytes ("\\xf0"), since an emoji or a rare letter
    is often several tokens; so do other characters that do not print. An id that stands for no text (Pythia's
    vocabulary is padded to a round number) shows as its number, "<50300>".
    """
    ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    known = _LABELS.setdefault(tokenizer, {})
    for token_id in set(ids) - known.keys():
        known[token_id] = _label(tokenizer, token_id)
    return [known[token_id] for token_id in ids]


_LABELS = weakref.WeakKeyDictionary()  # tokenizer -> {token id: its label}, for as long as the tokenizer lives


def _label(tokenizer, token_id: int) -> str:
    text = tokenizer.decode([token_id])
    if not text:
        return f"<{token_id}>"
    if "\ufffd" in text:  # bytes that are no whole character
        held = _token_bytes(tokenizer.convert_ids_to_tokens(token_id))
        text = held.decode("utf-8", errors="backslashreplace")
    return printable(text)


def printable(text) -> str:
    """The text with its spaces visible and other characters that do not print escaped."""
    return escaped(str(text).translate(VISIBLE))


def escaped(text) -> str:
    """The text with what does not print escaped: a browser cannot be sent half a character, nor a reader see one."""
    text = str(text)
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _token_bytes(token: str) -> bytes:
    """The bytes behind a byte-level token, which writes each byte as one printable letter."""
    return b"".join(_letters().get(char) or char.encode() for char in token)


@cache
def _letters() -> dict[str, bytes]:
    """GPT-2's table: a printable byte is its own letter, the others are numbered from letter 256 on.

    Source: openai/gpt-2, src/encoder.py, bytes_to_unicode.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): bytes([byte]) for byte in printable}
    return table | {chr(256 + n): bytes([byte]) for n, byte in enumerate(others)}
