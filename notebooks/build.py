"""Run every notebook from the top and store its outputs, so that doing it twice changes no byte of text.

    python notebooks/build.py [NOTEBOOK ...]

Without a name it takes every lesson and every solution. A notebook in which a cell fails keeps its old file.
What differs from run to run is not stored: times, kernel versions, widget models (their ids are random; a
cell that shows a widget keeps the text and the picture that stand in its place).
"""

import json
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent
CELL_SECONDS = 300
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"},
}
KEPT_CELL_METADATA = {"tags", "jupyter"}
NOT_STORED = "application/vnd.jupyter.widget-view+json"


def main(names):
    """Build each notebook, one progress line each; the exit status is 1 if any cell failed."""
    paths = [Path(name).resolve() for name in names] or all_notebooks()
    failures = 0
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.name} … ", end="", flush=True)
        start = time.perf_counter()
        try:
            changed = build(path)
        except CellExecutionError as error:
            failures += 1
            print(f"failed\n{error}")
        else:
            print(f"{'stored' if changed else 'unchanged'}, {time.perf_counter() - start:.1f} s", flush=True)
    return 1 if failures else 0


def all_notebooks():
    return sorted(HERE.glob("*.ipynb")) + sorted(HERE.glob("solutions/*.ipynb"))


def build(path):
    """Execute one notebook and store it; return whether its file changed."""
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(with_cell_ids(before), as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],
        store_widget_state=False,
    )
    after = nbformat.writes(normalised(client.execute())) + "\n"
    nbformat.validate(nbformat.reads(after, as_version=4))
    if after == before:
        return False
    scratch = path.with_suffix(".ipynb.new")
    scratch.write_text(after, encoding="utf-8")
    os.replace(scratch, path)
    return True


def with_cell_ids(text):
    """Give a cell that has no id one made of its place; nbformat would draw it at random, anew each time."""
    raw = json.loads(text)
    for place, cell in enumerate(raw["cells"]):
        cell.setdefault("id", f"cell-{place}")
    return json.dumps(raw | {"nbformat": 4, "nbformat_minor": 5})


def normalised(notebook):
    """The notebook without what another run or another machine would write differently."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in KEPT_CELL_METADATA}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(NOT_STORED, None)
            if "metadata" in output:
                output["metadata"] = alt_text_of(output)
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]
    return notebook


def alt_text_of(output):
    """What the output's metadata say of a picture to those who cannot see it: {"image/png": {"alt": …}}, or {}."""
    alt = output["metadata"].get("image/png", {}).get("alt")
    return {"image/png": {"alt": alt}} if alt else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
