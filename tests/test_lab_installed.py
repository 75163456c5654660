"""One line for everybody: the wheel in a bare environment, an empty home, `pythia-course lab`, and a real browser."""

import json
import re
import zipfile
from time import monotonic, sleep

import pytest
from support import installed
from support.installed import PATIENCE
from support.lab import wait_for_kernel
from test_lab import CELLS, run_all

MOST_BYTES = 100e6  # of the wheel
FIRST, SECOND, THIRD = (
    f"notebooks/{name}.ipynb"
    for name in ("00_start_here", "01_architecture_tour", "02_rotary_position_embeddings")
)  # fmt: skip
# What the kernel of the lesson in front prints for some code.
ASK = """
async (code) => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel, printed = [];
  const asked = kernel.requestExecute({ code });
  asked.onIOPub = ({ content }) => content.text && printed.push(content.text);
  await asked.done;
  return printed.join("").trim();
}
"""
ALTS = """() => [...document.querySelectorAll('[data-mime-type="image/png"] img')].map(image => image.alt)"""
TABS = "() => [...jupyterapp.shell.widgets('main')].map(widget => widget.context?.path)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return installed.build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    """Beside the modules: what is read in a browser, the pages of the labs, weights, logs, tables."""
    files = (path for path in (installed.ROOT / "pythia_course").rglob("*") if path.is_file())
    names = {path.relative_to(installed.ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert "pythia_course/live/forward.js" in names and names <= set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    return installed.install(wheel, tmp_path_factory.mktemp("bare") / "environment")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An empty one, with a configuration elsewhere that lets the tests talk to JupyterLab."""
    home = tmp_path_factory.mktemp("home")
    exposed = home.parent / "exposed"
    exposed.mkdir(exist_ok=True)
    (exposed / "jupyter_lab_config.json").write_text('{"LabApp": {"expose_app_in_browser": true}}')
    return home


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(1000 * PATIENCE)
    yield page
    page.close()


def lab(bare, home):
    return installed.lab(bare, home, JUPYTER_CONFIG_PATH=str(home.parent / "exposed"))


def test_the_wheel_is_small_enough(wheel):
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size / 1e6:.1f} MB")
    assert size < MOST_BYTES
    (told,) = re.findall(r"a wheel of (\d+) MB", (installed.ROOT / "README.md").read_text(encoding="utf-8"))
    assert size / 1e6 == pytest.approx(int(told), rel=0.1)


@pytest.fixture(scope="module")
def first_day(bare, home, page):
    """(what was said, outputs of the cells, the rest of what was seen) on the first day: lesson 00 run, 01 opened."""
    assert not list(home.iterdir())
    with lab(bare, home) as (address, said):
        page.goto(address)
        wait_for_kernel(page)
        run_all(page)
        page.wait_for_function(f"() => ({CELLS})().every(([count]) => count)")
        page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
        seen = {
            "address": address,
            "outputs": page.evaluate(CELLS),
            "asked": page.locator(".Toastify__toast:visible").count(),  # about news
            "alts": page.evaluate(ALTS),
            "from": page.evaluate(ASK, "import pythia_course; print(pythia_course.__file__)"),
        }
        page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
        page.evaluate(f"() => {{ jupyterapp.commands.execute('docmanager:open', {{ path: '{SECOND}' }}) }}")
        until(lambda: SECOND in tabs_kept(home) and '"execution_count": 1' in lesson(home, FIRST).read_text())
        page.goto("about:blank")
        return said.read_text(), seen


def lesson(home, name):
    return home / "pythia-course" / name


def tabs_kept(home):
    return "".join(path.read_text() for path in (home / "pythia-course/.pythia-course").glob("workspaces/*"))


def until(true):
    end = monotonic() + PATIENCE
    while not true():
        assert monotonic() < end
        sleep(0.2)


def test_the_first_day_opens_lesson_00_and_every_cell_runs(first_day, bare):
    said, seen = first_day
    assert "Brought 2" in said and FIRST in seen["address"]
    assert all(count for count, _ in seen["outputs"])
    kinds = {kind for _, outputs in seen["outputs"] for kind in outputs}
    assert "display_data" in kinds and not kinds & {"error", "stderr"}
    assert seen["from"].startswith(str(bare)) and seen["asked"] == 0


def test_pictures_have_their_alt_text_without_make(first_day, bare):
    """The first figure's is there as the stored lesson has it; JupyterLab alone would leave it out."""
    cells = json.loads((bare / "share/pythia-course" / FIRST).read_text(encoding="utf-8"))["cells"]
    metadata = [output.get("metadata", {}) for cell in cells for output in cell.get("outputs", [])]
    alts = [one["image/png"]["alt"] for one in metadata if "image/png" in one]
    assert alts[0] in first_day[1]["alts"]


@pytest.fixture(scope="module")
def next_day(first_day, bare, home, page):
    """(what was said, open tabs, lesson 00 before) after an upgrade that changes lessons 00, 01 and 02."""
    for name in (FIRST, THIRD):
        shipped = bare / "share/pythia-course" / name
        shipped.write_text(json.dumps(json.loads(shipped.read_text(encoding="utf-8"))), encoding="utf-8")
    before = lesson(home, FIRST).read_bytes()
    with lab(bare, home) as (address, said):
        page.goto(address)
        wait_for_kernel(page)
        tabs = page.evaluate(TABS)
        page.goto("about:blank")
        return said.read_text(), tabs, before


def test_the_next_day_goes_on_where_the_learner_was(next_day):
    assert {FIRST, SECOND} <= set(next_day[1])


def test_after_an_upgrade_the_learner_s_own_stays_and_the_new_is_beside(next_day, bare, home):
    said, _, before = next_day
    beside = FIRST.replace(".ipynb", "_new_in_0.1.0.ipynb")
    assert beside in said and "Replaced 1 that you had not changed" in said
    assert lesson(home, FIRST).read_bytes() == before
    shipped = bare / "share/pythia-course"
    assert lesson(home, beside).read_bytes() == (shipped / FIRST).read_bytes() != before
    assert lesson(home, THIRD).read_bytes() == (shipped / THIRD).read_bytes()
