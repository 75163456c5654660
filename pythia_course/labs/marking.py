"""How a submission is run to be marked: nbgrader's own step, shut in, with an end, and a mark for every exercise.

nbgrader 0.9 gives full marks for whatever a check's cell shows that is no number, and for nothing at all, and it drops
a submission whose kernel dies.  `Run` takes the place of its `Execute` (nbgrader_config.py says so).
"""

import shutil
import sys
import tempfile
from pathlib import Path
from time import monotonic

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Bool, Integer

from pythia_course.labs import cage

LOUDEST = 5_000_000  # characters that a submission may print; more are not kept


class Run(Execute):
    """Runs a submission's cells, one after another, until its end, its kernel's or its time's."""

    timeout = Integer(60, help="seconds for a cell").tag(config=True)
    iopub_timeout = Integer(30, help="seconds until what a stopped cell shows has come").tag(config=True)
    whole = Integer(900, help="seconds for a submission").tag(config=True)
    memory = Integer(4_000_000_000, help="bytes for a submission").tag(config=True)
    caged = Bool(True, help="shut submissions in with bubblewrap").tag(config=True)

    def preprocess(self, nb, resources, km=None):
        """Run the notebook, and see that each check has a mark or a reason why not."""
        self._gone, self._silent, self._written, self._end = "", 0, 0, monotonic() + self.whole
        self._sockets = Path(tempfile.mkdtemp(prefix="marking-"))
        self.resources, self.timeout_func = resources, self._patience
        try:
            nb, resources = super().preprocess(nb, resources, km)
        finally:
            shutil.rmtree(self._sockets, ignore_errors=True)
        for cell in filter(is_grade, nb.cells):
            _marked(cell, self._gone or "The check gave no number of points.")
        return nb, resources

    def _patience(self, cell: NotebookNode) -> int:
        """Seconds for a cell: what a lab gives, such as its imports, may take long on a busy machine, an answer not."""
        is_ours = cell.metadata.get("nbgrader", {}).get("locked") and not is_grade(cell)
        return self.whole if is_ours else self.timeout

    def create_kernel_manager(self):
        """As nbclient's; where submissions are shut in, it talks to the kernel through a folder and not by a port."""
        km = super().create_kernel_manager()
        if self.caged:
            folder = Path(self.resources["metadata"]["path"]).resolve()
            km.transport, km.connection_file = "ipc", str(self._sockets / "kernel.json")
            spec = km.kernel_spec
            kernel = [sys.executable, *spec.argv[1:]]  # the course's own, whatever `python` is in there
            spec.argv = cage.command(kernel, folder, self._sockets, self.memory, self.whole)
            spec.interrupt_mode = "message"  # no signal of ours gets in
        return km

    def preprocess_cell(self, cell, resources, index):
        """Run a cell, unless the submission has come to its end."""
        if not self._gone and monotonic() > self._end:
            self._gone = f"The submission took longer than {self.whole} seconds."
        if cell.cell_type != "code" or self._gone:
            return cell, resources
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except (DeadKernelError, CellTimeoutError, RuntimeError) as error:
            self._gone = f"The kernel stopped before this cell ({type(error).__name__}): out of memory, or ended."
        late = any(output.get("ename") == "CellTimeoutError" for output in cell.outputs)
        self._silent = self._silent + 1 if late else 0
        if self._silent == 2:
            self._gone = f"Two cells in a row gave no answer within {self.timeout} seconds."
        return cell, resources

    def process_message(self, msg, cell, cell_index):
        """As nbclient's, but what a cell goes on printing for ever is not kept."""
        if msg["msg_type"] == "stream":
            self._written += len(msg["content"]["text"])
            if self._written > LOUDEST:
                return None
        return super().process_message(msg, cell, cell_index)


def _marked(cell: NotebookNode, otherwise: str) -> None:
    """See that a check's cell shows a number of points or an error, by which nbgrader gives 0.

    A warning on stderr counts as an error there; it says nothing of the answer, and goes.
    """
    cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    if any(output.output_type == "error" for output in cell.outputs):
        return
    results = [output.data.get("text/plain", "") for output in cell.outputs if output.output_type == "execute_result"]
    if len(results) != 1 or not _is_points(results[0], float(cell.metadata["nbgrader"]["points"])):
        cell.outputs.append(new_output("error", ename="NotMarked", evalue=otherwise, traceback=[otherwise]))
        cell.outputs.sort(key=lambda output: output.output_type != "error")  # nbgrader believes the first


def _is_points(written: str, most: float) -> bool:
    try:
        return 0 <= float(written) <= most
    except (TypeError, ValueError):
        return False
