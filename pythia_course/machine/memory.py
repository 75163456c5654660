"""How much memory this process may still use: the least of what machine, containers and hub allow."""

import mmap
import os
import sys
from pathlib import Path


def available_memory(root="/") -> int:
    """Bytes that this process can still use before something stops it.

    The smallest of: the machine's available memory, what every enclosing memory cgroup (version 1 or 2, as a
    container has it) leaves, and what JupyterHub's and Binder's MEM_LIMIT leaves. Pages that the kernel can
    drop at any time (cached and mapped files) count as free. Where nothing is known, `sys.maxsize`.

    root: the folder that holds `proc` and `sys`; another one only in tests.
    """
    root = Path(root)
    return max(0, min([_left_on_machine(root), _left_of_mem_limit(root), *_left_in_cgroups(root)]))


def in_words(count: int) -> str:
    """Bytes as one says them: "4.2 MB", "375 MB", "1.3 GB", in the units of disks and downloads (10**6, 10**9)."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"


def _left_on_machine(root: Path) -> int:
    """MemAvailable on Linux; elsewhere the installed memory, where the system tells it."""
    available = _fields(root / "proc/meminfo").get("MemAvailable:")
    if available is not None:
        return available * 1024
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE
    return sys.maxsize


def _left_of_mem_limit(root: Path) -> int:
    """MEM_LIMIT (bytes, set by JupyterHub and Binder) less what this process holds and cannot drop."""
    limit = os.environ.get("MEM_LIMIT", "")
    if not limit.isdecimal() or int(limit) == 0:
        return sys.maxsize
    # statm counts pages: all, resident, and of these the ones backed by a file.
    numbers = _text(root / "proc/self/statm").split() or [0, 0, 0]
    return int(limit) - (int(numbers[1]) - int(numbers[2])) * mmap.PAGESIZE


def _left_in_cgroups(root: Path) -> list[int]:
    """What each memory cgroup around this process leaves, for those that have a limit."""
    left = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            left += [_left_in_v2(folder) for folder in _enclosing(root / "sys/fs/cgroup", path)]
        elif "memory" in controllers.split(","):
            left += [_left_in_v1(folder) for folder in _enclosing(root / "sys/fs/cgroup/memory", path)]
    return left


def _enclosing(mount: Path, path: str) -> list[Path]:
    """The cgroup's folder and those around it; inside a container often only the mount itself exists."""
    folder = mount / path.lstrip("/")
    return [place for place in (folder, *folder.parents) if place.is_relative_to(mount)]


def _left_in_v2(folder: Path) -> int:
    limit = _text(folder / "memory.max").strip()
    if not limit.isdecimal():  # "max" where there is no limit, nothing where there is no such cgroup
        return sys.maxsize
    used = int(_text(folder / "memory.current") or 0)
    stat = _fields(folder / "memory.stat")
    return int(limit) - used + stat.get("inactive_file", 0) + stat.get("active_file", 0)


def _left_in_v1(folder: Path) -> int:
    limit = _text(folder / "memory.limit_in_bytes").strip()
    if not limit:
        return sys.maxsize
    used = int(_text(folder / "memory.usage_in_bytes") or 0)
    stat = _fields(folder / "memory.stat")
    return int(limit) - used + stat.get("total_inactive_file", 0) + stat.get("total_active_file", 0)


def _fields(path: Path) -> dict[str, int]:
    """The lines "name number …" of a kernel file."""
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) >= 2}


def _text(path: Path) -> str:
    """A kernel file's text, empty where there is no such file or it may not be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
