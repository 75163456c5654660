"""Running `pythia-course …` in tests, in this process or in one of its own, against small models on a loopback hub."""

import ctypes
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support.hub_folders import write_gpt2, write_pythia

from pythia_course.__main__ import main

PYTHIA = "EleutherAI/pythia-160m"
# `pythia-course`, whose doctor leaves out what takes torch or a kernel: for tests of what it says of a cache.
QUICK_DOCTOR = """
import sys
from pythia_course.__main__ import main
from pythia_course.commands import doctor
for slow in ("torch", "kernel", "tiny models"):
    del doctor.CHECKS[slow]
sys.exit(main())
"""


@pytest.fixture(name="folders", scope="module")
def folders_fixture(tmp_path_factory):
    """Small models as the hub has them: branch of Pythia-160M -> folder, and "gpt2"."""
    here = tmp_path_factory.mktemp("models")
    for seed, branch in enumerate(("main", "step0", "step3000")):
        write_pythia(here / branch, seed)
    write_gpt2(here / "gpt2")
    return {path.name: path for path in here.iterdir()}


@pytest.fixture(name="served")
def served_fixture(hub, folders):
    """The hub with these."""
    hub.repositories[PYTHIA] = {branch: folders[branch] for branch in ("main", "step0", "step3000")}
    hub.repositories["openai-community/gpt2"] = {"main": folders["gpt2"]}
    return hub


@pytest.fixture(name="here")
def here_fixture(capsys):
    """Run a command in this process; gives its exit code and what it said."""

    def run(*words):
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:  # argparse leaves by itself
            code = error.code
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return run


def environment(hub, **more):
    """Of a process that asks this hub."""
    return os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(hub.cache), "OMP_NUM_THREADS": "1"} | more


def shell(hub, *words, module=("-m", "pythia_course"), preexec_fn=None, **more):
    """Run a command in a process of its own; gives its exit code and what it said.  more: of its environment."""
    command = [sys.executable, *module, *map(str, words)]
    options = {"preexec_fn": preexec_fn, "env": environment(hub, **more)}
    return subprocess.run(command, capture_output=True, text=True, timeout=180, **options)


def failed(done, code=1):
    """The sentence that a command failed with: one line, no traceback."""
    assert done.returncode == code, (done.stdout, done.stderr)
    (line,) = done.stderr.splitlines()
    assert line.startswith("pythia-course: ") and line[-1] in ".?"
    return line.removeprefix("pythia-course: ")


def fetched(server):
    """Names of the files whose bytes were sent."""
    asked = (re.fullmatch(r"GET /.+/resolve/[^/]+/(.+)", request) for request in server.requests)
    return [match[1] for match in asked if match]


def no_more_than_others():
    """Root may write where nobody may, unless it gives up that capability (CAP_DAC_OVERRIDE), as here."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def read_only(folder, yes):
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod((0o555 if path.is_dir() else 0o444) if yes else 0o755)
