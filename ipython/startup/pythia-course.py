# IPython runs this when a kernel of this environment starts, so that a lesson's first NameError already has its advice.
import contextlib

with contextlib.suppress(ImportError):  # the course is no longer installed
    import pythia_course  # noqa: F401
