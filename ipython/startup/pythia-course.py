# IPython runs this when a kernel of this environment starts, so that a lesson's first NameError already has its advice.
# It runs no more than that: what an import of the course has to say would be lost before there is a cell to show it.
import importlib.util
import pathlib
import runpy

if _course := importlib.util.find_spec("pythia_course"):
    runpy.run_path(pathlib.Path(_course.origin).with_name("missing_names.py"))["install"]()
del importlib, pathlib, runpy, _course
