"""Widgets for the notebooks: thin shells that let one choose what a plot draws or which model is open.

Each is itself an ipywidget: end a cell with it. None writes text into the cell's output, so stored outputs stay
as they are, and each says in place what went wrong.
"""

from pythia_course.widgets.block_diagram import BlockDiagram, block_picture
from pythia_course.widgets.explorer import AttentionExplorer
from pythia_course.widgets.picker import ModelPicker
from pythia_course.widgets.rope_lab import RopeLab
from pythia_course.widgets.scrubber import TrainingScrubber
from pythia_course.widgets.viewer import AttentionViewer

__all__ = [
    "AttentionExplorer",
    "AttentionViewer",
    "BlockDiagram",
    "ModelPicker",
    "RopeLab",
    "TrainingScrubber",
    "block_picture",
]
