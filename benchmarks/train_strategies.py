"""Memory of a rank and speed of the strategies of a project's training: one rank, and two ranks that share the work.

    python benchmarks/train_strategies.py [--rounds 3] [--steps 3] > benchmarks/results/train-strategies-cpu.json

Needs the trainer's environment (`python3 trainer/env.py`), runs on a CPU with gloo, and takes about two minutes. Each
round runs every case in new processes and begins with another one; figures are medians over the rounds.

Bytes are those of the tensors that a rank holds in float32 between the backward pass and the step of the optimizer,
where gradients and optimizer states are all there. A tensor counts once, however many names it has; `other` is whatever
else Python can reach, such as DeepSpeed's buffers. What C++ holds alone (activations, the buckets of
DistributedDataParallel) is in no tensor of Python's: `peakRssBytes`, what the process grew by at most, has it too.
"""

import argparse
import datetime
import functools
import gc
import json
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import Any

os.environ |= {"CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"}
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainer"))

import deepspeed
import diffusers
import torch
from report import in_processes, machine, summary, versions
from torch import Tensor

from t2i_trainer.params import TrainingParams, UnetParams
from t2i_trainer.training.learner import Learner
from t2i_trainer.training.options import DiffuserOptions
from t2i_trainer.training.samples import TensorSamples
from t2i_trainer.training.strategies import Strategy, new_strategy

CASES = (("single", 1), ("ddp", 2), ("zero1", 2), ("zero2", 2), ("zero3", 2))
BATCH, SIDE, TOKENS, WIDTH = 8, 8, 16, 64
UNET = UnetParams(
    image_size=(SIDE, SIDE), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(64, 128), layers_per_block=1,
    cross_attention_dim=WIDTH,
)  # fmt: skip
WARM_UP = 2
"""Steps before the clock runs: AdamW makes its states in the first."""


def measure(strategy: Strategy, name: str, steps: int) -> dict[str, Any]:
    """Trains for so many steps as one rank; its figures."""
    torch.set_num_threads(1)
    before = resident()
    samples = TensorSamples(
        torch.randn(4 * BATCH, 4, SIDE, SIDE), None, torch.randn(4 * BATCH, TOKENS, WIDTH), torch.randn(TOKENS, WIDTH)
    )
    options = TrainingParams(precision="fp32", batch_size=BATCH, use_ema=False, warmup_steps=1)
    learner = Learner(DiffuserOptions(unet=UNET, training=options), samples, samples, strategy)
    step: Any = strategy.step
    held: dict[str, int] = {}

    def counted(rate: float) -> Any:
        if applied == WARM_UP - 1:
            held.update(count(learner, samples))
        return step(rate)

    vars(strategy)["step"] = counted
    for applied in range(WARM_UP):
        learner.step(applied, applied)
    began = time.monotonic()
    for applied in range(WARM_UP, WARM_UP + steps):
        learner.step(applied, applied)
    rate = steps * BATCH / (time.monotonic() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"samplesPerSecond": rate, "bytes": held, "peakRssBytes": peak - before, "parameters": learner.parameters}


def count(learner: Learner, samples: TensorSamples) -> dict[str, int]:
    """Bytes of the tensors of this process by what they are for."""
    strategy: Any = learner.strategy
    weights = list(learner.unet.parameters())
    zero = strategy.optimizer if hasattr(strategy, "engine") else None
    adam = zero.optimizer if zero else strategy.optimizer
    data = [samples.mean, samples.text, samples.null, learner.null, learner.scheduler.betas]
    seen: set[int] = {storage(tensor) for tensor in data}
    parts = {
        "parameters": [*weights, *(weight.ds_tensor for weight in weights if hasattr(weight, "ds_tensor"))],
        "gradients": [*(weight.grad for weight in weights), *tensors_in(getattr(zero, "averaged_gradients", None)),
                      *tensors_in(getattr(zero, "grad_partitions_flat_buffer", None))],
        "optimizer": [*tensors_in(list(adam.state.values())), *strategy.averaged.parameters()],
        "other": [found for found in gc.get_objects() if issubclass(type(found), Tensor)],
    }  # fmt: skip
    return {name: new_bytes([t for t in found if t is not None], seen) for name, found in parts.items()}


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors of nested lists and mappings."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in tensors_in(part)]
    return [value] if isinstance(value, Tensor) else []


def storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def new_bytes(tensors: list[Tensor], seen: set[int]) -> int:
    """Bytes of the memory behind these tensors that is not among `seen`, which it then is."""
    total = 0
    for tensor in tensors:
        if storage(tensor) not in seen:
            seen.add(storage(tensor))
            total += tensor.untyped_storage().nbytes()
    return total


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(name: str, ranks: int, steps: int) -> list[dict[str, Any]]:
    """The figures of each rank of a case."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return in_processes(name, functools.partial(as_rank, name, ranks, port, steps), ranks)


def as_rank(name: str, ranks: int, port: int, steps: int, rank: int) -> dict[str, Any]:
    os.environ.update(
        WORLD_SIZE=str(ranks), RANK=str(rank), LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    strategy = new_strategy(name)
    figures = measure(strategy, name, steps)
    strategy.close()
    return figures


def subject(name: str, ranks: int, rounds: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """What a case's rounds say. Of the ranks, the one that holds most counts."""
    size = 4 * rounds[0][0]["parameters"]
    held = max((rank["bytes"] for rank in rounds[0]), key=lambda parts: sum(parts.values()))
    return {
        "name": name, "ranks": ranks,
        "samplesPerSecond": summary([min(rank["samplesPerSecond"] for rank in figures) for figures in rounds]),
        "rankBytes": held,
        "modelSizes": {part: round(value / size, 3) for part, value in held.items()},
        "peakRssBytes": summary([max(rank["peakRssBytes"] for rank in figures) for figures in rounds]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a round")
    given = parser.parse_args()
    load = os.getloadavg()
    rounds: dict[tuple[str, int], list[list[dict[str, Any]]]] = {case: [] for case in CASES}
    for number in range(given.rounds):
        for case in CASES[number:] + CASES[:number]:
            print(f"round {number + 1}: {case[0]}", file=sys.stderr, flush=True)
            rounds[case].append(run(*case, given.steps))
    report = {
        "version": 1,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(load),
        "versions": versions(torch, diffusers, deepspeed),
        "training": {
            "parameters": rounds[CASES[0]][0][0]["parameters"], "precision": "fp32", "optimizer": "AdamW",
            "batchSize": BATCH, "latents": [4, SIDE, SIDE], "threadsOfARank": 1, "backend": "gloo",
        },
        "rounds": given.rounds, "steps": given.steps,
        "subjects": [subject(*case, rounds[case]) for case in CASES],
    }  # fmt: skip
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
