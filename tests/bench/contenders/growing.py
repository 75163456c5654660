"""Traces of everything, longer and longer: seconds, and the most memory that a trace adds.

python growing.py FOLDER TOKENS,TOKENS,…
"""

import json
import sys
import time
from pathlib import Path

import torch

from pythia_course import load


def memory(line):
    """Bytes, from a line of /proc/self/status: VmRSS is what is resident now, VmHWM the most since `forget`."""
    for text in Path("/proc/self/status").read_text().splitlines():
        if text.startswith(f"{line}:"):
            return int(text.split()[1]) * 1024


def forget():
    """Count the most resident memory from here on."""
    Path("/proc/self/clear_refs").write_text("5")


def main(folder, lengths):
    lm, figures = load(folder, dtype="float32"), {}
    lm.trace(torch.arange(2, 34))
    for length in map(int, lengths.split(",")):
        ids = torch.arange(2, length + 2)
        forget()
        before, start = memory("VmRSS"), time.process_time()
        trace = lm.trace(ids)
        figures[f"{length} seconds"] = time.process_time() - start
        figures[f"{length} bytes"] = memory("VmHWM") - before
        del trace
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
