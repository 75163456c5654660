"""A cell run without those above it, in a real kernel: its NameError says where the menu runs them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).parents[1]
ADVICE = "If a cell above makes 'lm', run it first: Run > Run All Above Selected Cell."


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A kernel that has read what `ipython/` brings, and of the course nothing else."""
    folder = tmp_path_factory.mktemp("ipython")
    shutil.copytree(ROOT / "ipython" / "startup", folder / "profile_default" / "startup")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder))
        manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def told(kernel, code):
    """The traceback that a cell shows, as one text; "" where it ends well."""
    shown = []

    def listen(message):
        if message["msg_type"] == "error":
            shown.extend(message["content"]["traceback"])

    kernel.execute_interactive(code, timeout=60, output_hook=listen)
    return "\n".join(shown)


def test_a_name_from_a_cell_above_is_explained(kernel):
    text = told(kernel, 'lm.trace("The cat")')
    assert "NameError" in text and text.count(ADVICE) == 1
    assert told(kernel, "lm = 5\nlm") == ""


@pytest.mark.parametrize(
    "code",
    [
        "1 / 0",
        "def f():\n    print(x)\n    x = 1\nf()",  # UnboundLocalError: running the cells above would not help
        'exec("print(missing)", {})',  # a name of somebody else's code
        'raise ValueError("lm")',
    ],
)
def test_other_errors_are_shown_as_ever(kernel, code):
    text = told(kernel, code)
    assert "Error" in text and "Run All Above" not in text


def test_a_kernels_start_leaves_no_name_and_does_not_yet_import_the_course():
    """What an import has to say (machine/versions.py) would be lost before the first cell."""
    start = (ROOT / "ipython/startup/pythia-course.py").read_text(encoding="utf-8")
    code = f"import sys; names = {{}}; exec({start!r}, names); print(*names, 'pythia_course' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["__builtins__", "False"]


def test_whoever_handles_errors_of_cells_already_goes_on_doing_so(kernel):
    code = """
from pythia_course import missing_names
get_ipython().set_custom_exc((KeyError,), lambda shell, kind, error, trace, tb_offset=None: print("mine"))
missing_names.install()
assert get_ipython().custom_exceptions == (KeyError,)
"""
    assert told(kernel, code) == ""


def test_outside_a_kernel_nothing_happens():
    from pythia_course import missing_names

    missing_names.install()
