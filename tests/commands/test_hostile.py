"""`pythia-course` in surroundings that mean it no good: odd words, spoilt caches, closed pipes, full disks, ASCII."""

import os
import random
import shutil
import subprocess
import sys

import pytest
from support.hub_hostile import CONFIGS, arguments, half_written, is_json, spoil
from support.hub_server import hub_fixture  # noqa: F401
from support.shell import (  # noqa: F401
    environment,
    failed,
    folders_fixture,
    here_fixture,
    served_fixture,
    shell,
)

from pythia_course import errors, load

LINES = 80  # command lines for each seed


@pytest.fixture
def filled(served, here):
    here("prefetch", "pythia-160m", "gpt2", "--steps", "0", "last")
    return served


@pytest.mark.parametrize("seed", [1, 2])
def test_no_command_line_and_no_cache_ends_in_somebody_else_s_exception(seed, filled, here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(filled.cache))
    chance, kept = random.Random(seed), tmp_path / "kept"
    shutil.copytree(filled.cache, kept, symlinks=True)
    for number in range(LINES):
        if number % 8 == 0:  # a new cache, and then more and more of it spoilt
            shutil.rmtree(filled.cache)
            shutil.copytree(kept, filled.cache, symlinks=True)
        words, done_to_it = arguments(chance), spoil(chance, filled.cache)
        done = here(*words)  # an exception that is not the course's passes through, and fails here
        what = (words, done_to_it, done)
        assert done.returncode in (0, 1, 2), what
        said = [line for line in done.stderr.splitlines() if line.startswith("pythia-course: ")]
        assert done.returncode == 0 or said or "usage:" in done.stderr or "Nothing was freed" in done.stdout, what
        assert "Traceback" not in done.stderr and "[Errno" not in done.stderr, what
        assert not half_written(filled.cache), what
        if words == ["list", "--json"] and done.returncode == 0:
            assert is_json(done.stdout), what


@pytest.mark.parametrize("content", CONFIGS, ids=lambda content: repr(content[:20]))
def test_a_stranger_s_damaged_config_stops_no_list(content, filled, here):
    folder = filled.cache / "models--somebody--model/snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    (folder.parents[1] / "refs").mkdir()
    (folder.parents[1] / "refs/main").write_text("a" * 40)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_bytes(content)
    done = here("list")
    assert (done.returncode, done.stderr) == (0, "") and "pythia-160m " in done.stdout
    assert ("somebody/model" in done.stdout) == (b"gpt2" in content)


@pytest.mark.parametrize("name", ["x" * 2000, "a/" + "b" * 2000, "~nobody-of-that-name/x", "\0", "a/\0"])
def test_a_name_that_no_disk_takes_is_one_sentence(name, here):
    with pytest.raises(errors.ModelNotFound) as caught:
        load(name)
    assert len(str(caught.value)) < 300 and "Errno" not in str(caught.value)


LINES_OF_ALL = ("list", "prefetch --help", "list --json", "--help", "doctor --help")
ONE_AFTER_ANOTHER = """
import sys
from pythia_course.__main__ import main
for line in sys.argv[1:]:
    try:
        code = main(line.split())
    except SystemExit as done:  # argparse leaves by itself
        code = done.code
    print(f"ended with {code}")
"""


@pytest.mark.parametrize(
    "encoding", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_a_terminal_that_knows_only_ascii(encoding, hub):
    done = shell(hub, *LINES_OF_ALL, module=("-c", ONE_AFTER_ANOTHER), **encoding)
    assert (done.returncode, done.stderr) == (0, "")
    *said, rest = done.stdout.split("ended with 0\n")
    assert rest == "" and len(said) == len(LINES_OF_ALL)
    for words in said:
        assert words.isascii() and len(words) > 200 and ("12b" in words or "pythia-course" in words)


@pytest.mark.parametrize("words", [("list",), ("prefetch", "--help"), ("doctor",)])
def test_a_closed_pipe_ends_it_without_a_word(words, hub):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pythia_course", *words]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, env=environment(hub, PYTHONUNBUFFERED=""), timeout=120
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("words", [("list",), ("prefetch", "--help")])
def test_a_full_disk_under_what_is_said(words, hub):
    command = [sys.executable, "-m", "pythia_course", *words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(hub, PYTHONUNBUFFERED=""),
            timeout=120,
            text=True,
        )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr == "pythia-course: This machine refused something that is needed: No space left on device.\n"
