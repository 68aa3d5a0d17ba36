"""What every training shares: precision, learning rate, EMA, random numbers that resume exactly."""

import contextlib
import random
import signal
from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from .stop import StopAsked

# Batches that each worker process has ready.
BATCHES_AHEAD = 8


def autocast(device: str, precision: str, cache: bool = True) -> contextlib.AbstractContextManager:
    """Autocast to bf16, or nothing; `cache` keeps the weights' bf16 copies for the other passes of a step."""
    return (
        torch.autocast(torch.device(device).type, torch.bfloat16, cache_enabled=cache)
        if precision == "bf16"
        else contextlib.nullcontext()
    )


def captured(module: nn.Module, sample: tuple[Tensor, ...], device: str, precision: str) -> nn.Module:
    """The module with its forward and backward pass in training replayed as CUDA graphs, for inputs of the shapes of
    `sample`. Of a small network a GPU computes each kernel faster than Python asks for the next one."""
    with autocast(device, precision, cache=False):
        return cast(nn.Module, torch.cuda.make_graphed_callables(module, sample, allow_unused_input=True))


def prepared(batches: Dataset, steps: range, workers: int, device: str, ahead: int = BATCHES_AHEAD) -> DataLoader:
    """`batches[step]` of these steps in order, made by so many processes, each `ahead` batches ahead, or by this one
    when needed where 0."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=ahead if workers else None,
        worker_init_fn=_work_until_told,
        # Copies from pinned memory do not wait for what the GPU is doing.
        pin_memory=on_gpu(device),
    )


def _work_until_told(_: int) -> None:
    """A signal to all processes ends training after a step, which may need batches still."""
    for number in StopAsked.SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def on_gpu(device: str) -> bool:
    return torch.device(device).type == "cuda"


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


def parameter_groups(model: nn.Module, weight_decay: float, scale: float = 1.0) -> list[dict]:
    """What an optimizer trains of `model`: matrices with weight decay, norms and biases without. `scale` is the share
    of the learning rate that they take (see `descend`)."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay, "scale": scale},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0, "scale": scale},
    ]


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, lr: float, clip: float | None = 1.0) -> None:
    """One step of the optimizer down the gradient of `loss` at the learning rate `lr`, times the `scale` of a group
    that has one; the gradient's norm is limited to `clip`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("scale", 1.0)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
    optimizer.step()


class Ema:
    """Moving average of the weights that a model trains, with the warm-up min(decay, (1 + step) / (10 + step))."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights = trained_weights(model)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        keep = min(self.decay, (1 + step) / (10 + step))
        current = dict(model.named_parameters())
        torch._foreach_lerp_(list(self.weights.values()), [current[name] for name in self.weights], 1 - keep)


def trained_weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the parameters that are not frozen, by name."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def set_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Sets the parameters of these names; raises KeyError where the model has none of a name."""
    parameters = dict(model.named_parameters())
    for name, tensor in weights.items():
        parameters[name].copy_(tensor)


@contextlib.contextmanager
def swapped_weights(model: nn.Module, weights: dict[str, Tensor]) -> Iterator[nn.Module]:
    """The model with other weights inside the block, its own again after it."""
    own = trained_weights(model)
    set_weights(model, weights)
    try:
        yield model
    finally:
        set_weights(model, own)


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


def step_generator(seed: int, step: int, device: str = "cpu", stream: int = 0) -> torch.Generator:
    """Random numbers of one step, the same in a resumed run as in one that was never stopped; those of stream 0 and 1
    are independent."""
    return torch.Generator(device).manual_seed((2 * (seed * 1_000_003 + step) + stream) & (2**63 - 1))


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy and torch; the initial weights depend on it."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def count_parameters(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)
