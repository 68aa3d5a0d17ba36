"""What the processes that torchrun started tell one another: gloo between CPUs, NCCL between GPUs."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from ...stage import Issue, StageError

# Bytes of a file that are sent at once.
PIECE = 2**26

# Rank 0 writes large files while the others wait.
PATIENCE = timedelta(minutes=60)


def own_device() -> torch.device:
    """The GPU of this process, by its place on its machine, or the CPU; raises StageError as `gpu_of` does."""
    here, processes = int(os.environ["LOCAL_RANK"]), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return gpu_of(here, processes, torch.cuda.device_count()) if torch.cuda.is_available() else torch.device("cpu")


def gpu_of(process: int, processes: int, gpus: int) -> torch.device:
    """The GPU of one of the processes of a machine, both counted from 0. All of them raise StageError where there are
    too few GPUs, so that whichever of them is heard says the same: NCCL needs one for each."""
    if processes > gpus:
        hint = f"t2i train --nproc {gpus}; or train on the CPU, with CUDA_VISIBLE_DEVICES= in the environment."
        issue = Issue("--nproc", f"at most {gpus}, one process for each GPU", str(processes))
        raise StageError("OPTION_INVALID", f"{processes} processes, and {gpus} GPU{'s' * (gpus != 1)}", hint, (issue,))
    return torch.device("cuda", process)


def join(device: torch.device) -> tuple[int, int]:
    """Meets the other processes at the address torchrun gave; returns this one's rank and how many there are."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Tensors on the CPU always go by gloo: a flag that is asked for at each step does not make a GPU wait.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    return dist.get_rank(), dist.get_world_size()


def total(tensor: Tensor) -> Tensor:
    """The sum over all ranks."""
    result = tensor.clone()
    dist.all_reduce(result)
    return result


def barrier() -> None:
    """Waits until all ranks are here."""
    dist.all_reduce(torch.zeros(1))


def send_files(files: Sequence[Path], to: int) -> None:
    """Sends files by their names to a rank that calls `receive_files`."""
    _send_numbers(to, len(files))
    for path in files:
        name, size = path.name.encode(), path.stat().st_size
        _send_numbers(to, len(name), size)
        dist.send(torch.frombuffer(bytearray(name), dtype=torch.uint8), to)
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                dist.send(torch.frombuffer(bytearray(piece), dtype=torch.uint8), to)


def receive_files(folder: Path, source: int) -> None:
    """Writes into `folder` what the rank `source` sends."""
    (count,) = _receive_numbers(source, 1)
    for _ in range(count):
        length, size = _receive_numbers(source, 2)
        name = bytes(_receive(source, length).tolist()).decode()
        with (folder / Path(name).name).open("wb") as file:
            for start in range(0, size, PIECE):
                file.write(_receive(source, min(PIECE, size - start)).numpy().tobytes())


def _send_numbers(to: int, *numbers: int) -> None:
    dist.send(torch.tensor(numbers, dtype=torch.int64), to)


def _receive_numbers(source: int, count: int) -> list[int]:
    numbers = torch.empty(count, dtype=torch.int64)
    dist.recv(numbers, source)
    return numbers.tolist()


def _receive(source: int, count: int) -> Tensor:
    piece = torch.empty(count, dtype=torch.uint8)
    dist.recv(piece, source)
    return piece


def leave() -> None:
    dist.destroy_process_group()
