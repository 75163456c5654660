"""What search looks through: the prose of a page, from heading to heading, without code and what it shows."""

import re

from bs4 import BeautifulSoup

HEADINGS, PROSE = ("h1", "h2", "h3"), ("p", "li", "td", "pre")


def sections(soup: BeautifulSoup, title: str) -> list[dict]:
    """{"heading", "id", "text"} of each section that has a text; what comes before all headings is under the title.

    A row of a table that can be linked to, as a word of the glossary, is a section, with its first cell as heading.
    """
    found = [(title, "", [])]
    for piece in soup.find_all([*HEADINGS, *PROSE, "tr"]):
        if piece.name in HEADINGS or (piece.name == "tr" and piece.get("id")):
            found.append((_text(piece.td or piece), piece.get("id", ""), []))
        elif piece.name != "tr" and not piece.find(PROSE[:3]) and not piece.find_parent(class_="code_cell"):
            found[-1][2].append(_text(piece))
    return [{"heading": heading, "id": id, "text": " ".join(words)} for heading, id, words in found if words]


def _text(tag):
    return re.sub(r"\s+", " ", tag.get_text(" ", strip=True))
