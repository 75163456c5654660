"""Whether anything drawn on a page lies over something else or is cut off, told from where the browser has put it."""

from pathlib import Path

SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def misplaced(page, roots):
    """What overlaps and what is cut off inside the elements of a CSS selector: a sentence each.

    Text is measured as it is printed, letter boxes and not the boxes around them, so that empty room counts nowhere.
    What a reader can scroll to is not cut off; what ends in "…" is not, as long as its whole text is its title.
    """
    return page.evaluate(f"(roots) => {{ {SCRIPT}; return misplaced(roots); }}", roots)
