"""Binder: what repo2docker would build from this tree, what postBuild does to a bare environment, and a launch there.

repo2docker's own code says the first; an image itself needs Docker, which nothing here may need.
"""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import nbformat
import pytest
from repo2docker.app import Repo2Docker
from support import hub_folders, limits
from support.hub_server import Hub
from support.installed import NOT_IN_A_WHEEL, bare_environment, of_a_newcomer

ROOT = Path(__file__).resolve().parents[1]
BINDER = 2000  # MB that a session gets
SMALL = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 256}


# ------------------------------------------------------------------------------------------------- one address


def test_the_owner_and_the_branch_come_from_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    home = project["urls"]["Repository"]
    owner, name = home.removeprefix("https://github.com/").split("/")
    pages = [*ROOT.glob("*.md"), ROOT / "CITATION.cff", *ROOT.glob("docs/*.md"), *(ROOT / ".github").rglob("*.*")]
    texts = {page.name: page.read_text(encoding="utf-8") for page in pages}
    of_the_course = {
        found for text in texts.values() for found in re.findall(rf"github\.com/([\w.-]+/{name})\b", text)
    }
    assert of_the_course == {f"{owner}/{name}"}
    badges = {found for text in texts.values() for found in re.findall(r"mybinder\.org/v2/[^)\s]+", text)}
    assert badges == {f"mybinder.org/v2/gh/{owner}/{name}/HEAD?labpath=notebooks%2F00_start_here.ipynb"}
    assert home in texts["CITATION.cff"] and (ROOT / "notebooks/00_start_here.ipynb").exists()


# ------------------------------------------------------------------------------------------------- repo2docker


@pytest.fixture(scope="module")
def pack():
    """The build pack that repo2docker picks for this tree."""
    before, app = Path.cwd(), Repo2Docker()
    os.chdir(ROOT)
    try:
        packs = [kind(app.base_image) for kind in app.buildpacks]
        for one in packs:
            one.platform = "linux/amd64"
        yield next(one for one in packs if one.detect())
    finally:
        os.chdir(before)


def test_repo2docker_reads_the_folder_binder_and_nothing_beside_it(pack):
    assert type(pack).__name__ == "CondaBuildPack" and pack.binder_dir == "binder"
    assert pack.get_preassemble_script_files() == {"binder/environment.yml": "binder/environment.yml"}
    assert pack.python_version == "3.11"
    assert pack.get_post_build_scripts() == ["binder/postBuild"]
    assert pack.get_start_script() is None and not pack.get_packages()


def test_the_image_s_recipe_makes_the_environment_then_runs_postbuild(pack):
    recipe = pack.render({})
    made = recipe.index('env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"')
    assert made < recipe.index("COPY --chown=") or made < recipe.index("binder/postBuild")
    assert recipe.index("RUN ./binder/postBuild") > made
    assert "requirements.txt" not in re.sub(r"^#.*$", "", recipe, flags=re.MULTILINE).replace("pip.txt", "")


# ------------------------------------------------------------------------------------------------- postBuild, a launch

# As a visitor's first minute: a kernel starts, and the cells of lesson 00 run up to its first picture.
LAUNCH = """
import os, sys
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])       # one processor, for all that this starts too
import nbformat
from nbclient import NotebookClient
lesson = nbformat.read(sys.argv[1], as_version=4)
drawn = next(i for i, cell in enumerate(lesson.cells) if "image/png" in str(cell.get("outputs", "")))
lesson.cells = lesson.cells[: drawn + 1]
for cell in lesson.cells:
    if cell.cell_type == "code":
        cell.outputs = []
client = NotebookClient(lesson, timeout=120, kernel_name="python3", resources={"metadata": {"path": "notebooks"}})
client.execute()
nbformat.write(lesson, sys.argv[2])
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """(folder of the tree, of its environment, what postBuild said): what Binder would have made, less conda."""
    folder = tmp_path_factory.mktemp("binder")
    shutil.copytree(ROOT, folder / "tree", ignore=NOT_IN_A_WHEEL)
    environment = bare_environment(folder / "environment")
    hub_folders.write_pythia(folder / "pythia", **SMALL)
    hub_folders.write_gpt2(folder / "gpt2", n_embd=64, n_head=4, n_layer=2)
    with Hub() as hub:
        hub.repositories["EleutherAI/pythia-160m"] = {"main": folder / "pythia"}
        hub.repositories["openai-community/gpt2"] = {"main": folder / "gpt2"}
        # setuptools is at hand: Binder's pip would fetch it
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "HF_ENDPOINT": hub.url}
        variables = of_a_newcomer(folder, PATH=_scripts(environment), **offline)
        said = _held(["binder/postBuild"], folder / "tree", variables)
    return folder / "tree", environment, said


def _scripts(environment):
    return f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"


def _held(command, folder, environment):
    """Runs a command in a folder, where possible in no more memory than a session has; gives what it said."""
    options = {"cwd": folder, "env": environment, "timeout": 300}
    if limits.memory_cgroups():
        with limits.memory_limit(BINDER) as group:
            done = limits.run_program(command, group, **options)
    else:
        done = limits.run_program(command, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def test_postbuild_brings_the_course_its_extensions_and_both_models(image):
    tree, environment, said = image
    assert "postBuild: Pythia-160M and GPT-2 are in the image." in said
    extensions = environment / "share/jupyter/labextensions"
    assert {path.name for path in (tree / "jupyter/labextensions").iterdir()} <= {p.name for p in extensions.iterdir()}
    assert (environment / "etc/ipython/startup/pythia-course.py").exists()
    settings = json.loads((environment / "etc/jupyter/labconfig/default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    command = [environment / "bin/python", "-c", "import pythia_course; print(pythia_course.__file__)"]
    nothing = of_a_newcomer(tree.parent)
    where = subprocess.run(command, cwd=tree.parent, env=nothing, capture_output=True, text=True, check=True).stdout
    assert Path(where.strip()).is_relative_to(tree)


def test_a_visitor_sees_the_first_picture_with_one_processor_and_two_gigabytes(image):
    tree, environment, _ = image
    seen = tree.parent / "seen.ipynb"
    lesson = ROOT / "notebooks/00_start_here.ipynb"
    variables = of_a_newcomer(tree.parent, HF_HUB_OFFLINE="1", PATH=_scripts(environment))
    _held([str(environment / "bin/python"), "-c", LAUNCH, str(lesson), str(seen)], tree, variables)
    last = nbformat.read(seen, as_version=4).cells[-1]
    assert "image/png" in str(last.outputs)
