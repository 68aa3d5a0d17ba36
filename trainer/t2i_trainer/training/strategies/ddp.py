"""Ranks with the whole network each, which average their gradients (torch's DistributedDataParallel)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from . import ranks
from .single import Single


class Ddp(Single):
    """The weights are the same on every rank, so rank 0 alone writes them, and any number of ranks resumes."""

    def __init__(self) -> None:
        super().__init__()
        self.rank, self.world = ranks.join(self.device)

    def own_device(self) -> torch.device:
        return ranks.own_device()

    def wrap(self, unet: nn.Module) -> nn.Module:
        # Without buffers to send round, the forward pass alone needs no other rank.
        return DistributedDataParallel(
            unet, device_ids=[self.device] if self.device.type == "cuda" else None, forward_sync_buffers=False
        )

    def backward(self, loss: Callable[[], Tensor], last: bool) -> Tensor:
        if last:
            return super().backward(loss, last)
        # The ranks average once a step, with its last part.
        assert isinstance(self.wrapped, DistributedDataParallel)
        with self.wrapped.no_sync():
            return super().backward(loss, last)

    def total(self, tensor: Tensor) -> Tensor:
        return ranks.total(tensor)

    def barrier(self) -> None:
        ranks.barrier()

    def close(self) -> None:
        ranks.leave()
