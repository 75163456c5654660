"""What may this process still use?  Answers on made-up machines, so the same on every real one."""

import mmap
import subprocess
import sys

import pytest

from pythia_course.machine.memory import available_memory

MB = 1024**2


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that writes kernel files under a folder, a machine with 8,000 MB free, and returns it."""
    monkeypatch.delenv("MEM_LIMIT", raising=False)

    def write(**files):
        meminfo = f"MemTotal: {16000 * 1024} kB\nMemAvailable: {8000 * 1024} kB\n"
        for name, text in {"proc/meminfo": meminfo, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(text))
        return tmp_path

    return write


def test_without_limits_it_is_what_the_machine_has_left(machine):
    assert available_memory(machine()) == 8000 * MB


def test_a_version_2_container_counts_its_own_use_and_what_the_kernel_can_drop(machine):
    root = machine(
        **{
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{2000 * MB}\n",
            "sys/fs/cgroup/memory.current": f"{900 * MB}\n",
            "sys/fs/cgroup/memory.stat": f"inactive_file {300 * MB}\nactive_file {100 * MB}\nshmem 9\n",
        }
    )
    assert available_memory(root) == 1500 * MB


def test_a_version_1_container_does_too(machine):
    root = machine(
        **{
            "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2000 * MB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{900 * MB}\n",
            "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {400 * MB}\n",
        }
    )
    assert available_memory(root) == 1500 * MB


@pytest.mark.parametrize("limited", ["", "user/", "user/me/"])
def test_the_limit_may_be_set_at_any_level_around_the_process(machine, limited):
    files = {f"sys/fs/cgroup/{level}memory.max": "max\n" for level in ("user/", "user/me/")}
    files[f"sys/fs/cgroup/{limited}memory.max"] = f"{700 * MB}\n"
    files[f"sys/fs/cgroup/{limited}memory.current"] = f"{200 * MB}\n"
    assert available_memory(machine(**{"proc/self/cgroup": "0::/user/me\n", **files})) == 500 * MB


def test_no_limit_in_version_1_is_a_huge_number(machine):
    root = machine(
        **{
            "proc/self/cgroup": "4:memory:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{900 * MB}\n",
        }
    )
    assert available_memory(root) == 8000 * MB


def test_mem_limit_of_a_hub_less_what_the_process_holds(machine, monkeypatch):
    resident, of_files = 500 * MB // mmap.PAGESIZE, 200 * MB // mmap.PAGESIZE
    root = machine(**{"proc/self/statm": f"999999 {resident} {of_files} 1 0 1 0\n"})
    monkeypatch.setenv("MEM_LIMIT", str(2000 * MB))
    assert available_memory(root) == 1700 * MB
    for nothing in ("", "0", "lots"):
        monkeypatch.setenv("MEM_LIMIT", nothing)
        assert available_memory(root) == 8000 * MB


def test_more_used_than_allowed_is_nothing_left_not_less_than_nothing(machine, monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", "1")
    root = machine(**{"proc/self/statm": "999999 500 200 1 0 1 0\n"})
    assert available_memory(root) == 0


TAKE = """
import mmap
from pythia_course.machine.memory import available_memory
before = available_memory()
# Pages straight from the kernel: `bytes` may come from memory that was given back to the heap only.
block = mmap.mmap(-1, 200 * 1024**2, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(0, len(block), mmap.PAGESIZE):
    block[page] = 1
print(before, available_memory())
"""


def test_this_machine_answers_and_memory_taken_is_memory_missed(monkeypatch):
    # In a process of its own: what earlier tests left in this one counts against MEM_LIMIT.
    monkeypatch.setenv("MEM_LIMIT", str(2000 * MB))
    answer = subprocess.run([sys.executable, "-c", TAKE], capture_output=True, text=True, check=True)
    before, after = map(int, answer.stdout.split())
    assert 0 < before <= 2000 * MB
    assert before - after >= 0.9 * 200 * MB


def test_it_imports_nothing_but_the_standard_library():
    program = "import sys, pythia_course.machine.memory; print({'torch', 'numpy', 'psutil'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
