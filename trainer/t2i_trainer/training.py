"""What every training script shares: device and precision by flag, learning rate, EMA, checkpoints that resume
exactly."""

import argparse
import contextlib
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .files import write_atomically


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    """--device and --precision, the same for every script."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16 runs the forward under autocast; weights stay fp32",
    )


def autocast(device: str, precision: str) -> contextlib.AbstractContextManager:
    """Autocast to bf16, or nothing."""
    return (
        torch.autocast(torch.device(device).type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
    )


def learning_rate(step: int, peak: float, warmup: int, steps: int, decay: float) -> float:
    """Warm-up, constant, then linear to 0 over the last `decay` share of `steps` (the WSD schedule, Hu et al. 2024,
    arXiv 2404.06395).

    Unlike a cosine it does not depend on `steps` before the decay starts, so a run can be made longer or shorter while
    it goes.
    """
    start = steps * (1 - decay)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * min(1.0, max(0.0, (steps - step) / max(1.0, steps - start)))


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, lr: float, clip: float | None = 1.0) -> None:
    """One step of the optimizer down the gradient of `loss` at the learning rate `lr`, the gradient's norm limited to
    `clip`."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
    optimizer.step()


class Ema:
    """Moving average of a model's weights with the warm-up min(decay, (1 + step) / (10 + step))."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        keep = min(self.decay, (1 + step) / (10 + step))
        current = model.state_dict()
        floats = [name for name, tensor in self.weights.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.weights[name] for name in floats], [current[name] for name in floats], 1 - keep)


@contextlib.contextmanager
def swapped_weights(model: nn.Module, weights: dict[str, Tensor]):
    """The model with other weights inside the block, its own again after it."""
    own = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(weights)
    try:
        yield model
    finally:
        model.load_state_dict(own)


class EpochSampler:
    """Indices of each batch, a function of (seed, step) alone: every epoch is its own permutation, and a resumed run
    continues in the middle of one."""

    def __init__(self, count: int, batch: int, seed: int):
        if batch > count:
            raise ValueError(f"--batch: expected at most the {count} samples of the data, received {batch}")
        self.count, self.batch, self.seed = count, batch, seed
        self.epoch, self.order = -1, np.empty(0, dtype=np.int64)

    def indices(self, step: int) -> np.ndarray:
        per_epoch = self.count // self.batch
        epoch, place = divmod(step, per_epoch)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.count)
        return self.order[place * self.batch : (place + 1) * self.batch]


def step_generator(seed: int, step: int, device: str = "cpu") -> torch.Generator:
    """Random numbers of one step, the same in a resumed run as in one that was never stopped."""
    return torch.Generator(device).manual_seed((seed * 1_000_003 + step) & (2**63 - 1))


def save_checkpoint(path: Path, **state: object) -> None:
    """Writes tensors and plain values atomically; `load_checkpoint` reads nothing else."""
    write_atomically(path, lambda temporary: torch.save(state, temporary))


def load_checkpoint(path: Path, device: str = "cpu") -> dict | None:
    """The state that `save_checkpoint` wrote, or None where there is none. Never unpickles code."""
    return torch.load(path, map_location=device, weights_only=True) if path.exists() else None


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy and torch; the initial weights depend on it."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def count_parameters(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)
