"""Contenders as whole processes in turns, A B C A B C …, and what their figures come to.

Whatever else the machine does meanwhile falls on all of them alike, so a ratio of medians holds where a time does not.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS = Path(sys.executable)
PEERS = ROOT / ".venv/peers/bin/python"  # made by `make bench`


def contender(script, *arguments, python=OURS):
    """The command line of a script in contenders/."""
    return [str(python), str(HERE / "contenders" / script), *map(str, arguments)]


def in_turns(commands, rounds, first=None):
    """{name: {figure: its values, one a round}}; one round more, the first, warms up and is not counted.

    commands: {name: command line}; the last line that it prints is JSON, {figure: number}.
    first: other command lines for the round that warms up, as where arrays are to be kept for a comparison.
    """
    figures = {name: {} for name in commands}
    for turn in range(rounds + 1):
        for name, command in (first if first and turn == 0 else commands).items():
            for figure, value in one(command).items():
                if turn:
                    figures[name].setdefault(figure, []).append(value)
    return figures


def one(command):
    """Run a contender once; gives its figures.  Raises RuntimeError with what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


class Goal:
    """A ratio to be reached: ours to a contender's median."""

    def __init__(self, other, most):
        self.other, self.most = other, most

    def said(self, figures, figure, ours="ours"):
        """ "0.93 of plain (goal: at most 1.00, met)" """
        ratio = statistics.median(figures[ours][figure]) / statistics.median(figures[self.other][figure])
        return judged(ratio, self.other, self.most)


def judged(ratio, other, most):
    """A ratio to a contender, beside its goal."""
    verdict = "met" if round(ratio, 2) <= most else "missed"
    return f"{ratio:.2f} × {other} (at most {most:.2f}: {verdict})"


def spread(values, unit="s"):
    """ "1.23 s (1.20–1.31)": the median, the least and the most."""
    scale, unit = (1000, "ms") if unit == "s" and statistics.median(values) < 0.1 else (1, unit)
    low, middle, high = (scale * number for number in (min(values), statistics.median(values), max(values)))
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return f"{middle:.{digits}f} {unit} ({low:.{digits}f}–{high:.{digits}f})"


def why(rows, text):
    """The lines that say why a goal in these rows is missed, where one is."""
    if any("missed" in cell for row in rows for cell in row):
        yield from ("", f"Why: {text}")


def table(head, rows):
    """Lines of a table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
