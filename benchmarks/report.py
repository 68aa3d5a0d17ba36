"""What the benchmarks of training have in common: cases in processes of their own, and the facts of a report."""

import multiprocessing
import os
import platform
import statistics
import sys
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from types import ModuleType
from typing import Any


def in_processes(name: str, work: Callable[[int], Any], count: int = 1) -> list[Any]:
    """What `work` returns for 0, 1, … in as many new processes, to which it is sent by its name and arguments. Ends the
    program where one fails."""
    # A process that was forked could not use a GPU that importing a library has looked at.
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    children = [context.Process(target=_tell, args=(work, rank, told)) for rank in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        sys.exit(f"{name} failed")
    return [told.get() for _ in children]


def _tell(work: Callable[[int], Any], rank: int, told: SimpleQueue) -> None:
    # Standard output is for the report: libraries log to standard error.
    os.dup2(2, 1)
    told.put(work(rank))


def summary(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "values": values}


def machine(load: tuple[float, float, float]) -> dict[str, Any]:
    """Of this machine; `load` is what it was before anything was measured."""
    return {
        "platform": f"{sys.platform} {platform.machine()}", "cpu": _cpu(), "cores": os.cpu_count(),
        "memoryBytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "loadAverage": {"before": load, "after": os.getloadavg()},
        # Other work ran too: speeds are those of a share of the machine, and say little.
        "busy": load[0] > (os.cpu_count() or 1),
    }  # fmt: skip


def versions(*modules: ModuleType) -> dict[str, str]:
    return {"python": platform.python_version()} | {module.__name__: module.__version__ for module in modules}


def _cpu() -> str:
    """As the system names the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
