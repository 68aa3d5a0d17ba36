"""How the ranks of a training share its work. Each strategy is a file; all look the same to the loop."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from ...params import TrainingParams
from ..memory import keep_freed_memory

AVERAGE = "ema.safetensors"
"""The averaged weights of a checkpoint, where one rank has them all."""


class Stepped(NamedTuple):
    """What became of a step of the optimizer."""

    applied: bool
    """False where a gradient overflowed in fp16: the weights are as before, the loss scale is smaller."""
    gradient_norm: Tensor
    """Over all ranks and before it was clipped: a number, on whatever device it was computed."""


class Strategy(Protocol):
    """The work of one rank. The methods are called by all ranks in the same order, except where they say otherwise."""

    rank: int
    world: int
    device: torch.device
    averaged: nn.Module
    """Its parameters are the weights that this rank keeps an average of."""

    def prepare(self, unet: UNet2DConditionModel, options: TrainingParams) -> None:
        """Puts the network on the device and makes its optimizer; called once and first."""
        ...

    def network(self, noisy: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        """The prediction for this rank's samples."""
        ...

    def autocast(self) -> contextlib.AbstractContextManager:
        """The precision of the forward pass."""
        ...

    def backward(self, loss: Callable[[], Tensor], last: bool) -> Tensor:
        """Computes a loss and adds its gradient, as one of `gradient_accumulation_steps` parts of a step, to those
        before. Returns the loss, without gradient."""
        ...

    def step(self, learning_rate: float) -> Stepped:
        """Moves the weights down the mean gradient of all ranks and parts."""
        ...

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over the ranks, on the tensor's device."""
        ...

    def barrier(self) -> None:
        """Waits until all ranks are here."""
        ...

    def publish(self) -> None:
        """Lets the network have what was written into `averaged`."""
        ...

    def whole(self) -> contextlib.AbstractContextManager:
        """Inside it the network of rank 0 has all its weights, which a rank may otherwise have a part of."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the weights and what the optimizer knows."""
        ...

    def load(self, folder: Path) -> None:
        """Reads what `save` wrote, on however many ranks."""
        ...

    def average_file(self) -> str | None:
        """The file in a checkpoint to which this rank writes its average; None where another rank writes the same."""
        ...

    def load_average(self, folder: Path) -> dict[str, Tensor]:
        """This rank's average of what the ranks wrote to these files, on its device."""
        ...

    def close(self) -> None:
        """Leaves the other ranks."""
        ...


def launched_ranks() -> int:
    """How many processes were started together by torchrun; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1))


def is_speaker() -> bool:
    """Whether this process is rank 0, the only one that writes events and files."""
    return int(os.environ.get("RANK", 0)) == 0


def new_strategy(name: str) -> Strategy:
    """The strategy of the option `training.strategy` for this process."""
    if not torch.cuda.is_available():
        keep_freed_memory()
    if name.startswith("zero"):
        from .zero import Zero

        return Zero(int(name[-1]))
    if launched_ranks() == 1:
        from .single import Single

        return Single()
    from .ddp import Ddp

    return Ddp()
