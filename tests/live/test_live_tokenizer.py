"""Does the page read the very tokens that Python reads?"""

import json
import unicodedata

import pytest
from support.live import TOKENIZER, in_node, prompts
from tokenizers import AddedToken, Tokenizer, normalizers
from transformers import AutoTokenizer

from pythia_course import suite
from pythia_course.plots.labels import token_labels

SHIPPED = json.loads(TOKENIZER.read_text(encoding="utf-8"))
WHOLE = [text for text in prompts() if not any("\ud800" <= c < "\ue000" for c in text)]


def many_characters():
    """Every code point of the first scripts and every 31st of the others, each where it matters whether it is a letter.

    None stands beside another: which marks change places is the age of the NFC table, in Python and in a browser.
    """
    codes = [*range(0x3400), *range(0x3400, 0x110000, 31)]
    chars = [chr(code) for code in codes if not 0xD800 <= code < 0xE000]
    several = [chars[start : start + 512] for start in range(0, len(chars), 512)]
    return ["".join(f"{c}'s {c}1{c}a  {c}x" for c in some) for some in several]


def known_characters():
    """Those that Unicode had when this Python was made: younger ones are letters to one engine and signs to another."""
    kept = (c for text in many_characters() for c in text if c in " 'sa1x" or unicodedata.category(c) != "Cn")
    whole = "".join(kept)
    return [whole[start : start + 4096] for start in range(0, len(whole), 4096)]


def altered(folder):
    """The shipped tokenizer with what Pythia's own has beside: NFC, runs of spaces, and merges that show each cut."""
    file = json.loads(json.dumps(SHIPPED))
    first, last = map(chr, range(0xC2, 0xF5)), map(chr, range(0x100, 0x144))  # of a character's bytes
    pairs = [["'", "s"], *([byte, "'"] for byte in first), *([byte, "'"] for byte in last)]  # two pieces or one?
    vocabulary = file["model"]["vocab"]
    merges = [pair for pair in pairs if all(part in vocabulary for part in pair)]
    vocabulary |= {left + right: len(vocabulary) + n for n, (left, right) in enumerate(merges)}
    file["model"]["merges"] += merges
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in (2, 3, 8)])
    path = folder / "altered.json"
    path.write_text(tokenizer.to_str(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    job = []
    for path, texts in [(TOKENIZER, [*WHOLE, *many_characters()]), (altered(folder), [*WHOLE, *known_characters()])]:
        reads = Tokenizer.from_file(str(path))
        job.append({"file": str(path), "cases": [[text, reads.encode(text).ids] for text in texts]})
    return in_node(folder, {"tokenizers": job})["tokenizers"]


def test_every_kind_of_character_gives_the_same_ids(found):
    assert [ascii(text)[:80] for text in found[0]["wrong"]] == []


def test_so_it_does_with_what_pythias_own_tokenizer_has_beside(found):
    assert [ascii(text)[:80] for text in found[1]["wrong"]] == []


def test_every_token_has_the_same_label(found):
    python = AutoTokenizer.from_pretrained(suite.TINY_TOKENIZER)
    assert found[0]["labels"] == token_labels(python, range(1024))
