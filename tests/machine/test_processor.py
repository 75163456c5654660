"""Which processors multiply bfloat16 numbers fast."""

import subprocess
import sys

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
