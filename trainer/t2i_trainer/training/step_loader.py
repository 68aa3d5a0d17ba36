"""The batches of a training, loaded while the step before is computed."""

from collections.abc import Iterator

from torch import Tensor
from torch.utils.data import Dataset

from .steps import prepared

AHEAD = 2
"""Batches that each worker has ready. They are in shared memory, of which containers have little (64 MB in Docker)."""


class StepLoader:
    """`batches[step]` of the steps 0..steps-1, asked for in order from any step on."""

    def __init__(self, batches: Dataset, steps: int, workers: int, device: str):
        """`workers` processes load ahead; without any a batch is loaded when it is asked for. For a GPU batches are in
        pinned memory."""
        self.batches, self.steps, self.workers, self.device = batches, steps, workers, device
        self.next = -1
        self.waiting: Iterator[dict[str, Tensor]] = iter(())

    def at(self, step: int) -> dict[str, Tensor]:
        if step != self.next:
            self.waiting = self._from(step)
        self.next = step + 1
        return next(self.waiting)

    def _from(self, step: int) -> Iterator[dict[str, Tensor]]:
        return iter(prepared(self.batches, range(step, self.steps), self.workers, self.device, AHEAD))
