"""Published checkpoints that are not what their names say, as people have reported them.

`audit` names these beside what it finds itself, since the hub may have been repaired, or broken anew, after a report.
Sources: the issues of github.com/EleutherAI/pythia, read in November 2026.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from pythia_course.suite import PYTHIA_STEPS


@dataclass(frozen=True)
class Defect:
    """One report."""

    models: str  # a pattern of names, as in "pythia-410m-seed?"
    steps: tuple[int, ...]
    what: str  # a sentence
    source: str  # an address
    wrong: tuple[int, ...] = ()  # steps that do not serve their own weights


_ISSUE = "https://github.com/EleutherAI/pythia/issues/"
_ROUND_2_8B = (55, 60, 65, 70, 80, 90, 100, 103, 110, 120, 130, 140)
_LIKE_MAIN_2_8B = (*PYTHIA_STEPS[:64], *(1000 * thousand for thousand in _ROUND_2_8B))
_SECOND_2_8B = tuple(1000 * thousand for thousand in (54, 56, 57, 58, 59, 61, 62, 63, 64))

DEFECTS = (
    Defect(
        "pythia-*",
        (0, 1),
        "Steps 0 and 1 have the same weights: the warm-up of the learning rate starts at 0, so the first step "
        "changes nothing (EleutherAI/gpt-neox#1373).",
        _ISSUE + "83",
    ),
    Defect("pythia-*", (0, 2), "Steps 0 and 2 share the same weights in every model.", _ISSUE + "198"),
    Defect(
        "pythia-2.8b",
        tuple(sorted((*_LIKE_MAIN_2_8B, *_SECOND_2_8B, 143_000))),
        "86 of the 154 branches serve weights from the end of training: 76 are main bit for bit, and 10, step143000 "
        "among them, serve a second file of that time (first seen in #195).",
        _ISSUE + "205",
        wrong=tuple(sorted((*_LIKE_MAIN_2_8B, *_SECOND_2_8B))),
    ),
    Defect(
        "pythia-12b",
        (50_000, 58_000),
        "The first of three weight files is the final checkpoint's: its embedding and first layers with another "
        "step's later layers.",
        _ISSUE + "206",
        wrong=(50_000, 58_000),
    ),
    Defect("pythia-410m-seed2", (111_000,), "The branch has no weights.", _ISSUE + "202", wrong=(111_000,)),
    Defect("pythia-410m-seed6", (88_000,), "The branch has no weights.", _ISSUE + "202", wrong=(88_000,)),
    Defect("pythia-410m-seed9", (40_000,), "The branch has no weights.", _ISSUE + "202", wrong=(40_000,)),
    Defect(
        "pythia-160m-weight-seed[12]",
        (0,),
        "The later checkpoints do not descend from the published step 0.",
        _ISSUE + "203",
        wrong=(0,),
    ),
)


def known_defects(name: str) -> tuple[Defect, ...]:
    """What has been reported of a model.  name: the course's, or owner/name."""
    short = name.removeprefix("EleutherAI/")
    return tuple(defect for defect in DEFECTS if fnmatchcase(short, defect.models))
