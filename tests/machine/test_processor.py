"""Which processors multiply bfloat16 numbers fast."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pythia_course.machine import processor

FLAGS = {
    "a server of today": ("flags\t\t: fpu avx2 avx512f avx512dq avx512bw avx512vl avx512_bf16 amx_bf16", True),
    "a server of yesterday": ("flags : fpu avx2 avx512f avx512dq avx512bw avx512vl", True),
    "a desktop": ("flags : fpu sse4_2 avx avx2 avx_vnni", False),
    "an ARM server": ("Features : fp asimd sve bf16 i8mm", True),
    "an older ARM": ("Features : fp asimd crc32", False),
    "a file that says nothing": ("", False),
}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is asked")
@pytest.mark.parametrize("text, fast", FLAGS.values(), ids=FLAGS)
def test_the_instructions_decide(text, fast, tmp_path):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nmodel name : x\n{text}\n\nprocessor : 1\n")
    assert processor._has_instructions(tmp_path / "cpuinfo") is fast


def test_a_file_that_cannot_be_read_says_no(tmp_path):
    assert processor._words(tmp_path / "none") == set()


def test_it_is_what_torch_says_of_itself(monkeypatch):
    for name in processor._OLDER:
        monkeypatch.delenv(name, raising=False)
    assert processor.fast_bfloat16() == torch.ops.mkldnn._is_mkldnn_bf16_supported()


@pytest.mark.parametrize("setting", [{"ATEN_CPU_CAPABILITY": "avx2"}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}])
def test_one_that_is_told_to_do_without_does_without(setting, monkeypatch):
    monkeypatch.setattr(processor, "_has_instructions", lambda: True)
    for name in processor._OLDER:
        monkeypatch.delenv(name, raising=False)
    assert processor.fast_bfloat16()
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert not processor.fast_bfloat16()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is asked")
def test_on_linux_it_takes_no_library():
    code = "import sys; from pythia_course.machine.processor import fast_bfloat16; fast_bfloat16(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" not in modules


PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
FAULTS = """
import resource
import pythia_course, torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    torch.ones(16 * 2**20)  # 64 MB: 16,384 pages of 4 kB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not PAGES.exists() or "[never]" in PAGES.read_text(), reason="this system has no large pages")
def test_large_arrays_come_in_large_pages():
    own = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    done = subprocess.run([sys.executable, "-c", FAULTS], env=own, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4 * 16_384 / 10


def test_a_setting_of_one_s_own_stays(monkeypatch):
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    processor.ask_for_large_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
