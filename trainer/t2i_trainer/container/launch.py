"""Starts the ranks of a host by torchrun and follows what rank 0 says."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from ..files import read_json_lines
from .contract import Container
from .project import params_file

STAGE = Path(__file__).resolve().parents[2] / "stages" / "train.py"
PORT = 7777
# Seconds between looks at the figures.
EVERY = 0.2


class Ended(NamedTuple):
    """How the ranks of a host ended."""

    code: int
    """Of torchrun."""
    event: dict[str, Any] | None
    """The last that tells an end: `error`, or `result`, which all ranks tell alike."""
    asked: bool
    """Whether it was by SIGTERM."""


def launch(container: Container, project: Path) -> Ended:
    """Trains to the end. SIGTERM asks the ranks to write a checkpoint and end."""
    stage = [STAGE, "--project", project, "--params", params_file(container)]
    child = subprocess.Popen(
        [*_torchrun(container), *map(str, stage)],
        stdout=subprocess.PIPE,
        # Ranks other than 0 tell there why they failed.
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_environment(container),
    )
    with _passing_on(child) as asked:
        figures = Figures(container.checkpoints / "metrics.jsonl")
        last = None
        for line in child.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            event = _event(line)
            if event and event.get("event") in ("result", "error"):
                last = event
        code = child.wait()
        figures.close()
    return Ended(code, last, asked.is_set())


def _torchrun(container: Container) -> list[str]:
    # Where hosts stand for machines on one of them, their names lead nowhere.
    address, _, port = os.environ.get("T2I_ML_MASTER", f"{container.hosts[0]}:{PORT}").partition(":")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(len(container.hosts))]
    rank = ["--node_rank", str(container.hosts.index(container.host)), "--nproc_per_node", str(gpus() or 1)]
    return [*launcher, *rank, "--master_addr", address, "--master_port", port]


def gpus() -> int:
    """GPUs of this host, without loading PyTorch."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if listed.returncode == 0 else 0


def _environment(container: Container) -> dict[str, str]:
    network = {"NCCL_SOCKET_IFNAME": container.interface, "GLOO_SOCKET_IFNAME": container.interface}
    quiet = {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **network, **quiet}


@contextlib.contextmanager
def _passing_on(child: subprocess.Popen) -> Iterator[threading.Event]:
    """SIGTERM goes to the ranks: torchrun itself would kill them 30 seconds after it, in the middle of a checkpoint."""
    asked = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        asked.set()
        for rank in children_of(child.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(rank, signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def children_of(process: int) -> list[int]:
    """The processes that a process started itself."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in brackets, may hold anything; the parent is the second field after it.
            if int(path.read_text().rpartition(")")[2].split()[1]) == process:
                found.append(int(path.parent.name))
    return found


def _event(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


class Figures:
    """Prints the lines that are added to a `metrics.jsonl` as `name=value` in full precision, which the job's metric
    definitions read."""

    def __init__(self, file: Path):
        self.file, self.ended = file, threading.Event()
        # A container that was started again does not tell what was told before.
        self.told = len(read_json_lines(self.file))
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.ended.set()
        self.thread.join()

    def _follow(self) -> None:
        while not self.ended.wait(EVERY):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        lines = read_json_lines(self.file)
        # A resumed run forgets the figures after its checkpoint, and writes them anew.
        self.told = min(self.told, len(lines))
        for line in lines[self.told :]:
            values = {name: value for name, value in line.items() if value is not None}
            sys.stdout.write(" ".join(f"{name}={value!r}" for name, value in values.items()) + "\n")
        sys.stdout.flush()
        self.told = len(lines)
