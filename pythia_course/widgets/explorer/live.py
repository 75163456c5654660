"""The Python side of an explorer that knows its models: it sends weights on request and computes what a page cannot."""

import traitlets

from pythia_course import suite
from pythia_course.errors import shown
from pythia_course.widgets.common.answers import Answers
from pythia_course.widgets.common.documents import documents
from pythia_course.widgets.common.refused import Refused
from pythia_course.widgets.common.sizes import sizes
from pythia_course.widgets.explorer import runs as a_run

CHANGEABLE = tuple(name for name in a_run.FIELDS if name != "clean")  # which is the other panel's prompt
ARRAYS_ALONE = "This explorer was given arrays alone and knows no model; AttentionExplorer.of(lm, text) does."


class WithRuns(Answers, traitlets.HasTraits):
    """For an explorer, before its other bases. Its fields hold nothing large: no weights get into a saved notebook."""

    _runs = traitlets.List(help="What each panel shows: see `runs`.").tag(sync=True)
    _live = traitlets.Dict(help="What does not change: who computes, the models, the first runs.").tag(sync=True)
    _given = ()  # of each panel the model, None where it ships

    @property
    def runs(self) -> list[dict]:
        """What each panel shows: model, step, prompt, silenced heads [layer, head], and what is patched in, each
        {"head": [layer, head]} or {"stream": [layer, position]}, from a run of the prompt `clean`."""
        self._refuse_arrays()
        return [{**run, "silenced": list(run["silenced"]), "patched": list(run["patched"])} for run in self._runs]

    def show(self, panel=0, **changed):
        """Show something else: `explorer.show(prompt="Then Tom", step=600, silenced=[(1, 3)])`.

        panel: 0, or 1 for the second.  changed: fields of a run, as `runs` lists them; where both panels have one
        prompt, or one model, it changes for both.
        Raises ValueError for what the model cannot do; what was shown stays then.
        """
        self._refuse_arrays()
        if panel not in range(len(self._runs)) or not set(changed) <= set(CHANGEABLE):
            raise ValueError(
                f"show changes {', '.join(CHANGEABLE)} of panel {' or '.join(map(str, range(len(self._runs))))}, "
                f"not {', '.join(changed)} of panel {shown(panel)}."
            )
        common = ("prompt",) if self._live["linked"] == "prompt" else ("model", "step")
        shared = {name: value for name, value in changed.items() if name in common}
        new = [{**run, **(changed if i == panel else shared)} for i, run in enumerate(self.runs)]
        new = [{**run, **self._within(i, new)} for i, run in enumerate(new)]
        for i in range(len(new)):
            self._traced(i, new, keep=["attention"])
        self._runs = new

    @property
    def trace(self):
        """What the explorer shows, as `lm.trace` computes it: a Trace; of two panels, of the first."""
        return self.traces[0]

    @property
    def traces(self) -> list:
        """The same of each panel."""
        self._refuse_arrays()
        return [self._traced(i, self._runs) for i in range(len(self._runs))]

    def _traced(self, i, runs, keep=None):
        return a_run.traced(a_run.checked(runs[i], self._given[i]), self._given[i], keep)

    def _within(self, i, runs):
        """Those fields of a run that a learner may have written as tuples, or that follow from others."""
        silenced, patched = [list(place) for place in runs[i]["silenced"]], runs[i]["patched"]
        two = len(runs) > 1 and self._live["linked"] == "model"
        patched = [{what: list(place) for what, place in each.items()} for each in patched]
        return {"silenced": silenced, "patched": patched, "clean": runs[1 - i]["prompt"] if two and patched else None}

    def _refuse_arrays(self):
        if not self._runs:
            raise ValueError(ARRAYS_ALONE)

    def _begin(self, runs, linked):
        """The first Panels; each run alone, nothing being patched yet."""
        names = a_run.names(runs, linked)
        return [a_run.pictured(*each) for each in zip(names, runs, self._given, strict=True)]

    def _live_state(self, runs, linked):
        """The state that goes to the browser beside the pictures."""
        known = {name: {"shape": sizes(name), "steps": suite.steps(name)} for name in suite.SHIPPED}
        where = ["page" if given is None else "kernel" for given in self._given]
        state = {"linked": linked, "first": runs, "where": where}
        self.on_msg(self._asked)
        return {"_runs": runs, "_live": state | {"models": known if None in self._given else {}}}

    def _panels(self):
        """Panels of what is shown now: those of the first picture, or, after typing, new ones."""
        if not self._runs or self._runs == self._live["first"]:
            return self._shown
        names = a_run.names(self._runs, self._live["linked"])
        return [a_run.pictured(*each) for each in zip(names, self._runs, self._given, strict=True)]

    def _shapes(self):
        """(layers, heads) of each panel."""
        if not self._runs:
            return [panel.shape[:2] for panel in self._shown]
        return [a_run.shape_of(run, given) for run, given in zip(self._runs, self._given, strict=True)]

    @traitlets.validate("_runs")
    def _can_be_shown(self, proposal):
        given = self._given
        if len(proposal.value) != len(given):
            raise Refused(f"This explorer has {len(given)} panels, and {len(proposal.value)} runs came.")
        try:
            return [a_run.checked(*each) for each in zip(proposal.value, given)]
        except ValueError as error:
            raise Refused(str(error)) from error

    def _tell_picture(self, content):
        run = {name: content["run"][name] for name in a_run.FIELDS}
        given = next((lm for lm in self._given if lm and (lm.name, lm.step) == (run["model"], run["step"])), None)
        panel = a_run.pictured("", a_run.checked(run, given), given)
        return {"picture": panel.described()}, [panel.weights]

    def _tell_documents(self, content):
        return documents(content["model"], content["step"], str(content["token"])), []
