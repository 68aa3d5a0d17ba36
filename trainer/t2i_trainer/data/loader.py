"""The batch of each step: a function of (seed, step, rank, world) alone, so it does not matter which process makes it,
nor where a run was stopped."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from ..stage import Issue, StageError


class Source(Protocol):
    """Samples by index. Reading needs no model, so that any process can do it."""

    mirrors: bool
    """Whether half of them, drawn anew in each epoch, are read mirrored."""

    def __len__(self) -> int: ...

    def read(self, indices: Sequence[int], mirrored: Sequence[bool]) -> dict[str, Tensor]:
        """Tensors on the CPU by name, a row for each index."""
        ...


class Stream:
    """All epochs in a row, each its own permutation of the samples. Step `s` takes the next `batch` of the row, so that
    each sample comes exactly once in an epoch and no batch is short, though one may hold the end of an epoch and the
    start of the next."""

    def __init__(self, count: int, batch: int, seed: int, rank: int = 0, world: int = 1):
        """`batch` is that of all `world` ranks together. Raises StageError where it cannot be shared evenly."""
        if batch % world or batch > count:
            raise StageError(
                "OPTION_INVALID",
                f"batches of {batch} cannot be made of {count} samples for {world} processes",
                "Change training.batch_size.",
                (Issue("training.batch_size", f"a multiple of {world}, at most {count}", str(batch)),),
            )
        self.count, self.batch, self.seed = count, batch, seed
        self.share = batch // world
        self.offset = rank * self.share
        self.epoch, self.order = -1, np.empty(0, dtype=np.int64)

    def at(self, step: int) -> list[tuple[int, int]]:
        """(epoch, index) of each sample that this rank takes."""
        start = step * self.batch + self.offset
        places = [divmod(position, self.count) for position in range(start, start + self.share)]
        return [(epoch, int(self._order(epoch)[place])) for epoch, place in places]

    def steps(self, epochs: int) -> int:
        """How many steps it takes until each sample has come so many times."""
        return -(-epochs * self.count // self.batch)

    def epochs(self, steps: int) -> float:
        """Epochs that so many steps are."""
        return steps * self.batch / self.count

    def ends_epoch(self, steps: int) -> bool:
        """Whether the last of so many steps took the last sample of an epoch."""
        return steps * self.batch // self.count > (steps - 1) * self.batch // self.count

    def _order(self, epoch: int) -> np.ndarray:
        if epoch != self.epoch:
            self.epoch, self.order = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.count)
        return self.order


class Batches(Dataset):
    """`batches[step]`, what `Source.read` makes of a rank's share."""

    def __init__(self, source: Source, stream: Stream):
        self.source, self.stream = source, stream

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        places = self.stream.at(step)
        mirrored = [self.source.mirrors and _is_mirrored(self.stream.seed, *place) for place in places]
        return self.source.read([index for _, index in places], mirrored)


def _is_mirrored(seed: int, epoch: int, index: int) -> bool:
    # The last number keeps it apart from the order of the epoch.
    return np.random.default_rng([seed, epoch, index, 1]).random() < 0.5
